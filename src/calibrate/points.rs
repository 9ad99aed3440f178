//! Serving points: one row a closed-loop benchmark, lengths and clients against mean TTFT and TPOT. Knows the columns of
//! aiconfigurator's published measurements and a plain form; must not know how they are fitted.

mod recipe;

use super::closed_loop::Point;
use super::measured::{Hardware, Measured, Quantity};
use super::sample::{Sample, What};
use super::table::{Findings, Table};
use crate::catalog::{self, Dtype};
use crate::timing::EngineKind;
use recipe::{BUDGET, REQUESTS_PER_CLIENT, clients, is_own, recipe};
use std::collections::BTreeMap;

/// How much an error of TTFT counts beside one of TPOT. Our choice: a benchmark's TTFT hangs on how its clients start,
/// which no file records, and its TPOT does not.
const TTFT_WEIGHT: f64 = 0.3;
/// And of a TTFT that is mostly waiting: it hangs on the KV blocks, which no file records either.
const WAITING_WEIGHT: f64 = 0.09;
/// A TTFT above this is mostly waiting, ms: an 8k prompt takes a tenth of it.
const WAITING_MS: f64 = 3_000.0;
/// GPUs of one server, the most there are in such rows.
const MOST_GPUS: f64 = 16.0;

/// Points, and rows that were left aside by reason.
#[derive(Debug, Default)]
pub struct Read {
    /// The points.
    pub samples: Vec<Sample>,
    /// Reasons and how many rows each took.
    pub skipped: BTreeMap<String, u32>,
}

/// Whether a table is one of aiconfigurator's.
pub fn is_published(table: &Table) -> bool {
    table.has("silicon_tpot_ms")
}

/// Whether a table is one of plain points.
pub fn is_plain(table: &Table) -> bool {
    table.has("tpot_ms") && table.has("concurrency")
}

/// The catalogue's name of a published model; `None` for those it does not have.
pub fn model_name(published: &str) -> Option<&'static str> {
    let known = [
        ("Qwen/Qwen3-32B", "qwen3-32b"),
        ("Qwen/Qwen3-8B", "qwen3-8b"),
        ("meta-llama/Llama-3.1-70B", "llama-3.1-70b"),
        ("meta-llama/Llama-3.1-8B", "llama-3.1-8b"),
        ("Qwen/Qwen3-235B-A22B", "qwen3-235b-a22b"),
        ("deepseek-ai/DeepSeek-V3", "deepseek-v3"),
        ("deepseek-ai/DeepSeek-R1", "deepseek-v3"),
        ("openai/gpt-oss-120b", "gpt-oss-120b"),
    ];
    let base = published.trim_end_matches("-Instruct").trim_end_matches("-FP8");
    known.iter().find(|(name, _)| *name == base).map(|(_, name)| *name)
}

fn gpu_name(published: &str) -> String {
    match published.split_once('_') {
        Some(("b200", _)) => "b200".to_owned(),
        _ => published.replace('_', "-"),
    }
}

/// Reads aiconfigurator's rows: those of one engine that prefills and decodes, and of models and GPUs that the catalogue
/// has. KV entries are taken as BF16, and as FP8 for TensorRT-LLM with FP8 weights; the file does not say.
///
/// How the clients ran is not in the file either: `recipe` has what the scripts of the two sources say of it. Two things
/// are inferred. The budget of vLLM's and TensorRT-LLM's rows by aiconfigurator's makers is a quarter above one prompt (of
/// eight tried it meets TTFT within 6 %, 8,192 misses it by 85 %), and that of InferenceMAX's is 8,192.
pub fn read_published(table: &Table) -> Result<Read, Findings> {
    table.needs(&[
        "backend",
        "model_path",
        "system",
        "isl",
        "osl",
        "batch_size",
        "tp_size",
        "silicon_ttft_ms",
    ])?;
    let (mut read, mut findings) = (Read::default(), Vec::new());
    for (line, cells) in &table.rows {
        let row = (*line, cells.as_slice());
        let text = |column| table.text(cells, column);
        let mut skip = |why: String| *read.skipped.entry(why).or_insert(0) += 1;
        if !matches!(text("mode"), "" | "agg") {
            skip("prefill and decode on different engines".to_owned());
            continue;
        }
        let is_one = |column| matches!(text(column), "" | "0" | "0.0" | "1" | "1.0");
        // Experts spread over the GPUs of one tensor-parallel group are read and multiplied as if each were split: what
        // differs is how tokens are exchanged, and that GPUs wait for the one with the most.
        if !is_one("pp_size") || !is_one("attention_dp_size") {
            skip("pipeline parallelism, or attention in data parallel".to_owned());
            continue;
        }
        // 64 beside experts over 8, of servers that have eight GPUs: the one seems to count the other again.
        let size = |column| text(column).parse::<f64>().unwrap_or(1.0);
        if size("moe_ep_size") > 1.0 && size("tp_size") > MOST_GPUS {
            skip("a layout of more GPUs than a server has".to_owned());
            continue;
        }
        let weights = match text("gemm_quant_mode") {
            "" | "bf16" | "float16" => Dtype::Bf16,
            mode if mode.starts_with("fp8") => Dtype::Fp8,
            mode => {
                skip(format!("weights in {mode}"));
                continue;
            }
        };
        let Some(model) = model_name(text("model_path")).and_then(catalog::model) else {
            skip(format!("model {}, not in the catalogue", text("model_path")));
            continue;
        };
        let Some(gpu) = catalog::gpu(&gpu_name(text("system"))) else {
            skip(format!("GPU {}, not in the catalogue", text("system")));
            continue;
        };
        let tp = table.number(row, "tp_size", (1u32, 64), &mut findings);
        let input = table.number(row, "isl", (1u32, 10_000_000), &mut findings);
        let output = table.number(row, "osl", (1u32, 10_000_000), &mut findings);
        let concurrency = table.number(row, "batch_size", (1u32, 100_000), &mut findings);
        let ttft = table.number(row, "silicon_ttft_ms", (0.0, 1e9), &mut findings).filter(|ms| *ms > 0.0);
        let tpot = table.number(row, "silicon_tpot_ms", (0.0, 1e9), &mut findings).filter(|ms| *ms > 0.0);
        let (Some(tp), Some(input_tokens), Some(output_tokens), Some(concurrency)) =
            (tp, input, output, concurrency)
        else {
            skip("a length, the layout or the concurrency is missing".to_owned());
            continue;
        };
        let source = text("silicon_data_source");
        match clients(source) {
            Some(all) if all != concurrency => {
                skip("several replicas behind one router".to_owned());
                continue;
            }
            None if is_own(source) => {
                skip("how many clients there were is not recorded".to_owned());
                continue;
            }
            _ => {}
        }
        let engine = text("backend");
        let kv = if engine == "trtllm" { weights } else { Dtype::Bf16 };
        let recipe = recipe(source, engine, text("backend_version"), input_tokens);
        let point = Point {
            input_tokens,
            output_tokens,
            concurrency,
            shortest: recipe.shortest,
            requests_per_client: REQUESTS_PER_CLIENT,
            max_num_batched_tokens: recipe.budget,
            kv_blocks: None,
            engine: recipe.engine,
            stream_interval: recipe.stream_interval,
        };
        let hardware = Hardware { model, gpu, tp, weights, kv };
        read.samples.push(sample(hardware, engine, point, ttft, tpot));
    }
    if findings.is_empty() { Ok(read) } else { Err(findings) }
}

/// Reads plain points: `input_tokens`, `output_tokens`, `concurrency`, `ttft_ms`, `tpot_ms`; optional `shortest_share`,
/// `requests_per_client`, `max_num_batched_tokens`, `kv_blocks`, `engine`, `stream_interval`.
pub fn read_plain(
    table: &Table,
    mut hardware: impl FnMut(u64, &[String], &mut Findings) -> Option<Hardware>,
    source: &str,
) -> Result<Read, Findings> {
    table.needs(&["input_tokens", "output_tokens", "concurrency", "tpot_ms"])?;
    let (mut read, mut findings) = (Read::default(), Vec::new());
    for (line, cells) in &table.rows {
        let row = (*line, cells.as_slice());
        let before = findings.len();
        let found = hardware(*line, cells, &mut findings);
        let input = table.number(row, "input_tokens", (1u32, 10_000_000), &mut findings);
        let output = table.number(row, "output_tokens", (1u32, 10_000_000), &mut findings);
        let concurrency = table.number(row, "concurrency", (1u32, 100_000), &mut findings);
        let ttft = table.number(row, "ttft_ms", (1e-3, 1e9), &mut findings);
        let tpot = table.number(row, "tpot_ms", (1e-6, 1e9), &mut findings);
        let shortest = table.number(row, "shortest_share", (0.01, 1.0), &mut findings);
        let requests = table.number(row, "requests_per_client", (1u32, 10_000), &mut findings);
        let budget = table.number(row, "max_num_batched_tokens", (1u32, 10_000_000), &mut findings);
        let kv_blocks = table.number(row, "kv_blocks", (2u32, u32::MAX), &mut findings);
        let interval = table.number(row, "stream_interval", (1u32, 10_000), &mut findings);
        let engine = engine(table, row, &mut findings);
        let (Some(hardware), Some(input_tokens), Some(output_tokens), Some(concurrency)) =
            (found, input, output, concurrency)
        else {
            if findings.len() == before {
                findings.push(format!("line {line}: input_tokens, output_tokens or concurrency is empty"));
            }
            continue;
        };
        let point = Point {
            input_tokens,
            output_tokens,
            concurrency,
            shortest: shortest.unwrap_or(1.0),
            requests_per_client: requests.unwrap_or(REQUESTS_PER_CLIENT),
            max_num_batched_tokens: budget.unwrap_or(BUDGET),
            kv_blocks,
            engine: engine.unwrap_or_default(),
            stream_interval: interval.unwrap_or(1),
        };
        read.samples.push(sample(hardware, source, point, ttft, tpot));
    }
    if findings.is_empty() { Ok(read) } else { Err(findings) }
}

/// Whose scheduler a row was measured with.
pub(super) fn engine(
    table: &Table,
    (line, cells): (u64, &[String]),
    findings: &mut Findings,
) -> Option<EngineKind> {
    let name = table.text(cells, "engine");
    let found = EngineKind::find(name);
    if found.is_none() && !name.is_empty() {
        let known = EngineKind::ALL.map(EngineKind::name).join(", ");
        findings.push(format!("line {line}: engine is `{name}`, but must be one of {known}"));
    }
    found
}

fn sample(hardware: Hardware, source: &str, point: Point, ttft: Option<f64>, tpot: Option<f64>) -> Sample {
    let ttft = ttft.map(|ms| Measured {
        quantity: Quantity::Ttft,
        ms,
        weight: if ms > WAITING_MS { WAITING_WEIGHT } else { TTFT_WEIGHT },
    });
    let tpot = tpot.map(|ms| Measured { quantity: Quantity::Tpot, ms, weight: 1.0 });
    Sample {
        hardware,
        source: source.to_owned(),
        input_tokens: point.input_tokens,
        concurrency: point.concurrency,
        what: What::Point(point),
        measured: tpot.into_iter().chain(ttft).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "silicon_data_source,backend,model_path,system,mode,isl,osl,gemm_quant_mode,batch_size,tp_size,\
                        pp_size,silicon_ttft_ms,silicon_tpot_ms\n";

    #[test]
    fn published_rows_are_read_or_counted() {
        let text = format!(
            "{HEAD}aic-auto-gap-analysis/x.csv; silicon_concurrency=8,vllm,Qwen/Qwen3-32B,h100_sxm,agg,1024,128,,8.0,2.0,1.0,154.2,18.0\n\
             2026-04-06.csv,vllm,meta-llama/Llama-3.1-70B,h100_sxm,agg,8192,1024,fp8,64,2,1,59175.4,52.4\n\
             x,sglang,deepseek-ai/DeepSeek-R1,gb200,disagg,1024,1024,fp8,4,4,1,1,1\n\
             x,vllm,moonshotai/Kimi-K2.5,b200_sxm,agg,1024,1024,fp8,4,4,1,1,1\n\
             x; silicon_concurrency=8,trtllm,Qwen/Qwen3-32B,gb200,agg,2000,500,,4,2,1,1,1\n\
             aic-auto-gap-analysis/x.csv,trtllm,Qwen/Qwen3-32B,gb200,agg,2000,500,,4,2,1,1,1\n"
        );
        let read = read_published(&Table::parse(&text).unwrap()).unwrap();
        assert_eq!(read.skipped.values().sum::<u32>(), 4, "{:?}", read.skipped);
        assert_eq!(read.skipped.get("several replicas behind one router"), Some(&1));
        let [own, gathered] = read.samples.as_slice() else { panic!("{:?}", read.samples) };
        let (What::Point(own_point), What::Point(point)) = (&own.what, &gathered.what) else { panic!() };
        assert_eq!((own.hardware.tp, own.hardware.weights, own_point.concurrency), (2, Dtype::Bf16, 8));
        assert_eq!((own_point.shortest, own_point.max_num_batched_tokens), (1.0, 1_280));
        assert_eq!((point.shortest, point.max_num_batched_tokens), (0.8, 8_192));
        assert_eq!(gathered.measured[0], Measured { quantity: Quantity::Tpot, ms: 52.4, weight: 1.0 });
        assert_eq!(gathered.measured[1].weight, WAITING_WEIGHT);
    }

    #[test]
    fn every_mistake_is_told_at_once() {
        let text = format!(
            "{HEAD}x,vllm,Qwen/Qwen3-32B,h100_sxm,agg,many,128,,8,2,1,1,1\n\
             x,vllm,Qwen/Qwen3-32B,h100_sxm,agg,1024,128,,0,2,1,1,-3\n"
        );
        let findings = read_published(&Table::parse(&text).unwrap()).unwrap_err();
        assert_eq!(findings.len(), 3, "{findings:?}");
        assert!(findings[0].contains("line 2: isl is `many`"), "{findings:?}");
        assert!(Table::parse("a,b\n").unwrap_err()[0].contains("no rows"));
    }
}

#[cfg(test)]
#[path = "points/measured_tests.rs"]
mod measured_tests;
