//! Where a composition decides: scorers combined, and the pick among the candidates. Knows scores and ways to choose; must
//! not know how the candidates came about.

use super::pick::Pick;
use super::score::{Combine, Direction, Term};
use super::signal::Seen;
use super::work::Work;
use crate::rng::Stream;
use crate::routing::{Decision, Refusal, TargetId, pick, score};
use std::ops::Range;

/// Where a decision is made.
#[derive(Debug)]
pub struct Leaf {
    pub(super) number: usize,
    pub(super) terms: Vec<Term>,
    pub(super) combine: Combine,
    pub(super) pick: Pick,
    /// Its ring or its Maglev table.
    pub(super) ring: usize,
    /// Where the next turn begins.
    pub(super) next: u32,
    /// By target: what it has gained and not paid, of smooth weighted round robin.
    pub(super) wealth: Vec<f64>,
}

impl Leaf {
    pub(super) fn direction(&self) -> Direction {
        self.terms.first().map_or(Direction::Min, |term| term.direction)
    }
    /// Writes the scores of `list`; relative ones are relative to `among`.
    pub(super) fn totals(&self, list: &[TargetId], among: &[TargetId], seen: &Seen<'_>, out: &mut Vec<f64>) {
        let start = match self.combine {
            Combine::Product => 1.0,
            Combine::Max if !self.terms.is_empty() => f64::NEG_INFINITY,
            Combine::Sum | Combine::Lexicographic | Combine::Max => 0.0,
        };
        out.clear();
        out.resize(list.len(), start);
        for term in &self.terms {
            let reading = term.reading();
            let range = if term.transform.is_relative() {
                score::range(among.iter().map(|&target| reading.of(seen, target)))
            } else {
                (0.0, 0.0)
            };
            for (total, &target) in out.iter_mut().zip(list) {
                let value = term.weight * term.transform.of(reading.of(seen, target), range);
                match self.combine {
                    Combine::Product => *total *= value,
                    Combine::Max => *total = total.max(value),
                    _ if term.direction == self.direction() => *total += value,
                    _ => *total -= value,
                }
            }
        }
    }
    /// As costs: the least is the best.
    pub(super) fn costs(&self, list: &[TargetId], seen: &Seen<'_>, out: &mut Vec<f64>) {
        self.totals(list, list, seen, out);
        if self.direction() == Direction::Max {
            out.iter_mut().for_each(|total| *total = -*total);
        }
    }
    /// Writes those of `list` that nobody is better than.
    pub(super) fn best(
        &self,
        list: &[TargetId],
        seen: &Seen<'_>,
        values: &mut Vec<f64>,
        equals: &mut Vec<TargetId>,
    ) {
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
    pub(super) fn choose(
        &mut self,
        now: Range<usize>,
        seen: &Seen<'_>,
        work: &mut Work,
        rng: &mut Stream,
    ) -> Decision {
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
            Pick::Maglev(_) => work.on_maglev(self.ring, seen.key, now),
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
