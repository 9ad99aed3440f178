//! The eligible targets by region. Knows regions and their distance; must not know loads. What policies of the global tier
//! are made of; over replicas a region is all its eligible replicas, taken in turn.

use super::{Eligible, FleetView, TargetId};
use crate::id::RegionId;
use crate::time::Span;
use std::collections::BTreeMap;

/// The eligible targets in one region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The region.
    pub region: RegionId,
    /// Its round-trip time from the gateway: the lowest of its targets.
    pub rtt: Span,
    /// Its targets, in id order, one or more.
    pub targets: Vec<TargetId>,
}

impl Place {
    /// The sum over its targets.
    pub fn sum(&self, of: impl Fn(TargetId) -> u64) -> u64 {
        self.targets.iter().map(|&target| of(target)).sum()
    }
    /// Replicas behind its targets.
    pub fn replicas(&self, fleet: &FleetView<'_>) -> u64 {
        self.sum(|target| u64::from(fleet.target(target).replicas))
    }
    /// Of those, the ones in health.
    pub fn healthy(&self, fleet: &FleetView<'_>) -> u64 {
        self.sum(|target| u64::from(fleet.healthy(target).min(fleet.target(target).replicas)))
    }
    /// Requests of this gateway under way at its targets.
    pub fn requests(&self, fleet: &FleetView<'_>) -> u64 {
        self.sum(|target| u64::from(fleet.own(target).requests))
    }
}

/// The regions of each set of targets, nearest first (equally near ones by number), and whose turn it is in each.
#[derive(Clone, Debug, Default)]
pub struct Places {
    sets: BTreeMap<u32, Vec<Place>>,
    /// By region: where its next turn begins.
    next: BTreeMap<RegionId, u32>,
}

/// Sets that are remembered (our choice: more than a stage has data classes, in most scenarios).
const SETS: usize = 64;

impl Places {
    /// The regions of the eligible targets, nearest first; one or more.
    pub fn of(&mut self, fleet: &FleetView<'_>) -> &[Place] {
        let set = fleet.eligible.id();
        if self.sets.len() >= SETS && !self.sets.contains_key(&set) {
            self.sets.clear();
        }
        self.sets.entry(set).or_insert_with(|| group(fleet, fleet.eligible))
    }
    /// The next target in turn of the place `nth` of the eligible set, which [`Places::of`] has been asked for.
    pub fn take_turn(&mut self, fleet: &FleetView<'_>, nth: usize) -> TargetId {
        let place = &self.sets[&fleet.eligible.id()][nth];
        let next = self.next.entry(place.region).or_insert(0);
        let at = place.targets.partition_point(|target| target.0 < *next);
        let chosen = place.targets[if at == place.targets.len() { 0 } else { at }];
        *next = chosen.0 + 1;
        chosen
    }
}

fn group(fleet: &FleetView<'_>, eligible: &Eligible) -> Vec<Place> {
    let mut places: Vec<Place> = Vec::new();
    for &id in eligible.list() {
        let target = fleet.target(id);
        match places.iter_mut().find(|place| place.region == target.region) {
            Some(place) => {
                place.rtt = place.rtt.min(target.rtt);
                place.targets.push(id);
            }
            None => places.push(Place { region: target.region, rtt: target.rtt, targets: vec![id] }),
        }
    }
    places.sort_by_key(|place| (place.rtt, place.region));
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::scene::Scene;

    #[test]
    fn regions_come_nearest_first_and_their_targets_in_turn() {
        let scene = Scene::new(5).places([(2, 90), (1, 12), (2, 90), (0, 12), (1, 12)]);
        let mut places = Places::default();
        scene.with(&[0, 1, 2, 3, 4], |_, fleet| {
            let found: Vec<(u32, Vec<u32>)> = (places.of(fleet).iter())
                .map(|place| (place.region.0, place.targets.iter().map(|target| target.0).collect()))
                .collect();
            assert_eq!(found, [(0, vec![3]), (1, vec![1, 4]), (2, vec![0, 2])]);
            let turns: Vec<u32> = (0..3).map(|_| places.take_turn(fleet, 1).0).collect();
            assert_eq!(turns, [1, 4, 1]);
        });
        // Another set: region 1 goes on where it was, region 2 has one target left.
        scene.with(&[0, 4], |_, fleet| {
            assert_eq!(places.of(fleet).len(), 2);
            assert_eq!((places.take_turn(fleet, 0), places.take_turn(fleet, 1)), (TargetId(4), TargetId(0)));
        });
    }
}
