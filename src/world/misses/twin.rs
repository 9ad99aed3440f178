//! The plain form of the miss book: sets of single block ids, followed change by change, and the rules block by block.
//! Slow, and simple enough to be believed; a judgement that differs from it is a fault.

use crate::id::{IdVec, RegionId, ReplicaId};
use crate::kvcache::Change;
use crate::network::RegionSet;
use crate::observe::Miss;
use crate::workload::{Chain, Run};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug)]
pub(super) struct Twin {
    held: IdVec<ReplicaId, BTreeSet<u64>>,
    by: BTreeMap<u64, RegionSet>,
    lost: BTreeMap<u64, RegionSet>,
    /// By id: the id of the same content where tenants are not told apart; and where that was computed.
    content_of: BTreeMap<u64, u64>,
    contents: BTreeMap<u64, RegionSet>,
}

impl Twin {
    pub(super) fn new(replicas: usize) -> Twin {
        Twin {
            held: (0..replicas).map(|_| BTreeSet::new()).collect(),
            by: BTreeMap::new(),
            lost: BTreeMap::new(),
            content_of: BTreeMap::new(),
            contents: BTreeMap::new(),
        }
    }
    /// These blocks have this content.
    pub(super) fn named(&mut self, run: Run, content: Run) {
        self.content_of.extend((0..run.len).map(|j| (run.id(j), content.id(j))));
    }
    pub(super) fn computed(&mut self, run: Run, region: RegionId) {
        for j in 0..run.len {
            self.by.entry(run.id(j)).or_default().insert(region);
            self.lost.remove(&run.id(j));
            if let Some(&content) = self.content_of.get(&run.id(j)) {
                self.contents.entry(content).or_default().insert(region);
            }
        }
    }
    pub(super) fn changed(&mut self, replica: ReplicaId, changes: &[Change]) {
        for change in changes {
            let news = if change.added {
                self.held[replica].insert(change.id)
            } else {
                self.held[replica].remove(&change.id)
            };
            assert!(news, "a block appears once before it goes");
        }
    }
    pub(super) fn lost(&mut self, replica: ReplicaId, region: RegionId) {
        for id in std::mem::take(&mut self.held[replica]) {
            self.lost.entry(id).or_default().insert(region);
        }
    }

    /// Panics where the twin judges otherwise. `places` has, by replica, the reason for a miss of what it holds.
    pub(super) fn compare(
        &self,
        chain: &Chain,
        findable: u32,
        places: &IdVec<ReplicaId, Miss>,
        allowed: RegionSet,
        verdict: &[(u32, Miss)],
    ) {
        let mut judged = verdict.iter().flat_map(|&(blocks, miss)| (0..blocks).map(move |_| miss));
        let mut whole: BTreeSet<ReplicaId> = self.held.ids().collect();
        for (number, id) in chain.ids(findable).enumerate() {
            whole.retain(|&replica| self.held[replica].contains(&id));
            let held = |reason| whole.iter().any(|&replica| places[replica] == reason);
            let in_allowed = |set: Option<&RegionSet>| set.is_some_and(|set| !set.and(allowed).is_empty());
            let for_others = || self.content_of.get(&id).and_then(|content| self.contents.get(content));
            let expected = if held(Miss::Capacity) {
                Miss::Capacity
            } else if held(Miss::Policy) {
                Miss::Policy
            } else if held(Miss::Outage) || !held(Miss::Residency) && in_allowed(self.lost.get(&id)) {
                Miss::Outage
            } else if held(Miss::Residency) {
                Miss::Residency
            } else if in_allowed(self.by.get(&id)) {
                Miss::Capacity
            } else if in_allowed(for_others()) {
                Miss::Isolation
            } else {
                Miss::Compulsory
            };
            assert_eq!(judged.next(), Some(expected), "block {number} of a prompt of {findable}");
        }
        assert_eq!(judged.next(), None, "more was judged than there is");
    }
}
