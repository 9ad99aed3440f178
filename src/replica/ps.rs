//! Processor sharing: all jobs are served at once, each at an equal share of the server. Time is kept as the work
//! that each job has had since the start, in 2^-32 ns, so that an arrival or a departure changes nothing about the
//! others: a job leaves when that clock reaches what it read at the job's arrival plus the job's own work.

use super::params::QueueParams;
use super::{Job, JobId, Output, Tokens, service_time};
use crate::observe::{Load, Outcome, Work};
use crate::time::{PS_PER_NS, SimTime, Span};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

const FRACTION_BITS: u32 = 32;

/// By (share clock at departure, order of arrival): the job, when it arrived, its prompt and output.
type Sharing = (u128, u64, JobId, SimTime, u32, u32);

/// A processor-sharing server.
#[derive(Debug)]
pub struct ProcessorSharing {
    params: QueueParams,
    jobs: BinaryHeap<Reverse<Sharing>>,
    /// The work each job has had since the start, in 2^-32 ns.
    share: u128,
    /// When `share` was last brought up to date.
    updated: SimTime,
    arrivals: u64,
    /// Thousandths of its usual time that work takes.
    slow_per_mille: u32,
    work: Work,
}

impl ProcessorSharing {
    /// An empty server.
    pub fn new(params: QueueParams) -> ProcessorSharing {
        ProcessorSharing {
            params,
            jobs: BinaryHeap::new(),
            share: 0,
            updated: SimTime::ZERO,
            arrivals: 0,
            slow_per_mille: 1000,
            work: Work::default(),
        }
    }
    fn update(&mut self, now: SimTime) {
        let elapsed = (now - self.updated).0;
        if !self.jobs.is_empty() {
            let sharers = self.jobs.len() as u128 * u128::from(self.slow_per_mille);
            self.share += (u128::from(elapsed) << FRACTION_BITS) * 1000 / sharers;
            self.work.busy_ps += elapsed * PS_PER_NS;
        }
        self.updated = now;
    }
    /// A job arrives and is served from now on, unless the server is full.
    pub fn deliver(&mut self, now: SimTime, job: &Job, out: &mut Vec<Output>) {
        self.update(now);
        if self.params.capacity.is_some_and(|capacity| self.jobs.len() >= capacity as usize) {
            let outcome = Outcome::QueueFull;
            out.push(Output::Ended { job: job.id, at: now, outcome, tokens: Tokens::default() });
            return;
        }
        let departure = self.share + (u128::from(service_time(&self.params, job).0) << FRACTION_BITS);
        let order = self.arrivals;
        self.arrivals += 1;
        self.jobs.push(Reverse((departure, order, job.id, now, job.prompt_tokens, job.output_tokens)));
    }
    /// From now on work takes so many thousandths of its time.
    pub fn set_slow(&mut self, now: SimTime, per_mille: u32) {
        self.update(now);
        self.slow_per_mille = per_mille;
    }
    /// A job goes; the others share what it had.
    pub fn cancel(&mut self, now: SimTime, job: JobId, out: &mut Vec<Output>) {
        self.update(now);
        let before = self.jobs.len();
        self.jobs.retain(|Reverse((_, _, other, ..))| *other != job);
        if self.jobs.len() < before {
            out.push(Output::Ended { job, at: now, outcome: Outcome::TimedOut, tokens: Tokens::default() });
        }
    }
    /// When the next job leaves if none arrives: rounded up to the next nanosecond.
    pub fn wake_at(&self) -> Option<SimTime> {
        let Reverse((departure, ..)) = self.jobs.peek()?;
        let work = departure.saturating_sub(self.share) * self.jobs.len() as u128;
        let elapsed = (work * u128::from(self.slow_per_mille)).div_ceil(1000 << FRACTION_BITS);
        Some(SimTime(self.updated.0 + elapsed as u64))
    }
    /// Lets those leave that have had their work, to within a nanosecond of it.
    pub fn wake(&mut self, now: SimTime, out: &mut Vec<Output>) {
        self.update(now);
        while let Some(&Reverse((departure, _, job, arrived, prompt, output))) = self.jobs.peek() {
            if departure > self.share {
                break;
            }
            self.jobs.pop();
            self.work.completed += 1;
            // What was done for those who have left belongs to nobody.
            self.work.prompt_tokens += u64::from(prompt);
            self.work.computed_tokens += u64::from(prompt);
            self.work.output_tokens += u64::from(output);
            self.work.steps += 1;
            self.work.sequence_steps += 1;
            out.push(Output::FirstToken { job, scheduled_at: arrived, at: now });
            let tokens = Tokens { computed: prompt, output, ..Tokens::default() };
            out.push(Output::Ended { job, at: now, outcome: Outcome::Completed, tokens });
        }
    }
    /// Its load now.
    pub fn load(&self) -> Load {
        Load { running: self.jobs.len() as u32, ..Load::default() }
    }
    /// How long a job that came now would take if nobody came or left: its service for each that shares, and of that
    /// what the others cost it.
    pub fn estimate(&self, job: &Job) -> (Span, Span) {
        let own = service_time(&self.params, job).0 * u64::from(self.slow_per_mille) / 1000;
        (Span(own * self.jobs.len() as u64), Span(own))
    }
    /// Its work so far.
    pub fn work(&self) -> Work {
        self.work
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two jobs of 2 ms share the server; one leaves after 2 ms, of which each had half. The other has 1 ms to go.
    #[test]
    fn who_leaves_makes_room_and_counts_for_nothing() {
        let params = QueueParams {
            slots: 1,
            capacity: None,
            per_request: Span::from_us(2_000),
            per_prompt_token: Span::ZERO,
            per_output_token: Span::ZERO,
        };
        let (mut server, mut out) = (ProcessorSharing::new(params), Vec::new());
        for id in [0, 1] {
            let job = Job { id: JobId(id), prompt_tokens: 100, output_tokens: 7, ..Job::default() };
            server.deliver(SimTime::ZERO, &job, &mut out);
        }
        assert_eq!(server.wake_at(), Some(SimTime(4_000_000)));
        server.cancel(SimTime(2_000_000), JobId(0), &mut out);
        assert_eq!(server.wake_at(), Some(SimTime(3_000_000)));
        server.wake(SimTime(3_000_000), &mut out);
        let told = |output: &Output| match *output {
            Output::Ended { job, outcome, tokens, .. } => Some((job.0, outcome, tokens.computed)),
            Output::FirstToken { .. } => None,
        };
        let told: Vec<_> = out.iter().filter_map(told).collect();
        assert_eq!(told, [(0, Outcome::TimedOut, 0), (1, Outcome::Completed, 100)]);
        let work = server.work();
        assert_eq!((work.prompt_tokens, work.computed_tokens, work.output_tokens), (100, 100, 7));
        assert_eq!((work.completed, work.busy_ps), (1, 3_000_000 * PS_PER_NS));
    }
}
