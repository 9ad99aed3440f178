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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{ClassId, OriginId, RequestId, TenantId};
    use crate::routing::PromptBlocks;
    use crate::workload::{Chain, Run};

    fn view(chain: &Chain, id: u32, session: u64, tenant: u32) -> RequestView<'_> {
        RequestView {
            id: RequestId(id),
            session,
            tenant: TenantId(tenant),
            origin: OriginId(0),
            class: ClassId(0),
            prompt_tokens: chain.blocks() * 16 + 3,
            prompt: PromptBlocks::new(chain, chain.blocks() * 16 + 3, 16),
        }
    }

    #[test]
    fn a_prompt_without_a_full_block_stands_for_itself() {
        let (none, mut some) = (Chain::new(), Chain::new());
        some.push(Run { key: 4, start: 0, len: 2 });
        assert_ne!(of_prefix(&view(&none, 0, 0, 0), 256), of_prefix(&view(&none, 1, 0, 0), 256));
        assert_eq!(of_prefix(&view(&some, 0, 0, 0), 256), of_prefix(&view(&some, 1, 0, 0), 256));
    }

    #[test]
    fn keys_of_different_kinds_differ_and_session_zero_is_none() {
        let chain = Chain::new();
        let request = view(&chain, 5, 5, 5);
        let keys = [of_session(&request).unwrap(), of_tenant(&request), of_prefix(&request, 16)];
        assert!(keys[0] != keys[1] && keys[1] != keys[2] && keys[0] != keys[2]);
        assert_eq!(of_session(&view(&chain, 5, 0, 5)), None);
    }
}
