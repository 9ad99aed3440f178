//! What a replica is made of, all defaults explicit.

use crate::time::Span;
use crate::timing::EngineKind;
use serde::{Deserialize, Serialize};

/// What serves the requests of a replica.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ServerParams {
    /// A continuous-batching engine with a paged KV cache.
    Engine(EngineParams),
    /// First in, first out over a number of slots, by priority class, not preemptive: for queueing formulas.
    Fifo(QueueParams),
    /// Processor sharing: all requests at once, each at an equal share: for queueing formulas.
    Ps(QueueParams),
}

/// How an engine goes through its steps. Both give the same results; the first is the proof of the second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stepping {
    /// One event a step, every sequence touched.
    Stepwise,
    /// Decoding sequences in lockstep, stretches of equal steps in closed form.
    #[default]
    Fast,
}

/// How a KV cache is kept. Both give the same results; the second is the proof of the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CacheMethod {
    /// Runs of blocks that are only ever shared together.
    #[default]
    Extents,
    /// Single blocks.
    Blocks,
}

/// How an engine computes: its steps and its cache. Results do not depend on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Method {
    /// Steps.
    pub stepping: Stepping,
    /// Cache.
    pub cache: CacheMethod,
}

impl From<Stepping> for Method {
    /// The fast engine with runs of blocks, or the plain one with single blocks.
    fn from(stepping: Stepping) -> Method {
        let cache = match stepping {
            Stepping::Fast => CacheMethod::Extents,
            Stepping::Stepwise => CacheMethod::Blocks,
        };
        Method { stepping, cache }
    }
}

/// In which order waiting requests are admitted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scheduler {
    /// First come, first served; shortage preempts the one that was admitted last.
    #[default]
    Fcfs,
    /// Lower `priority` first, then first come; shortage preempts the largest (priority, arrival).
    Priority,
}

/// What must fit the free KV blocks before a request leaves the queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Admission {
    /// The whole prompt, net of its prefix hit (newer vLLM's default).
    #[default]
    FullIsl,
    /// Its first chunk (older vLLM).
    FirstChunk,
    /// The whole prompt and the whole output (TensorRT-LLM's guaranteed-no-evict).
    IslPlusOsl,
    /// The whole prompt and the whole output, beside a share of the output that running sequences still have before
    /// them; the share shrinks from step to step and grows with each preemption (SGLang's `new_token_ratio`).
    EstimatedOsl,
}

/// How prompts and outputs share the steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Batching {
    /// In the same steps, running sequences first (vLLM V1, TensorRT-LLM's in-flight batching).
    #[default]
    Mixed,
    /// A step computes prompts or outputs, and prompts go first: while one can be computed, decoding pauses (SGLang
    /// without mixed chunks). The token budget is that of a prefill step (`chunked_prefill_size`).
    PrefillFirst,
}

/// What engines of a kind do alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Habits {
    /// How prompts and outputs share the steps.
    pub batching: Batching,
    /// What must fit before a request is admitted.
    pub admission: Admission,
    /// Whether a step is composed ahead.
    pub async_scheduling: bool,
}

impl Habits {
    /// Those of `kind`. SGLang overlaps its scheduler with the step under way too. The numbers that we have of it without
    /// mixed chunks are met better without the step that this adds to TTFT, those with them better with it.
    pub fn of(kind: EngineKind) -> Habits {
        let (batching, admission) = match kind {
            EngineKind::Vllm | EngineKind::VllmAsync => (Batching::Mixed, Admission::FullIsl),
            EngineKind::Sglang => (Batching::PrefillFirst, Admission::EstimatedOsl),
            EngineKind::SglangMixed => (Batching::Mixed, Admission::EstimatedOsl),
            EngineKind::Trtllm => (Batching::Mixed, Admission::IslPlusOsl),
        };
        let async_scheduling = matches!(kind, EngineKind::VllmAsync | EngineKind::SglangMixed);
        Habits { batching, admission, async_scheduling }
    }
}

/// A continuous-batching engine.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EngineParams {
    /// KV blocks on the GPU, one of which the engine keeps for itself (vLLM's null block).
    pub kv_blocks: u32,
    /// Tokens in a block. Equal in all pools of a scenario.
    pub block_tokens: u32,
    /// Token budget of one step.
    pub max_num_batched_tokens: u32,
    /// The most sequences in the running batch.
    pub max_num_seqs: u32,
    /// The most tokens of one prompt in one step; 0 is no limit.
    pub long_prefill_token_threshold: u32,
    /// The longest context, prompt and output together, in tokens.
    pub max_model_len: u32,
    /// Order of admission.
    pub scheduler: Scheduler,
    /// What must fit before a request is admitted.
    pub admission: Admission,
    /// Free blocks that admission leaves alone while anything runs.
    pub watermark_blocks: u32,
    /// Whether full blocks are shared between requests.
    pub prefix_cache: bool,
    /// A cached prefix can be used up to a multiple of so many blocks alone. 1 is every block.
    #[serde(skip_serializing_if = "is_every_block")]
    pub checkpoint_blocks: u32,
    /// Whether a prompt may be spread over several steps.
    pub chunked_prefill: bool,
    /// How prompts and outputs share the steps.
    #[serde(skip_serializing_if = "is_mixed")]
    pub batching: Batching,
    /// Whether a step is composed when the one before it starts, so that who arrives meanwhile misses it (vLLM's
    /// `async_scheduling`, SGLang's overlap scheduler).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub async_scheduling: bool,
}

/// Left out of a printed plan, so that plans of engines that mix stay what they were.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_mixed(batching: &Batching) -> bool {
    *batching == Batching::Mixed
}

/// Left out of a printed plan, so that plans of models without a state stay what they were.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_every_block(blocks: &u32) -> bool {
    *blocks == 1
}

impl EngineParams {
    /// The blocks that requests can use.
    pub fn usable_blocks(&self) -> u32 {
        self.kv_blocks.saturating_sub(1)
    }
    /// Of so many leading blocks that are cached, those up to the last checkpoint.
    pub fn up_to_checkpoint(&self, blocks: u32) -> u32 {
        blocks - blocks % self.checkpoint_blocks.max(1)
    }
}

/// A plain queue. The service time is `per_request + prompt × per_prompt_token + output × per_output_token`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct QueueParams {
    /// Requests served at once (fifo only).
    pub slots: u32,
    /// The most requests in the replica, in service or waiting; `None` is no limit.
    pub capacity: Option<u32>,
    /// Time for each request.
    pub per_request: Span,
    /// Time for each prompt token.
    pub per_prompt_token: Span,
    /// Time for each output token.
    pub per_output_token: Span,
}
