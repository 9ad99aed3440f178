//! Copies of a trace's sessions, where a workload is to be larger than what was recorded. Knows rows, times and chains;
//! must not know origins or when the run starts.
//!
//! Nobody sent the copies: they are a way to ask for more of the same. A copy has keys, sessions and blocks of its own,
//! because equal ids would let copies find each other's history in the cache. It begins at another time of the trace,
//! drawn for it alone, because copies that began together would be bursts that the service never saw.

use super::part::root_of;
use super::trace::CompiledTrace;
use super::{Chain, Run};
use crate::rng::{Key, hash_name, mix2};
use rustc_hash::FxHashMap;

/// Salts, so that copies cannot meet what they are copies of.
const NAME: u64 = hash_name("workload/copy");
const BLOCKS: u64 = hash_name("workload/copy/blocks");

/// What a copy's sessions and requests are named after, in place of the workload. Copy 0 is the trace itself.
pub(super) fn name_of(name_hash: u64, copy: u32) -> u64 {
    if copy == 0 { name_hash } else { mix2(mix2(name_hash, NAME), u64::from(copy)) }
}

/// The copies of a trace for a scale, and when they are sent.
pub(super) struct Copies {
    scale: f64,
    key: Key,
}

impl Copies {
    pub(super) fn new(scale: f64, key: Key) -> Copies {
        Copies { scale, key }
    }
    /// How many there are, with the trace itself and the last, partial one.
    pub(super) fn count(&self) -> u32 {
        if self.scale <= 1.0 { 1 } else { self.scale.ceil() as u32 }
    }
    /// Whether copy `copy` has the session known by `identity`: all but the last have all.
    fn has(&self, copy: u32, identity: u64) -> bool {
        let share = self.scale - f64::from(copy);
        share >= 1.0 || self.key.named("in").at(u64::from(copy)).at(identity).unit() < share
    }
    /// The times of the copies' rows, of those in `kept` (time, row): `(time, copy, row)`, by copy and then as in
    /// `kept`. A session begins anywhere within the time that `kept` spans, and what would begin behind its end begins
    /// as much behind its start; within a session, all times move alike.
    pub(super) fn times(&self, trace: &CompiledTrace, kept: &[(u64, u32)]) -> Vec<(u64, u32, u32)> {
        let mut times = Vec::new();
        let (Some(first), Some(last)) =
            (kept.iter().map(|row| row.0).min(), kept.iter().map(|row| row.0).max())
        else {
            return times;
        };
        let identities: Vec<u64> = kept.iter().map(|&(_, row)| root_of(&trace.row(row).row)).collect();
        let mut begins: FxHashMap<u64, u64> = FxHashMap::default();
        for (&identity, &(ns, _)) in identities.iter().zip(kept) {
            let begin = begins.entry(identity).or_insert(ns);
            *begin = ns.min(*begin);
        }
        let span = last - first + 1;
        for copy in 1..self.count() {
            for (&identity, &(ns, row)) in identities.iter().zip(kept) {
                if !self.has(copy, identity) {
                    continue;
                }
                let begin = begins[&identity] - first;
                let unit = self.key.named("at").at(u64::from(copy)).at(identity).unit();
                let shift = ((unit * span as f64) as u64).min(span - 1);
                let moved = first + (begin + shift) % span;
                times.push((moved.saturating_add(ns - first - begin), copy, row));
            }
        }
        times
    }
}

/// Writes a copy's chain: what the trace says, with blocks of its own behind the first `shared` ones.
pub(super) fn write_chain(runs: &[Run], shared: u32, name_hash: u64, chain: &mut Chain) {
    let salt = mix2(name_hash, BLOCKS);
    let mut left = shared;
    for run in runs {
        let head = left.min(run.len);
        left -= head;
        chain.push(Run { len: head, ..*run });
        chain.push(Run { key: mix2(run.key, salt), start: run.start + head, len: run.len - head });
    }
}

/// How many of each row's first blocks are universal: in more than ten requests and more than one of a hundred, as
/// `stats` has it. Those are tools and system prompts, not anybody's history.
pub(super) fn universal_heads(trace: &CompiledTrace) -> Vec<u32> {
    let rows = || (0..trace.summary().requests as u32).map(|index| trace.runs_of(trace.row(index)));
    let least = (trace.summary().requests / 100).max(10);
    // Per run key, where the number of requests that have a block changes: `(block, more, fewer)`.
    let mut changes: FxHashMap<u64, Vec<(u32, i64)>> = FxHashMap::default();
    for run in rows().flatten() {
        let list = changes.entry(run.key).or_default();
        list.push((run.start, 1));
        list.push((run.start + run.len, -1));
    }
    // Per run key, the stretches of blocks that are universal, ascending.
    let mut stretches: FxHashMap<u64, Vec<(u32, u32)>> = FxHashMap::default();
    for (&key, list) in &mut changes {
        list.sort_unstable();
        let (mut count, mut begun) = (0i64, None);
        for (at, &(block, by)) in list.iter().enumerate() {
            count += by;
            if list.get(at + 1).is_some_and(|next| next.0 == block) {
                continue;
            }
            let universal = count > least as i64;
            match (universal, begun) {
                (true, None) => begun = Some(block),
                (false, Some(from)) => {
                    stretches.entry(key).or_default().push((from, block));
                    begun = None;
                }
                _ => {}
            }
        }
    }
    let head = |runs: &[Run]| {
        let mut head = 0;
        for run in runs {
            let stretch = stretches.get(&run.key).and_then(|list| {
                let after = list.partition_point(|&(from, _)| from <= run.start);
                list.get(after.checked_sub(1)?).copied()
            });
            let within = stretch.map_or(0, |(_, to)| to.saturating_sub(run.start).min(run.len));
            head += within;
            if within < run.len {
                break;
            }
        }
        head
    };
    rows().map(head).collect()
}
