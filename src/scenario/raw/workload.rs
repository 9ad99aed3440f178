//! Workloads as they are written.

use crate::dist::Dist;
use crate::units::{Duration, Ratio};
use crate::workload::{Columns, OnBadLine, TimeUnit, TraceFormat};
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::Error;

/// What is sent: exactly one of `trace` and `synthetic`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Workload")]
pub struct RawWorkload {
    /// Requests from a file.
    pub trace: Option<RawTrace>,
    /// Requests from a generator.
    pub synthetic: Option<RawSynthetic>,
    /// The SLO class of requests that name none. Default: the first of `[slo]`.
    pub class: Option<String>,
    /// The residency class of requests that name none. Default: their origin's.
    pub data_class: Option<String>,
    /// Scheduling priority of requests that name none; lower goes first. Default: the class's.
    pub priority: Option<u8>,
    /// All requests come from this origin. Default: by the origins' weights.
    pub origin: Option<String>,
    /// Share of sessions whose origin follows from their tenant, so that a tenant has a home. Default: 0.
    pub tenant_affinity: Option<Ratio>,
}

/// A trace to replay.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Trace")]
pub struct RawTrace {
    /// The file: JSON lines or CSV, plain, .gz or .zst; relative to the scenario.
    pub path: String,
    /// The file's format. Default: "auto", by content.
    pub format: Option<TraceFormat>,
    /// Tokens of one of the file's blocks, where the file does not say. Default: 512 for Mooncake.
    #[schemars(range(min = 1, max = 1_048_576))]
    pub trace_block_tokens: Option<u32>,
    /// What a line that cannot be read does: "fail" refuses the trace, "skip" leaves the line out and counts it.
    /// Default: "fail".
    pub on_bad_line: Option<OnBadLine>,
    /// Telemetry: which column means what, as `{ time = "ts", input = "prompt_tokens" }`. Default: the usual names.
    pub columns: Option<Columns>,
    /// Telemetry: the unit of the column of time: "s", "ms", "us", "ns" or "rfc3339". Default: by its form and size.
    pub time_unit: Option<TimeUnit>,
    /// Sessions that start in a second, where the file does not say when they start. Default: 0.1.
    #[schemars(range(min = 1e-6, max = 1e6))]
    pub session_rate: Option<f64>,
    /// Coding-agent sessions: those of one model with tools and system prompt of equal length share that prefix, which
    /// the file tells apart. Default: false.
    pub restore_shared_prefix: Option<bool>,
    /// Spread requests over the cells of a coarse clock (Mooncake: 3 seconds). Default: true.
    pub dejitter: Option<bool>,
    /// How many times faster than recorded requests arrive. Default: 1.
    #[schemars(range(min = 0.001, max = 1000))]
    pub speed: Option<f64>,
    /// Only the first so many requests of the file. Default: all.
    #[schemars(range(min = 1))]
    pub limit: Option<u64>,
}

/// A generator: sessions arrive in an open loop, later turns wait for the answers.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Synthetic", extend("required" = ["sessions_per_s"]))]
pub struct RawSynthetic {
    /// New sessions in a second, over all origins.
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 1e6))]
    pub sessions_per_s: Option<f64>,
    /// Gaps between sessions: "poisson", or `{ gamma = { cv = 2.0 } }` for bursts. Default: "poisson".
    pub arrivals: Option<RawArrivals>,
    /// No session starts after this. One of `duration` and `requests`.
    pub duration: Option<Duration>,
    /// Sessions are planned until their turns are this many. One of `duration` and `requests`.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub requests: Option<u64>,
    /// How many tenants; a system prompt belongs to one. Default: 1.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub tenants: Option<u32>,
    /// System prompts at the head of every prompt. Default: none.
    pub system: Option<RawShared>,
    /// Documents after the system prompt (retrieval). Default: none.
    pub documents: Option<RawShared>,
    /// The first user message, in tokens. Default: lognormal, median 200, sigma 1, at most 32768.
    pub message: Option<RawTokens>,
    /// User messages of later turns, in tokens. Default: lognormal, median 80, sigma 1, at most 32768.
    pub later_message: Option<RawTokens>,
    /// Answers, in tokens. Default: lognormal, median 180, sigma 0.8, at most 4096.
    pub output: Option<RawTokens>,
    /// Turns of a session. Default: one.
    pub turns: Option<Dist>,
    /// Seconds from an answer to the next turn. Default: lognormal, median 12, sigma 1.
    pub think_s: Option<Dist>,
    /// A session ends before the turn that would exceed so many tokens. Default: 131072.
    #[schemars(range(min = 2, max = 16_777_216))]
    pub max_context_tokens: Option<u32>,
}

/// Gaps between sessions.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[schemars(rename = "Arrivals")]
pub enum RawArrivals {
    /// Exponential gaps.
    Poisson,
    /// Gamma gaps.
    Gamma {
        /// Coefficient of variation of the gaps; above 1 is burstier than Poisson.
        #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 100))]
        cv: f64,
    },
}

/// Prompt heads that requests share.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Shared")]
pub struct RawShared {
    /// How many different ones.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub count: u32,
    /// Length of each in tokens, drawn once.
    pub tokens: RawTokens,
    /// Zipf exponent of their popularity; 0 is uniform. Default: 0.
    #[serde(default)]
    #[schemars(range(min = 0, max = 10))]
    pub zipf: f64,
}

/// A length in tokens: a number, or a distribution with bounds such as `{ lognormal = { median = 200, sigma = 1 }, max = 4096 }`.
#[derive(Clone, Debug, PartialEq)]
pub enum RawTokens {
    /// Always so many.
    Fixed(u32),
    /// Drawn.
    Drawn {
        /// The distribution.
        dist: Dist,
        /// The least.
        min: Option<u32>,
        /// The most.
        max: Option<u32>,
    },
}

impl<'de> Deserialize<'de> for RawTokens {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut table = match toml::Value::deserialize(deserializer)? {
            toml::Value::Integer(tokens) => {
                return u32::try_from(tokens).map(RawTokens::Fixed).map_err(D::Error::custom);
            }
            toml::Value::Table(table) => table,
            _ => return Err(D::Error::custom("a length is a whole number or a distribution")),
        };
        let mut bound = |name: &str| match table.remove(name) {
            None => Ok(None),
            Some(value) => value
                .as_integer()
                .and_then(|tokens| u32::try_from(tokens).ok())
                .map(Some)
                .ok_or_else(|| D::Error::custom(format!("`{name}` is a whole number of tokens"))),
        };
        let (min, max) = (bound("min")?, bound("max")?);
        Ok(RawTokens::Drawn { dist: Dist::deserialize(table).map_err(D::Error::custom)?, min, max })
    }
}
impl JsonSchema for RawTokens {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Tokens".into()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let mut drawn = super::super::schema::inlined::<Dist>(generator);
        for (name, meaning) in [
            ("min", "The least. Default: 1."),
            ("max", "The most. Default: the distribution's own end, else 32768."),
        ] {
            let bound = serde_json::json!({
                "type": "integer", "format": "uint32", "minimum": 1, "maximum": 16_777_216, "description": meaning
            });
            super::super::schema::each_alternative(&mut drawn, |alternative| {
                super::super::schema::add(alternative, name, bound.clone(), false);
            });
        }
        let fixed = serde_json::json!({
            "type": "integer", "format": "uint32", "minimum": 1, "maximum": 16_777_216, "description": "Always so many."
        });
        schemars::json_schema!({
            "description": "A length in tokens: a number, or a distribution with bounds such as { lognormal = { median = 200, sigma = 1 }, max = 4096 }.",
            "anyOf": [fixed, drawn],
        })
    }
}
