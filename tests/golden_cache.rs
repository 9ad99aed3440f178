//! Exact cache numbers on a real trace, of the cache alone: prompts stored in an instant, partial last blocks
//! counted as there, no output. The trace is the Mooncake conversation trace (FAST'25), which does not travel with
//! this project; where it is absent the tests say so and pass.
//!
//! The expected figures were computed independently, with an ordered dictionary.

mod common;

use regionsim::kvcache::{BlockCache, ExtentCache, InstantCache, KvCache, Lru, TouchOrder};
use regionsim::rng::mix64;
use regionsim::time::SimTime;
use regionsim::workload::{Chain, Run};

/// The trace's blocks as they stand, mixed, and each row's input length.
fn conversation() -> Option<Vec<(u32, Vec<u64>)>> {
    let path = common::shared("traces/mooncake/conversation_trace.jsonl.zst")?;
    let text = zstd::decode_all(std::fs::File::open(path).unwrap()).unwrap();
    let rows = std::str::from_utf8(&text).unwrap().lines().map(|line| {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        let ids = row["hash_ids"].as_array().unwrap();
        let input = row["input_length"].as_u64().unwrap() as u32;
        (input, ids.iter().map(|id| mix64(id.as_u64().unwrap())).collect())
    });
    Some(rows.collect())
}

/// Hit share by block and by token over `caches` caches in turn, each of `blocks` blocks.
fn hit_shares(rows: &[(u32, Vec<u64>)], caches: usize, blocks: u32, order: TouchOrder) -> (f64, f64) {
    let mut caches: Vec<InstantCache> = (0..caches).map(|_| InstantCache::new(blocks, order)).collect();
    let (mut hits, mut all, mut hit_tokens, mut tokens) = (0u64, 0u64, 0u64, 0u64);
    for (turn, (input, ids)) in rows.iter().enumerate() {
        let turn = turn % caches.len();
        let found = u64::from(caches[turn].prompt(ids));
        hits += found;
        all += ids.len() as u64;
        hit_tokens += (512 * found).min(u64::from(*input));
        tokens += u64::from(*input);
    }
    (hits as f64 / all as f64, hit_tokens as f64 / tokens as f64)
}

fn rounded(share: f64) -> String {
    format!("{share:.4}")
}

const INFINITE: u32 = 400_000;

#[test]
fn an_infinite_cache_finds_what_the_trace_shares() {
    let Some(rows) = conversation() else { return };
    assert_eq!(rows.len(), 12_031);
    assert_eq!(rows.iter().map(|(_, ids)| ids.len()).sum::<usize>(), 288_500);
    let (blocks, tokens) = hit_shares(&rows, 1, INFINITE, TouchOrder::TailFirst);
    assert_eq!((rounded(blocks), rounded(tokens)), ("0.3664".into(), "0.3736".into()));
}

#[test]
fn lru_finds_as_much_as_the_independent_count_at_every_capacity() {
    let Some(rows) = conversation() else { return };
    let capacities = [195, 1_000, 5_859, 10_000, 30_000, 50_000, 100_000];
    let shares = |order| capacities.map(|blocks| rounded(hit_shares(&rows, 1, blocks, order).0));
    let head_first = shares(TouchOrder::HeadFirst);
    assert_eq!(head_first, ["0.0417", "0.0445", "0.1355", "0.2112", "0.3257", "0.3546", "0.3637"]);
    let tail_first = shares(TouchOrder::TailFirst);
    assert_eq!(tail_first, ["0.0419", "0.0445", "0.1361", "0.2116", "0.3257", "0.3546", "0.3637"]);
}

#[test]
fn round_robin_over_more_caches_finds_less() {
    let Some(rows) = conversation() else { return };
    let shares = [1, 2, 4, 8, 16].map(|n| rounded(hit_shares(&rows, n, INFINITE, TouchOrder::TailFirst).0));
    assert_eq!(shares, ["0.3664", "0.2706", "0.1918", "0.1363", "0.0991"]);
}

/// One request alone in an engine's pool. Returns the blocks found.
fn serve<C: KvCache>(cache: &mut C, table: &mut C::Table, turn: usize, chain: &Chain) -> u32 {
    let now = SimTime(turn as u64);
    let (found, idle) = cache.matched(chain, chain.blocks()).expect("nothing is open");
    assert_eq!(found, idle, "nothing is ever held");
    cache.attach(table, chain, found);
    assert!(cache.grow(now, table, chain.blocks()));
    cache.publish(now, table, chain, chain.blocks()).expect("nothing is open");
    cache.release(table);
    found
}

/// The engine's own pools, one request at a time, against the cache alone: prompts that fit are found alike, and
/// the pool of runs and the pool of single blocks change alike.
#[test]
fn the_paged_pools_equal_the_cache_alone() {
    let Some(rows) = conversation() else { return };
    for (blocks, expected) in [(1_000, "0.0445"), (5_859, "0.1361"), (30_000, "0.3257")] {
        let mut single = BlockCache::<Lru>::new(blocks, true);
        let mut extents = ExtentCache::new(blocks, true);
        let (mut single_table, mut extent_table) = Default::default();
        let mut alone = InstantCache::new(blocks, TouchOrder::TailFirst);
        let (mut hits, mut all) = (0u64, 0u64);
        for (turn, (_, ids)) in rows.iter().enumerate() {
            let mut chain = Chain::new();
            ids.iter().for_each(|&key| chain.push(Run { key, start: 0, len: 1 }));
            let found = serve(&mut single, &mut single_table, turn, &chain);
            assert_eq!(found, alone.prompt(ids), "row {turn} at {blocks} blocks");
            assert_eq!(serve(&mut extents, &mut extent_table, turn, &chain), found, "row {turn}");
            assert_eq!(extents.evicted(), single.evicted(), "row {turn} at {blocks} blocks");
            assert_eq!(extents.log().digest(), single.log().digest(), "row {turn} at {blocks} blocks");
            hits += u64::from(found);
            all += u64::from(chain.blocks());
        }
        single.check(&mut std::iter::empty());
        extents.check(&mut std::iter::empty());
        assert_eq!(rounded(hits as f64 / all as f64), expected);
    }
}

/// The same trace in blocks of 16 tokens, 32 to a trace block: runs of which the pool evicts parts.
#[test]
fn runs_of_smaller_blocks_change_alike_in_both_pools() {
    let Some(rows) = conversation() else { return };
    let mut single = BlockCache::<Lru>::new(26_312, true);
    let mut extents = ExtentCache::new(26_312, true);
    let (mut single_table, mut extent_table) = Default::default();
    for (turn, (input, ids)) in rows.iter().enumerate() {
        let mut chain = Chain::new();
        let mut left = input / 16;
        for &key in ids {
            let len = left.min(32);
            chain.push(Run { key, start: 0, len });
            left -= len;
        }
        let found = serve(&mut single, &mut single_table, turn, &chain);
        assert_eq!(serve(&mut extents, &mut extent_table, turn, &chain), found, "row {turn}");
        assert_eq!(extents.log().digest(), single.log().digest(), "row {turn}");
    }
    assert!(single.evicted() > 1_000_000, "the pool is far too small for the trace");
    assert_eq!(extents.evicted(), single.evicted());
    single.check(&mut std::iter::empty());
    extents.check(&mut std::iter::empty());
}

/// Mattson: an LRU of more blocks finds all that one of fewer finds, prompt by prompt; and what is found at each
/// capacity follows from one pass of stack distances.
#[test]
fn larger_caches_include_smaller_ones() {
    let Some(rows) = conversation() else { return };
    let capacities = [500u32, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000];
    let mut caches = capacities.map(|blocks| InstantCache::new(blocks, TouchOrder::HeadFirst));
    let mut stack = StackDistance::new(rows.iter().map(|(_, ids)| ids.len()).sum());
    for (row, (_, ids)) in rows.iter().enumerate() {
        let distances: Vec<u32> = ids.iter().map(|&id| stack.touch(id)).collect();
        let found = caches.each_mut().map(|cache| cache.prompt(ids));
        assert!(found.is_sorted(), "row {row}: {found:?}");
        for (capacity, found) in capacities.iter().zip(found) {
            let expected = distances.iter().filter(|&distance| distance < capacity).count() as u32;
            assert_eq!(found, expected, "row {row} at {capacity} blocks");
        }
    }
}

/// Stack distances by a Fenwick tree over access times: how many different ids were touched since this one.
struct StackDistance {
    last: std::collections::BTreeMap<u64, usize>,
    tree: Vec<u32>,
    time: usize,
}

impl StackDistance {
    fn new(accesses: usize) -> Self {
        StackDistance { last: Default::default(), tree: vec![0; accesses + 1], time: 0 }
    }
    fn add(&mut self, mut at: usize, by: i32) {
        at += 1;
        while at < self.tree.len() {
            self.tree[at] = self.tree[at].wrapping_add_signed(by);
            at += at & at.wrapping_neg();
        }
    }
    fn sum(&self, mut end: usize) -> u32 {
        let mut sum = 0u32;
        while end > 0 {
            sum = sum.wrapping_add(self.tree[end]);
            end &= end - 1;
        }
        sum
    }
    fn touch(&mut self, id: u64) -> u32 {
        let now = self.time;
        self.time += 1;
        let distance = match self.last.insert(id, now) {
            None => u32::MAX,
            Some(before) => {
                let since = self.sum(now) - self.sum(before + 1);
                self.add(before, -1);
                since
            }
        };
        self.add(now, 1);
        distance
    }
}
