//! Looking at decisions as they are made: why prompts miss, what a router saw and what was true. Knows what was asked
//! for; must not change anything. A run that looks has the same outcomes as one that does not, and one that does not
//! pays one comparison a decision.

use super::World;
use super::gateway::Reach;
use super::misses::MissBook;
use crate::id::{Id, RegionId, ReplicaId, RequestId};
use crate::network::RegionSet;
use crate::observe::{Observation, Observer, Outcome};
use crate::rng::{Key, hash_name};
use crate::routing::{Stage, TargetId};
use crate::time::SimTime;

/// The branch of random keys under which requests are drawn whose decisions are told.
const SAMPLE: u64 = hash_name("decisions");

/// Which decisions are told to observers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Decisions {
    /// None.
    #[default]
    None,
    /// Those about this share of the requests, from 0 to 1, drawn by their keys: the same ones under every policy.
    Share(f64),
    /// Those about this one.
    Of(RequestId),
}

/// What is to be looked at beside what happens. The default is nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Look {
    /// Tell why prompt tokens were not cached: rows have [`crate::observe::RequestRow::misses`].
    pub misses: bool,
    /// Also judge each block by itself, from plain sets, and panic where that differs. For tests.
    pub check_misses: bool,
    /// Tell of decisions: [`crate::observe::Observation::Decided`].
    pub decisions: Decisions,
}

impl<O: Observer> World<'_, O> {
    /// Looks at this from now on; to be said before the run.
    pub fn looking(mut self, look: &Look) -> Self {
        self.decisions = look.decisions;
        if look.decisions != Decisions::None {
            for id in self.gateways.ids() {
                let gateway = &mut self.gateways[id];
                gateway.global.iter_mut().chain(&mut gateway.stages).for_each(Stage::tell_draws);
            }
        }
        if look.misses {
            self.misses = Some(Box::new(MissBook::new(self.sites.len(), look.check_misses)));
            self.follow_misses();
        }
        self
    }

    /// Whether anything of a decision about this request is wanted.
    #[inline]
    pub(super) fn looks(&self, slot: u32) -> bool {
        self.misses.is_some() || self.tells(slot)
    }

    /// Whether its decisions are told.
    #[inline]
    pub(super) fn tells(&self, slot: u32) -> bool {
        let state = self.slots.get(slot);
        match self.decisions {
            Decisions::None => false,
            Decisions::Share(share) => drawn(self.key, state.key) < share,
            Decisions::Of(id) => state.id == id,
        }
    }

    /// A request has been decided about and is about to be sent to a target of a stage, first the first tier's, or to
    /// end so.
    #[cold]
    #[inline(never)]
    pub(super) fn look(
        &mut self,
        now: SimTime,
        slot: u32,
        choice: Result<(Option<TargetId>, usize, TargetId), Outcome>,
        allowed: RegionSet,
    ) {
        for replica in self.sites.ids() {
            self.sites[replica].replica.advance_to(now);
            self.follow_cache(now, replica);
        }
        let candidates = self.candidates(now, slot);
        let gateway = &self.gateways[self.slots.get(slot).gateway];
        let chosen = choice.map(|(_, stage, target)| {
            gateway.stages[stage].targets()[target.0 as usize].replica.expect("a replica")
        });
        if let Ok(chosen) = chosen {
            self.judge_misses(slot, chosen, &candidates, allowed);
        }
        if self.tells(slot) {
            let record = self.record(now, slot, choice.ok(), chosen, &candidates);
            self.observer.observe(now, &Observation::Decided(&record));
        }
    }

    /// What the request's gateway may choose among now; nothing where limits leave nothing.
    pub(super) fn reach(&mut self, now: SimTime, slot: u32) -> Option<Reach> {
        let limits = self.limits(now, slot).ok()?;
        let state = self.slots.get(slot);
        let gateway = &mut self.gateways[state.gateway];
        let class = state.data_class;
        Some(match limits {
            None => gateway.eligible[class].clone(),
            Some(limits) => {
                let index = gateway.narrow(class, limits);
                gateway.narrowed[index].1.clone()
            }
        })
    }

    /// The replicas that the request's gateway may send it to now, in the order of their numbers.
    fn candidates(&mut self, now: SimTime, slot: u32) -> Vec<ReplicaId> {
        let Some(reach) = self.reach(now, slot) else { return Vec::new() };
        let gateway = &self.gateways[self.slots.get(slot).gateway];
        let stages: Vec<usize> = match (&gateway.global, reach.global) {
            (None, _) => vec![0],
            (Some(_), None) => Vec::new(),
            (Some(stage), Some(set)) => {
                let region = |target: &TargetId| -> RegionId { stage.targets()[target.0 as usize].region };
                stage.among(set).iter().map(|target| region(target).index()).collect()
            }
        };
        let mut replicas: Vec<ReplicaId> = (stages.into_iter())
            .filter_map(|index| Some((&gateway.stages[index], reach.stages[index]?)))
            .flat_map(|(stage, set)| {
                stage.among(set).iter().filter_map(|target| stage.targets()[target.0 as usize].replica)
            })
            .collect();
        replicas.sort_unstable();
        replicas
    }
}

/// A request's draw, from 0 to 1.
fn drawn(key: Key, request: u64) -> f64 {
    key.branch(SAMPLE).at(request).unit()
}
