//! Ready-made generated traces. Knows parameters; must not know the command that writes them.

use super::kinds::Kind;
use super::params::{Arrivals, SharedPrefix, SyntheticParams, Tokens, Until};
use super::{Generated, generate_trace};
use crate::dist::Dist;
use crate::time::Span;
use std::io::{self, Write};

/// A generated trace with all that makes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Preset {
    /// Its name: of the workload and of the file.
    pub name: &'static str,
    /// The generator's parameters.
    pub params: SyntheticParams,
    /// Origins and their shares.
    pub origins: Vec<(&'static str, f64)>,
    /// Tokens of a block.
    pub block_tokens: u32,
    /// The seed.
    pub seed: u64,
}

impl Preset {
    /// Writes the trace: the same bytes each time.
    pub fn write(&self, to: &mut dyn Write) -> io::Result<Generated> {
        generate_trace(&self.params, self.name, &self.origins, self.block_tokens, self.seed, to)
    }
}

/// All presets.
pub fn presets() -> Vec<Preset> {
    let mut all = vec![chat_3_regions()];
    all.extend(samples());
    all
}

/// One small trace of each kind but chat, an hour or less, for trying things out: the kind's own parameters, with the
/// agent's context held to 131,072 tokens so that usual models can serve it.
fn samples() -> Vec<Preset> {
    let sample = |name, kind: Kind, sessions_per_s, requests, max_context_tokens| Preset {
        name,
        params: SyntheticParams {
            sessions_per_s,
            until: Until::Requests(requests),
            max_context_tokens,
            ..kind.params()
        },
        origins: vec![("americas", 0.45), ("europe", 0.35), ("asia", 0.20)],
        block_tokens: 16,
        seed: 2026,
    };
    vec![
        sample("coding-agent", Kind::CodingAgent, 0.05, 4_000, 131_072),
        sample("support-agent", Kind::SupportAgent, 0.2, 6_000, 32_768),
        sample("rag", Kind::Rag, 2.0, 6_000, 32_768),
        sample("summarisation", Kind::Summarisation, 2.0, 5_000, 8_192),
        sample("batch", Kind::Batch, 3.0, 5_000, 131_072),
    ]
}

/// Chat with system prompts and sessions from three continents: 25 minutes, about 20,000 requests.
///
/// Sources of its numbers: 1-4 k tokens of shared system prompt and 1.5-2.5 turns are what public chat traces
/// show (`WildChat` has 2.52 turns); message and answer lengths lie in the range of Azure's and Bailian's public
/// chat traces; 45/35/20 % by continent and a median of 20 s to read and type are our choice.
pub fn chat_3_regions() -> Preset {
    let system = SharedPrefix {
        count: 40,
        tokens: Tokens { dist: Dist::Uniform { min: 1_000.0, max: 4_000.0 }, min: 1_000, max: 4_000 },
        zipf: 1.0,
        shared_as: None,
    };
    let message = Tokens::new(Dist::Lognormal { median: 80.0, sigma: 1.0 }, 4_000);
    Preset {
        name: "chat-3-regions",
        params: SyntheticParams {
            arrivals: Arrivals::Poisson,
            sessions_per_s: 5.3,
            until: Until::Duration(Span::from_secs(1_500)),
            tenants: 40,
            system: Some(system),
            message: message.clone(),
            later_message: message,
            output: Tokens::new(Dist::Lognormal { median: 180.0, sigma: 0.8 }, 1_500),
            turns: Dist::Geometric { mean: 2.5 },
            think_s: Dist::Lognormal { median: 20.0, sigma: 1.0 },
            max_context_tokens: 32_768,
            ..SyntheticParams::default()
        },
        origins: vec![("americas", 0.45), ("europe", 0.35), ("asia", 0.20)],
        block_tokens: 16,
        seed: 2026,
    }
}
