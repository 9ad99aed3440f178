//! A request log of a real engine, replayed against the modelled one: same arrivals, same lengths. Knows the log's lines
//! and percentiles; must not know files.

use super::closed_loop::{engine, replica};
use super::measured::{Measured, Quantity};
use super::table::Findings;
use crate::replica::{Job, JobId, Output};
use crate::stats::sorted_quantile;
use crate::time::{SimTime, Span};
use crate::timing::{EngineKind, StepTime};
use crate::workload::Chain;
use std::sync::Arc;

/// The percentiles that are compared.
pub const PERCENTILES: [f64; 5] = [0.5, 0.75, 0.9, 0.95, 0.99];

const NS_PER_S: u64 = 1_000_000_000;

/// One request.
#[derive(Clone, Copy, Debug)]
struct Request {
    at: SimTime,
    input: u32,
    output: u32,
    ttft_ms: f64,
    e2e_ms: f64,
    /// When it was first part of a step, where the log says.
    scheduled: Option<SimTime>,
}

/// Requests in the batch and in the queue, second by second.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curves {
    /// Seconds, running and waiting, as the log's own times say; preempted requests count as running there.
    pub measured: Vec<(f64, u32, u32)>,
    /// The same of the model.
    pub modelled: Vec<(f64, u32, u32)>,
}

/// A log and the engine it came from.
#[derive(Clone, Debug)]
pub struct Log {
    requests: Vec<Request>,
    /// KV blocks of the engine.
    pub kv_blocks: u32,
    /// Token budget of a step.
    pub max_num_batched_tokens: u32,
    /// The most sequences at once.
    pub max_num_seqs: u32,
    /// Whose scheduler.
    pub engine: EngineKind,
}

impl Log {
    /// Reads JSON lines with `input_toks`, `output_toks`, `queued_ts`, `first_token_ts`, `last_token_ts` (seconds of one
    /// clock). Requests enter the engine when they were queued, so what the front end took before is not part of it.
    pub fn parse(text: &str, kv_blocks: u32, budget: u32, max_num_seqs: u32) -> Result<Log, Findings> {
        let (mut rows, mut findings) = (Vec::new(), Vec::new());
        for (line, text) in (1..).zip(text.lines()).filter(|(_, text)| !text.trim().is_empty()) {
            let Ok(value) = serde_json::from_str::<serde_json::Value>(text) else {
                findings.push(format!("line {line}: this is no JSON object"));
                continue;
            };
            let mut number = |field: &str| {
                let number = value[field].as_f64().filter(|number| number.is_finite() && *number >= 0.0);
                if number.is_none() {
                    findings.push(format!("line {line}: {field} must be a number from 0"));
                }
                number
            };
            let fields = ["input_toks", "output_toks", "queued_ts", "first_token_ts", "last_token_ts"]
                .map(&mut number);
            if let [Some(input), Some(output), Some(queued), Some(first), Some(last)] = fields {
                if input < 1.0 || output < 1.0 || first < queued || last < first {
                    findings.push(format!("line {line}: lengths are at least 1 and times in order"));
                    continue;
                }
                let scheduled = value["scheduled_ts"].as_f64().unwrap_or(f64::NAN);
                rows.push([queued, input, output, first, last, scheduled]);
            }
        }
        if !findings.is_empty() {
            return Err(findings);
        }
        rows.sort_by(|a, b| a[0].total_cmp(&b[0]));
        let start = rows.first().map_or(0.0, |row| row[0]);
        let since_start = |seconds: f64| SimTime(((seconds - start) * 1e9).round() as u64);
        let request = |row: &[f64; 6]| Request {
            at: since_start(row[0]),
            input: row[1] as u32,
            output: row[2] as u32,
            ttft_ms: (row[3] - row[0]) * 1e3,
            e2e_ms: (row[4] - row[0]) * 1e3,
            scheduled: (row[5] >= row[0]).then(|| since_start(row[5])),
        };
        let requests = rows.iter().map(request).collect();
        Ok(Log {
            requests,
            kv_blocks,
            max_num_batched_tokens: budget,
            max_num_seqs,
            engine: EngineKind::Vllm,
        })
    }
    /// The longest prompt with its output, tokens.
    pub fn longest_context(&self) -> Option<u32> {
        self.requests.iter().map(|request| request.input.saturating_add(request.output)).max()
    }
    /// How many requests it has.
    pub fn len(&self) -> usize {
        self.requests.len()
    }
    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }
    /// Percentiles of TTFT, TPOT and E2E as measured, the means first.
    pub fn measured(&self) -> Vec<Measured> {
        let times = self.requests.iter().map(|request| (request.ttft_ms, request.e2e_ms, request.output));
        let names = [Quantity::Ttft, Quantity::Tpot, Quantity::E2e];
        let each = 1 + PERCENTILES.len();
        let numbers = numbers(times.collect());
        numbers
            .into_iter()
            .enumerate()
            .map(|(at, ms)| Measured { quantity: names[at / each], ms: ms.max(1e-3), weight: 1.0 })
            .collect()
    }
    /// The same numbers with steps that take `timing`.
    pub fn play(&self, timing: Arc<dyn StepTime>) -> Vec<f64> {
        self.play_and_look(timing, &mut |_, _, _| {})
    }
    /// Who runs and who waits, each second, as logged and with steps that take `timing`; `None` where the log does not
    /// say when requests were scheduled.
    pub fn curves(&self, timing: Arc<dyn StepTime>) -> Option<Curves> {
        let mut curves = Curves::default();
        let end = |request: &Request| request.at + Span((request.e2e_ms * 1e6) as u64);
        let last = self.requests.iter().map(end).max()?;
        for second in 0..=last.0 / NS_PER_S {
            let now = SimTime(second * NS_PER_S);
            let (mut running, mut waiting) = (0, 0);
            for request in self.requests.iter().filter(|request| request.at <= now && now < end(request)) {
                if request.scheduled? <= now { running += 1 } else { waiting += 1 }
            }
            curves.measured.push((second as f64, running, waiting));
        }
        let modelled = &mut curves.modelled;
        self.play_and_look(timing, &mut |second, running, waiting| {
            modelled.push((second as f64, running, waiting));
        });
        Some(curves)
    }
    /// Plays it, and tells of each full second who runs and who waits.
    fn play_and_look(&self, timing: Arc<dyn StepTime>, look: &mut dyn FnMut(u64, u32, u32)) -> Vec<f64> {
        let params = engine(self.engine, self.kv_blocks, self.max_num_batched_tokens, self.max_num_seqs);
        let mut replica = replica(params, timing);
        let mut times = vec![(f64::NAN, f64::NAN, 2); self.requests.len()];
        let (mut next, mut out, mut second) = (0, Vec::new(), 0);
        loop {
            let arrival = self.requests.get(next).map(|request| request.at);
            let soonest = arrival.into_iter().chain(replica.wake_at()).min();
            while soonest.is_some_and(|soonest| second * NS_PER_S < soonest.0) {
                replica.advance_to(SimTime(second * NS_PER_S));
                let load = replica.load();
                look(second, load.running, load.waiting);
                second += 1;
            }
            match (arrival, replica.wake_at()) {
                (None, None) => break,
                (Some(at), wake) if wake.is_none_or(|wake| at <= wake) => {
                    let request = &self.requests[next];
                    let job = Job {
                        id: JobId(next as u32),
                        prompt_tokens: request.input,
                        output_tokens: request.output,
                        priority: 0,
                        chain: Chain::new(),
                    };
                    replica.advance_to(at);
                    replica.deliver(at, &job, &mut out);
                    next += 1;
                }
                (_, wake) => {
                    replica.wake(wake.expect("one of the two is there"), &mut out);
                }
            }
            for output in out.drain(..) {
                match output {
                    Output::FirstToken { job, at, .. } => {
                        let place = job.0 as usize;
                        times[place].0 = at.since(self.requests[place].at).as_ms_f64();
                    }
                    Output::Ended { job, at, tokens, .. } => {
                        let place = job.0 as usize;
                        times[place].1 = at.since(self.requests[place].at).as_ms_f64();
                        times[place].2 = tokens.output;
                    }
                }
            }
        }
        numbers(times)
    }
}

/// Mean and percentiles of TTFT, of TPOT over requests with two tokens at least, of E2E.
fn numbers(times: Vec<(f64, f64, u32)>) -> Vec<f64> {
    let tpot =
        |(ttft, e2e, output): &(f64, f64, u32)| (*output > 1).then(|| (e2e - ttft) / f64::from(output - 1));
    let columns: [Vec<f64>; 3] = [
        times.iter().map(|time| time.0).collect(),
        times.iter().filter_map(tpot).collect(),
        times.iter().map(|time| time.1).collect(),
    ];
    let mut numbers = Vec::new();
    for mut column in columns {
        column.sort_by(f64::total_cmp);
        numbers.push(column.iter().sum::<f64>() / column.len().max(1) as f64);
        numbers.extend(PERCENTILES.iter().map(|&p| sorted_quantile(&column, p).unwrap_or(f64::NAN)));
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timing::{BatchShape, Line};

    /// A second a step.
    #[derive(Debug)]
    struct Second;
    impl StepTime for Second {
        fn line(&self, _: &BatchShape) -> Line {
            Line { base_ps: 1_000_000_000_000, slope_ps: 0, until_context: u64::MAX }
        }
    }

    #[test]
    fn who_ran_and_who_waited_by_hand() {
        // One place in the batch. A has three tokens, from 0 to 3; B comes at 0.5 and has two, from 3 to 5.
        let line = |queued: f64, output: u32, scheduled: f64, first: f64, last: f64| {
            format!(
                "{{\"input_toks\": 10, \"output_toks\": {output}, \"queued_ts\": {queued}, \"scheduled_ts\": \
                 {scheduled}, \"first_token_ts\": {first}, \"last_token_ts\": {last}}}\n"
            )
        };
        let text = line(7.0, 3, 7.0, 8.0, 10.0) + &line(7.5, 2, 10.0, 11.0, 12.0);
        let log = Log::parse(&text, 100, 100, 1).unwrap();
        let curves = log.curves(Arc::new(Second)).expect("the log says when requests were scheduled");
        let expected = [(0.0, 1, 0), (1.0, 1, 1), (2.0, 1, 1), (3.0, 1, 0), (4.0, 1, 0)];
        assert_eq!(curves.modelled, expected);
        assert_eq!(curves.measured[..5], expected);
        assert_eq!(curves.measured[5..], [(5.0, 0, 0)]);
        let silent = text.replace("scheduled_ts", "was_scheduled");
        assert_eq!(Log::parse(&silent, 100, 100, 1).unwrap().curves(Arc::new(Second)), None);
    }
}
