//! Named kinds of traffic: ready-made parameters of the generator, each value overridable. Knows parameters; must not
//! know scenarios. Where numbers come from is said at each kind; "our choice" where nobody has published one. Rates, times
//! and ends are not part of a kind.

use super::params::{Arrivals, AtLimit, GlobalPrefix, SharedPrefix, SyntheticParams, Tenancy, Tokens};
use crate::dist::Dist;

/// A kind of traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// People who chat: a system prompt by tenant, a few turns.
    Chat,
    /// A coding agent: long contexts, dozens of turns, most of which wait for a tool.
    CodingAgent,
    /// A support agent that calls tools: a shared policy, a dozen turns.
    SupportAgent,
    /// Answers from documents: a document set after the system prompt, one or two turns.
    Rag,
    /// Summaries of long documents: one turn, nothing shared but the instruction.
    Summarisation,
    /// Jobs through an interface: one turn, in bursts.
    Batch,
}

fn lognormal(median: f64, sigma: f64) -> Dist {
    Dist::Lognormal { median, sigma }
}

fn shared(count: u32, min: u32, max: u32, zipf: f64) -> SharedPrefix {
    let dist = if min == max {
        Dist::Constant { value: min as f64 }
    } else {
        Dist::Uniform { min: min as f64, max: max as f64 }
    };
    SharedPrefix { count, tokens: Tokens { dist, min, max }, zipf, shared_as: None }
}

/// The longest answer and message where nothing else bounds them (our choice).
const LONGEST: u32 = 65_536;

impl Kind {
    /// All kinds.
    pub const ALL: [Kind; 6] =
        [Kind::Chat, Kind::CodingAgent, Kind::SupportAgent, Kind::Rag, Kind::Summarisation, Kind::Batch];

    /// Its name in scenarios.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Chat => "chat",
            Kind::CodingAgent => "coding_agent",
            Kind::SupportAgent => "support_agent",
            Kind::Rag => "rag",
            Kind::Summarisation => "summarisation",
            Kind::Batch => "batch",
        }
    }

    /// Its parameters.
    pub fn params(self) -> SyntheticParams {
        match self {
            Kind::Chat => chat(),
            Kind::CodingAgent => coding_agent(),
            Kind::SupportAgent => support_agent(),
            Kind::Rag => rag(),
            Kind::Summarisation => summarisation(),
            Kind::Batch => batch(),
        }
    }
}

/// Turns 2.52 in the mean, as `WildChat` has; messages of 30 to 300 tokens (median 95) as Bailian's question-and-answer
/// clusters; answers with median and p90 of Azure's conversation trace of 2023 (129, 424; CC-BY-4.0); system prompts of
/// 1 to 4 k tokens, one a tenant. Reading and typing takes 20 s in the median, tenants' shares are Zipf 1 (our choice).
fn chat() -> SyntheticParams {
    let message = Tokens::new(lognormal(95.0, 0.9), 8_192);
    SyntheticParams {
        tenants: 40,
        tenancy: Some(Tenancy { zipf: 1.0, heavy: 0, heavy_share: 0.0 }),
        system: Some(shared(40, 1_000, 4_000, 0.0)),
        message: message.clone(),
        later_message: message,
        output: Tokens::new(lognormal(129.0, 0.93), 4_096),
        turns: Dist::Geometric { mean: 2.52 },
        think_s: lognormal(20.0, 1.0),
        max_context_tokens: 32_768,
        ..SyntheticParams::default()
    }
}

/// Turns of 692 sessions of coding agents (callanjfox/kv-cache-tester, commit 94f6046d, Apache-2.0) as a quantile table:
/// 0.95 of them have at least 5, 0.85 10, 0.73 20, 0.47 50, 0.21 100, 0.06 200; half a turn less, because turns are rounded.
/// The longest session is our choice.
const AGENT_TURNS: [(f64, f64); 10] = [
    (0.0, 0.5),
    (0.05, 4.5),
    (0.15, 9.5),
    (0.27, 19.5),
    (0.5, 43.5),
    (0.53, 49.5),
    (0.79, 99.5),
    (0.94, 199.5),
    (0.99, 330.5),
    (1.0, 600.5),
];

/// First prompts of the same sessions: p10, median and p90, a quarter above 105 k; ends are our choice.
const AGENT_FIRST: [(f64, f64); 6] = [
    (0.0, 15_300.0),
    (0.1, 15_500.0),
    (0.5, 24_300.0),
    (0.75, 105_000.0),
    (0.9, 260_000.0),
    (1.0, 500_000.0),
];

/// From the same sessions: growth of the prompt from turn to turn (median 663, mean 1,832) and answers (median 217, mean
/// 439) as lognormals; 86 % of turns wait for a tool, exp(2.53) s in the median, sigma 1.27, the others for a person,
/// exp(4.87) s and 1.72; 0.7 % of turns are compacted. Tools (12.4 k tokens) and system prompt (2.8 k) are its
/// medians; that tenants share them is our choice: the recording does not tell.
fn coding_agent() -> SyntheticParams {
    SyntheticParams {
        tenants: 40,
        tenancy: Some(Tenancy { zipf: 1.0, heavy: 0, heavy_share: 0.0 }),
        global: Some(GlobalPrefix { tokens: 12_400, shared_as: None }),
        system: Some(shared(40, 2_800, 2_800, 0.0)),
        first_input: Some(Tokens::new(Dist::Quantiles { table: AGENT_FIRST.to_vec() }, 500_000)),
        growth: Some(Tokens::new(lognormal(663.0, 1.4), 200_000)),
        output: Tokens::new(lognormal(217.0, 1.187), LONGEST),
        turns: Dist::Quantiles { table: AGENT_TURNS.to_vec() },
        think_s: lognormal(130.3, 1.72),
        tool_share: 0.86,
        tool_wait_s: lognormal(12.55, 1.27),
        reset_share: 0.007,
        at_limit: AtLimit::Reset,
        max_context_tokens: 524_288,
        ..SyntheticParams::default()
    }
}

/// Turns of 200 sessions of a tool-calling agent of an airline (sierra-research/tau-bench, commit 59a200c6, MIT): median
/// 11, p90 20, p99 30; half a turn less, because turns are rounded. Ends are our choice.
const SUPPORT_TURNS: [(f64, f64); 5] = [(0.0, 2.5), (0.5, 10.5), (0.9, 19.5), (0.99, 29.5), (1.0, 40.5)];

/// From the same sessions: growth (median 160, p90 343), answers (63, 145), 47 % of turns after a tool, and a policy of
/// 1.6 k tokens; with the tools' descriptions, which are not in the recording, up to 6 k. The waits are not recorded: 1 s
/// for a look-up and 20 s for a customer in the median are our choice, as are 20 tenants of Zipf 1.
fn support_agent() -> SyntheticParams {
    SyntheticParams {
        tenants: 20,
        tenancy: Some(Tenancy { zipf: 1.0, heavy: 0, heavy_share: 0.0 }),
        system: Some(shared(20, 1_600, 6_000, 0.0)),
        message: Tokens::new(lognormal(40.0, 0.6), 2_048),
        growth: Some(Tokens::new(lognormal(160.0, 0.62), 8_192)),
        output: Tokens::new(lognormal(63.0, 0.6), 2_048),
        turns: Dist::Quantiles { table: SUPPORT_TURNS.to_vec() },
        think_s: lognormal(20.0, 1.0),
        tool_share: 0.47,
        tool_wait_s: lognormal(1.0, 1.0),
        max_context_tokens: 32_768,
        ..SyntheticParams::default()
    }
}

/// Document sets of 2 to 4 k tokens, Zipf 1 over a thousand; answers as those of the summaries below (median 167): all
/// our choice within the ranges that public demonstrations show. Questions are short, every second one has a second.
fn rag() -> SyntheticParams {
    SyntheticParams {
        tenants: 1,
        system: Some(shared(1, 500, 500, 0.0)),
        documents: Some(shared(1_000, 2_000, 4_000, 1.0)),
        message: Tokens::new(lognormal(40.0, 0.7), 2_048),
        later_message: Tokens::new(lognormal(40.0, 0.7), 2_048),
        output: Tokens::new(lognormal(167.0, 0.6), 4_096),
        turns: Dist::Geometric { mean: 1.5 },
        think_s: lognormal(20.0, 1.0),
        max_context_tokens: 32_768,
        ..SyntheticParams::default()
    }
}

/// Prompts of 28,257 summaries of papers (microsoft/vidur, commit 7d475133, MIT; prompt and summary together at most
/// 4,096 tokens): quantiles of the prompt.
const SUMMARY_IN: [(f64, f64); 11] = [
    (0.0, 1.0),
    (0.01, 73.0),
    (0.05, 747.0),
    (0.1, 1_242.0),
    (0.25, 1_986.0),
    (0.5, 2_730.0),
    (0.75, 3_370.0),
    (0.9, 3_702.0),
    (0.95, 3_813.0),
    (0.99, 3_934.0),
    (1.0, 4_054.0),
];
/// Of the summary.
const SUMMARY_OUT: [(f64, f64); 11] = [
    (0.0, 5.0),
    (0.01, 36.0),
    (0.05, 60.0),
    (0.1, 78.0),
    (0.25, 115.0),
    (0.5, 167.0),
    (0.75, 242.0),
    (0.9, 372.0),
    (0.95, 737.0),
    (0.99, 3_273.0),
    (1.0, 4_056.0),
];

/// Lengths from the tables above, drawn one by one (their sum may exceed what the recording allowed). Nothing is shared.
fn summarisation() -> SyntheticParams {
    SyntheticParams {
        message: Tokens::new(Dist::Quantiles { table: SUMMARY_IN.to_vec() }, 4_054),
        output: Tokens::new(Dist::Quantiles { table: SUMMARY_OUT.to_vec() }, 4_056),
        turns: Dist::Constant { value: 1.0 },
        max_context_tokens: 8_192,
        ..SyntheticParams::default()
    }
}

/// Medians of the clients of a pool that is driven through its interface (`m-mid` of `ServeGen`: 766 in, 70 out;
/// Apache-2.0) and the rate-weighted burstiness of clients, cv 3.5; ten of them carry most: three tenants with half of
/// the load beside Zipf 1 (after its shares .52 for the first and .67 for five). The spreads are our choice.
fn batch() -> SyntheticParams {
    SyntheticParams {
        arrivals: Arrivals::Gamma { cv: 3.5 },
        tenants: 40,
        tenancy: Some(Tenancy { zipf: 1.0, heavy: 3, heavy_share: 0.5 }),
        system: Some(shared(40, 200, 600, 0.0)),
        message: Tokens::new(lognormal(766.0, 1.0), LONGEST),
        output: Tokens::new(lognormal(70.0, 1.0), 8_192),
        turns: Dist::Constant { value: 1.0 },
        max_context_tokens: 131_072,
        ..SyntheticParams::default()
    }
}
