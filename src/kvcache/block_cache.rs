//! The cache of single blocks: each block a node with an id, a reference count and a place in the order of
//! eviction. Costs one operation a block, and is simple enough to be believed.

use super::cache::{KvCache, Open};
use super::eviction::{Eviction, Lru};
use super::log::ChangeLog;
use crate::time::SimTime;
use crate::workload::{Chain, Run};
use hashbrown::HashTable;

const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Node {
    id: u64,
    /// The block as a run of one.
    run: Run,
    refs: u32,
    /// The next block with the same id: two requests that compute the same block both keep theirs.
    twin: u32,
    /// Whether `id` is set and the block can be found by it.
    published: bool,
}

/// The blocks that one sequence holds, in order.
#[derive(Clone, Debug, Default)]
pub struct BlockTable {
    blocks: Vec<u32>,
    published: u32,
}

/// A pool of KV blocks with a prefix index.
#[derive(Debug)]
pub struct BlockCache<E: Eviction = Lru> {
    nodes: Vec<Node>,
    index: HashTable<u32>,
    idle: E,
    sharing: bool,
    log: ChangeLog,
    evicted: u64,
}

impl<E: Eviction + std::fmt::Debug + Send> BlockCache<E> {
    #[inline]
    fn find(&self, id: u64) -> Option<u32> {
        self.index.find(id, |&block| self.nodes[block as usize].id == id).copied()
    }

    fn drop_id(&mut self, now: SimTime, block: u32) {
        let Node { id, run, published, twin, .. } = self.nodes[block as usize];
        if !published {
            return;
        }
        self.evicted += 1;
        self.nodes[block as usize].published = false;
        self.nodes[block as usize].twin = NONE;
        let nodes = &self.nodes;
        let entry = self.index.find_mut(id, |&other| nodes[other as usize].id == id);
        let first = entry.expect("a published block is in the index");
        if *first != block {
            // A later twin goes: unhook it from the chain of twins, and the id stays.
            let mut before = *first;
            while self.nodes[before as usize].twin != block {
                before = self.nodes[before as usize].twin;
            }
            self.nodes[before as usize].twin = twin;
        } else if twin != NONE {
            *first = twin;
        } else {
            let entry = self.index.find_entry(id, |&other| other == block);
            entry.expect("found above").remove();
            self.log.note(now, run, false);
        }
    }
}

impl<E: Eviction + std::fmt::Debug + Send> KvCache for BlockCache<E> {
    type Table = BlockTable;

    fn new(blocks: u32, sharing: bool) -> Self {
        let mut idle = E::with_blocks(blocks);
        (0..blocks).for_each(|block| idle.push(block));
        BlockCache {
            nodes: vec![
                Node {
                    id: 0,
                    run: Run { key: 0, start: 0, len: 1 },
                    refs: 0,
                    twin: NONE,
                    published: false
                };
                blocks as usize
            ],
            index: HashTable::with_capacity(blocks as usize),
            idle,
            sharing,
            log: ChangeLog::default(),
            evicted: 0,
        }
    }
    fn total_blocks(&self) -> u32 {
        self.nodes.len() as u32
    }
    #[inline]
    fn free_blocks(&self) -> u32 {
        self.idle.len()
    }
    fn evicted(&self) -> u64 {
        self.evicted
    }
    fn log(&self) -> &ChangeLog {
        &self.log
    }
    fn log_mut(&mut self) -> &mut ChangeLog {
        &mut self.log
    }

    fn held(table: &BlockTable) -> u32 {
        table.blocks.len() as u32
    }
    fn matched(&self, chain: &Chain, limit: u32) -> Result<(u32, u32), Open> {
        if !self.sharing {
            return Ok((0, 0));
        }
        let (mut found, mut idle) = (0, 0);
        for id in chain.ids(limit) {
            let Some(block) = self.find(id) else { break };
            found += 1;
            idle += u32::from(self.nodes[block as usize].refs == 0);
        }
        Ok((found, idle))
    }

    fn found(&self, chain: &Chain, limit: u32, _: &dyn Fn(u64) -> u32) -> u32 {
        let here = |id: &u64| self.sharing && self.find(*id).is_some();
        chain.ids(limit).take_while(here).count() as u32
    }

    fn attach(&mut self, table: &mut BlockTable, chain: &Chain, matched: u32) {
        debug_assert!(table.blocks.is_empty());
        for id in chain.ids(matched) {
            let block = self.find(id).expect("a matched block is in the index");
            let node = &mut self.nodes[block as usize];
            if node.refs == 0 {
                self.idle.remove(block);
            }
            node.refs += 1;
            table.blocks.push(block);
        }
        table.published = matched;
    }

    fn grow(&mut self, now: SimTime, table: &mut BlockTable, blocks: u32) -> bool {
        let wanted = blocks.saturating_sub(Self::held(table));
        if wanted > self.idle.len() {
            return false;
        }
        for _ in 0..wanted {
            let block = self.idle.pop().expect("counted above");
            self.drop_id(now, block);
            self.nodes[block as usize].refs = 1;
            table.blocks.push(block);
        }
        true
    }

    fn publish(
        &mut self,
        now: SimTime,
        table: &mut BlockTable,
        chain: &Chain,
        blocks: u32,
    ) -> Result<(), Open> {
        if !self.sharing || blocks <= table.published {
            return Ok(());
        }
        debug_assert!(blocks <= Self::held(table));
        let from = table.published;
        let single = |run: Run| (0..run.len).map(move |j| Run { start: run.start + j, len: 1, ..run });
        for (offset, run) in chain.runs_range(from, blocks).flat_map(single).enumerate() {
            let block = table.blocks[from as usize + offset];
            let node = &mut self.nodes[block as usize];
            debug_assert!(!node.published);
            let id = run.id(0);
            (node.id, node.run, node.published, node.twin) = (id, run, true, NONE);
            match self.find(id) {
                None => {
                    let nodes = &self.nodes;
                    self.index.insert_unique(id, block, |&other| nodes[other as usize].id);
                    self.log.note(now, run, true);
                }
                Some(mut first) => {
                    while self.nodes[first as usize].twin != NONE {
                        first = self.nodes[first as usize].twin;
                    }
                    self.nodes[first as usize].twin = block;
                }
            }
        }
        table.published = blocks.min(chain.blocks());
        Ok(())
    }

    fn release(&mut self, table: &mut BlockTable) {
        for &block in table.blocks.iter().rev() {
            let node = &mut self.nodes[block as usize];
            node.refs -= 1;
            if node.refs == 0 {
                self.idle.push(block);
            }
        }
        table.blocks.clear();
        table.published = 0;
    }

    fn runs(&self) -> Vec<Run> {
        self.index.iter().map(|&block| self.nodes[block as usize].run).collect()
    }

    fn check(&self, tables: &mut dyn Iterator<Item = &BlockTable>) {
        let mut refs = vec![0u32; self.nodes.len()];
        tables.for_each(|table| table.blocks.iter().for_each(|&block| refs[block as usize] += 1));
        let mut held = 0;
        for (block, node) in self.nodes.iter().enumerate() {
            assert_eq!(node.refs, refs[block], "references to block {block}");
            held += u32::from(node.refs > 0);
        }
        assert_eq!(held + self.idle.len(), self.total_blocks(), "held and free blocks make all blocks");
        let mut listed = 0;
        for &first in &self.index {
            let id = self.nodes[first as usize].id;
            let mut block = first;
            while block != NONE {
                let node = &self.nodes[block as usize];
                assert!(node.published && node.id == id, "block {block} stands under an id not its own");
                listed += 1;
                block = node.twin;
            }
        }
        assert_eq!(listed, self.nodes.iter().filter(|node| node.published).count(), "published blocks");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(parts: &[(u64, u32)]) -> Chain {
        let mut chain = Chain::new();
        parts.iter().for_each(|&(key, len)| chain.push(Run { key, start: 0, len }));
        chain
    }

    /// One request at a time: look up, take, publish, give back. Returns the blocks found.
    fn serve(cache: &mut BlockCache, now: u64, chain: &Chain) -> u32 {
        let (matched, _) = cache.matched(chain, chain.blocks()).unwrap();
        let mut table = BlockTable::default();
        cache.attach(&mut table, chain, matched);
        assert!(cache.grow(SimTime(now), &mut table, chain.blocks()));
        cache.publish(SimTime(now), &mut table, chain, chain.blocks()).unwrap();
        cache.release(&mut table);
        cache.check(&mut std::iter::empty());
        matched
    }

    #[test]
    fn a_chain_loses_its_tail_first() {
        let mut cache = BlockCache::<Lru>::new(6, true);
        let old = chain(&[(1, 4)]);
        assert_eq!(serve(&mut cache, 0, &old), 0);
        // Two blocks were never used and go first; the third victim is the tail of the old chain.
        assert_eq!(serve(&mut cache, 1, &chain(&[(2, 3)])), 0);
        assert_eq!(cache.matched(&old, 4), Ok((3, 3)));
        assert_eq!(cache.evicted(), 1);
    }

    #[test]
    fn a_salt_in_the_keys_isolates() {
        let mut cache = BlockCache::<Lru>::new(8, true);
        assert_eq!(serve(&mut cache, 0, &chain(&[(1, 3)])), 0);
        assert_eq!(serve(&mut cache, 1, &chain(&[(1 ^ 0x4d, 3)])), 0);
        assert_eq!(serve(&mut cache, 2, &chain(&[(1, 3)])), 3);
    }

    #[test]
    fn twins_are_both_kept_and_the_id_stays_until_the_last_goes() {
        let mut cache = BlockCache::<Lru>::new(4, true);
        cache.log_mut().subscribe();
        let shared = chain(&[(1, 2)]);
        let mut tables = [BlockTable::default(), BlockTable::default()];
        for table in &mut tables {
            assert!(cache.grow(SimTime(0), table, 2));
        }
        for table in &mut tables {
            cache.publish(SimTime(0), table, &shared, 2).unwrap();
        }
        cache.check(&mut tables.iter());
        assert_eq!(cache.log().changes().len(), 2);
        let [mut first, mut second] = tables;
        cache.release(&mut first);
        cache.release(&mut second);
        // The first table's blocks are the older ones and go; its twin still answers.
        let mut other = BlockTable::default();
        assert!(cache.grow(SimTime(1), &mut other, 2));
        cache.check(&mut std::iter::once(&other));
        assert_eq!(cache.matched(&shared, 2), Ok((2, 2)));
        assert_eq!(cache.log().changes().len(), 2);
        assert!(cache.grow(SimTime(2), &mut other, 4));
        assert_eq!(cache.matched(&shared, 2), Ok((0, 0)));
        let gone: Vec<bool> = cache.log().changes()[2..].iter().map(|change| change.added).collect();
        assert_eq!(gone, [false, false]);
    }

    #[test]
    fn a_hit_on_a_free_block_takes_it_from_the_free_ones() {
        let mut cache = BlockCache::<Lru>::new(4, true);
        let shared = chain(&[(1, 3)]);
        serve(&mut cache, 0, &shared);
        assert_eq!((cache.matched(&shared, 3), cache.free_blocks()), (Ok((3, 3)), 4));
        let mut table = BlockTable::default();
        cache.attach(&mut table, &shared, 3);
        assert_eq!(cache.free_blocks(), 1);
        assert!(!cache.grow(SimTime(1), &mut table, 5), "two more blocks where one is free");
        assert_eq!(BlockCache::<Lru>::held(&table), 3);
        cache.check(&mut std::iter::once(&table));
    }

    proptest::proptest! {
        /// Against a twin made of vectors: the same hits under random chains that share prefixes, for any capacity.
        #[test]
        fn hits_equal_those_of_a_naive_tail_first_lru(
            capacity in 8u32..40,
            requests in proptest::collection::vec((0u64..3, 1u32..5, 0u64..4, 0u32..4), 1..60),
        ) {
            let mut cache = BlockCache::<Lru>::new(capacity, true);
            let mut naive: Vec<u64> = Vec::new();
            for (step, (head, head_len, tail, tail_len)) in requests.into_iter().enumerate() {
                let tail_key = crate::rng::mix2(head * 10 + u64::from(head_len), tail);
                let request = chain(&[(head, head_len), (tail_key, tail_len)]);
                let ids: Vec<u64> = request.ids(request.blocks()).collect();
                let expected = ids.iter().take_while(|id| naive.contains(id)).count() as u32;
                for id in ids.iter().rev() {
                    naive.retain(|other| other != id);
                    naive.push(*id);
                }
                let surplus = naive.len().saturating_sub(capacity as usize);
                naive.drain(..surplus);
                proptest::prop_assert_eq!(serve(&mut cache, step as u64, &request), expected);
            }
        }
    }
}
