//! A job inside the engine, and what the engine keeps of it.

use super::{Job, JobId, Tokens};
use crate::time::SimTime;
use crate::workload::Chain;

/// A job in the engine: waiting, running, or preempted and waiting again. The order of fields is that of memory: three
/// lines of the processor's cache, of which the first two are read at its end.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub(super) struct Sequence<T> {
    pub(super) table: T,

    pub(super) job: JobId,
    pub(super) prompt: u32,
    pub(super) output: u32,
    /// Tokens whose keys and values are computed or being computed by the step under way.
    pub(super) computed: u32,
    /// Output tokens there are.
    pub(super) generated: u32,
    /// Order of admission to the running list.
    pub(super) order: u32,
    /// Tokens scheduled in the step being built or under way.
    pub(super) chunk: u32,
    /// Tokens that were ever computed or found: what lies below and is computed again is recomputation.
    high: u32,
    /// In lockstep, computed tokens less the engine's step count.
    pub(super) lag: i64,
    /// Prompt tokens found in the cache, prompt tokens computed, tokens computed again.
    cached: u32,
    first: u32,
    again: u32,
    /// How often it was preempted.
    pub(super) preemptions: u32,
    /// When it was first part of a step; never, before.
    pub(super) scheduled_at: SimTime,

    pub(super) chain: Chain,
    /// Order of arrival at this engine.
    pub(super) arrival: u64,
    pub(super) priority: u8,
}

impl<T> Sequence<T> {
    #[inline]
    pub(super) fn fill(&mut self, job: &Job, arrival: u64) {
        self.job = job.id;
        self.chain.copy_from(&job.chain);
        self.priority = job.priority;
        self.arrival = arrival;
        self.prompt = job.prompt_tokens;
        self.output = job.output_tokens;
        self.computed = 0;
        self.generated = 0;
        self.chunk = 0;
        self.high = 0;
        (self.cached, self.first, self.again, self.preemptions) = (0, 0, 0, 0);
        self.scheduled_at = SimTime::NEVER;
    }
    /// What has become of its tokens.
    pub(super) fn tokens(&self) -> Tokens {
        Tokens {
            cached: self.cached,
            computed: self.first,
            recomputed: self.again,
            output: self.generated,
            preemptions: self.preemptions,
        }
    }
    /// Prompt and output tokens there are.
    #[inline]
    pub(super) fn known(&self) -> u32 {
        self.prompt + self.generated
    }
    /// Tokens that are known and not computed.
    #[inline]
    pub(super) fn outstanding(&self) -> u32 {
        self.known() - self.computed
    }
    /// Blocks that it will have published at its end beyond the first `published`. The last token is never computed.
    #[inline]
    pub(super) fn to_publish(&self, published: u32, block_tokens: u32) -> u32 {
        ((self.prompt + self.output - 1) / block_tokens).saturating_sub(published)
    }
    /// The first `found` tokens were in the cache when the sequence was admitted.
    pub(super) fn account_found(&mut self, found: u32) -> u32 {
        let cached = found.min(self.prompt).saturating_sub(self.high.min(self.prompt));
        self.cached += cached;
        self.high = self.high.max(found);
        cached
    }
    /// The last `chunk` of the computed tokens are being computed now. Returns how many prompt tokens that computes
    /// for the first time, and how many tokens again.
    #[inline]
    pub(super) fn account_chunk(&mut self) -> (u32, u32) {
        let (begin, end) = (self.computed - self.chunk, self.computed);
        let again = end.min(self.high).saturating_sub(begin);
        let first = end.min(self.prompt).saturating_sub(self.high.max(begin));
        self.again += again;
        self.first += first;
        self.high = self.high.max(end);
        (first, again)
    }
    /// All computed tokens up to now were computed for the first time, as decoding does.
    pub(super) fn account_decoded(&mut self) {
        self.high = self.high.max(self.computed);
    }
}
