//! What a replica is made of, all defaults explicit.

use crate::time::Span;
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
    /// Whether a prompt may be spread over several steps.
    pub chunked_prefill: bool,
}

impl EngineParams {
    /// The blocks that requests can use.
    pub fn usable_blocks(&self) -> u32 {
        self.kv_blocks.saturating_sub(1)
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
