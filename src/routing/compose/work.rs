//! The memory of a composition: candidates, rings, draws, used again for every decision. Knows filters, conditions and
//! ties; must not know the order they come in.

use super::filter::{Filter, Test};
use super::guard::{Condition, Saturation};
use super::key::{self, KeyPart};
use super::pick::Tie;
use super::signal::{Reading, Seen, Tables};
use crate::rng::{Stream, hash_name, mix2};
use crate::routing::maglev::Maglev;
use crate::routing::policies::chwbl::{Count, Limit};
use crate::routing::ring::Ring;
use crate::routing::{FleetView, RequestView, Target, TargetId, pick, score};
use std::ops::Range;

/// What a composition uses again for every decision.
#[derive(Debug)]
pub struct Work {
    pub(super) key: Option<Vec<KeyPart>>,
    pub(super) looks_at: u32,
    /// By target: the hash of its name.
    pub(super) names: Vec<u64>,
    pub(super) rings: Vec<(u32, Ring)>,
    pub(super) maglevs: Vec<(u32, Maglev)>,
    pub(super) leaves: usize,
    pub(super) buffer: Vec<TargetId>,
    /// What filters and guards the last decision went through, in order.
    pub(super) trail: Vec<(&'static str, Passed)>,
    /// Those that the last decision was made among, in the buffer, and where it was made.
    pub(super) kept: Range<usize>,
    pub(super) leaf: usize,
    pub(super) values: Vec<f64>,
    pub(super) equals: Vec<TargetId>,
    pub(super) order: Vec<u32>,
    pub(super) drawn: Vec<TargetId>,
    /// By target: the last search that it was a candidate of.
    pub(super) seen: Vec<u64>,
    pub(super) searches: u64,
    /// By target: when it was sent to last, counted in requests; 0 never. Empty where no tie asks.
    pub(super) last_sent: Vec<u64>,
    pub(super) sent: u64,
}

/// What became of a step of a decision.
#[derive(Clone, Debug)]
pub enum Passed {
    /// A filter left these, in the buffer.
    Left(Range<usize>),
    /// A condition held or not.
    Held(bool),
}

impl Work {
    /// For a composition over `targets` with these keys, whose index looks at `looks_at` blocks of a prompt.
    pub fn new(targets: &[Target], key: Option<Vec<KeyPart>>, looks_at: u32, recent: bool) -> Work {
        Work {
            key,
            looks_at,
            names: targets.iter().map(|target| hash_name(&target.name)).collect(),
            rings: Vec::new(),
            maglevs: Vec::new(),
            leaves: 0,
            buffer: Vec::new(),
            trail: Vec::new(),
            kept: 0..0,
            leaf: 0,
            values: Vec::new(),
            equals: Vec::new(),
            order: Vec::new(),
            drawn: Vec::new(),
            seen: vec![0; targets.len()],
            searches: 0,
            last_sent: if recent { vec![0; targets.len()] } else { Vec::new() },
            sent: 0,
        }
    }
    /// A request went to `target`.
    pub fn sent(&mut self, target: TargetId) {
        if let Some(last) = self.last_sent.get_mut(target.0 as usize) {
            self.sent += 1;
            *last = self.sent;
        }
    }
    pub(super) fn see<'a>(
        &self,
        request: &'a RequestView<'a>,
        fleet: &'a FleetView<'a>,
        tables: &'a Tables,
    ) -> Seen<'a> {
        let key = self.key.as_ref().map_or(0, |parts| key::of(parts, request));
        Seen { request, fleet, key, looks_at: self.looks_at, tables }
    }
    pub(super) fn ring(&mut self, vnodes: u32, targets: &[Target]) -> usize {
        if let Some(known) = self.rings.iter().position(|(points, _)| *points == vnodes) {
            return known;
        }
        let named = (0u32..).zip(targets).map(|(id, target)| (TargetId(id), target.name.as_str()));
        self.rings.push((vnodes, Ring::new(named, vnodes)));
        self.rings.len() - 1
    }
    pub(super) fn maglev(&mut self, size: u32, targets: &[Target]) -> usize {
        if let Some(known) = self.maglevs.iter().position(|(slots, _)| *slots == size) {
            return known;
        }
        let named = (0u32..).zip(targets).map(|(id, target)| (TargetId(id), target.name.as_str()));
        self.maglevs.push((size, Maglev::new(named, size)));
        self.maglevs.len() - 1
    }
    /// Marks candidates, to be told from others in a walk.
    fn mark(&mut self, among: Range<usize>) {
        self.searches += 1;
        for &target in &self.buffer[among] {
            self.seen[target.0 as usize] = self.searches;
        }
    }
    /// The first of `among` from the key's slot on.
    pub(super) fn on_maglev(&mut self, table: usize, key: u64, among: Range<usize>) -> TargetId {
        self.mark(among.clone());
        let mut walk = self.maglevs[table].1.walk(key);
        // With more targets than slots, some have none.
        let found = walk.find(|target| self.seen[target.0 as usize] == self.searches);
        found.unwrap_or_else(|| pick::rendezvous(&self.buffer[among], key, &self.names))
    }
    /// The first of `among` from the key on around a ring.
    pub(super) fn on_ring(&mut self, ring: usize, key: u64, among: Range<usize>) -> TargetId {
        self.mark(among.clone());
        let mut walk = self.rings[ring].1.walk(key);
        walk.find(|target| self.seen[target.0 as usize] == self.searches).unwrap_or(self.buffer[among.start])
    }
    /// Draws so many of `among`, in the order drawn.
    pub(super) fn draw(&mut self, among: Range<usize>, choices: u32, rng: &mut Stream) {
        // The first steps of a Fisher-Yates shuffle.
        let count = among.len();
        self.order.clear();
        self.order.extend(0..count as u32);
        self.drawn.clear();
        for place in 0..(choices as usize).clamp(1, count) {
            let at = place + rng.below((count - place) as u32) as usize;
            self.order.swap(place, at);
            self.drawn.push(self.buffer[among.start + self.order[place] as usize]);
        }
    }
    /// Adds those of `now` that the filter leaves to the buffer; where they lie. A body began with `start`.
    pub(super) fn filter(
        &mut self,
        (filter, ring): (&Filter, usize),
        seen: &Seen<'_>,
        (start, now): (&Range<usize>, &Range<usize>),
        rng: &mut Stream,
    ) -> Range<usize> {
        let from = self.buffer.len();
        match filter {
            Filter::Nearest(_) => {
                let distance = |target: TargetId| {
                    let target = seen.fleet.target(target);
                    (target.rtt, target.region)
                };
                let nearest = self.buffer[now.clone()].iter().map(|&target| distance(target)).min();
                self.keep(now, |target| Some(distance(target)) == nearest);
            }
            Filter::Bounded(block) => {
                let (total, targets) = match block.count {
                    Count::Eligible => (seen.fleet.tally.total(), seen.fleet.eligible.len()),
                    Count::All => (seen.fleet.total, seen.fleet.targets.len()),
                };
                let limit = Limit::new(block.bound, block.load_factor, total, targets);
                self.keep(now, |target| limit.admits(seen.fleet.own(target).requests));
            }
            Filter::Home(block) => {
                let home = match block.vnodes {
                    Some(_) => self.on_ring(ring, seen.key, start.clone()),
                    None => pick::rendezvous(&self.buffer[start.clone()], seen.key, &self.names),
                };
                self.keep(now, |target| target == home);
            }
            Filter::Sample(block) => {
                self.draw(now.clone(), block.choices, rng);
                self.drawn.sort_unstable();
                self.buffer.extend_from_slice(&self.drawn);
            }
            other => {
                let Some((reading, test)) = other.test() else { return now.clone() };
                self.test(reading, test, seen, now);
            }
        }
        from..self.buffer.len()
    }
    pub(super) fn keep(&mut self, now: &Range<usize>, keep: impl Fn(TargetId) -> bool) {
        for at in now.clone() {
            let target = self.buffer[at];
            if keep(target) {
                self.buffer.push(target);
            }
        }
    }
    pub(super) fn test(&mut self, reading: Reading, test: Test, seen: &Seen<'_>, now: &Range<usize>) {
        self.values.clear();
        self.values.extend(self.buffer[now.clone()].iter().map(|&target| reading.of(seen, target)));
        let range = || score::range(self.values.iter().copied());
        let (least, most) = match test {
            Test::Below(limit) | Test::AtMost(limit) => (f64::NEG_INFINITY, limit),
            Test::Above(limit) | Test::AtLeast(limit) => (limit, f64::INFINITY),
            Test::NearMin(factor, slack) => (f64::NEG_INFINITY, factor * range().0 + slack),
            Test::NearMax(factor, slack) => (factor * range().1 - slack, f64::INFINITY),
            Test::MeanPlus(k) => (f64::NEG_INFINITY, mean_plus(&self.values, k)),
        };
        for (at, &value) in now.clone().zip(&self.values) {
            let stays = match test {
                Test::Below(_) => value < most,
                Test::Above(_) => value > least,
                _ => (least..=most).contains(&value),
            };
            if stays {
                self.buffer.push(self.buffer[at]);
            }
        }
    }
    pub(super) fn holds(
        &mut self,
        condition: &Condition,
        seen: &Seen<'_>,
        now: &Range<usize>,
        rng: &mut Stream,
    ) -> bool {
        let list = &self.buffer[now.clone()];
        let range = |reading: Reading| score::range(list.iter().map(|&target| reading.of(seen, target)));
        let reading = condition.reading();
        let known = reading.map_or((0.0, 0.0), range);
        match condition {
            Condition::Imbalance(block) => known.1 - known.0 > block.abs && known.1 > block.rel * known.0,
            Condition::AllAbove(block) => known.0 > block.limit,
            Condition::MatchAbove(block) => known.1 > block.ratio,
            Condition::UncachedBelowMatched(_) => known.1 > 0.5,
            Condition::Saturated(block) => saturation(block, seen, list) >= block.limit,
            Condition::Sheds(block) => rng.unit() < score::shed_probability(saturation(block, seen, list)),
            Condition::Chance(block) => rng.unit() < block.ratio,
        }
    }
    pub(super) fn tie(&self, tie: Tie, seen: &Seen<'_>, rng: &mut Stream) -> TargetId {
        let equals = &self.equals;
        let first = || equals.iter().copied().min();
        match tie {
            Tie::First => first(),
            Tie::Drawn => equals.first().copied(),
            Tie::Last => equals.iter().copied().max(),
            Tie::Random if equals.len() < 2 => first(),
            Tie::Random => equals.get(rng.below(equals.len() as u32) as usize).copied(),
            Tie::LowestInflight => {
                equals.iter().copied().min_by_key(|&target| (seen.fleet.own(target).requests, target))
            }
            Tie::LeastRecent => {
                equals.iter().copied().min_by_key(|&target| (self.last_sent[target.0 as usize], target))
            }
            Tie::Hash => equals
                .iter()
                .copied()
                .min_by_key(|&target| (mix2(seen.key, self.names[target.0 as usize]), target)),
        }
        .unwrap_or(seen.fleet.eligible.list()[0])
    }
}

/// Mean and `k` standard deviations of all values there are.
fn mean_plus(values: &[f64], k: f64) -> f64 {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / count;
    mean + k * variance.sqrt()
}

fn saturation(block: &Saturation, seen: &Seen<'_>, list: &[TargetId]) -> f64 {
    let mut sum = 0.0;
    for &target in list {
        let (load, replicas) = (seen.fleet.load(target), seen.fleet.target(target).replicas.max(1));
        let waiting = f64::from(load.waiting) / f64::from(replicas);
        sum += (waiting / block.queue).max(load.kv_usage() / block.kv);
    }
    sum / list.len() as f64
}
