//! A composition at work. Knows blocks and the order they come in; must not know how they were written. Candidates lie
//! one list after the other in one buffer, which is kept from decision to decision: after warm-up nothing is allocated.

use super::Body as Written;
use super::filter::{Filter, OnEmpty, Test};
use super::guard::{Condition, Saturation};
use super::key::{self, KeyPart};
use super::pick::{Pick, Tie};
use super::score::{Combine, Direction, Term};
use super::signal::{Reading, Seen};
use crate::rng::{Stream, hash_name, mix2};
use crate::routing::policies::chwbl::{Count, Limit};
use crate::routing::ring::Ring;
use crate::routing::{Decision, FleetView, Refusal, RequestView, Target, TargetId, pick, score};
use std::ops::Range;

/// Filters, and what decides among those they leave.
#[derive(Debug)]
pub struct Body {
    filters: Vec<(Filter, usize)>,
    next: Next,
    otherwise: Option<Box<Body>>,
}

#[derive(Debug)]
enum Next {
    Guard { condition: Condition, then: Box<Body>, other: Box<Body> },
    Leaf(Leaf),
}

/// Where a decision is made.
#[derive(Debug)]
struct Leaf {
    number: usize,
    terms: Vec<Term>,
    combine: Combine,
    pick: Pick,
    ring: usize,
    /// Where the next turn begins.
    next: u32,
    /// By target: what it has gained and not paid, of smooth weighted round robin.
    wealth: Vec<f64>,
}

/// What a composition uses again for every decision.
#[derive(Debug)]
pub struct Work {
    key: Option<Vec<KeyPart>>,
    looks_at: u32,
    /// By target: the hash of its name.
    names: Vec<u64>,
    rings: Vec<(u32, Ring)>,
    leaves: usize,
    buffer: Vec<TargetId>,
    /// Those that the last decision was made among, in the buffer, and where it was made.
    kept: Range<usize>,
    leaf: usize,
    values: Vec<f64>,
    equals: Vec<TargetId>,
    order: Vec<u32>,
    drawn: Vec<TargetId>,
    /// By target: the last search that it was a candidate of.
    seen: Vec<u64>,
    searches: u64,
    /// By target: when it was sent to last, counted in requests; 0 never. Empty where no tie asks.
    last_sent: Vec<u64>,
    sent: u64,
}

impl Work {
    /// For a composition over `targets` with these keys, whose index looks at `looks_at` blocks of a prompt.
    pub fn new(targets: &[Target], key: Option<Vec<KeyPart>>, looks_at: u32, recent: bool) -> Work {
        Work {
            key,
            looks_at,
            names: targets.iter().map(|target| hash_name(&target.name)).collect(),
            rings: Vec::new(),
            leaves: 0,
            buffer: Vec::new(),
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
    fn see<'a>(&self, request: &'a RequestView<'a>, fleet: &'a FleetView<'a>) -> Seen<'a> {
        let key = self.key.as_ref().map_or(0, |parts| key::of(parts, request));
        Seen { request, fleet, key, looks_at: self.looks_at }
    }
    fn ring(&mut self, vnodes: u32, targets: &[Target]) -> usize {
        if let Some(known) = self.rings.iter().position(|(points, _)| *points == vnodes) {
            return known;
        }
        let named = (0u32..).zip(targets).map(|(id, target)| (TargetId(id), target.name.as_str()));
        self.rings.push((vnodes, Ring::new(named, vnodes)));
        self.rings.len() - 1
    }
    /// The first of `among` from the key on around a ring.
    fn on_ring(&mut self, ring: usize, key: u64, among: Range<usize>) -> TargetId {
        self.searches += 1;
        for &target in &self.buffer[among.clone()] {
            self.seen[target.0 as usize] = self.searches;
        }
        let mut walk = self.rings[ring].1.walk(key);
        walk.find(|target| self.seen[target.0 as usize] == self.searches).unwrap_or(self.buffer[among.start])
    }
    /// Draws so many of `among`, in the order drawn.
    fn draw(&mut self, among: Range<usize>, choices: u32, rng: &mut Stream) {
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
    fn filter(
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
    fn keep(&mut self, now: &Range<usize>, keep: impl Fn(TargetId) -> bool) {
        for at in now.clone() {
            let target = self.buffer[at];
            if keep(target) {
                self.buffer.push(target);
            }
        }
    }
    fn test(&mut self, reading: Reading, test: Test, seen: &Seen<'_>, now: &Range<usize>) {
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
    fn holds(
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
            Condition::Uneven(block) => known.1 - known.0 > block.abs && known.1 > block.rel * known.0,
            Condition::AllAbove(block) => known.0 > block.limit,
            Condition::MatchAbove(block) => known.1 > block.ratio,
            Condition::UncachedBelowMatched(_) => known.1 > 0.5,
            Condition::Saturated(block) => saturation(block, seen, list) >= block.limit,
            Condition::Sheds(block) => rng.unit() < score::shed_probability(saturation(block, seen, list)),
            Condition::Chance(block) => rng.unit() < block.ratio,
        }
    }
    fn tie(&self, tie: Tie, seen: &Seen<'_>, rng: &mut Stream) -> TargetId {
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

impl Body {
    /// What was written, ready to decide over `targets`.
    pub fn new(written: &Written, targets: &[Target], work: &mut Work) -> Body {
        let mut of = |body: &Written| Box::new(Body::new(body, targets, work));
        let otherwise = written.otherwise.as_deref().map(&mut of);
        let next = match (&written.condition, &written.then, &written.other) {
            (Some(condition), Some(then), Some(other)) => {
                Next::Guard { condition: condition.clone(), then: of(then), other: of(other) }
            }
            _ => {
                let pick = written.picks();
                let vnodes = if let Pick::Ring(block) = &pick { Some(block.vnodes) } else { None };
                let read = |term: &&Term| term.weight > 0.0 || written.combine() == Combine::Lexicographic;
                work.leaves += 1;
                Next::Leaf(Leaf {
                    number: work.leaves,
                    terms: written.score.iter().filter(read).cloned().collect(),
                    combine: written.combine(),
                    ring: vnodes.map_or(0, |vnodes| work.ring(vnodes, targets)),
                    next: 0,
                    wealth: if pick == Pick::SmoothWrr { vec![0.0; targets.len()] } else { Vec::new() },
                    pick,
                })
            }
        };
        let filters = written.filters.iter().map(|filter| {
            let vnodes = if let Filter::Home(block) = filter { block.vnodes } else { None };
            (filter.clone(), vnodes.map_or(0, |vnodes| work.ring(vnodes, targets)))
        });
        Body { filters: filters.collect(), next, otherwise }
    }
    /// Decides among all eligible targets.
    pub fn decide(
        &mut self,
        request: &RequestView<'_>,
        fleet: &FleetView<'_>,
        work: &mut Work,
        rng: &mut Stream,
    ) -> Decision {
        let seen = work.see(request, fleet);
        work.buffer.clear();
        work.buffer.extend_from_slice(fleet.eligible.list());
        self.among(0..work.buffer.len(), &seen, work, rng)
    }
    fn among(&mut self, start: Range<usize>, seen: &Seen<'_>, work: &mut Work, rng: &mut Stream) -> Decision {
        let mut now = start.clone();
        for (filter, ring) in &self.filters {
            let kept = work.filter((filter, *ring), seen, (&start, &now), rng);
            if !kept.is_empty() {
                now = kept;
                continue;
            }
            match (filter.on_empty(), &mut self.otherwise) {
                (OnEmpty::Next, Some(otherwise)) => return otherwise.among(start, seen, work, rng),
                (OnEmpty::Reject, _) => return Decision::Refuse(Refusal::Shed),
                // Nothing would ever wake a request that is held while nothing is under way.
                (OnEmpty::Queue, _) if seen.fleet.total > 0 => return Decision::Hold,
                _ => {}
            }
        }
        match &mut self.next {
            Next::Guard { condition, then, other } => {
                let way = if work.holds(condition, seen, &now, rng) { then } else { other };
                way.among(now, seen, work, rng)
            }
            Next::Leaf(leaf) => leaf.choose(now, seen, work, rng),
        }
    }
    fn leaf(&self, number: usize) -> Option<&Leaf> {
        let inner = match &self.next {
            Next::Leaf(leaf) => (leaf.number == number).then_some(leaf),
            Next::Guard { then, other, .. } => then.leaf(number).or_else(|| other.leaf(number)),
        };
        inner.or_else(|| self.otherwise.as_ref()?.leaf(number))
    }
    /// The terms of `target` where the last decision was made: whether it was left by the filters, each term, their score.
    pub fn explain(
        &self,
        request: &RequestView<'_>,
        fleet: &FleetView<'_>,
        work: &Work,
        target: TargetId,
    ) -> Vec<(&'static str, f64)> {
        let list = &work.buffer[work.kept.clone()];
        let mut found = vec![("candidate", f64::from(u8::from(list.contains(&target))))];
        let Some(leaf) = self.leaf(work.leaf) else { return found };
        let seen = work.see(request, fleet);
        found.extend(leaf.terms.iter().map(|term| {
            let value = |target| term.reading().of(&seen, target);
            let range = score::range(list.iter().map(|&target| value(target)));
            (term.signal.name(), term.weight * term.transform.of(value(target), range))
        }));
        if leaf.combine != Combine::Lexicographic && !leaf.terms.is_empty() {
            let mut totals = Vec::new();
            leaf.totals(&[target], list, &seen, &mut totals);
            found.push(("score", totals[0]));
        }
        found
    }
}

impl Leaf {
    fn direction(&self) -> Direction {
        self.terms.first().map_or(Direction::Min, |term| term.direction)
    }
    /// Writes the scores of `list`; relative ones are relative to `among`.
    fn totals(&self, list: &[TargetId], among: &[TargetId], seen: &Seen<'_>, out: &mut Vec<f64>) {
        let product = self.combine == Combine::Product;
        out.clear();
        out.resize(list.len(), if product { 1.0 } else { 0.0 });
        for term in &self.terms {
            let reading = term.reading();
            let range = if term.transform.is_relative() {
                score::range(among.iter().map(|&target| reading.of(seen, target)))
            } else {
                (0.0, 0.0)
            };
            for (total, &target) in out.iter_mut().zip(list) {
                let value = term.weight * term.transform.of(reading.of(seen, target), range);
                if product {
                    *total *= value;
                } else if term.direction == self.direction() {
                    *total += value;
                } else {
                    *total -= value;
                }
            }
        }
    }
    /// As costs: the least is the best.
    fn costs(&self, list: &[TargetId], seen: &Seen<'_>, out: &mut Vec<f64>) {
        self.totals(list, list, seen, out);
        if self.direction() == Direction::Max {
            out.iter_mut().for_each(|total| *total = -*total);
        }
    }
    /// Writes those of `list` that nobody is better than.
    fn best(&self, list: &[TargetId], seen: &Seen<'_>, values: &mut Vec<f64>, equals: &mut Vec<TargetId>) {
        equals.clear();
        equals.extend_from_slice(list);
        if self.combine != Combine::Lexicographic {
            self.costs(list, seen, values);
            keep_least(equals, values);
            return;
        }
        for term in &self.terms {
            let value = |&target: &TargetId| term.reading().of(seen, target);
            let range = score::range(equals.iter().map(value));
            values.clear();
            values.extend(equals.iter().map(|target| {
                let value = term.transform.of(value(target), range);
                if term.direction == Direction::Max { -value } else { value }
            }));
            keep_least(equals, values);
        }
    }
    fn choose(&mut self, now: Range<usize>, seen: &Seen<'_>, work: &mut Work, rng: &mut Stream) -> Decision {
        (work.kept, work.leaf) = (now.clone(), self.number);
        let count = now.len() as u32;
        let some = |work: &Work, rng: &mut Stream| work.buffer[now.start + rng.below(count) as usize];
        Decision::To(match &self.pick {
            Pick::Reject => return Decision::Refuse(Refusal::Shed),
            Pick::Queue if seen.fleet.total > 0 => return Decision::Hold,
            Pick::Queue | Pick::Random => some(work, rng),
            Pick::RoundRobin => {
                let list = &work.buffer[now];
                let at = list.partition_point(|target| target.0 < self.next);
                let chosen = list[if at == list.len() { 0 } else { at }];
                self.next = chosen.0 + 1;
                chosen
            }
            Pick::Rendezvous => pick::rendezvous(&work.buffer[now], seen.key, &work.names),
            Pick::Ring(_) => work.on_ring(self.ring, seen.key, now),
            Pick::Best(block) => {
                self.best(&work.buffer[now], seen, &mut work.values, &mut work.equals);
                work.tie(block.tie, seen, rng)
            }
            Pick::P2c(block) => {
                work.draw(now, block.choices, rng);
                self.best(&work.drawn, seen, &mut work.values, &mut work.equals);
                work.tie(block.tie, seen, rng)
            }
            Pick::Softmax(block) => {
                let Work { buffer, values, .. } = work;
                self.costs(&buffer[now.clone()], seen, values);
                let (lowest, highest) = score::range(values.iter().copied());
                pick::softmax_weights(values, lowest, (highest - lowest) * block.temperature);
                buffer[now.start + pick::weighted(values, rng)]
            }
            Pick::WeightedRandom => {
                let Work { buffer, values, .. } = work;
                self.totals(&buffer[now.clone()], &buffer[now.clone()], seen, values);
                values.iter_mut().for_each(|weight| *weight = weight.max(0.0));
                buffer[now.start + pick::weighted(values, rng)]
            }
            Pick::SmoothWrr => {
                let Work { buffer, values, .. } = work;
                let list = &buffer[now];
                self.totals(list, list, seen, values);
                let mut richest = list[0];
                let mut sum = 0.0;
                for (&target, &weight) in list.iter().zip(values.iter()) {
                    sum += weight.max(0.0);
                    self.wealth[target.0 as usize] += weight.max(0.0);
                    if self.wealth[target.0 as usize] > self.wealth[richest.0 as usize] {
                        richest = target;
                    }
                }
                self.wealth[richest.0 as usize] -= sum;
                richest
            }
        })
    }
}

/// Leaves those of `list` whose value is the least.
fn keep_least(list: &mut Vec<TargetId>, values: &[f64]) {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let mut at = 0;
    list.retain(|_| {
        at += 1;
        values[at - 1] == least
    });
}
