//! Workloads as they are written.

use super::demand::{RawCurve, RawStage};
use crate::dist::Dist;
use crate::units::{Duration, Ratio};
use crate::workload::kinds::Kind;
use crate::workload::{AtLimit, Columns, CopiesShare, OnBadLine, TimeUnit, TraceFormat};
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::Error;
use serde_json::Value;

/// What is sent: exactly one of `trace`, `synthetic` and `pool`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Workload")]
pub struct RawWorkload {
    /// Requests from a file.
    pub trace: Option<RawTrace>,
    /// Requests from a generator.
    pub synthetic: Option<RawSynthetic>,
    /// Requests client by client, from recorded rates.
    pub pool: Option<RawClientPool>,
    /// The SLO class of requests that name none. Default: the first of `[slo]`.
    pub class: Option<String>,
    /// The residency class of requests that name none. Default: their origin's.
    pub data_class: Option<String>,
    /// Scheduling priority of requests that name none; lower goes first. Default: the class's.
    pub priority: Option<u8>,
    /// Regions whose replicas may serve its requests, within what their data class allows. Default: all.
    pub allowed_regions: Option<Vec<String>>,
    /// All requests come from this origin. Default: by the origins' weights.
    pub origin: Option<String>,
    /// Share of sessions whose origin follows from their tenant, so that a tenant has a home. Default: 0.
    pub tenant_affinity: Option<Ratio>,
    /// The same with the shared prompt in place of the tenant; one of the two. Default: 0.
    pub prefix_affinity: Option<Ratio>,
    /// Whether a session's origin is drawn by the weights of the hour at which it begins, where origins have day curves, or by those of the whole day: "diurnal" or "static". Default: "diurnal".
    pub origin_draw: Option<OriginDraw>,
    /// The time of the week, in UTC, at which the run begins, such as "Tue 14:00": where day curves begin. Default: the trace's own beginning where its file has dates, else "Mon 00:00".
    pub utc_start: Option<String>,
    /// Demand by local time of origins that state none: "chat", "office", "flat", a table or a sinusoid. Default: "flat".
    pub rate_curve: Option<RawCurve>,
    /// A client leaves when its request has not completed after this. Default: clients are patient.
    pub timeout: Option<Duration>,
    /// A client leaves when it has no first token after this. Default: clients are patient.
    pub first_token_timeout: Option<Duration>,
    /// More or less of it: a factor on a generator's rates (or clients), the share of a trace's sessions that are replayed, above 1 with copies of them. Default: 1.
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 1000))]
    pub scale: Option<f64>,
    /// How long after the run's start the workload starts. Default: "0s".
    pub shift: Option<Duration>,
}

/// How origins are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OriginDraw {
    /// By the weights of the hour.
    Diurnal,
    /// By the weights of the day.
    Static,
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
    /// What copies of sessions (`scale` above 1) share with them: "nothing", or the "universal" first blocks, which more than ten requests and more than one of a hundred begin with. Default: "nothing".
    pub copies_share: Option<CopiesShare>,
    /// The scope of its block ids: workloads whose traces have one scope mean the same blocks by the same ids. Default: the file's own; without one, the file's content alone, and each workload that replays it has blocks of its own.
    pub id_scope: Option<String>,
    /// Only the first so many requests of the file. Default: all.
    #[schemars(range(min = 1))]
    pub limit: Option<u64>,
    /// Only sessions that begin in this part of the trace, before `speed`; the part's beginning is the replay's. Default: all.
    pub window: Option<RawWindow>,
}

/// A pool of clients with recorded rates: each a renewal process of its own, single turns, nothing shared between clients.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ClientPool")]
pub struct RawClientPool {
    /// A table `client,t,rate,cv,pattern,p1,p2`, plain, .gz or .zst; relative to the scenario.
    pub rates: String,
    /// A table of quantiles, `client,t,input_tokens_p50,…,output_tokens_p50,…`.
    pub lengths: String,
    /// Where in the recorded time to begin. Default: "0s".
    pub from: Option<Duration>,
    /// How much of the recorded time. Default: all of it.
    #[serde(rename = "for")]
    pub lasts: Option<Duration>,
    /// What each client's prompts begin with, within their recorded length; drawn once a client. Default: nothing is shared.
    pub system: Option<RawTokens>,
}

/// A part of a trace's time.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Window")]
pub struct RawWindow {
    /// Where it begins, from the trace's time 0. Default: "0s".
    pub from: Option<Duration>,
    /// How long it is.
    #[serde(rename = "for")]
    pub lasts: Duration,
}

/// A generator: sessions arrive in an open loop, later turns wait for the answers.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Synthetic")]
pub struct RawSynthetic {
    /// Where the defaults of all other keys come from: "chat", "coding_agent", "support_agent", "rag", "summarisation" or "batch". Default: none; single turns without shared prompts.
    pub kind: Option<Kind>,
    /// New sessions in a second, over all origins, on the mean of a usual day. One of `sessions_per_s` and `stages`.
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 1e6))]
    pub sessions_per_s: Option<f64>,
    /// A closed loop of clients in place of arrivals: each sends its next request when its last has ended. One of `sessions_per_s`, `stages` and `clients`.
    pub clients: Option<RawClients>,
    /// A ladder of rates, `[{ rate = 1, for = "5m" }, …]`, with `to` a ramp; the last one's end is the workload's. One of `sessions_per_s` and `stages`.
    pub stages: Option<Vec<RawStage>>,
    /// Gaps between sessions: "poisson", "on_off", or `{ gamma = { cv = 2.0 } }` and others for bursts. Default: "poisson".
    pub arrivals: Option<RawArrivals>,
    /// No session starts after this. One of `duration` and `requests`.
    pub duration: Option<Duration>,
    /// Sessions are planned until their turns are this many. One of `duration` and `requests`.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub requests: Option<u64>,
    /// How many tenants; a system prompt belongs to one. Default: 1.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub tenants: Option<u32>,
    /// Zipf exponent of the tenants' shares of the sessions; 0 is uniform. Default: none; a system prompt is drawn by its own popularity and brings its tenant.
    #[schemars(range(min = 0, max = 20))]
    pub tenant_zipf: Option<f64>,
    /// So many tenants are heavy hitters. Default: 0.
    pub heavy_tenants: Option<u32>,
    /// Share of the sessions that the heavy hitters have, evenly, beside their Zipf share of the rest. Default: 0.
    pub heavy_share: Option<Ratio>,
    /// Tokens that every prompt begins with, before the system prompt. Default: 0.
    #[schemars(range(min = 0, max = 16_777_216))]
    pub global: Option<u32>,
    /// Workloads with the same name here begin with the same global tokens. Default: none of them is shared.
    pub global_shared_as: Option<String>,
    /// System prompts at the head of every prompt. Default: none.
    pub system: Option<RawShared>,
    /// Documents after the system prompt (retrieval). Default: none.
    pub documents: Option<RawShared>,
    /// What belongs to a user (memory, instructions), after the documents; `count` users, `zipf` their activity. Default: none.
    pub users: Option<RawShared>,
    /// The first prompt of a session with all that comes before its message; in place of `message`. Default: none.
    pub first_input: Option<RawTokens>,
    /// The first user message, in tokens. Default: lognormal, median 200, sigma 1, at most 32768.
    pub message: Option<RawTokens>,
    /// User messages of later turns, in tokens. Default: lognormal, median 80, sigma 1, at most 32768.
    pub later_message: Option<RawTokens>,
    /// How much longer each prompt is than the one before it, with the answer between them; drawn at the answer's rank, in place of `later_message`. Default: none.
    pub growth: Option<RawTokens>,
    /// Answers, in tokens. Default: lognormal, median 180, sigma 0.8, at most 4096.
    pub output: Option<RawTokens>,
    /// Turns of a session. Default: one.
    pub turns: Option<RawNumber>,
    /// Seconds from an answer to the next turn. Default: lognormal, median 12, sigma 1.
    pub think_s: Option<RawNumber>,
    /// Share of later turns that wait for a tool instead of a person. Default: 0.
    pub tool_share: Option<Ratio>,
    /// Seconds from an answer to the next turn where that waits for a tool. Default: none.
    pub tool_wait_s: Option<RawNumber>,
    /// Share of later turns at which the context is compacted to what a session begins with. Default: 0.
    pub reset_share: Option<Ratio>,
    /// What happens before a turn that would exceed the context: "end" the session or "reset" its context. Default: "end".
    pub at_limit: Option<AtLimit>,
    /// The most tokens of a prompt and its output; see `at_limit`. Default: 131072.
    #[schemars(range(min = 2, max = 16_777_216))]
    pub max_context_tokens: Option<u32>,
}

/// Clients in a closed loop.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Clients")]
pub struct RawClients {
    /// How many.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub count: u32,
    /// Seconds from a session's last answer to the client's next session; with single turns the time to think. Default: 0.
    pub pause_s: Option<RawNumber>,
    /// They begin evenly over this time. Default: "0s".
    pub ramp: Option<Duration>,
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
    /// Weibull gaps.
    Weibull {
        /// Shape; 1 is Poisson, below 1 burstier.
        #[schemars(range(min = 0.1, max = 100))]
        shape: f64,
    },
    /// On and off, as an hour of code completions at Azure.
    OnOff,
    /// Poisson at a rate that jumps between on and off, each for an exponential time.
    Bursts {
        /// Share of time that is on.
        on_fraction: f64,
        /// The rate while on over the mean rate.
        on_rate: f64,
        /// Mean length of a time that is on.
        mean_on: Duration,
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
    /// Workloads with the same name here have the same prompts, where all layers before are shared too. Default: none of them is shared.
    #[serde(default)]
    pub shared_as: Option<String>,
}

/// Always the same number, such as `4`, or a distribution such as `{ lognormal = { median = 12, sigma = 1 } }`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "Number")]
pub enum RawNumber {
    /// Always this.
    Fixed(f64),
    /// Drawn anew each time.
    Drawn(Dist),
}

impl From<RawNumber> for Dist {
    fn from(number: RawNumber) -> Dist {
        match number {
            RawNumber::Fixed(value) => Dist::Constant { value },
            RawNumber::Drawn(dist) => dist,
        }
    }
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
        let whole = |value: &Value| value.as_u64().and_then(|tokens| u32::try_from(tokens).ok());
        let mut value = Value::deserialize(deserializer)?;
        let Value::Object(table) = &mut value else {
            let fixed = whole(&value).map(RawTokens::Fixed);
            return fixed.ok_or_else(|| D::Error::custom("a length is a whole number or a distribution"));
        };
        let mut bound = |name: &str| match table.remove(name) {
            None => Ok(None),
            Some(value) => match whole(&value) {
                None => Err(D::Error::custom(format!("`{name}` is a whole number of tokens"))),
                bound => Ok(bound),
            },
        };
        let (min, max) = (bound("min")?, bound("max")?);
        Ok(RawTokens::Drawn { dist: Dist::deserialize(value).map_err(D::Error::custom)?, min, max })
    }
}
impl JsonSchema for RawTokens {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Tokens".into()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let mut drawn = super::super::schema_parts::inlined::<Dist>(generator);
        for (name, meaning) in [
            ("min", "The least. Default: 1."),
            ("max", "The most. Default: the distribution's own end, else 32768."),
        ] {
            let bound = serde_json::json!({
                "type": "integer", "format": "uint32", "minimum": 1, "maximum": 16_777_216, "description": meaning
            });
            super::super::schema_parts::each_alternative(&mut drawn, |alternative| {
                super::super::schema_parts::add(alternative, name, bound.clone(), false);
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
