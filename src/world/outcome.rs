//! The outcome digest: one word for everything that a run's users could see. Rows are summed, so that their order
//! does not matter; the cache logs are taken in replica order.

use crate::digest::Digest;
use crate::observe::{Leg, RequestRow};

/// The digest of outcomes so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct OutcomeDigest {
    rows: u64,
    caches: Digest,
}

impl OutcomeDigest {
    pub(super) fn row(&mut self, row: &RequestRow) {
        let mut digest = Digest::new();
        let optional = |id: Option<u32>| id.map_or(u64::MAX, u64::from);
        for word in [
            u64::from(row.id.0),
            row.key,
            u64::from(row.origin.0) << 32 | u64::from(row.class.0),
            u64::from(row.data_class.0) << 32 | u64::from(row.tenant.0),
            optional(row.gateway.map(|id| id.0)),
            optional(row.replica.map(|id| id.0)),
            row.sent_at.0,
            row.outcome as u64,
            u64::from(row.prompt_tokens) << 32 | u64::from(row.output_tokens),
            u64::from(row.cached_tokens) << 32 | u64::from(row.computed_tokens),
            u64::from(row.recomputed_tokens) << 32 | u64::from(row.preemptions),
            row.first_token_at.map_or(u64::MAX, |at| at.0),
            row.ended_at.0,
        ] {
            digest.word(word);
        }
        Leg::ALL.iter().for_each(|&leg| digest.word(row.legs.get(leg).0));
        self.rows = self.rows.wrapping_add(digest.value());
    }
    pub(super) fn cache(&mut self, digest: u64) {
        self.caches.word(digest);
    }
    pub(super) fn value(self) -> u64 {
        let mut all = self.caches;
        all.word(self.rows);
        all.value()
    }
}
