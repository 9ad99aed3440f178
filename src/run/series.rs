//! The time line: what happened in each region in each window. Requests are counted in the window in which they
//! were sent to the region or ended at their client; loads are those of the sample that closes the window.

use crate::id::{Id, IdVec, RegionId, ReplicaId};
use crate::observe::{Observation, Observer, Outcome, ReplicaSample, Work};
use crate::stats;
use crate::time::{PS_PER_NS, SimTime, Span};
use std::collections::VecDeque;

/// One region in one window.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SeriesRow {
    /// When the window starts.
    pub start: SimTime,
    /// The region.
    pub region: RegionId,
    /// Requests sent to the region.
    pub sent: u64,
    /// Requests that ended completed, having been served by it.
    pub completed: u64,
    /// Requests that ended otherwise, having been sent to it.
    pub not_completed: u64,
    /// Median TTFT of those completed in the window, nanoseconds.
    pub ttft_p50_ns: Option<f64>,
    /// 99th percentile of the same, nanoseconds; with few requests it is their largest.
    pub ttft_p99_ns: Option<f64>,
    /// Cached prompt tokens over prompt tokens of those completed in the window.
    pub hit_rate: Option<f64>,
    /// Output tokens of those completed in the window.
    pub output_tokens: u64,
    /// Requests in running batches when the window closed.
    pub running: u64,
    /// Requests waiting for a batch when the window closed.
    pub waiting: u64,
    /// KV blocks in use over KV blocks when the window closed.
    pub kv_use: Option<f64>,
    /// Share of the window the region's replicas spent in engine steps.
    pub busy: Option<f64>,
    /// Replicas that took new requests when the window closed.
    pub replicas: Option<u64>,
}

#[derive(Clone, Debug, Default)]
struct Window {
    sent: u64,
    not_completed: u64,
    ttfts_ns: Vec<f64>,
    cached: u64,
    prompt: u64,
    output: u64,
    running: u64,
    waiting: u64,
    kv_used: u64,
    kv_total: u64,
    busy_ps: u64,
    up: u64,
    sampled: bool,
    /// The time the samples cover, summed over replicas.
    sampled_ns: u64,
}

impl Window {
    /// Its row; it is blank again, with its memory.
    fn close(&mut self, start: SimTime, region: RegionId) -> SeriesRow {
        let mut ttfts = std::mem::take(&mut self.ttfts_ns);
        let ratio = |part: u64, whole: u64| (whole > 0).then(|| part as f64 / whole as f64);
        let row = SeriesRow {
            start,
            region,
            sent: self.sent,
            completed: ttfts.len() as u64,
            not_completed: self.not_completed,
            ttft_p50_ns: stats::quantile(&mut ttfts, 0.50),
            ttft_p99_ns: stats::quantile(&mut ttfts, 0.99),
            hit_rate: ratio(self.cached, self.prompt),
            output_tokens: self.output,
            running: self.running,
            waiting: self.waiting,
            kv_use: ratio(self.kv_used, self.kv_total),
            busy: ratio(self.busy_ps / PS_PER_NS, self.sampled_ns),
            replicas: self.sampled.then_some(self.up),
        };
        ttfts.clear();
        *self = Window { ttfts_ns: ttfts, ..Window::default() };
        row
    }
}

/// Builds the time line. A window is closed, and its TTFTs forgotten, when the one after the next begins: the
/// sample that closes a window is taken at the instant at which the next one begins.
#[derive(Debug)]
pub struct SeriesSink {
    window: Span,
    /// The first window that is open.
    first: u64,
    /// Open windows from `first` on, of each the regions heard of.
    open: VecDeque<Vec<Window>>,
    spare: Vec<Vec<Window>>,
    /// Closed windows in which anything happened, by window and region.
    closed: Vec<SeriesRow>,
    last: IdVec<ReplicaId, (SimTime, Work)>,
}

impl SeriesSink {
    /// A time line with windows of this length, at least a nanosecond.
    pub fn new(window: Span) -> Self {
        SeriesSink {
            window: Span(window.0.max(1)),
            first: 0,
            open: VecDeque::new(),
            spare: Vec::new(),
            closed: Vec::new(),
            last: IdVec::new(),
        }
    }

    /// The window that `time` lies in; one that is closed already is taken for the first that is open.
    fn at(&mut self, time: SimTime, region: RegionId) -> &mut Window {
        let index = (time.0 / self.window.0).max(self.first);
        if self.open.is_empty() {
            // The window before may still be closed by a sample.
            self.first = index.saturating_sub(1).max(self.first);
        }
        let index = (index - self.first) as usize;
        while self.open.len() <= index {
            self.open.push_back(self.spare.pop().unwrap_or_default());
        }
        let regions = &mut self.open[index];
        if regions.len() <= region.index() {
            regions.resize_with(region.index() + 1, Window::default);
        }
        &mut regions[region.index()]
    }

    /// Closes all windows before `index`.
    fn close_before(&mut self, index: u64) {
        while self.first < index {
            let Some(mut regions) = self.open.pop_front() else { break };
            let start = SimTime(self.first * self.window.0);
            let rows = (0..).zip(&mut regions).map(|(region, window)| window.close(start, RegionId(region)));
            self.closed.extend(rows);
            self.spare.push(regions);
            self.first += 1;
        }
    }

    fn sampled(&mut self, now: SimTime, sample: &ReplicaSample) {
        while self.last.len() <= sample.replica.index() {
            self.last.push((SimTime::ZERO, Work::default()));
        }
        let (before, work) = std::mem::replace(&mut self.last[sample.replica], (now, sample.work));
        if before == now && now > SimTime::ZERO {
            return; // The run ended at a sampling instant: this load is already counted.
        }
        // A sample at the very end of a window closes it and does not open the next.
        let window = self.at(SimTime(now.0.saturating_sub(1)), sample.region);
        window.sampled = true;
        window.up += u64::from(sample.up);
        window.running += u64::from(sample.load.running);
        window.waiting += u64::from(sample.load.waiting);
        window.kv_used += u64::from(sample.load.kv_used_blocks);
        window.kv_total += u64::from(sample.load.kv_total_blocks);
        window.busy_ps += sample.work.busy_ps - work.busy_ps;
        window.sampled_ns += now.since(before).0;
    }

    /// The time line, by window and region: a row for every region in every window up to `end`.
    pub fn finish(mut self, regions: usize, end: SimTime) -> Vec<SeriesRow> {
        if end == SimTime::ZERO {
            return Vec::new();
        }
        self.close_before(u64::MAX);
        let last = (end.0 - 1) / self.window.0;
        let known = |row: &SeriesRow| row.region.index() < regions;
        let mut closed = self.closed.into_iter().filter(known).peekable();
        let mut rows = Vec::new();
        for index in 0..=last {
            let start = SimTime(index * self.window.0);
            for region in (0..regions).map(RegionId::new) {
                let known = closed.next_if(|row| (row.start, row.region) == (start, region));
                rows.push(known.unwrap_or(SeriesRow { start, region, ..SeriesRow::default() }));
            }
        }
        rows
    }
}

impl Observer for SeriesSink {
    fn observe(&mut self, now: SimTime, observation: &Observation<'_>) {
        self.close_before((now.0 / self.window.0).saturating_sub(1));
        match observation {
            Observation::Sent { region, .. } => self.at(now, *region).sent += 1,
            Observation::Ended(row) => {
                // A request is still under way when it is in flight: its end is the run's, not its own.
                let (Some(region), false) = (row.region, row.outcome == Outcome::InFlight) else { return };
                let ttft = row.ttft();
                let window = self.at(row.ended_at, region);
                match (row.outcome, ttft) {
                    (Outcome::Completed, Some(ttft)) => {
                        window.ttfts_ns.push(ttft.0 as f64);
                        window.cached += u64::from(row.cached_tokens);
                        window.prompt += u64::from(row.prompt_tokens);
                        window.output += u64::from(row.output_tokens);
                    }
                    _ => window.not_completed += 1,
                }
            }
            Observation::Sampled(sample) => self.sampled(now, sample),
            Observation::Arrived { .. }
            | Observation::Restricted { .. }
            | Observation::Decided(_)
            | Observation::TurnedAway(_)
            | Observation::Stepped { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::{Load, RequestRow};

    #[test]
    fn windows_hold_what_ended_in_them_and_the_sample_that_closed_them() {
        let mut sink = SeriesSink::new(Span(100));
        let region = RegionId(1);
        let ended = |ended_at: u64, ttft: u64| RequestRow {
            region: Some(region),
            outcome: Outcome::Completed,
            first_token_at: Some(SimTime(ttft)),
            ended_at: SimTime(ended_at),
            prompt_tokens: 10,
            cached_tokens: 4,
            output_tokens: 2,
            ..Default::default()
        };
        sink.observe(SimTime(50), &Observation::Ended(&ended(50, 20)));
        sink.observe(SimTime(60), &Observation::Ended(&ended(99, 40)));
        let sample = |busy_ps| ReplicaSample {
            replica: ReplicaId(0),
            pool: crate::id::PoolId(0),
            region,
            load: Load {
                running: 3,
                waiting: 1,
                kv_used_blocks: 5,
                kv_total_blocks: 20,
                ..Default::default()
            },
            work: Work { busy_ps, ..Default::default() },
            up: true,
        };
        sink.observe(SimTime(100), &Observation::Sampled(&sample(25_000)));
        sink.observe(SimTime(100), &Observation::Ended(&ended(100, 70)));
        sink.observe(SimTime(200), &Observation::Sampled(&sample(100_000)));
        let rows = sink.finish(2, SimTime(200));
        assert_eq!(rows.len(), 4, "two windows of two regions");
        let first = rows[1];
        assert_eq!((first.completed, first.running, first.waiting, first.output_tokens), (2, 3, 1, 4));
        // TTFTs 20 and 40: the median lies half-way, p99 at 20 + 0.99 * 20.
        assert_eq!(first.ttft_p50_ns, Some(30.0));
        assert!((first.ttft_p99_ns.unwrap() - 39.8).abs() < 1e-9);
        assert_eq!((first.hit_rate, first.kv_use, first.busy), (Some(0.4), Some(0.25), Some(0.25)));
        let second = rows[3];
        assert_eq!((second.start, second.completed, second.busy), (SimTime(100), 1, Some(0.75)));
        assert_eq!((first.replicas, rows[0].replicas), (Some(1), None));
        assert_eq!(rows[0].ttft_p50_ns, None);
    }
}
