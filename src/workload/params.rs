//! What a workload is made from. Knows parameters, ids and integers; must not know the scenario file that fills
//! them. All defaults are explicit here, so that a plan shows what runs.

use super::curve::Curve;
use super::pool::ClientPool;
use super::trace::CompiledTrace;
use crate::dist::Dist;
use crate::id::{ClassId, DataClassId, OriginId, RegionSet};
use crate::rng::{hash_name, mix2};
use crate::time::Span;
use serde::Serialize;
use std::sync::Arc;

/// One workload of a scenario.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WorkloadParams {
    /// Its name in the scenario: the root of its requests' keys.
    pub name: String,
    /// The SLO class of requests that name none.
    pub class: ClassId,
    /// The residency class of requests that name none; `None` takes the origin's.
    pub data_class: Option<DataClassId>,
    /// Scheduling priority of requests that name none; lower goes first.
    pub priority: u8,
    /// Where its clients are.
    pub origins: OriginAssignment,
    /// What it sends.
    pub kind: WorkloadKind,
    /// How it is set into the scenario's time.
    pub setting: Setting,
}

/// How a workload is set into the scenario: its time, what holds for all of its requests.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Setting {
    /// The time of the week at which the run begins, in seconds since Monday 0 h UTC: where day curves begin.
    pub utc_start_s: u32,
    /// The day curve of origins that state none of their own; `None` is the same at all times.
    pub rate_curve: Option<Curve>,
    /// How long after the run's start the workload starts.
    pub shift: Span,
    /// Regions whose replicas may serve it, within what its data class allows; `None` adds no rule.
    pub allowed: Option<RegionSet>,
    /// A client leaves when it has no first token after this.
    pub first_token_timeout: Option<Span>,
    /// A client leaves when its request has not completed after this.
    pub timeout: Option<Span>,
}

impl WorkloadParams {
    /// A workload of all defaults but these.
    pub fn new(name: &str, kind: WorkloadKind) -> WorkloadParams {
        WorkloadParams {
            name: name.to_owned(),
            class: ClassId(0),
            data_class: None,
            priority: 0,
            origins: OriginAssignment::default(),
            kind,
            setting: Setting::default(),
        }
    }
}

/// How requests that name no origin get one. Every turn of a session has the same.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OriginAssignment {
    /// By the origins' weights, a keyed draw per session (per request where there is none).
    Weighted {
        /// Share of sessions, 0 to 1, whose draw is keyed by their group instead, so that a group has a home. 0
        /// spreads every shared prompt over all origins (worst for local caches), 1 is the opposite.
        affinity: f64,
        /// What a group is.
        by: AffinityBy,
        /// Whether a session's origin is drawn with the weights of the moment at which it begins (day curves), not
        /// those of the whole day. Homes do not move.
        diurnal: bool,
    },
    /// All from one origin, over what rows name as well.
    Single(OriginId),
}

impl Default for OriginAssignment {
    fn default() -> Self {
        OriginAssignment::Weighted { affinity: 0.0, by: AffinityBy::Tenant, diurnal: true }
    }
}

impl OriginAssignment {
    /// What a group is under affinity.
    pub fn by(self) -> AffinityBy {
        match self {
            OriginAssignment::Weighted { by, .. } => by,
            OriginAssignment::Single(_) => AffinityBy::Tenant,
        }
    }
}

/// What has a home origin under affinity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AffinityBy {
    /// Tenants.
    #[default]
    Tenant,
    /// Sessions that begin with the same shared prompt: the first blocks that not nearly everyone has.
    Prefix,
}

/// Where the requests come from.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "there is one of it for each workload")]
pub enum WorkloadKind {
    /// A trace is replayed.
    Trace(TraceParams),
    /// Requests are drawn.
    Synthetic(SyntheticParams),
    /// Requests are drawn, client by client, from recorded rates.
    Pool(PoolParams),
}

/// How a pool of clients is used.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PoolParams {
    /// The clients; shown as paths, hash and counts.
    #[serde(serialize_with = "pool_summary_of")]
    pub pool: Arc<ClientPool>,
    /// A factor on all rates.
    pub scale: f64,
    /// The part of the recorded time.
    pub window: Window,
    /// What each client's prompts begin with, within their recorded length, drawn once a client; `None` shares nothing.
    pub system: Option<Tokens>,
}

fn pool_summary_of<S: serde::Serializer>(pool: &Arc<ClientPool>, to: S) -> Result<S::Ok, S::Error> {
    pool.summary().serialize(to)
}

/// How a trace is replayed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TraceParams {
    /// The rows; shown as path, hash and counts.
    #[serde(serialize_with = "summary_of")]
    pub trace: Arc<CompiledTrace>,
    /// How many times faster than recorded requests arrive; think times stay.
    pub speed: f64,
    /// Only the first so many rows of the file.
    pub limit: Option<u64>,
    /// Keep the file's timestamps even where they sit on a coarse clock grid. By default the requests of a grid
    /// cell are spread over it.
    pub raw_times: bool,
    /// Share of the sessions that are replayed, above 0 to 1: whole sessions, each by a draw of its own. Above 1,
    /// sessions are copied, the last copy in part.
    pub sample: f64,
    /// What copies of a session share with it.
    #[serde(skip_serializing_if = "CopiesShare::is_nothing")]
    pub copies_share: CopiesShare,
    /// What keeps it apart from another workload that replays the same trace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apart: Option<Apart>,
    /// Only sessions that begin within a part of the file's time; what is before it is left out.
    pub window: Option<Window>,
}

/// Which blocks the copies of a trace's sessions share with the trace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CopiesShare {
    /// None.
    #[default]
    Nothing,
    /// The first blocks that more than ten requests and more than one of a hundred begin with: tools, system prompts.
    Universal,
}

impl CopiesShare {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
    fn is_nothing(&self) -> bool {
        *self == CopiesShare::Nothing
    }
}

/// What keeps a workload's requests apart from those of another that replays the same trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Apart {
    /// The salt of its blocks.
    pub salt: u64,
    /// Both declare one scope of block ids: they share what the trace tells, and only the blocks are salted that it does
    /// not tell (answers, partial blocks).
    pub shares: bool,
}

/// A part of a trace's own time, before `speed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Window {
    /// Where it begins, from the trace's time 0. The replay's time 0 is there.
    pub from: Span,
    /// How long it is.
    pub lasts: Span,
}

fn summary_of<S: serde::Serializer>(trace: &Arc<CompiledTrace>, to: S) -> Result<S::Ok, S::Error> {
    trace.summary().serialize(to)
}

impl TraceParams {
    /// The key of each row's request in a workload called `name`, in order of rows; not those of copies.
    pub fn request_keys<'t>(&'t self, name: &str) -> impl Iterator<Item = u64> + 't {
        // As `replay` has it: a second replay of a run's export has keys of its own.
        let apart = (self.apart.is_some() && self.trace.is_as_run()).then(|| hash_name(name));
        self.trace.request_keys(name).map(move |key| apart.map_or(key, |name| mix2(key, name)))
    }
    /// A replay as recorded.
    pub fn new(trace: Arc<CompiledTrace>) -> TraceParams {
        TraceParams {
            trace,
            speed: 1.0,
            limit: None,
            raw_times: false,
            sample: 1.0,
            copies_share: CopiesShare::Nothing,
            apart: None,
            window: None,
        }
    }
}

/// A generated workload: sessions that arrive in an open loop and whose later turns wait for the answers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SyntheticParams {
    /// The gaps between first turns.
    pub arrivals: Arrivals,
    /// First turns (sessions) per second, over all origins, on the mean of a usual day.
    pub sessions_per_s: f64,
    /// A ladder of rates instead of `sessions_per_s`, one stage after the other; empty is none.
    pub stages: Vec<RateStage>,
    /// A closed loop of clients in place of arrivals; rate and stages are then not used.
    pub clients: Option<Clients>,
    /// When it stops.
    pub until: Until,
    /// How many tenants; a system prompt belongs to one.
    pub tenants: u32,
    /// How sessions fall on tenants. `None`: a system prompt is drawn by its own popularity and has its tenant; without
    /// system prompts all tenants are alike.
    pub tenancy: Option<Tenancy>,
    /// What every prompt begins with (tools, a product's prompt), before the system prompt.
    pub global: Option<GlobalPrefix>,
    /// System prompts at the head of every prompt.
    pub system: Option<SharedPrefix>,
    /// Documents after the system prompt (retrieval).
    pub documents: Option<SharedPrefix>,
    /// What belongs to a user (memory, instructions), after the documents; its `zipf` is the users' activity.
    pub users: Option<SharedPrefix>,
    /// The first prompt of a session with everything before it; in place of `message`.
    pub first_input: Option<Tokens>,
    /// The first user message.
    pub message: Tokens,
    /// The user messages of later turns.
    pub later_message: Tokens,
    /// How much longer each prompt is than the one before, the answer between them included; in place of
    /// `later_message`. Drawn at the same rank as that answer: long answers and long additions go together, because
    /// independent draws would make prompts that do not hold the answer before them.
    pub growth: Option<Tokens>,
    /// Answers.
    pub output: Tokens,
    /// Turns of a session, at least 1, rounded to the nearest.
    pub turns: Dist,
    /// Seconds from an answer's arrival at the client to the next turn.
    pub think_s: Dist,
    /// Share of later turns that wait for a tool, not for a person, 0 to 1.
    pub tool_share: f64,
    /// Seconds from an answer to the next turn where that waits for a tool.
    pub tool_wait_s: Dist,
    /// Share of later turns, 0 to 1, at which the context is compacted: the prompt is drawn like a first one, and shares
    /// only the layers above the session's own.
    pub reset_share: f64,
    /// What happens before the turn whose prompt and output would exceed `max_context_tokens`.
    pub at_limit: AtLimit,
    /// The most tokens of a prompt and its output; a first turn is cut to it.
    pub max_context_tokens: u32,
}

/// Clients in a closed loop: each sends its next request when its last has ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Clients {
    /// How many.
    pub count: u32,
    /// Seconds from a session's last answer to the client's next session. With single turns this is the time to think.
    pub pause_s: Dist,
    /// They begin evenly over this time.
    pub ramp: Span,
}

/// What happens to a session that would exceed its context.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AtLimit {
    /// It ends.
    #[default]
    End,
    /// Its context is compacted.
    Reset,
}

/// How sessions fall on tenants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Tenancy {
    /// Zipf exponent of the tenants' shares; 0 is uniform.
    pub zipf: f64,
    /// The first so many tenants are heavy hitters.
    pub heavy: u32,
    /// They share this part of the sessions evenly, 0 to 1, beside what Zipf gives them of the rest.
    pub heavy_share: f64,
}

/// What every prompt begins with.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GlobalPrefix {
    /// Its length.
    pub tokens: u32,
    /// Workloads that state the same name here begin with the same tokens; `None` is this workload alone.
    pub shared_as: Option<String>,
}

impl Default for SyntheticParams {
    /// Single-turn chat without shared prompts: message median 200, output median 180, one a second for ten
    /// minutes (our choice: within the ranges of public chat traces).
    fn default() -> Self {
        SyntheticParams {
            arrivals: Arrivals::Poisson,
            sessions_per_s: 1.0,
            stages: Vec::new(),
            clients: None,
            until: Until::Duration(Span::from_secs(600)),
            tenants: 1,
            tenancy: None,
            global: None,
            system: None,
            documents: None,
            users: None,
            first_input: None,
            message: Tokens::new(Dist::Lognormal { median: 200.0, sigma: 1.0 }, 32_768),
            later_message: Tokens::new(Dist::Lognormal { median: 80.0, sigma: 1.0 }, 32_768),
            growth: None,
            output: Tokens::new(Dist::Lognormal { median: 180.0, sigma: 0.8 }, 4_096),
            turns: Dist::Constant { value: 1.0 },
            think_s: Dist::Lognormal { median: 12.0, sigma: 1.0 },
            tool_share: 0.0,
            tool_wait_s: Dist::Constant { value: 0.0 },
            reset_share: 0.0,
            at_limit: AtLimit::End,
            max_context_tokens: 131_072,
        }
    }
}

/// A renewal process of arrivals.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Arrivals {
    /// Exponential gaps.
    Poisson,
    /// Gamma gaps.
    Gamma {
        /// Coefficient of variation of the gaps; above 1 is burstier than Poisson.
        cv: f64,
    },
    /// Weibull gaps.
    Weibull {
        /// Shape; 1 is Poisson, below 1 burstier.
        shape: f64,
    },
    /// Poisson at a rate that jumps between two values: on and off, each for an exponential time.
    OnOff {
        /// Share of time that is on.
        on_fraction: f64,
        /// The rate while on over the mean rate; off has the rest.
        on_rate: f64,
        /// Mean length of an on period in seconds.
        mean_on_s: f64,
    },
}

impl Arrivals {
    /// On and off as an hour of code completions at Azure shows it (2023 trace, CC-BY-4.0): 72 % of the hour lies in
    /// gaps above 5 s, and while on the rate is about 3.5 times the mean. The length is fitted to its index of
    /// dispersion, 164 over minutes: with a relaxation time of 19 s the formula of the two-state process gives 162.
    pub const ON_OFF: Arrivals = Arrivals::OnOff { on_fraction: 0.28, on_rate: 3.5, mean_on_s: 26.0 };
}

/// A stage of a ladder: a rate that is kept, or changes evenly, for a time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RateStage {
    /// Sessions per second at its beginning.
    pub from: f64,
    /// Sessions per second at its end.
    pub to: f64,
    /// How long.
    pub lasts: Span,
}

/// When a generator stops.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Until {
    /// No session starts after this; those under way go on.
    Duration(Span),
    /// Sessions are planned until their turns add up to this many requests; in a closed loop, so many are sent.
    Requests(u64),
}

/// A layer of prompt heads that requests share.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SharedPrefix {
    /// How many different ones.
    pub count: u32,
    /// Length of each, drawn once.
    pub tokens: Tokens,
    /// Zipf exponent of their popularity; 0 is uniform.
    pub zipf: f64,
    /// Workloads that state the same name here have the same ones, where all that goes before them is shared too;
    /// `None` is this workload alone.
    pub shared_as: Option<String>,
}

/// A length in tokens: rounded to the nearest and held within bounds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tokens {
    /// The distribution.
    pub dist: Dist,
    /// The least.
    pub min: u32,
    /// The most.
    pub max: u32,
}

impl Tokens {
    /// From 1 to `max`.
    pub fn new(dist: Dist, max: u32) -> Tokens {
        Tokens { dist, min: 1, max }
    }
    /// Always `tokens`.
    pub fn fixed(tokens: u32) -> Tokens {
        Tokens { dist: Dist::Constant { value: tokens as f64 }, min: tokens, max: tokens }
    }
}

/// What a workload needs to know of the world: the names rows may use, and where clients are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OriginTable {
    /// The origins, by id.
    pub origins: Vec<OriginRow>,
    /// Names of the SLO classes, by id.
    pub classes: Vec<String>,
    /// Names of the data classes, by id; 0 is unrestricted.
    pub data_classes: Vec<String>,
    /// Names of the regions, by id.
    pub regions: Vec<String>,
    /// By data class, the regions whose replicas may ever serve it: those that have some.
    pub served_in: Vec<RegionSet>,
}

/// An origin, as a workload sees it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OriginRow {
    /// Its name.
    pub name: String,
    /// Its share of requests that name no origin, relative to the others.
    pub weight: f64,
    /// The data class of its requests.
    pub data_class: DataClassId,
    /// Its clock, its day and its countries.
    pub geography: Geography,
}

/// What is local about an origin.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Geography {
    /// Local time minus UTC, in minutes.
    pub utc_offset_min: i32,
    /// Its demand over the local day; `None` takes the workload's.
    pub day_curve: Option<Curve>,
    /// Countries (ISO 3166-1 alpha-2, upper case) and continents (`africa`, `antarctica`, `asia`, `europe`,
    /// `north-america`, `oceania`, `south-america`) whose requests come from here where a trace names countries.
    pub countries: Vec<String>,
}
