//! What a gateway knows of replicas' loads. Knows which of its stages' targets stand for which replicas; must not know
//! how or when loads come to it.

use super::Site;
use crate::id::{IdVec, ReplicaId};
use crate::observe::Load;
use crate::routing::{LoadView, LoadsSeen, Stage, TargetId};
use crate::time::{SimTime, Span};

/// Loads on their way to a gateway and those that have arrived.
#[derive(Debug)]
pub(super) struct Loads {
    pub(super) seen: LoadsSeen,
    /// By stage: the replicas behind each of its targets; empty for a stage that reads no loads.
    global: Vec<Vec<ReplicaId>>,
    stages: Vec<Vec<Vec<ReplicaId>>>,
    /// By replica: the stages and targets that stand for it; no stage is the first tier.
    places: IdVec<ReplicaId, Vec<(Option<usize>, TargetId)>>,
    /// Something has arrived that its stages have not been told.
    pub(super) news: bool,
    /// Reports sent to it, for their draws.
    pub(super) reports: u64,
}

impl Loads {
    /// `None` where neither a stage nor, as `admits` says, the admission reads loads, or where they are read as they are.
    pub(super) fn new(
        view: &LoadView,
        sites: &IdVec<ReplicaId, Site>,
        global: Option<&Stage>,
        stages: &[Stage],
        admits: bool,
    ) -> Option<Loads> {
        let reads = |stage: &Stage| stage.needs().load;
        if *view == LoadView::Oracle || !(admits || stages.iter().chain(global).any(reads)) {
            return None;
        }
        let behind = |stage: &Stage| {
            let count = if reads(stage) { stage.targets().len() } else { 0 };
            (0..count).map(|target| behind(sites, stage, target)).collect()
        };
        let global: Vec<Vec<ReplicaId>> = global.map_or_else(Vec::new, behind);
        let stages: Vec<Vec<Vec<ReplicaId>>> = stages.iter().map(behind).collect();
        let mut places: IdVec<ReplicaId, Vec<_>> = sites.iter().map(|_| Vec::new()).collect();
        let tiers = stages.iter().enumerate().map(|(index, stage)| (Some(index), stage));
        for (tier, stage) in tiers.chain([(None, &global)]) {
            for (target, replicas) in (0..).map(TargetId).zip(stage) {
                replicas.iter().for_each(|&replica| places[replica].push((tier, target)));
            }
        }
        Some(Loads {
            seen: LoadsSeen::new(view, sites.iter().map(|site| site.replica.load()).collect()),
            global,
            stages,
            places,
            news: true,
            reports: 0,
        })
    }
}

impl Loads {
    /// What is known at `now` of one replica, and whether that is stale.
    pub(super) fn of(&self, now: SimTime, replica: ReplicaId) -> (Load, bool) {
        self.seen.of(now, replica)
    }
    /// The age of the oldest load that is known of these replicas.
    pub(super) fn age(&self, now: SimTime, replicas: &[ReplicaId]) -> Span {
        replicas.iter().map(|&replica| now.since(self.seen.read_at(replica))).max().unwrap_or_default()
    }
    /// Tells a gateway's stages what has arrived by now.
    pub(super) fn tell(&mut self, now: SimTime, stages: &mut [Stage], global: &mut Option<Stage>) {
        self.news |= self.seen.receive(now);
        if !self.news && !self.seen.ages() {
            return;
        }
        self.news = false;
        if let Some(fresh) = self.seen.fresh() {
            for &(tier, target) in fresh.iter().flat_map(|&replica| &self.places[replica]) {
                let at = target.0 as usize;
                let (stage, behind) = match tier {
                    Some(index) => (Some(&mut stages[index]), &self.stages[index][at]),
                    None => (global.as_mut(), &self.global[at]),
                };
                stage.into_iter().for_each(|stage| self.seen.tell_of(stage, target, behind));
            }
            self.seen.told();
            return;
        }
        self.seen.told();
        for (stage, behind) in
            stages.iter_mut().zip(&self.stages).chain(global.iter_mut().zip([&self.global]))
        {
            self.seen.tell(now, stage, behind);
        }
    }
}

/// The replicas that a stage's target stands for.
pub(super) fn behind(sites: &IdVec<ReplicaId, Site>, stage: &Stage, target: usize) -> Vec<ReplicaId> {
    let target = &stage.targets()[target];
    match target.replica {
        Some(replica) => vec![replica],
        None => {
            sites.enumerate().filter(|(_, site)| site.region == target.region).map(|(id, _)| id).collect()
        }
    }
}
