//! Open-loop runs: requests at a constant rate against one replica, prompts out of a set that goes round, means and
//! percentiles measured. Knows the columns of such a table and how a run is played; must not know how it is fitted.

use super::closed_loop::{engine, kv_blocks, replica};
use super::measured::{Hardware, Measured, Quantity};
use super::sample::{Sample, What};
use super::table::{Findings, Table};
use crate::replica::{EngineParams, Job, JobId, Output};
use crate::stats::sorted_quantile;
use crate::time::SimTime;
use crate::timing::{Constants, EngineKind, ProfileParams, StepTime};
use crate::workload::{Chain, Run as Blocks};
use std::sync::Arc;

/// A run.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Requests a second, evenly spaced.
    pub rate_per_s: f64,
    /// Requests that count.
    pub requests: u32,
    /// Prompt tokens.
    pub prompt_tokens: u32,
    /// Output tokens.
    pub output_tokens: u32,
    /// Different prompts, sent in turn; 0 makes every prompt a new one.
    pub distinct_prompts: u32,
    /// Whether all of them were sent before, so that the cache knows them.
    pub warm: bool,
    /// Token budget of a step.
    pub max_num_batched_tokens: u32,
    /// The most sequences at once.
    pub max_num_seqs: u32,
    /// Whose scheduler.
    pub engine: EngineKind,
    /// What is modelled, in this order: the quantity, and the percentile or the mean.
    pub wanted: Vec<(Quantity, Option<f64>)>,
}

/// Columns of what was measured.
const MEASURED: [(&str, Quantity, Option<f64>, f64); 7] = [
    ("ttft_mean_ms", Quantity::Ttft, None, 0.3),
    ("ttft_p50_ms", Quantity::TtftP50, Some(0.5), 0.3),
    ("ttft_p90_ms", Quantity::TtftP90, Some(0.9), 0.3),
    ("ttft_p99_ms", Quantity::TtftP99, Some(0.99), 0.1),
    ("e2e_mean_ms", Quantity::E2e, None, 1.0),
    ("e2e_p90_ms", Quantity::E2eP90, Some(0.9), 0.3),
    ("e2e_p99_ms", Quantity::E2eP99, Some(0.99), 0.1),
];

/// Whether a table is one of runs.
pub fn is(table: &Table) -> bool {
    table.has("rate_per_s")
}

/// Reads runs: `rate_per_s`, `requests`, `prompt_tokens`, `output_tokens` and one at least of `ttft_mean_ms`, `ttft_p50_ms`,
/// `ttft_p90_ms`, `ttft_p99_ms`, `e2e_mean_ms`, `e2e_p90_ms`, `e2e_p99_ms`; optional `distinct_prompts`, `warm` (yes or no),
/// `max_num_batched_tokens`, `max_num_seqs`, `engine`, `source`.
pub fn read(
    table: &Table,
    mut hardware: impl FnMut(u64, &[String], &mut Findings) -> Option<Hardware>,
    file: &str,
) -> Result<Vec<Sample>, Findings> {
    table.needs(&["rate_per_s", "requests", "prompt_tokens", "output_tokens"])?;
    let (mut samples, mut findings) = (Vec::new(), Vec::new());
    for (line, cells) in &table.rows {
        let row = (*line, cells.as_slice());
        let before = findings.len();
        let found = hardware(*line, cells, &mut findings);
        let rate = table.number(row, "rate_per_s", (1e-3, 1e6), &mut findings);
        let requests = table.number(row, "requests", (1u32, 1_000_000), &mut findings);
        let prompt = table.number(row, "prompt_tokens", (1u32, 10_000_000), &mut findings);
        let output = table.number(row, "output_tokens", (1u32, 10_000_000), &mut findings);
        let distinct = table.number(row, "distinct_prompts", (0u32, 1_000_000), &mut findings);
        let budget = table.number(row, "max_num_batched_tokens", (1u32, 10_000_000), &mut findings);
        let seqs = table.number(row, "max_num_seqs", (1u32, 1_048_576), &mut findings);
        let engine = super::points::engine(table, row, &mut findings);
        let warm = match table.text(cells, "warm") {
            "yes" => true,
            "" | "no" => false,
            other => {
                findings.push(format!("line {line}: warm is `{other}`, but must be yes or no"));
                continue;
            }
        };
        let (mut measured, mut wanted) = (Vec::new(), Vec::new());
        for (column, quantity, percentile, weight) in MEASURED {
            if let Some(ms) = table.number(row, column, (1e-3, 1e9), &mut findings) {
                measured.push(Measured { quantity, ms, weight });
                wanted.push((quantity, percentile));
            }
        }
        let (Some(hardware), Some(rate_per_s), Some(requests), Some(prompt_tokens), Some(output_tokens)) =
            (found, rate, requests, prompt, output)
        else {
            if findings.len() == before {
                findings.push(format!(
                    "line {line}: rate_per_s, requests, prompt_tokens or output_tokens is empty"
                ));
            }
            continue;
        };
        let run = Run {
            rate_per_s,
            requests,
            prompt_tokens,
            output_tokens,
            distinct_prompts: distinct.unwrap_or(0),
            warm,
            max_num_batched_tokens: budget.unwrap_or(8_192),
            max_num_seqs: seqs.unwrap_or(1_024),
            engine: engine.unwrap_or_default(),
            wanted,
        };
        let e2e = measured.iter().find(|measured| measured.quantity == Quantity::E2e);
        let source = table.text(cells, "source");
        samples.push(Sample {
            hardware,
            source: if source.is_empty() { file.to_owned() } else { source.to_owned() },
            input_tokens: prompt_tokens,
            // By Little's law.
            concurrency: e2e.map_or(0, |e2e| (rate_per_s * e2e.ms / 1e3).ceil() as u32),
            what: What::Run(run),
            measured,
        });
    }
    if findings.is_empty() { Ok(samples) } else { Err(findings) }
}

impl Run {
    /// The engine, or nothing where the weights leave no room.
    fn engine(&self, hardware: &Hardware) -> Option<EngineParams> {
        let blocks = kv_blocks(hardware, self.max_num_batched_tokens)?;
        let params = engine(self.engine, blocks, self.max_num_batched_tokens, self.max_num_seqs);
        Some(EngineParams { prefix_cache: true, ..params })
    }
    /// The numbers that are wanted, milliseconds.
    pub fn play(&self, hardware: &Hardware, timing: Arc<dyn StepTime>, constants: &Constants) -> Vec<f64> {
        let Some(params) = self.engine(hardware) else { return vec![f64::NAN; self.wanted.len()] };
        let block_tokens = params.block_tokens;
        let mut replica = replica(params, timing);
        let ingress = ProfileParams::from(*constants).ingress.of(self.prompt_tokens);
        let before = if self.warm { self.distinct_prompts } else { 0 };
        let total = before + self.requests;
        let sent = |request: u32| SimTime((f64::from(request) / self.rate_per_s * 1e9).round() as u64);
        let mut times = vec![(f64::NAN, f64::NAN); total as usize];
        let (mut next, mut out) = (0, Vec::new());
        loop {
            let arrival = (next < total).then(|| sent(next) + ingress);
            match (arrival, replica.wake_at()) {
                (None, None) => break,
                (Some(at), wake) if wake.is_none_or(|wake| at <= wake) => {
                    let prompt = if self.distinct_prompts > 0 { next % self.distinct_prompts } else { next };
                    let mut chain = Chain::new();
                    let len = self.prompt_tokens / block_tokens;
                    chain.push(Blocks { key: 1 + u64::from(prompt), start: 0, len });
                    let job = Job {
                        id: JobId(next),
                        prompt_tokens: self.prompt_tokens,
                        output_tokens: self.output_tokens,
                        priority: 0,
                        chain,
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
                        times[job.0 as usize].0 = at.since(sent(job.0)).as_ms_f64();
                    }
                    Output::Ended { job, at, .. } => {
                        times[job.0 as usize].1 = at.since(sent(job.0)).as_ms_f64();
                    }
                }
            }
        }
        let counted = &times[before as usize..];
        let sorted = |value: fn(&(f64, f64)) -> f64| {
            let mut values: Vec<f64> = counted.iter().map(value).collect();
            values.sort_by(f64::total_cmp);
            values
        };
        let (ttft, e2e) = (sorted(|time| time.0), sorted(|time| time.1));
        let number = |&(quantity, percentile): &(Quantity, Option<f64>)| {
            let values = match quantity {
                Quantity::E2e | Quantity::E2eP90 | Quantity::E2eP99 => &e2e,
                _ => &ttft,
            };
            match percentile {
                None => values.iter().sum::<f64>() / values.len() as f64,
                Some(p) => sorted_quantile(values, p).unwrap_or(f64::NAN),
            }
        };
        self.wanted.iter().map(number).collect()
    }
}

#[cfg(test)]
#[path = "runs/measured_tests.rs"]
mod measured_tests;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Dtype, gpu, model};
    use crate::timing::{BatchShape, Line, profile};

    /// A millisecond a step and 10 µs a token, whatever the shape.
    #[derive(Debug)]
    struct Plain;
    impl StepTime for Plain {
        fn line(&self, shape: &BatchShape) -> Line {
            let base_ps = 1_000_000_000 + 10_000_000 * i64::from(shape.tokens);
            Line { base_ps, slope_ps: 0, until_context: u64::MAX }
        }
    }

    fn hardware() -> Hardware {
        Hardware {
            model: model("llama-3.1-8b").unwrap(),
            gpu: gpu("h100-sxm").unwrap(),
            tp: 1,
            weights: Dtype::Bf16,
            kv: Dtype::Bf16,
        }
    }

    const HEAD: &str = "rate_per_s,requests,prompt_tokens,output_tokens,distinct_prompts,warm,ttft_mean_ms,ttft_p99_ms,e2e_mean_ms\n";

    #[test]
    fn a_warm_cache_by_hand() {
        // Ten a second, 100 tokens in, 3 out, nobody meets another. Cold: 1 + 100 x 0.01 = 2 ms, then two steps of
        // 1.01 ms. The prompt comes back: 6 blocks, 96 tokens, are found, 4 are computed: 1.04 ms.
        let mut constants = profile("p0").unwrap().constants;
        (constants.ingress_us, constants.ingress_per_token_us) = (0.0, 0.0);
        let play = |row: &str| {
            let table = Table::parse(&format!("{HEAD}{row}\n")).unwrap();
            let samples = read(&table, |_, _, _| Some(hardware()), "x").unwrap();
            let What::Run(run) = &samples[0].what else { panic!() };
            run.play(&hardware(), Arc::new(Plain), &constants)
        };
        for (row, ttft, p99, e2e) in [
            ("10,4,100,3,0,no,1,1,1", 2.0, 2.0, 4.02),
            ("10,4,100,3,2,yes,1,1,1", 1.04, 1.04, 3.06),
            ("10,4,100,3,2,no,1,1,1", 1.52, 2.0, 3.54),
        ] {
            let [a, b, c] = play(row)[..] else { panic!() };
            assert!(
                (a - ttft).abs() < 1e-6 && (b - p99).abs() < 1e-6 && (c - e2e).abs() < 1e-6,
                "{row}: {a} {b} {c}"
            );
        }
    }

    #[test]
    fn every_mistake_is_told_at_once() {
        let text = format!("{HEAD}0,4,100,3,0,no,1,1,1\n10,4,100,3,0,maybe,1,1,1\n10,,100,3,0,no,1,1,1\n");
        let findings = read(&Table::parse(&text).unwrap(), |_, _, _| Some(hardware()), "x").unwrap_err();
        assert_eq!(findings.len(), 3, "{findings:?}");
        assert!(findings[0].contains("line 2: rate_per_s is `0`"), "{findings:?}");
        assert!(findings[1].contains("line 3: warm is `maybe`"), "{findings:?}");
        assert!(findings[2].contains("line 4: rate_per_s, requests"), "{findings:?}");
    }
}
