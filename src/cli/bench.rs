//! `bench`: the named workloads, measured as whole processes. Each run is a child process of its own, so that its
//! peak memory is its own; it reads its scenario, runs it on one thread and writes its files, as `run` does.
//!
//! W1 is the simple one (512 tokens in, 128 out, nothing shared), W2 the Mooncake conversation trace at its raw
//! timestamps, W3 is W1 with more requests and more replicas. `bare` is the loop that W1 is measured against.

mod bare_loop;
mod child;

use super::exit::Failure;
use super::run::Engine;
use super::{Exit, Outcome, print};
use crate::report::grid;
use anyhow::{Context, anyhow};
use child::{Done, Job};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Measure this machine: CPU time, speed and peak memory of the named workloads, each run a process of its own.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  regionsim bench
  regionsim bench w2 --trace conversation_trace.jsonl
  regionsim bench w1 --engine stepwise
  regionsim bench w1 --requests 10000000 --replicas 256 --runs 1

CPU time is that of the whole process, to its end. Where the system does not tell it (it is read from
/proc), wall time stands instead and is marked so.")]
pub struct Args {
    /// What to measure.
    #[arg(value_enum, default_value_t = What::W1)]
    what: What,
    /// The Mooncake conversation trace, for w2.
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// How engines compute.
    #[arg(long, value_enum, default_value_t)]
    engine: Engine,
    /// Runs of each workload; the median is shown.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    runs: u32,
    /// Requests of w1 and bare.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..=4_000_000_000))]
    requests: u64,
    /// Replicas of w1 and bare.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    replicas: u32,
    /// One run in this process, described as JSON: what a child is told.
    #[arg(long, hide = true)]
    child: Option<String>,
}

/// The named workloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum What {
    /// One request.
    Trivial,
    /// 100,000 requests of 512 + 128 tokens over 8 replicas.
    W1,
    /// The Mooncake conversation trace over 8 replicas; needs --trace.
    W2,
    /// W1 with 10,000 and a million requests, and with 64 and 256 replicas.
    W3,
    /// The bare loop of W1.
    Bare,
    /// All of them; w2 only where --trace names its file.
    All,
}

/// Runs `bench`.
pub fn run(args: &Args) -> Outcome {
    if let Some(job) = &args.child {
        let done = child::run(&serde_json::from_str(job).map_err(Failure::usage)?)?;
        print(&serde_json::to_string(&done)?)?;
        return Ok(Exit::Ok);
    }
    let jobs = jobs(args)?;
    let mut rows = Vec::new();
    let mut floor = None;
    for (name, job) in jobs {
        let runs = (0..args.runs).map(|_| measure(&job)).collect::<anyhow::Result<Vec<Run>>>();
        let runs = runs.with_context(|| format!("workload `{name}`"))?;
        let row = Row::of(&runs);
        if matches!(job, Job::Bare { requests: 100_000, replicas: 8 }) {
            floor = Some(row.seconds);
        }
        rows.push((name, row));
    }
    print(&table(&rows, floor, args))?;
    Ok(Exit::Ok)
}

fn jobs(args: &Args) -> Result<Vec<(String, Job)>, Failure> {
    let w1 = |requests: u64, replicas: u32| {
        let name = format!("w1, {} requests, {replicas} replicas", thousands(requests));
        (name, Job::W1 { requests, replicas, engine: args.engine })
    };
    let bare = |requests: u64, replicas: u32| {
        let name = format!("bare loop, {} requests, {replicas} replicas", thousands(requests));
        (name, Job::Bare { requests, replicas })
    };
    let w2 = |trace: &Path| {
        let trace = trace.to_path_buf();
        ["round_robin", "prefix_guarded"].map(move |policy| {
            let job = Job::W2 { trace: trace.clone(), policy: policy.to_string(), engine: args.engine };
            (format!("w2, {policy}"), job)
        })
    };
    let w3 = || [w1(10_000, 8), w1(1_000_000, 8), w1(100_000, 64), w1(100_000, 256)];
    let trivial = || ("trivial, 1 request".to_string(), w1(1, 1).1);
    Ok(match (args.what, args.trace.as_deref()) {
        (What::Trivial, _) => vec![trivial()],
        (What::Bare, _) => vec![bare(args.requests, args.replicas)],
        (What::W1, _) => vec![bare(args.requests, args.replicas), w1(args.requests, args.replicas)],
        (What::W2, Some(trace)) => w2(trace).into(),
        (What::W2, None) => {
            return Err(Failure::usage(anyhow!(
                "w2 is a trace that is not part of regionsim: get conversation_trace.jsonl from \
                 https://github.com/kvcache-ai/Mooncake and name it with --trace"
            )));
        }
        (What::W3, _) => w3().into(),
        (What::All, trace) => {
            let mut jobs = vec![trivial(), bare(100_000, 8), w1(100_000, 8)];
            jobs.extend(trace.map(w2).into_iter().flatten());
            jobs.extend(w3());
            jobs
        }
    })
}

/// One run as it was measured.
struct Run {
    done: Done,
    time: Duration,
    /// Whether `time` is CPU time; otherwise it is wall time.
    cpu: bool,
}

/// Runs a job as a process of its own.
#[allow(clippy::disallowed_methods, clippy::disallowed_types)] // The wall clock is what is asked for here.
fn measure(job: &Job) -> anyhow::Result<Run> {
    let start = std::time::Instant::now();
    let mut command = Command::new(std::env::current_exe().context("cannot find this program's own file")?);
    command.args(["bench", "--child"]).arg(serde_json::to_string(job)?);
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let mut told = String::new();
    if let Some(out) = &mut child.stdout {
        out.read_to_string(&mut told)?;
    }
    // It has closed its output and ended, or is about to; until it is waited for its account can still be read.
    let cpu = cpu_time(child.id());
    let status = child.wait()?;
    let wall = start.elapsed();
    if !status.success() {
        return Err(anyhow!("its process ended with {status}"));
    }
    let done = serde_json::from_str(&told).context("its process told nothing that can be read")?;
    Ok(Run { done, time: cpu.unwrap_or(wall), cpu: cpu.is_some() })
}

/// The CPU time of a process of one thread, user and system, where the system tells it: the first number of
/// `schedstat` is nanoseconds on a CPU.
fn cpu_time(process: u32) -> Option<Duration> {
    // Its last pages may still be on their way back after its output was closed.
    std::thread::sleep(Duration::from_millis(5));
    let text = std::fs::read_to_string(format!("/proc/{process}/schedstat")).ok()?;
    let ns: u64 = text.split_whitespace().next()?.parse().ok()?;
    (ns > 0).then(|| Duration::from_nanos(ns))
}

/// What is shown of a workload's runs.
struct Row {
    seconds: f64,
    least: f64,
    most: f64,
    cpu: bool,
    done: Done,
    peak_kib: Option<u64>,
}

impl Row {
    fn of(runs: &[Run]) -> Row {
        let mut seconds: Vec<f64> = runs.iter().map(|run| run.time.as_secs_f64()).collect();
        seconds.sort_by(f64::total_cmp);
        let mut peaks: Vec<u64> = runs.iter().filter_map(|run| run.done.peak_kib).collect();
        peaks.sort_unstable();
        Row {
            seconds: seconds[seconds.len() / 2],
            least: seconds[0],
            most: seconds[seconds.len() - 1],
            cpu: runs.iter().all(|run| run.cpu),
            done: runs[0].done.clone(),
            peak_kib: peaks.get(peaks.len() / 2).copied(),
        }
    }
}

fn table(rows: &[(String, Row)], floor: Option<f64>, args: &Args) -> String {
    let head = [
        "workload",
        "seconds",
        "least",
        "most",
        "clock",
        "requests/s",
        "steps/s",
        "batch",
        "peak MiB",
        "x bare loop",
    ];
    let number = |value: f64, places: usize| format!("{value:.places$}");
    let cells = rows.iter().map(|(name, row)| {
        let done = &row.done;
        let w1 = done.requests == 100_000 && !name.starts_with("w2");
        vec![
            name.replace(", ", " "),
            number(row.seconds, 4),
            number(row.least, 4),
            number(row.most, 4),
            if row.cpu { "CPU" } else { "wall" }.to_string(),
            number(done.requests as f64 / row.seconds, 0),
            number(done.steps as f64 / row.seconds, 0),
            number(done.sequence_steps as f64 / done.steps.max(1) as f64, 1),
            row.peak_kib.map_or_else(|| "-".to_string(), |kib| number(kib as f64 / 1024.0, 1)),
            floor.filter(|_| w1).map_or_else(|| "-".to_string(), |floor| number(row.seconds / floor, 1)),
        ]
    });
    let cells: Vec<Vec<String>> = cells.collect();
    format!(
        "engine {}, median of {} runs, whole processes of one thread\n{}",
        args.engine.name(),
        args.runs,
        grid::render(&head, &cells)
    )
}

fn thousands(count: u64) -> String {
    match count {
        0..1_000 => count.to_string(),
        1_000..1_000_000 => format!("{}k", count / 1_000),
        _ => format!("{}M", count / 1_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_the_extremes_and_the_clock_of_runs() {
        let run = |ms: u64, cpu: bool| Run {
            done: Done { requests: 10, peak_kib: Some(ms), ..Done::default() },
            time: Duration::from_millis(ms),
            cpu,
        };
        let row = Row::of(&[run(30, true), run(10, true), run(20, false)]);
        assert_eq!((row.seconds, row.least, row.most, row.cpu), (0.02, 0.01, 0.03, false));
        assert_eq!(row.peak_kib, Some(20));
    }
}
