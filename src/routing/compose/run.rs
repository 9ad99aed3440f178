//! A composition at work. Knows blocks and the order they come in; must not know how they were written. Candidates lie
//! one list after the other in one buffer, which is kept from decision to decision: after warm-up nothing is allocated.

use super::Body as Written;
use super::filter::{Filter, OnEmpty};
use super::guard::Condition;
use super::leaf::Leaf;
use super::pick::Pick;
use super::score::{Combine, Term};
use super::signal::{Seen, Tables};
use super::work::{Passed, Work};
use crate::rng::Stream;
use crate::routing::{Decision, FleetView, Refusal, RequestView, Target, TargetId, score};
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

impl Body {
    /// What was written, ready to decide over `targets`.
    pub fn new(written: &Written, targets: &[Target], work: &mut Work) -> Body {
        let mut of = |body: &Written| Box::new(Body::new(body, targets, work));
        let otherwise = written.otherwise.as_deref().map(&mut of);
        let ways = (&written.condition, &written.then, &written.other);
        let next = if let (Some(condition), Some(then), Some(other)) = ways {
            Next::Guard { condition: condition.clone(), then: of(then), other: of(other) }
        } else {
            let pick = written.picks();
            let ring = match &pick {
                Pick::Ring(block) => work.ring(block.vnodes, targets),
                Pick::Maglev(block) => work.maglev(block.slots, targets),
                _ => 0,
            };
            let read = |term: &&Term| term.weight > 0.0 || written.combine() == Combine::Lexicographic;
            work.leaves += 1;
            Next::Leaf(Leaf {
                number: work.leaves,
                terms: written.score.iter().filter(read).cloned().collect(),
                combine: written.combine(),
                ring,
                next: 0,
                wealth: if pick == Pick::SmoothWrr { vec![0.0; targets.len()] } else { Vec::new() },
                pick,
            })
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
        (request, fleet, tables): (&RequestView<'_>, &FleetView<'_>, &Tables),
        work: &mut Work,
        rng: &mut Stream,
    ) -> Decision {
        let seen = work.see(request, fleet, tables);
        work.buffer.clear();
        work.trail.clear();
        (work.kept, work.leaf) = (0..0, 0);
        work.buffer.extend_from_slice(fleet.eligible.list());
        self.among(0..work.buffer.len(), &seen, work, rng)
    }
    fn among(&mut self, start: Range<usize>, seen: &Seen<'_>, work: &mut Work, rng: &mut Stream) -> Decision {
        let mut now = start.clone();
        for (filter, ring) in &self.filters {
            let kept = work.filter((filter, *ring), seen, (&start, &now), rng);
            work.trail.push((filter.name(), Passed::Left(kept.clone())));
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
                let holds = work.holds(condition, seen, &now, rng);
                work.trail.push((condition.name(), Passed::Held(holds)));
                let way = if holds { then } else { other };
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
    /// The last decision as it concerned `target`: each filter it came to, 1 where it stayed; each guard, 1 where it held;
    /// whether it was a candidate in the end; each term, and their score.
    pub fn explain(
        &self,
        (request, fleet, tables): (&RequestView<'_>, &FleetView<'_>, &Tables),
        work: &Work,
        target: TargetId,
    ) -> Vec<(&'static str, f64)> {
        let is = |yes: bool| f64::from(u8::from(yes));
        let list = &work.buffer[work.kept.clone()];
        let steps = work.trail.iter().map(|(name, passed)| match passed {
            Passed::Left(left) => (*name, is(work.buffer[left.clone()].contains(&target))),
            Passed::Held(held) => (*name, is(*held)),
        });
        let mut found: Vec<_> = steps.chain([("candidate", is(list.contains(&target)))]).collect();
        let Some(leaf) = self.leaf(work.leaf) else { return found };
        let seen = work.see(request, fleet, tables);
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
