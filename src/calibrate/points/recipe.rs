//! How the rows that aiconfigurator publishes were run: lengths, budgets, streams, switches. Knows the two sources of the
//! rows and what their scripts say; must not know the numbers that came of them.

use crate::timing::EngineKind;

/// Requests a client sends. Ten in aiconfigurator's own runner (`src/aiconfigurator/eval/benchmarks` of
/// ai-dynamo/aiconfigurator at 5e16187: `--request-count` is ten times the clients) and in the benchmark InferenceMAX
/// (`benchmarks/single_node` of SemiAnalysisAI/InferenceX at 161e7f6: `--num-prompts`).
pub const REQUESTS_PER_CLIENT: u32 = 10;
/// vLLM's token budget for a server on a large GPU.
pub const BUDGET: u32 = 8_192;
/// SGLang's on the same: its `chunked_prefill_size` is half of it, `max_prefill_tokens` is this; of the two, this meets the
/// TTFT of the rows there are.
const SGLANG_BUDGET: u32 = 16_384;
/// With mixed chunks: SGLang's `chunked_prefill_size` where it is not said, on H100 and H200. The rows with short prompts and
/// outputs have more prompts a step than `max_prefill_tokens`, 1,500 above one prompt by the makers' rule, would let in.
const SGLANG_CHUNK: u32 = 8_192;
/// InferenceMAX's SGLang servers: `--chunked-prefill-size 32768 --stream-interval 10` (`dsr1_fp8_h200.sh` at 161e7f6).
const GATHERED_SGLANG: (u32, u32) = (32_768, 10);
/// aiconfigurator launches SGLang with mixed chunks (`enable_mixed_chunk = true` in `generator/rule_plugin/sglang.rule` at
/// 1089dfa), but for its last version whose template calls the switch by a name that there is not (`enable-mix-chunk` in
/// `cli_args.0.5.1.post1.j2`): its rows are met without.
const UNMIXED_SGLANG: [u32; 3] = [0, 5, 1];

/// How a row was run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recipe {
    /// Whose scheduler.
    pub engine: EngineKind,
    /// Lengths are even between this share of the nominal and the nominal.
    pub shortest: f64,
    /// Token budget of a step.
    pub budget: u32,
    /// Tokens of one piece of the stream.
    pub stream_interval: u32,
}

/// The recipe of a row: its source, the engine and its version, the prompt's tokens.
pub fn recipe(source: &str, engine: &str, version: &str, input_tokens: u32) -> Recipe {
    let kind = EngineKind::find(engine).unwrap_or_default();
    let sglang = kind == EngineKind::Sglang;
    if !is_own(source) {
        let (budget, stream_interval) = if sglang { GATHERED_SGLANG } else { (BUDGET, 1) };
        return Recipe { engine: kind, shortest: 0.8, budget, stream_interval };
    }
    let mixed = sglang && release(version) > UNMIXED_SGLANG;
    let (engine, budget) = match kind {
        EngineKind::Sglang if mixed => (EngineKind::SglangMixed, SGLANG_CHUNK),
        EngineKind::Sglang => (kind, SGLANG_BUDGET),
        _ => (kind, input_tokens + input_tokens / 4),
    };
    Recipe { engine, shortest: 1.0, budget, stream_interval: 1 }
}

/// Whether aiconfigurator's makers measured it: their rows name the file they were measured into.
pub fn is_own(source: &str) -> bool {
    source.contains("aic-auto-gap-analysis")
}

/// The clients that a row's source names; `batch_size` is what one replica of several had of them.
pub fn clients(source: &str) -> Option<u32> {
    source.split(';').find_map(|part| part.trim().strip_prefix("silicon_concurrency=")?.parse().ok())
}

/// The first three numbers of a version, missing ones zero.
fn release(version: &str) -> [u32; 3] {
    let mut numbers = [0; 3];
    for (number, part) in numbers.iter_mut().zip(version.split('.')) {
        *number = part.parse().unwrap_or(0);
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipe_is_that_of_the_source() {
        let own = "source_file=/x/aic-auto-gap-analysis/data/x.csv; silicon_concurrency=160";
        assert_eq!(clients(own), Some(160));
        assert_eq!(clients("source_file=2026-04-06.csv"), None);
        let kinds = [("0.5.1.post1", EngineKind::Sglang), ("0.5.6.post2", EngineKind::SglangMixed)];
        for (version, engine) in kinds {
            assert_eq!(recipe(own, "sglang", version, 1_000).engine, engine, "{version}");
        }
        assert_eq!(recipe(own, "sglang", "0.5.6.post2", 1_000).budget, 8_192);
        assert_eq!(recipe(own, "vllm", "0.12.0", 1_024).budget, 1_280);
        let gathered = recipe("2026-04-06.csv; model=DeepSeek-R1", "sglang", "0.5.9", 1_024);
        assert_eq!((gathered.engine, gathered.stream_interval), (EngineKind::Sglang, 10));
        assert_eq!(recipe("2026-04-06.csv", "vllm", "0.12.0", 1_024).stream_interval, 1);
    }
}
