//! Blocks, and what caches would find of them: one pass over the rows in order of time, with every prompt stored whole
//! and in an instant. Knows segments; must not know engines: a real engine finds less, because answers take room and
//! prompts wait, and more, because answers are stored too.
//!
//! A prompt finds the unbroken run of its blocks from the head. It is looked up before it is stored, and its blocks
//! are touched tail first, as serving engines free them: a head is younger than what follows it, so a cache that
//! holds a block holds all before it, and a smaller cache holds nothing that a larger one does not.

use super::super::data::{Blocks, TraceData};
use super::lengths::Spread;
use super::segments::{Index, RowRuns};
use super::stack::Stack;
use serde::Serialize;

/// Blocks and reuse.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BlockStats {
    /// Requests that tell their blocks.
    pub requests: u64,
    /// Blocks of all requests together: of prompts, and of answers where the trace tells them.
    pub references: u64,
    /// Different blocks.
    pub distinct: u64,
    /// Share of the different blocks that one request alone has.
    pub once_share: f64,
    /// Blocks that more than one request in a hundred has.
    pub universal: u64,
    /// Share of requests that find nothing in a cache without end.
    pub zero_hit_share: f64,
    /// Share of all prompt tokens that a cache without end finds, cold start included.
    pub hit_bound: f64,
    /// Prompt tokens of a request that a cache without end does not find.
    pub uncached_tokens: Spread,
    /// Time from a block's use to its next, in seconds, by block, without universal ones; absent without reuse.
    pub reuse_s: Option<Spread>,
    /// What LRU caches of these sizes find.
    pub lru: Vec<CachePoint>,
}

/// One size of an LRU cache.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CachePoint {
    /// Its size in tokens.
    pub tokens: u64,
    /// Its size in the trace's blocks.
    pub blocks: u64,
    /// Share of all prompt tokens that it finds.
    pub hit_share: f64,
}

/// What a pass finds.
pub(super) struct Found {
    pub stats: BlockStats,
    pub curve: Vec<CachePoint>,
}

/// Steps of the plotted curve, twelve to a decade: `round(10^(i/12) * 100)`.
const DECADE: [u64; 12] = [100, 121, 147, 178, 215, 261, 316, 383, 464, 562, 681, 825];

/// The sizes that are told when none is asked for, in tokens: 1 and 3 of each decade from a hundred thousand until
/// all `distinct` tokens fit.
fn usual_sizes(distinct: u64) -> Vec<u64> {
    let mut sizes = Vec::new();
    let mut decade = 100_000u64;
    loop {
        for size in [decade, 3 * decade] {
            sizes.push(size);
            if size >= distinct {
                return sizes;
            }
        }
        decade *= 10;
    }
}

fn curve_sizes(block: u64, distinct: u64) -> Vec<u64> {
    let mut sizes = Vec::new();
    let mut scale = 10u64;
    loop {
        for step in DECADE {
            let size = step * scale;
            if size >= block {
                sizes.push(size);
            }
            if size >= distinct {
                return sizes;
            }
        }
        scale *= 10;
    }
}

/// Tokens found by caches of several sizes.
struct Sizes {
    /// In blocks, ascending, each once.
    blocks: Vec<u64>,
    /// Tokens found at each size but not at the one before.
    gained: Vec<i64>,
}

impl Sizes {
    fn new(mut blocks: Vec<u64>) -> Sizes {
        blocks.sort_unstable();
        blocks.dedup();
        Sizes { gained: vec![0; blocks.len() + 1], blocks }
    }
    /// A segment of `len` blocks of which a cache of `base + i` blocks holds the first `i`; `tokens(i)` are in them.
    fn take(&mut self, base: u64, len: u64, tokens: impl Fn(u64) -> u64) {
        let mut index = self.blocks.partition_point(|&size| size <= base);
        let mut before = 0;
        while let Some(&size) = self.blocks.get(index) {
            let found = tokens((size - base).min(len));
            self.gained[index] += (found - before) as i64;
            before = found;
            if size - base >= len {
                return;
            }
            index += 1;
        }
    }
    fn found(&self, blocks: u64) -> u64 {
        let through = self.blocks.partition_point(|&size| size <= blocks);
        self.gained[..through].iter().sum::<i64>() as u64
    }
}

pub(super) fn of(
    data: &TraceData,
    times: &[u64],
    order: &[u32],
    index: &Index,
    asked: &[u64],
) -> Option<Found> {
    let requests = data.rows.iter().filter(|row| row.blocks != Blocks::Unknown).count() as u64;
    if requests == 0 {
        return None;
    }
    let block = data.block_tokens.max(1) as u64;
    let mut runs = RowRuns::default();
    let all_tokens = index.distinct * block;
    let told = if asked.is_empty() { usual_sizes(all_tokens) } else { asked.to_vec() };
    let plotted = curve_sizes(block, all_tokens);
    let mut sizes = Sizes::new(told.iter().chain(&plotted).map(|&tokens| tokens / block).collect());
    let mut stack = Stack::new(index.segments.len());
    let mut used_at = vec![0u64; index.segments.len()];
    let (mut once, mut universal_blocks) = (0u64, 0u64);
    let (mut zero_hit, mut found_tokens) = (0u64, 0u64);
    let mut uncached = Vec::with_capacity(data.rows.len());
    let mut gaps: Vec<(u64, u64)> = Vec::new();
    let mut chain: Vec<(u32, u64)> = Vec::new();
    for &number in order {
        let row = &data.rows[number as usize];
        let now = times[number as usize];
        runs.read(data, row);
        index.chain(&runs, &mut chain);
        let limit = runs.prompt_tokens;
        let tokens_of = |blocks: u64| (blocks * block).min(limit);
        // `reach` is the size at which everything so far is held; `None` once something was not there at all.
        let (mut reach, mut found, mut before) = (Some(0u64), 0u64, 0u64);
        for &(segment, through) in &chain {
            let (len, everywhere) = (through - before, index.universal(segment));
            match stack.since(segment) {
                Some(since) => {
                    if let Some(held) = reach {
                        let base = since.max(held);
                        sizes.take(base, len, |i| tokens_of(before + i) - tokens_of(before));
                        reach = Some(base + len);
                        found = through;
                    }
                    if !everywhere {
                        let gap = now - used_at[segment as usize];
                        match gaps.last_mut() {
                            Some((last, weight)) if *last == gap => *weight += len,
                            _ => gaps.push((gap, len)),
                        }
                    }
                }
                None => {
                    reach = None;
                    once += if index.once(segment) { len } else { 0 };
                    universal_blocks += if everywhere { len } else { 0 };
                }
            }
            before = through;
        }
        for (place, &(segment, through)) in chain.iter().enumerate().rev() {
            let start = if place == 0 { 0 } else { chain[place - 1].1 };
            stack.touch(segment, through - start);
            used_at[segment as usize] = now;
        }
        let found = tokens_of(found);
        found_tokens += found;
        zero_hit += u64::from(found == 0 && !chain.is_empty());
        uncached.push(row.input as u64 - found);
    }
    let prompts: u64 = data.rows.iter().map(|row| row.input as u64).sum();
    let share = |tokens: u64| tokens as f64 / prompts as f64;
    let point = |&tokens: &u64| {
        let blocks = tokens / block;
        CachePoint { tokens, blocks, hit_share: share(sizes.found(blocks)) }
    };
    let stats = BlockStats {
        requests,
        references: index.references,
        distinct: index.distinct,
        once_share: once as f64 / index.distinct.max(1) as f64,
        universal: universal_blocks,
        zero_hit_share: zero_hit as f64 / requests as f64,
        hit_bound: share(found_tokens),
        uncached_tokens: Spread::of(&mut uncached).unwrap_or_default(),
        reuse_s: Spread::weighted(&mut gaps).map(|spread| spread.times(1e-9)),
        lru: told.iter().map(point).collect(),
    };
    Some(Found { stats, curve: plotted.iter().map(point).collect() })
}
