//! What makes two requests belong together. Knows a request's session, tenant and first blocks; must not know
//! targets. Keys are spread over the whole word and differ between kinds of key.

use super::RequestView;
use crate::rng::mix2;

/// The session's hash, where there is one.
pub fn of_session(request: &RequestView<'_>) -> Option<u64> {
    (request.session != 0).then(|| mix2(1, request.session))
}

/// The tenant's hash.
pub fn of_tenant(request: &RequestView<'_>) -> u64 {
    mix2(2, request.tenant.0 as u64)
}

/// The hash of the prompt's first `tokens` tokens, to the last full block among them and at least one block. A
/// prompt that fills no block has nothing to share: it stands for itself.
pub fn of_prefix(request: &RequestView<'_>, tokens: u32) -> u64 {
    match request.prompt.prefix_hash(tokens) {
        Some(hash) => mix2(3, hash),
        None => mix2(4, request.id.0 as u64),
    }
}
