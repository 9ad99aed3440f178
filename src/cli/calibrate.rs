//! `calibrate`: fits a timing profile to measurements, or says what a profile misses of them.

mod input;

use super::one_file::{OneFile, stdout_of};
use super::{Outcome, exit::Exit, exit::Failure, no_such, print, terminal};
use crate::calibrate::{self, Fit, FitOptions, Quantity, Sample, TERMS, errors, fit};
use crate::report::calibration_plot::{Curves, Group, draw};
use crate::report::grid;
use crate::timing::{self, Constants, EngineKind, ErrorLine, Profile, Status};
use anyhow::anyhow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use std::path::{Path, PathBuf};

/// Fit a timing profile to measurements, with its errors.
///
/// Reads measured steps (CSV with step_us), serving points (aiconfigurator's silicon CSV, or a CSV with tpot_ms), and
/// request logs (JSON lines with queued_ts, beside a meta.json). Fits the roofline's terms within physical bounds,
/// prints errors by group and on strata that were left out, names what the data cannot tell, and writes a profile that
/// scenarios take as `timing = { profile = "…toml" }`. docs/CALIBRATE.md describes all of it.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  regionsim calibrate steps.csv --model llama-3.1-8b --gpu h100-sxm --out mine.toml --plot mine.svg
  regionsim calibrate silicon.csv --where backend=vllm --where system=h100_sxm --check vllm-h100
  regionsim calibrate logs/run1 --gpu rtx-4090 --free t0_us,e_kv --out run1.toml")]
pub struct Args {
    /// Files, or folders of request logs.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Only rows of a CSV whose column has this value; may be repeated.
    #[arg(long = "where", value_name = "COLUMN=VALUE")]
    filter: Vec<String>,
    /// The model, where rows do not name it.
    #[arg(long)]
    model: Option<String>,
    /// The GPU, where rows do not name it.
    #[arg(long)]
    gpu: Option<String>,
    /// Tensor parallelism, where rows do not name it.
    #[arg(long, default_value_t = 1)]
    tp: u32,
    /// Type of the weights, where rows do not name it: bf16 or fp8.
    #[arg(long, default_value = "bf16")]
    weights: String,
    /// Type of KV entries, where rows do not name it: bf16 or fp8.
    #[arg(long, default_value = "bf16")]
    kv_dtype: String,
    /// Whose scheduler served them, where rows do not name it, and above what they name: vllm, vllm-async, sglang,
    /// sglang-mixed or trtllm.
    #[arg(long, value_name = "ENGINE")]
    engine: Option<String>,
    /// Fit nothing: what does this profile miss? A shipped name or a file.
    #[arg(long, value_name = "PROFILE", conflicts_with_all = ["start", "free", "hold"])]
    check: Option<String>,
    /// Where the search begins, and what terms that are not fitted keep.
    #[arg(long, value_name = "PROFILE", default_value = timing::profile::DEFAULT)]
    start: String,
    /// Fit these terms and no others.
    #[arg(long, value_delimiter = ',')]
    free: Vec<String>,
    /// Hold a term at a value: `e_a=0.6`; may be repeated.
    #[arg(long, value_name = "TERM=VALUE")]
    hold: Vec<String>,
    /// Do not fit again without each stratum.
    #[arg(long)]
    no_leave_out: bool,
    /// Name of the profile that is written; else its file's.
    #[arg(long)]
    name: Option<String>,
    /// Write the profile here.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Write a plot of measured against modelled here (SVG).
    #[arg(long)]
    plot: Option<PathBuf>,
    /// Write each measured number and what the model says here (CSV).
    #[arg(long)]
    rows: Option<PathBuf>,
}

/// Runs `calibrate`.
pub fn run(args: &Args) -> Outcome {
    let flags = [("--out", &args.out), ("--plot", &args.plot), ("--rows", &args.rows)];
    let stdout = stdout_of(&flags.map(|(flag, path)| (flag, path.as_deref())), false)?;
    let print = |text: &str| if stdout.is_none() { print(text) } else { Ok(()) };
    // Opened before the work: a bad path fails now.
    let open = |path: &Option<PathBuf>| path.as_deref().map(OneFile::open).transpose();
    let (out, plot, measured) = (open(&args.out)?, open(&args.plot)?, open(&args.rows)?);
    let samples = input::read(args)?;
    one_engine(&samples)?;
    let (pairs, constants) = if let Some(name) = &args.check {
        let profile = load(name)?;
        warn_outside(&profile, &samples);
        let pairs = errors::pairs(&samples, &profile.constants)?;
        print(&format!("profile {} v{}, {}\n\n", profile.name, profile.version, profile.status))?;
        print(&table("rows", &errors::lines(&pairs, |pair| samples[pair.sample].group())))?;
        print("\n")?;
        let mut strata = errors::lines(&pairs, |pair| samples[pair.sample].strata()[0].clone());
        strata.extend(errors::lines(&pairs, |pair| samples[pair.sample].strata()[1].clone()));
        print(&table("stratum", &strata))?;
        (pairs, profile.constants)
    } else {
        let (start, free) = terms(args, &samples)?;
        let options = FitOptions { start, free, leave_out: !args.no_leave_out };
        let found = fit(&samples, &options)?;
        print(&told(&found, &options))?;
        if let Some(file) = out {
            let stem =
                || args.out.as_ref()?.file_stem()?.to_str().filter(|stem| *stem != "-").map(str::to_owned);
            let name = args.name.clone().or_else(stem);
            let profile = profile(name.unwrap_or_else(|| "calibrated".to_owned()), &found, &samples, args);
            file.write(profile.to_toml())?;
        }
        (found.pairs, found.constants)
    };
    let unserved = pairs.iter().filter(|pair| !pair.modelled.is_finite()).count();
    if unserved > 0 {
        terminal::warning(&format!(
            "{unserved} numbers have no model: the weights leave no room for KV there"
        ));
    }
    if let Some(file) = plot {
        let curves = curves(&samples, &constants)?;
        file.write(draw(&panels(&samples, &pairs), &curves).map_err(|error| anyhow!("{error}"))?)?;
    }
    if let Some(file) = measured {
        file.write(rows(&samples, &pairs))?;
    }
    Ok(Exit::Ok)
}

/// A profile is of one engine: its scheduler goes with it. SGLang's two are one with a switch.
fn one_engine(samples: &[Sample]) -> Result<(), Failure> {
    let family = |kind| if kind == EngineKind::SglangMixed { EngineKind::Sglang } else { kind };
    let kinds: BTreeSet<&str> =
        samples.iter().filter_map(Sample::engine).map(|kind| family(kind).name()).collect();
    if kinds.len() < 2 {
        return Ok(());
    }
    let kinds: Vec<&str> = kinds.into_iter().collect();
    Err(Failure::usage(anyhow!(
        "these rows are of different engines ({}), whose schedulers differ; narrow them with `--where backend={}`, or take \
         them all as one with `--engine`",
        kinds.join(", "),
        kinds[0]
    )))
}

/// The engine of most rows, of those that tie the first by name.
fn most_rows(samples: &[Sample]) -> EngineKind {
    let rows = |kind: EngineKind| samples.iter().filter(|sample| sample.engine() == Some(kind)).count();
    let most = EngineKind::ALL.into_iter().max_by_key(|&kind| (rows(kind), Reverse(kind.name())));
    most.filter(|&kind| rows(kind) > 0).unwrap_or_default()
}

/// A shipped profile, or one in a file.
fn load(name: &str) -> Result<Profile, Failure> {
    if Path::new(name).extension().is_some_and(|end| end == "toml") {
        let text = std::fs::read_to_string(name)
            .map_err(|error| Failure::usage(anyhow!("cannot read the profile {name}: {error}")))?;
        return Profile::parse(&text).map_err(|problem| Failure::usage(anyhow!("{name}: {problem}")));
    }
    let known = || timing::profiles().iter().map(|profile| profile.name.as_str());
    timing::profile(name).cloned().ok_or_else(|| no_such("there is no profile", name, known()))
}

/// Where the fit starts, and what is free.
fn terms(args: &Args, samples: &[Sample]) -> Result<(Constants, Vec<usize>), Failure> {
    let mut start = load(&args.start)?.constants;
    let find = |name: &str| {
        let known = TERMS.iter().map(|term| term.name);
        calibrate::terms::find(name).ok_or_else(|| no_such("there is no term", name, known))
    };
    let mut free = if args.free.is_empty() {
        fit::default_free(samples)
    } else {
        args.free.iter().map(|name| find(name)).collect::<Result<_, _>>()?
    };
    free.sort_unstable();
    free.dedup();
    for hold in &args.hold {
        let (name, value) = hold.split_once('=').unwrap_or((hold, ""));
        let at = find(name)?;
        let term = &TERMS[at];
        let value = value.parse::<f64>().ok().filter(|value| (term.least..=term.most).contains(value));
        let Some(value) = value else {
            let (least, most) = (term.least, term.most);
            let problem =
                format!("--hold {hold}: {name} must be a number from {least} to {most}, as {name}={most}");
            return Err(Failure::usage(anyhow!(problem)));
        };
        term.set(&mut start, value);
        free.retain(|&other| other != at);
    }
    if free.is_empty() {
        return Err(Failure::usage(anyhow!(
            "no term is left to fit; give `--free`, or `--check` to fit nothing"
        )));
    }
    Ok((start, free))
}

fn warn_outside(profile: &Profile, samples: &[Sample]) {
    let Some(range) = &profile.range else { return };
    let here = fit::range(samples);
    let beyond = |what: &str, fitted: &[String], here: &[String]| {
        let new: Vec<&str> = here.iter().filter(|name| !fitted.contains(name)).map(String::as_str).collect();
        if !new.is_empty() {
            let new = new.join(", ");
            terminal::warning(&format!("{} was not fitted on {what} {new}: extrapolated", profile.name));
        }
    };
    beyond("model", &range.models, &here.models);
    beyond("GPU", &range.gpus, &here.gpus);
    let text = |tp: &[u32]| tp.iter().map(u32::to_string).collect::<Vec<_>>();
    beyond("tensor parallelism", &text(&range.tp), &text(&here.tp));
}

fn table(head: &'static str, lines: &[ErrorLine]) -> String {
    let row = |line: &ErrorLine| {
        vec![
            line.rows.clone(),
            line.quantity.clone(),
            line.n.to_string(),
            format!("{:.1}", line.median),
            format!("{:.1}", line.p90),
            format!("{:+.1}", line.bias),
        ]
    };
    let rows: Vec<Vec<String>> = lines.iter().map(row).collect();
    grid::render(&[head, "of", "n", "median error %", "p90 %", "bias %"], &rows)
}

fn told(found: &Fit, options: &FitOptions) -> String {
    let row = |(at, term): (usize, &calibrate::Term)| {
        let error = found.standard_errors.get(&at).map_or_else(String::new, |error| format!("{error:.3}"));
        let note = found
            .not_identified
            .iter()
            .find_map(|line| line.strip_prefix(term.name)?.strip_prefix(": "))
            .map_or_else(String::new, |why| format!("not identified: {why}"));
        let note = if options.free.contains(&at) { note } else { "held".to_owned() };
        vec![term.name.to_owned(), format!("{:.4}", term.get(found.constants)), error, note]
    };
    let rows: Vec<Vec<String>> = TERMS.iter().enumerate().map(row).collect();
    let mut text = grid::render(&["term", "value", "standard error", ""], &rows);
    text.push('\n');
    text.push_str(&table("fitted rows", &found.groups));
    if !found.left_out.is_empty() {
        text.push('\n');
        text.push_str(&table("left out of the fit", &found.left_out));
    }
    text
}

fn profile(name: String, found: &Fit, samples: &[Sample], args: &Args) -> Profile {
    let mut sources: Vec<&str> = samples.iter().map(|sample| sample.source.as_str()).collect();
    sources.sort_unstable();
    sources.dedup();
    let worst = found.left_out.iter().filter(|line| line.quantity != "ttft").map(|line| line.median);
    let worst = worst.fold(0.0f64, f64::max);
    let known_error = found
        .groups
        .iter()
        .map(|line| format!("{} {}: median {} %", line.rows, line.quantity, line.median))
        .chain((worst > 0.0).then(|| format!("left-out strata at most {worst} % but for TTFT")))
        .collect::<Vec<_>>()
        .join("; ");
    let mut constants = found.constants;
    for term in &TERMS {
        // Six digits: more would claim what no measurement holds.
        let value = term.get(constants);
        term.set(&mut constants, format!("{value:.5e}").parse().unwrap_or(value));
    }
    Profile {
        name,
        version: 1,
        status: Status::Fitted,
        engine: most_rows(samples),
        provenance: format!(
            "robust least squares over {} measurements ({}), from {}",
            samples.len(),
            sources.join(", "),
            args.start
        ),
        known_error,
        range: Some(found.range.clone()),
        not_identified: found.not_identified.clone(),
        constants,
        errors: found
            .groups
            .iter()
            .cloned()
            .chain(
                found
                    .left_out
                    .iter()
                    .map(|line| ErrorLine { rows: format!("left out: {}", line.rows), ..line.clone() }),
            )
            .collect(),
    }
}

fn panels(samples: &[Sample], pairs: &[errors::Pair]) -> Vec<(String, Vec<Group>)> {
    let mut panels: BTreeMap<Quantity, BTreeMap<String, Vec<(f64, f64)>>> = BTreeMap::new();
    for pair in pairs {
        let groups = panels.entry(pair.quantity).or_default();
        groups.entry(samples[pair.sample].group()).or_default().push((pair.measured, pair.modelled));
    }
    let title = |quantity| match quantity {
        Quantity::Step => "Engine steps",
        Quantity::Ttft => "Time to first token",
        Quantity::Tpot => "Time per output token",
        Quantity::E2e => "Request to last token",
        Quantity::TtftP50 => "Time to first token, median",
        Quantity::TtftP90 => "Time to first token, p90",
        Quantity::TtftP99 => "Time to first token, p99",
        Quantity::E2eP90 => "Request to last token, p90",
        Quantity::E2eP99 => "Request to last token, p99",
    };
    let groups = |groups: BTreeMap<String, Vec<(f64, f64)>>| {
        groups.into_iter().map(|(name, points)| Group { name, points }).collect()
    };
    panels.into_iter().map(|(quantity, all)| (title(quantity).to_owned(), groups(all))).collect()
}

/// Who ran and who waited, of each log that says.
fn curves(samples: &[Sample], constants: &Constants) -> Result<Vec<Curves>, Failure> {
    let mut all = Vec::new();
    for sample in samples {
        let calibrate::sample::What::Log(log) = &sample.what else { continue };
        let Some(curves) = log.curves(sample.hardware.step_time(constants)?) else { continue };
        let line =
            |points: &[(f64, u32, u32)], name: &str, measured: bool, value: fn(&(f64, u32, u32)) -> u32| {
                let from = if measured { "measured" } else { "modelled" };
                let points = points.iter().map(|point| (point.0, f64::from(value(point)))).collect();
                (format!("{name}, {from}"), measured, points)
            };
        let (measured, modelled) = (&curves.measured, &curves.modelled);
        let lines = vec![
            line(measured, "running", true, |point| point.1),
            line(modelled, "running", false, |point| point.1),
            line(measured, "waiting", true, |point| point.2),
            line(modelled, "waiting", false, |point| point.2),
        ];
        all.push((format!("Requests running and waiting: {}", sample.group()), lines));
    }
    Ok(all)
}

fn rows(samples: &[Sample], pairs: &[errors::Pair]) -> String {
    let mut text =
        String::from("model,gpu,tp,source,input_tokens,concurrency,quantity,measured_ms,modelled_ms,error\n");
    for pair in pairs {
        let sample = &samples[pair.sample];
        let hardware = &sample.hardware;
        let _ = writeln!(
            text,
            "{},{},{},\"{}\",{},{},{},{},{:.4},{:.4}",
            hardware.model.name,
            hardware.gpu.name,
            hardware.tp,
            sample.source.replace('"', "'"),
            sample.input_tokens,
            sample.concurrency,
            pair.quantity.name(),
            pair.measured,
            pair.modelled,
            pair.error()
        );
    }
    text
}
