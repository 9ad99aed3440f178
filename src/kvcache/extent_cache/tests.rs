//! The cache of runs next to the cache of single blocks: the same random life, everything observable compared after
//! each operation, and counters that show how often the interesting cases were met.

use super::*;
use crate::kvcache::{BlockCache, BlockTable, Lru};
use crate::rng::{Key, Stream, mix2};
use std::ops::AddAssign;

/// How often the interesting cases were met.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    hits_inside_a_segment: u64,
    hits_inside_a_held_segment: u64,
    partial_evictions: u64,
    promotions: u64,
    twins_dropped: u64,
    mixed_releases: u64,
    releases_of_cut_segments: u64,
}

impl Seen {
    pub(super) fn cut_by_a_hit(&mut self, segment: &Segment) {
        self.hits_inside_a_segment += 1;
        self.hits_inside_a_held_segment += u64::from(segment.refs() > 0);
    }
    pub(super) fn eviction(&mut self, segment: &Segment, count: u32) {
        self.partial_evictions += u64::from(count < segment.len);
        self.twins_dropped += u64::from(segment.twin());
    }
    pub(super) fn promotion(&mut self) {
        self.promotions += 1;
    }
    pub(super) fn release(&mut self, table: &ExtentTable) {
        self.mixed_releases += u64::from(table.spans().count() > 1 && table.held > table.published);
    }
    pub(super) fn cut_release(&mut self, pieces: usize) {
        self.releases_of_cut_segments += u64::from(pieces > 1);
    }
    fn all_at_least(&self, least: u64) {
        let counts = [
            self.hits_inside_a_segment,
            self.hits_inside_a_held_segment,
            self.partial_evictions,
            self.promotions,
            self.twins_dropped,
            self.mixed_releases,
            self.releases_of_cut_segments,
        ];
        assert!(counts.iter().all(|&count| count >= least), "each case {least} times: {self:?}");
    }
}

impl AddAssign for Seen {
    fn add_assign(&mut self, other: Seen) {
        self.hits_inside_a_segment += other.hits_inside_a_segment;
        self.hits_inside_a_held_segment += other.hits_inside_a_held_segment;
        self.partial_evictions += other.partial_evictions;
        self.promotions += other.promotions;
        self.twins_dropped += other.twins_dropped;
        self.mixed_releases += other.mixed_releases;
        self.releases_of_cut_segments += other.releases_of_cut_segments;
    }
}

/// Both caches, and what is in flight: each sequence's chain, its two tables and the length it wants to reach.
struct Pair {
    blocks: BlockCache<Lru>,
    extents: ExtentCache,
    flying: Vec<(Chain, BlockTable, ExtentTable, u32)>,
    now: u64,
}

impl Pair {
    fn new(capacity: u32, sharing: bool, subscribed: bool) -> Pair {
        let mut pair = Pair {
            blocks: BlockCache::new(capacity, sharing),
            extents: ExtentCache::new(capacity, sharing),
            flying: Vec::new(),
            now: 0,
        };
        if subscribed {
            pair.blocks.log_mut().subscribe();
            pair.extents.log_mut().subscribe();
        }
        pair
    }

    fn compare(&mut self) {
        assert_eq!(self.extents.free_blocks(), self.blocks.free_blocks(), "free blocks");
        assert_eq!(self.extents.evicted(), self.blocks.evicted(), "evicted blocks");
        assert_eq!(self.extents.log().changes(), self.blocks.log().changes(), "changes");
        assert_eq!(self.extents.log().digest(), self.blocks.log().digest(), "digest");
        self.blocks.log_mut().clear();
        self.extents.log_mut().clear();
        self.blocks.check(&mut self.flying.iter().map(|(_, table, _, _)| table));
        self.extents.check(&mut self.flying.iter().map(|(_, _, table, _)| table));
        for (_, blocks, extents, _) in &self.flying {
            assert_eq!(ExtentCache::held(extents), BlockCache::<Lru>::held(blocks), "held blocks");
        }
    }

    /// As an engine does: look up, take what is found, grow to the first chunk, publish.
    fn admit(&mut self, chain: Chain, limit: u32, chunk: u32, length: u32) {
        let (found, idle) = self.blocks.matched(&chain, limit).unwrap();
        assert_eq!(self.extents.matched(&chain, limit), Ok((found, idle)), "matched");
        if (found + chunk).min(length) - found + idle > self.blocks.free_blocks() {
            return;
        }
        let (mut blocks, mut extents) = (BlockTable::default(), ExtentTable::default());
        self.blocks.attach(&mut blocks, &chain, found);
        self.extents.attach(&mut extents, &chain, found);
        self.flying.push((chain, blocks, extents, length));
        self.compare();
        self.step(self.flying.len() - 1, chunk, chunk);
    }

    /// Grows one sequence by `chunk` blocks and publishes all but the last `unfinished` of them.
    fn step(&mut self, index: usize, chunk: u32, unfinished: u32) {
        let (chain, blocks, extents, length) = &mut self.flying[index];
        let upto = (ExtentCache::held(extents) + chunk).min(*length);
        let grown = self.blocks.grow(SimTime(self.now), blocks, upto);
        assert_eq!(self.extents.grow(SimTime(self.now), extents, upto), grown, "grow");
        if grown {
            let full = upto.saturating_sub(unfinished % 2);
            self.blocks.publish(SimTime(self.now), blocks, chain, full).unwrap();
            self.extents.publish(SimTime(self.now), extents, chain, full).unwrap();
        }
        self.compare();
    }

    fn release(&mut self, index: usize) {
        let (_, mut blocks, mut extents, _) = self.flying.swap_remove(index);
        self.blocks.release(&mut blocks);
        self.extents.release(&mut extents);
        assert_eq!((extents.spans().count() as u32, extents.held, extents.run), (0, 0, 0));
        self.compare();
    }
}

fn below(stream: &mut Stream, limit: u32) -> u32 {
    (stream.next_u64() % u64::from(limit)) as u32
}

/// A chain as a workload makes them: a system prompt, a session's history that each turn reaches further into,
/// trace blocks; a hostile one has runs that begin anywhere, keys before other keys than usual, and repeats.
fn random_chain(stream: &mut Stream, sessions: &mut [u32], hostile: bool) -> Chain {
    let mut chain = Chain::new();
    if hostile {
        for _ in 0..=below(stream, 4) {
            let (key, start) = (u64::from(below(stream, 5)), below(stream, 6));
            chain.push(Run { key, start, len: 1 + below(stream, 7) });
        }
        return chain;
    }
    let system = below(stream, 3);
    let system_blocks = [0, 3, 7][system as usize];
    chain.push(Run { key: 100 + u64::from(system), start: 0, len: system_blocks });
    match below(stream, 3) {
        0 => {
            let session = below(stream, sessions.len() as u32);
            sessions[session as usize] += below(stream, 5);
            let len = sessions[session as usize].min(24);
            chain.push(Run { key: mix2(u64::from(system), u64::from(session)), start: 0, len });
        }
        1 => {
            let branch = below(stream, 4);
            for depth in 0..below(stream, 5) {
                let key = mix2(u64::from(1_000 * system + branch), u64::from(depth));
                chain.push(Run { key, start: 0, len: 4 });
            }
        }
        _ => {}
    }
    if below(stream, 2) == 0 {
        let key = 5_000 + stream.next_u64() % 12;
        chain.push(Run { key, start: 0, len: 1 + below(stream, 9) });
    }
    chain
}

/// One random life of `steps` operations.
fn live(seed: u64, steps: u32) -> Seen {
    let mut stream = Key::root(seed).named("extents").stream();
    let capacity = [6, 12, 25, 60][below(&mut stream, 4) as usize];
    let hostile = below(&mut stream, 4) == 0;
    let sharing = below(&mut stream, 16) > 0;
    let most = 1 + below(&mut stream, 6) as usize;
    let mut sessions = [0; 4];
    let mut pair = Pair::new(capacity, sharing, seed.is_multiple_of(2));
    for _ in 0..steps {
        pair.now += u64::from(below(&mut stream, 3));
        let flying = pair.flying.len();
        match below(&mut stream, 8) {
            0..=2 if flying < most => {
                let chain = random_chain(&mut stream, &mut sessions, hostile);
                // Output without a name, or a block that is never full; the length may also end before the chain.
                let length = (chain.blocks() + below(&mut stream, 4)).saturating_sub(below(&mut stream, 2));
                // At times the whole prompt may be found, at times all but its last block.
                let limit = chain.blocks().min(length).saturating_sub(below(&mut stream, 3));
                let chunk = [2, 5, 100][below(&mut stream, 3) as usize];
                pair.admit(chain, limit, chunk, length);
            }
            0..=5 if flying > 0 => {
                let (index, unfinished) = (below(&mut stream, flying as u32), below(&mut stream, 2));
                let chunk = [1, 1, 4][below(&mut stream, 3) as usize];
                pair.step(index as usize, chunk, unfinished);
            }
            _ if flying > 0 => pair.release(below(&mut stream, flying as u32) as usize),
            _ => {}
        }
        // Looked at without being used: nothing may depend on it.
        let chain = random_chain(&mut stream, &mut [7; 4], hostile);
        let limit = below(&mut stream, 1 + chain.blocks());
        assert_eq!(pair.extents.matched(&chain, limit), pair.blocks.matched(&chain, limit), "matched");
    }
    while !pair.flying.is_empty() {
        pair.release(0);
    }
    pair.extents.seen
}

#[test]
fn both_caches_live_the_same_lives() {
    let mut seen = Seen::default();
    for seed in 0..10_000 {
        seen += live(seed, 120);
    }
    seen.all_at_least(5_000);
}

fn chain(parts: &[(u64, u32, u32)]) -> Chain {
    let mut chain = Chain::new();
    for &(key, start, len) in parts {
        chain.push(Run { key, start, len });
    }
    chain
}

/// One request alone: look up, take, grow, publish, give back. Returns the blocks found.
fn serve(cache: &mut ExtentCache, now: u64, chain: &Chain, limit: u32) -> u32 {
    let (found, _) = cache.matched(chain, limit).unwrap();
    let mut table = ExtentTable::default();
    cache.attach(&mut table, chain, found);
    assert!(cache.grow(SimTime(now), &mut table, chain.blocks()));
    cache.publish(SimTime(now), &mut table, chain, chain.blocks()).unwrap();
    cache.release(&mut table);
    cache.check(&mut std::iter::empty());
    found
}

#[test]
fn a_session_stays_one_segment_however_long() {
    // 40 turns of 50 more blocks each: one segment is found, taken, extended and given back each time.
    let mut cache = ExtentCache::new(10_000, true);
    for turn in 1..=40 {
        let chain = chain(&[(1, 0, 4), (2, 0, turn * 50)]);
        let expected = if turn == 1 { 0 } else { 4 + (turn - 1) * 50 };
        assert_eq!(serve(&mut cache, u64::from(turn), &chain, chain.blocks()), expected);
        // The system prompt, the session, and what was never used.
        assert_eq!(cache.segments.nodes.len() - cache.segments.vacant.len(), 3);
    }
    assert_eq!(cache.segments.nodes.len(), 3);
}

#[test]
fn segments_cut_by_a_shorter_prompt_are_joined_again() {
    let mut cache = ExtentCache::new(100, true);
    let living = |cache: &ExtentCache| cache.segments.nodes.len() - cache.segments.vacant.len();
    serve(&mut cache, 0, &chain(&[(1, 0, 40)]), 40);
    serve(&mut cache, 1, &chain(&[(2, 0, 3)]), 3);
    assert_eq!(serve(&mut cache, 2, &chain(&[(1, 0, 25)]), 25), 25);
    // In the order of eviction: what was never used, blocks 25..40, the other run, blocks 0..25.
    assert_eq!(living(&cache), 4);
    assert_eq!(serve(&mut cache, 3, &chain(&[(1, 0, 40)]), 40), 40);
    assert_eq!(living(&cache), 3);
}

#[test]
fn a_segment_grows_at_its_end_although_another_holds_its_head() {
    let mut cache = ExtentCache::new(100, true);
    let prompt = chain(&[(1, 0, 40)]);
    let mut tables = [ExtentTable::default(), ExtentTable::default()];
    assert!(cache.grow(SimTime(0), &mut tables[0], 10));
    cache.publish(SimTime(0), &mut tables[0], &prompt, 10).unwrap();
    assert_eq!(cache.matched(&prompt, 6), Ok((6, 0)));
    cache.attach(&mut tables[1], &prompt, 6);
    for blocks in 11..=40 {
        assert!(cache.grow(SimTime(0), &mut tables[0], blocks));
        cache.publish(SimTime(0), &mut tables[0], &prompt, blocks).unwrap();
        cache.check(&mut tables.iter());
    }
    // Blocks 0..6 held by both, 6..40 by the first, and what was never used.
    assert_eq!(cache.segments.nodes.len() - cache.segments.vacant.len(), 3);
    assert_eq!(tables[0].spans().count(), 1);
}

#[test]
fn a_run_loses_its_tail_first_and_a_twin_takes_its_place_silently() {
    let mut cache = ExtentCache::new(12, true);
    cache.log_mut().subscribe();
    // Blocks 0..10 of a run, then the same prompt again: 9 are found and the last is computed anew, a twin.
    serve(&mut cache, 0, &chain(&[(1, 0, 10)]), 9);
    assert_eq!(serve(&mut cache, 1, &chain(&[(1, 0, 10)]), 9), 9);
    assert_eq!(cache.log().changes().len(), 10);
    // One block was never used; the next that goes is the older copy of block 9, and its twin answers.
    serve(&mut cache, 2, &chain(&[(2, 0, 2)]), 2);
    assert_eq!((cache.evicted(), cache.log().changes().len()), (1, 12));
    assert_eq!(cache.matched(&chain(&[(1, 0, 10)]), 10), Ok((10, 10)));
    // Three more: the twin and blocks 8 and 7.
    serve(&mut cache, 3, &chain(&[(3, 0, 3)]), 3);
    let gone: Vec<u64> =
        cache.log().changes()[12..].iter().filter(|change| !change.added).map(|change| change.id).collect();
    assert_eq!(gone, [9, 8, 7].map(|number| mix2(1, number)));
    assert_eq!(cache.evicted(), 4);
    assert_eq!(cache.matched(&chain(&[(1, 0, 10)]), 10), Ok((7, 7)));
}
