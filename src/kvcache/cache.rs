//! What an engine asks of a KV cache. Two ways of computing stand behind it, one block at a time and one run at a
//! time; they answer alike, and their change logs have the same digest.

use super::log::{ChangeLog, Turn};
use crate::time::SimTime;
use crate::workload::{Chain, Run};

/// What a decoding sequence publishes next: block `next` of run `key`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tail {
    /// The run's key.
    pub key: u64,
    /// The number of the next block within the run.
    pub next: u32,
}

/// A look-up met the run of this key, which somebody keeps open: it is to be closed before the look-up is made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open(pub u64);

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
    ///
    /// # Errors
    /// Where a run in the way is open.
    fn matched(&self, chain: &Chain, limit: u32) -> Result<(u32, u32), Open>;
    /// The first of the two, asked by somebody who is not to use it: nothing is closed for that. `open_end` tells of the key
    /// of an open run the number after that of the last block published under it.
    fn found(&self, chain: &Chain, limit: u32, open_end: &dyn Fn(u64) -> u32) -> u32;
    /// Gives an empty table the chain's first `matched` blocks, which [`KvCache::matched`] just found.
    fn attach(&mut self, table: &mut Self::Table, chain: &Chain, matched: u32);
    /// Makes the table `blocks` long. Takes the free blocks in the order of eviction and drops what they held;
    /// where there are too few, takes none and returns false.
    fn grow(&mut self, now: SimTime, table: &mut Self::Table, blocks: u32) -> bool;
    /// Publishes the table's blocks up to `blocks` under the chain's ids: from now on others find them. A table is
    /// always published under the same chain, and is not open.
    ///
    /// # Errors
    /// Where another table keeps a run in the way open. What was published so far stays; the call is to be made again.
    fn publish(
        &mut self,
        now: SimTime,
        table: &mut Self::Table,
        chain: &Chain,
        blocks: u32,
    ) -> Result<(), Open>;
    /// Opens the end of the table, if its next `blocks` blocks can be published without a look-up: until it is closed, blocks are
    /// taken and published for it by [`KvCache::take`] and [`KvCache::publish_open`] without looking at it, and it is
    /// told of them when it is closed. What decoding does to a table costs then next to nothing.
    fn open(&mut self, table: &Self::Table, blocks: u32) -> Option<Tail> {
        let _ = (table, blocks);
        None
    }
    /// Takes one free block, of which there must be some, for an open table.
    fn take(&mut self, now: SimTime) {
        let _ = now;
        unreachable!("no table of this cache is open");
    }
    /// Publishes block `next` of run `key` for an open table, as its [`Tail`] says.
    fn publish_open(&mut self, now: SimTime, key: u64, next: u32) {
        let _ = (now, key, next);
        unreachable!("no table of this cache is open");
    }
    /// Whether `taken` blocks could now be taken at once for open tables, and others published at once: nobody is to be
    /// told of each, and blocks are taken that nobody gave a name.
    fn turns_at_once(&self, taken: u32) -> bool {
        let _ = taken;
        false
    }
    /// Takes `taken` blocks for open tables and publishes one for each of `published` others, all at one instant, which
    /// [`KvCache::turns_at_once`] has allowed: the same as [`KvCache::take`] and [`KvCache::publish_open`] for each in any order.
    fn turn(&mut self, now: SimTime, taken: u32, published: u32, turn: &Turn) {
        let _ = (now, taken, published, turn);
        unreachable!("this cache allows no turns");
    }
    /// Tells an open table that it holds `held` blocks, and that what it publishes next is block `next` of its run.
    fn settle(&mut self, table: &mut Self::Table, held: u32, next: u32) {
        let _ = (table, held, next);
        unreachable!("no table of this cache is open");
    }
    /// Closes an open table that was settled.
    fn close(&mut self, table: &Self::Table) {
        let _ = table;
        unreachable!("no table of this cache is open");
    }
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
