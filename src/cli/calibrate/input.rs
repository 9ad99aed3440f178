//! What `calibrate` is given: files found out by what is in them.

use super::Args;
use crate::calibrate::closed_loop::kv_blocks;
use crate::calibrate::log::Log;
use crate::calibrate::sample::What;
use crate::calibrate::table::{Findings, Table, shorten};
use crate::calibrate::{Hardware, Sample, points, runs, steps};
use crate::catalog::{self, Dtype};
use crate::cli::exit::Failure;
use crate::cli::{no_such, terminal};
use crate::timing::EngineKind;
use anyhow::anyhow;
use std::path::Path;
use std::sync::Arc;

/// The most mistakes of a file that are told.
const MOST_FINDINGS: usize = 20;

/// Reads all of them.
pub(super) fn read(args: &Args) -> Result<Vec<Sample>, Failure> {
    let mut samples = Vec::new();
    for path in &args.files {
        let is_log = path.is_dir() || path.extension().is_some_and(|end| end == "jsonl");
        let found = if is_log { log(path, args)? } else { table(path, args)? };
        samples.extend(found);
    }
    if samples.is_empty() {
        return Err(Failure::usage(anyhow!("no row is left to fit; widen `--where`")));
    }
    if let Some(name) = &args.engine {
        let known = || EngineKind::ALL.into_iter().map(EngineKind::name);
        let kind = EngineKind::find(name).ok_or_else(|| no_such("there is no engine", name, known()))?;
        for sample in &mut samples {
            sample.set_engine(kind);
        }
    }
    Ok(samples)
}

fn wrong(path: &Path, findings: Findings) -> Failure {
    let lines = shorten(findings, MOST_FINDINGS).join("\n  ");
    Failure::usage(anyhow!("{} cannot be used:\n  {lines}", path.display()))
}

fn text(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path)
        .map_err(|error| Failure::usage(anyhow!("cannot read {}: {error}", path.display())))
}

fn dtype(name: &str) -> Option<Dtype> {
    match name {
        "bf16" | "bfloat16" | "float16" => Some(Dtype::Bf16),
        "fp8" => Some(Dtype::Fp8),
        _ => None,
    }
}

/// What a row ran on: its own columns, or the command line's.
fn hardware(
    table: &Table,
    args: &Args,
    line: u64,
    cells: &[String],
    findings: &mut Findings,
) -> Option<Hardware> {
    let named = |column: &str, given: &str| {
        let own = table.text(cells, column);
        if own.is_empty() { given.to_owned() } else { own.to_owned() }
    };
    let mut missing = |what: &str, name: &str, list: &str| {
        findings.push(if name.is_empty() {
            format!("line {line}: no {what}; add the column `{what}` or `--{what}`")
        } else {
            format!(
                "line {line}: the catalogue has no {what} `{name}`; `regionsim catalog {list}` lists them"
            )
        });
    };
    let model_name = named("model", args.model.as_deref().unwrap_or_default());
    let model = catalog::model(&model_name).or_else(|| catalog::model(points::model_name(&model_name)?));
    if model.is_none() {
        missing("model", &model_name, "models");
    }
    let gpu_name = named("gpu", args.gpu.as_deref().unwrap_or_default());
    let gpu = catalog::gpu(&gpu_name);
    if gpu.is_none() {
        missing("gpu", &gpu_name, "gpus");
    }
    let mut stored = |column: &str, given: &str| {
        let name = named(column, given);
        let found = dtype(&name);
        if found.is_none() {
            findings.push(format!("line {line}: {column} is `{name}`, but must be bf16 or fp8"));
        }
        found
    };
    let (weights, kv) = (stored("weights", &args.weights), stored("kv_dtype", &args.kv_dtype));
    let tp = table.number((line, cells), "tp", (1u32, 1_024), findings).unwrap_or(args.tp);
    let hardware = Hardware { model: model?, gpu: gpu?, tp, weights: weights?, kv: kv? };
    let p0 = crate::timing::profile("p0").expect("a shipped profile").constants;
    if let Err(problem) = hardware.step_time(&p0) {
        findings.push(format!("line {line}: {problem}"));
        return None;
    }
    Some(hardware)
}

fn table(path: &Path, args: &Args) -> Result<Vec<Sample>, Failure> {
    let mut table = Table::parse(&text(path)?).map_err(|findings| wrong(path, findings))?;
    for filter in &args.filter {
        let (column, value) = filter.split_once('=').unwrap_or((filter, ""));
        if !table.has(column) {
            let problem = format!("line 1: `--where {filter}` names no column of this file");
            return Err(wrong(path, vec![problem]));
        }
        let rows = std::mem::take(&mut table.rows);
        table.rows = rows.into_iter().filter(|(_, cells)| table.text(cells, column) == value).collect();
    }
    let source = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let own =
        |line: u64, cells: &[String], findings: &mut Findings| hardware(&table, args, line, cells, findings);
    let read = if steps::is(&table) {
        return steps::read(&table, own, &source).map_err(|findings| wrong(path, findings));
    } else if runs::is(&table) {
        return runs::read(&table, own, &source).map_err(|findings| wrong(path, findings));
    } else if points::is_published(&table) {
        points::read_published(&table)
    } else if points::is_plain(&table) {
        points::read_plain(&table, own, &source)
    } else {
        Err(vec![
            "line 1: no column step_us, silicon_tpot_ms or tpot_ms tells what is measured here".to_owned(),
        ])
    };
    let read = read.map_err(|findings| wrong(path, findings))?;
    for (why, rows) in &read.skipped {
        terminal::note(&format!("{rows} rows left aside: {why}"));
    }
    if read.samples.iter().any(|sample| sample.hardware.model.experimental) {
        terminal::warning(
            "step times of mixtures of experts are experimental; docs/model/timing.md states their errors",
        );
    }
    Ok(read.samples)
}

/// A request log: a folder with `requests.jsonl` and `meta.json`, or the first of them.
fn log(path: &Path, args: &Args) -> Result<Vec<Sample>, Failure> {
    let file = if path.is_dir() { path.join("requests.jsonl") } else { path.to_owned() };
    let meta = file.with_file_name("meta.json");
    let meta: serde_json::Value = match std::fs::read_to_string(&meta) {
        Ok(text) => serde_json::from_str(&text)
            .map_err(|error| Failure::usage(anyhow!("{} is no JSON: {error}", meta.display())))?,
        Err(_) => serde_json::Value::Null,
    };
    let arguments = &meta["engine_kwargs"];
    let published = meta["model"].as_str().unwrap_or_default();
    let name = args.model.as_deref().or_else(|| points::model_name(published)).unwrap_or(published);
    if name.is_empty() {
        let problem =
            "beside this log no meta.json names a model; say it with `--model`, and its GPU with `--gpu`";
        return Err(wrong(path, vec![problem.to_owned()]));
    }
    let known = || catalog::models().iter().map(|model| model.name);
    let model = catalog::model(name).ok_or_else(|| no_such("the catalogue has no model", name, known()))?;
    let name = args.gpu.as_deref().unwrap_or_default();
    let known = || catalog::gpus().iter().map(|gpu| gpu.name);
    let gpu = catalog::gpu(name)
        .ok_or_else(|| no_such("a log needs `--gpu`; the catalogue has no GPU", name, known()))?;
    let whole = |value: &serde_json::Value| value.as_u64().and_then(|number| u32::try_from(number).ok());
    let tp = whole(&arguments["tensor_parallel_size"]).filter(|tp| *tp > 0).unwrap_or(args.tp);
    let stored = |name: &str| {
        dtype(name).ok_or_else(|| no_such("no such type of numbers:", name, ["bf16", "fp8"].into_iter()))
    };
    let hardware = Hardware { model, gpu, tp, weights: stored(&args.weights)?, kv: stored(&args.kv_dtype)? };
    let budget = whole(&arguments["max_num_batched_tokens"]).filter(|tokens| *tokens > 0).unwrap_or(8_192);
    let seqs = whole(&arguments["max_num_seqs"]).filter(|seqs| *seqs > 0).unwrap_or(1_024);
    let stated = whole(&meta["kv_cache"]["num_gpu_blocks"]).filter(|blocks| *blocks > 1);
    let Some(blocks) = stated.or_else(|| kv_blocks(&hardware, budget)) else {
        return Err(Failure::usage(anyhow!(
            "{}: the weights leave no room for KV on this GPU",
            path.display()
        )));
    };
    if stated.is_none() {
        terminal::note(&format!("{}: no block count in meta.json; {blocks} blocks derived", path.display()));
    }
    let log = Log::parse(&text(&file)?, blocks, budget, seqs).map_err(|findings| wrong(&file, findings))?;
    if log.is_empty() {
        return Err(wrong(&file, vec!["line 1: there are no requests".to_owned()]));
    }
    let source = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let measured = log.measured();
    let concurrency = log.len() as u32;
    Ok(vec![Sample {
        hardware,
        source,
        input_tokens: 0,
        concurrency,
        what: What::Log(Arc::new(log)),
        measured,
    }])
}
