//! How a trace file is read. Knows the words of scenario and command line; must not know any format's fields.

use super::columns::{Columns, TimeUnit};

/// The format of a trace file.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum TraceFormat {
    /// By the file's beginning: the first line's keys or column names.
    #[default]
    Auto,
    /// regionsim's own JSONL.
    Native,
    /// Mooncake JSONL, with AIPerf's sessions.
    Mooncake,
    /// Qwen-Bailian JSONL.
    Bailian,
    /// Azure LLM inference trace CSV, 2023 and 2024.
    Azure,
    /// BurstGPT CSV, versions 1 to 3.
    #[serde(rename = "burstgpt")]
    BurstGpt,
    /// Coding-agent sessions, one JSON object each.
    AgentSessions,
    /// Turns of tool-calling sessions without times, JSONL.
    AgentTurns,
    /// Your own CSV or JSONL, by a mapping of columns.
    Telemetry,
    /// OpenTelemetry GenAI spans as OTLP JSON.
    Otlp,
    /// The detailed result of `vllm bench serve`.
    VllmBench,
}

/// What a line that cannot be read does to the trace.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum OnBadLine {
    /// The trace is refused, with the first findings: a trace that silently lost rows is another workload.
    #[default]
    Fail,
    /// The line is left out; a notice counts such lines and names the first.
    Skip,
}

/// How a trace file is read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReadOptions {
    /// The format.
    pub format: TraceFormat,
    /// Tokens of one of the file's blocks, for formats that do not say (Mooncake; default 512).
    pub trace_block_tokens: Option<u32>,
    /// What a bad line does.
    pub on_bad_line: OnBadLine,
    /// Which columns mean what, for telemetry.
    pub columns: Columns,
    /// The unit of the column of time, for telemetry that does not say it by its form.
    pub time_unit: Option<TimeUnit>,
    /// Sessions that start in a second, for traces that do not say when. Default: [`SESSION_RATE`].
    pub session_rate: Option<f64>,
    /// Coding-agent sessions of equal model, tool and system lengths share the blocks of that prefix, which the file
    /// tells apart.
    pub restore_shared_prefix: bool,
    /// The scope of its block ids, over what the file says: traces of one scope mean the same blocks by the same ids.
    pub id_scope: Option<String>,
}

/// Default of [`ReadOptions::session_rate`], in sessions a second (our choice: one every ten seconds; the published
/// coding-agent sessions last an hour in the median, so some hundreds then run side by side).
pub const SESSION_RATE: f64 = 0.1;
