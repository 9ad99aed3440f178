//! Keys: what makes requests belong together for a ring or a rendezvous hash. Knows a request's session, tenant and
//! first tokens; must not know targets.

use crate::routing::{RequestView, affinity};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Characters in a token, to turn `prefix_chars` into tokens: the estimate that llm-d (64 characters for 16 tokens) and
/// GORGO's first generation use. A simulated prompt has no characters.
pub const CHARS_PER_TOKEN: u32 = 4;

/// A kind of key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "ComposeKey")]
pub enum KeyPart {
    /// The session, of a request that has one.
    Session,
    /// The tenant, except tenant 0, which is nobody in particular.
    Tenant,
    /// So many first tokens of the prompt: the last full block among them stands for all of them.
    PrefixTokens(u32),
    /// So many first characters of the prompt, at 4 characters a token (an estimate), as `prefix_tokens`.
    PrefixChars(u32),
}

/// The default: the order of the `session` policy.
pub const DEFAULT: [KeyPart; 3] = [KeyPart::Session, KeyPart::Tenant, KeyPart::PrefixTokens(256)];

impl KeyPart {
    /// Whether every request has it.
    pub fn is_certain(self) -> bool {
        self.tokens().is_some()
    }
    /// The first tokens that it hashes.
    fn tokens(self) -> Option<u32> {
        match self {
            KeyPart::PrefixTokens(tokens) => Some(tokens),
            KeyPart::PrefixChars(chars) => Some(chars.div_ceil(CHARS_PER_TOKEN)),
            KeyPart::Session | KeyPart::Tenant => None,
        }
    }
}

/// The first of `parts` that the request has; the request itself where it has none.
pub fn of(parts: &[KeyPart], request: &RequestView<'_>) -> u64 {
    let found = parts.iter().find_map(|part| match part {
        KeyPart::Session => affinity::of_session(request),
        KeyPart::Tenant => (request.tenant.0 != 0).then(|| affinity::of_tenant(request)),
        prefix => Some(affinity::of_prefix(request, prefix.tokens()?)),
    });
    found.unwrap_or_else(|| crate::rng::mix2(5, u64::from(request.id.0)))
}
