//! What a prefix index keeps. Knows limits and orders; must not know blocks. The defaults keep everything; numbers come
//! from the policy whose index it is.

use crate::routing::IndexSource;
use crate::time::Span;

/// How an index learns and forgets. What reads the caches themselves ([`IndexSource::Oracle`]) forgets when they do, and
/// nothing else here concerns it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexOptions {
    /// Where it learns what a target holds.
    pub source: IndexSource,
    /// Blocks kept for each target; beyond that those least recently inserted go.
    pub capacity_blocks: Option<u32>,
    /// How long a block is kept after its last insertion.
    pub ttl: Option<Span>,
    /// How often the capacity is enforced; at each insertion where it is not given.
    pub sweep: Option<Span>,
    /// Leading blocks of a prompt that are looked at; the rest is invisible.
    pub prompt_blocks: Option<u32>,
    /// KV blocks in a unit of the index, 1 or more: a match is a whole number of units.
    pub unit_blocks: u32,
    /// Whether of one prompt the head is forgotten before the tail (insertion from head to tail, as in llm-d) or after it.
    pub heads_first: bool,
    /// Whether a block counts for a target that lacks an earlier one: the match is then how many of the blocks that
    /// somebody holds, up to the first that nobody holds, the target holds (as in llm-d).
    pub count_any: bool,
}

impl IndexOptions {
    /// An index that forgets nothing.
    pub const fn new(source: IndexSource) -> IndexOptions {
        IndexOptions {
            source,
            capacity_blocks: None,
            ttl: None,
            sweep: None,
            prompt_blocks: None,
            unit_blocks: 1,
            heads_first: false,
            count_any: false,
        }
    }
    /// Whether runs of blocks can stand for their blocks, because all of a prompt is kept for ever.
    pub fn forgets_nothing(&self) -> bool {
        *self == IndexOptions { heads_first: self.heads_first, ..IndexOptions::new(self.source) }
    }
}

impl From<IndexSource> for IndexOptions {
    fn from(source: IndexSource) -> IndexOptions {
        IndexOptions::new(source)
    }
}
