//! What an engine asks of a KV cache. Two ways of computing stand behind it, one block at a time and one run at a
//! time; they answer alike, and their change logs have the same digest.

use super::log::ChangeLog;
use crate::time::SimTime;
use crate::workload::{Chain, Run};

/// A pool of KV blocks with a prefix index. A *table* is what one sequence holds of it.
pub trait KvCache: std::fmt::Debug + Send {
    /// The blocks that one sequence holds, in order.
    type Table: Default + std::fmt::Debug + Send;

    /// A pool of `blocks` empty blocks; without `sharing`, no block is ever found again.
    fn new(blocks: u32, sharing: bool) -> Self;
    /// All blocks.
    fn total_blocks(&self) -> u32;
    /// Blocks that can be had: empty ones and cached ones that nobody holds.
    fn free_blocks(&self) -> u32;
    /// Published blocks dropped so far because their place was needed.
    fn evicted(&self) -> u64;
    /// How many blocks a table holds.
    fn held(table: &Self::Table) -> u32;
    /// How many of the chain's first `limit` blocks are here, from its head to the first that is not; and how many
    /// of those nobody holds, which using them takes from the free ones.
    fn matched(&self, chain: &Chain, limit: u32) -> (u32, u32);
    /// Gives an empty table the chain's first `matched` blocks, which [`KvCache::matched`] just found.
    fn attach(&mut self, table: &mut Self::Table, chain: &Chain, matched: u32);
    /// Makes the table `blocks` long. Takes the free blocks in the order of eviction and drops what they held;
    /// where there are too few, takes none and returns false.
    fn grow(&mut self, now: SimTime, table: &mut Self::Table, blocks: u32) -> bool;
    /// Publishes the table's blocks up to `blocks` under the chain's ids: from now on others find them. A table is
    /// always published under the same chain.
    fn publish(&mut self, now: SimTime, table: &mut Self::Table, chain: &Chain, blocks: u32);
    /// Gives all blocks of the table back, its tail first, so that a chain loses its tail before its head.
    fn release(&mut self, table: &mut Self::Table);
    /// All blocks that can be found, as runs in no particular order. For what happens rarely: it looks at everything.
    fn runs(&self) -> Vec<Run>;
    /// What changed.
    fn log(&self) -> &ChangeLog;
    /// What changed, to subscribe to and to clear.
    fn log_mut(&mut self) -> &mut ChangeLog;
    /// Checks every invariant the slow way, given all tables that hold something.
    ///
    /// # Panics
    /// When one does not hold.
    fn check(&self, tables: &mut dyn Iterator<Item = &Self::Table>);
}
