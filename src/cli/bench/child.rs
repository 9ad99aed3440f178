//! One run of a workload in this process, and what it tells of itself.

use super::bare_loop;
use crate::cli::exit::Invalid;
use crate::cli::exit::{Exit, Failure};
use crate::cli::run::{Engine, How, Place, one};
use crate::run::Prepared;
use crate::scenario;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The scenarios, as they stand in `benches/`.
const W1: &str = include_str!("../../../benches/w1.toml");
const W2: &str = include_str!("../../../benches/w2.toml");
/// Requests a second for each replica of W1.
const W1_RATE: u64 = 25;

/// What a child is told to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Job {
    W1 { requests: u64, replicas: u32, engine: Engine },
    W2 { trace: PathBuf, policy: String, engine: Engine },
    Bare { requests: u64, replicas: u32 },
}

/// What it has done.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Done {
    pub requests: u64,
    pub steps: u64,
    pub sequence_steps: u64,
    /// The most memory this process had at once, in KiB, where the system tells it.
    pub peak_kib: Option<u64>,
}

pub(super) fn run(job: &Job) -> Result<Done, Failure> {
    let mut done = match job {
        Job::Bare { requests, replicas } => {
            let bare = bare_loop::run(*requests, *replicas as usize, 42);
            let bare_loop::Done { requests, steps, sequence_steps, .. } = bare;
            Done { requests, steps, sequence_steps, peak_kib: None }
        }
        Job::W1 { requests, replicas, engine } => {
            let set = [
                format!("workloads.main.synthetic.requests={requests}"),
                format!("workloads.main.synthetic.sessions_per_s={}", u64::from(*replicas) * W1_RATE),
                format!("regions.here.pools.main.replicas={replicas}"),
            ];
            simulate("w1", W1, &set, "round_robin", *engine)?
        }
        Job::W2 { trace, policy, engine } => {
            let path = serde_json::to_string(&std::path::absolute(trace)?)?;
            simulate("w2", W2, &[format!("workloads.main.trace.path={path}")], policy, *engine)?
        }
    };
    done.peak_kib = peak_kib();
    Ok(done)
}

fn simulate(name: &str, text: &str, set: &[String], policy: &str, engine: Engine) -> Result<Done, Failure> {
    let plan = scenario::parse(name, text, Path::new("."), name, set)
        .map_err(|diagnostics| Failure { exit: Exit::Usage, error: Invalid(diagnostics).into() })?;
    let loaded = Prepared::of(plan);
    let policy = loaded.plan.policies.iter().find(|known| known.name == policy);
    let policy = policy.ok_or_else(|| Failure::usage(anyhow::anyhow!("the scenario has no such policy")))?;
    let folder = std::env::temp_dir().join(format!("regionsim-bench-{}", std::process::id()));
    let place = Place { policy, seed: loaded.plan.seed, folder: Some(folder.clone()) };
    let how = How { engine, ..How::default() };
    let summary = one(&place, &loaded, how, None, ());
    let gone = std::fs::remove_dir_all(&folder);
    let summary = summary?;
    gone?;
    let ratio_steps = |mean: Option<f64>, steps: u64| (mean.unwrap_or(0.0) * steps as f64).round() as u64;
    let steps = summary.replicas.iter().map(|replica| replica.steps).sum();
    Ok(Done {
        requests: summary.conservation.total.arrivals,
        steps,
        sequence_steps: ratio_steps(summary.saturation.batch_mean, steps),
        peak_kib: None,
    })
}

fn peak_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_w1_is_run_whole_and_leaves_nothing_behind() {
        let done = run(&Job::W1 { requests: 50, replicas: 2, engine: Engine::Fast }).unwrap();
        let again = run(&Job::W1 { requests: 50, replicas: 2, engine: Engine::Stepwise }).unwrap();
        assert_eq!((done.requests, done.steps, done.sequence_steps), (50, again.steps, again.sequence_steps));
        // Every request is in one step for each of its 128 tokens; the mean is rounded to six decimals.
        assert!(done.sequence_steps.abs_diff(50 * 128) <= 1, "{done:?}");
        let folder = std::env::temp_dir().join(format!("regionsim-bench-{}", std::process::id()));
        assert!(!folder.exists());
    }
}
