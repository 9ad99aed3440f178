//! A small fleet at one moment, for the tests of policies: what a policy may see, set by hand.

use super::{
    Columns, Decision, Eligible, FleetView, Histogram, Learner, Own, Policy, PromptBlocks, RequestView,
    Tally, Target, TargetId,
};
use crate::id::{ClassId, OriginId, RegionId, ReplicaId, RequestId, TenantId};
use crate::observe::Load;
use crate::rng::{Key, Stream};
use crate::time::{SimTime, Span};
use crate::workload::{Chain, Run};
use std::sync::atomic::{AtomicU32, Ordering};

/// Sets of targets so far: a policy that is shown several scenes meets no number twice.
static SETS: AtomicU32 = AtomicU32::new(1);

/// Targets with their views, and one request.
pub struct Scene {
    pub targets: Vec<Target>,
    pub own: Vec<Own>,
    pub load: Vec<Load>,
    pub matched: Vec<u32>,
    pub active_blocks: Vec<u64>,
    pub active_shared: Vec<u32>,
    pub healthy: Vec<u32>,
    pub now: SimTime,
    pub learned: Option<Learner>,
    pub histogram: Option<Histogram>,
    pub id: u32,
    pub session: u64,
    pub tenant: u32,
    pub prompt_tokens: u32,
    pub block_tokens: u32,
    chain: Chain,
    rng: Stream,
}

impl Scene {
    /// `count` idle replicas of one region, and a prompt of 100 tokens in blocks of 16.
    pub fn new(count: u32) -> Scene {
        let target = |number| Target {
            name: format!("eu/main/{number}"),
            replica: Some(ReplicaId(number)),
            region: RegionId(0),
            rtt: Span::ZERO,
            replicas: 1,
        };
        let mut scene = Scene {
            targets: (0..count).map(target).collect(),
            own: vec![Own::default(); count as usize],
            load: vec![Load::default(); count as usize],
            matched: vec![0; count as usize],
            active_blocks: vec![0; count as usize],
            active_shared: vec![0; count as usize],
            healthy: vec![1; count as usize],
            now: SimTime::ZERO,
            learned: None,
            histogram: None,
            id: 0,
            session: 0,
            tenant: 0,
            prompt_tokens: 100,
            block_tokens: 16,
            chain: Chain::new(),
            rng: Key::root(11).stream(),
        };
        scene.prompt(1);
        scene
    }
    /// The request's prompt is now the one of this key.
    pub fn prompt(&mut self, key: u64) {
        self.chain.clear();
        self.chain.push(Run { key, start: 0, len: self.prompt_tokens / self.block_tokens });
    }
    /// Own requests under way, by target.
    pub fn requests<const N: usize>(mut self, requests: [u32; N]) -> Scene {
        requests.iter().zip(&mut self.own).for_each(|(&requests, own)| own.requests = requests);
        self
    }
    /// Leading blocks each target is believed to hold.
    pub fn matched<const N: usize>(mut self, matched: [u32; N]) -> Scene {
        self.matched = matched.to_vec();
        self
    }
    /// Region and round-trip time in milliseconds, by target.
    pub fn places<const N: usize>(mut self, places: [(u32, u64); N]) -> Scene {
        for (&(region, rtt_ms), target) in places.iter().zip(&mut self.targets) {
            target.region = RegionId(region);
            target.rtt = Span::from_ms(rtt_ms);
        }
        self
    }
    /// A copy of the stream that decisions draw from.
    pub fn rng(&self) -> Stream {
        self.rng.clone()
    }
    /// The policy's choice among all targets.
    pub fn ask(&mut self, policy: &mut dyn Policy) -> u32 {
        let all: Vec<u32> = (0..self.targets.len() as u32).collect();
        self.ask_among(policy, &all)
    }
    /// The policy's choice among these.
    pub fn ask_among(&mut self, policy: &mut dyn Policy, eligible: &[u32]) -> u32 {
        let mut rng = self.rng.clone();
        let decision = self.with(eligible, |request, fleet| policy.route(request, fleet, &mut rng));
        self.rng = rng;
        match decision {
            Decision::To(target) => target.0,
            other => panic!("{other:?}"),
        }
    }
    /// The policy's decision about all targets, whatever it is.
    pub fn decide(&mut self, policy: &mut dyn Policy) -> Decision {
        let all: Vec<u32> = (0..self.targets.len() as u32).collect();
        let mut rng = self.rng.clone();
        let decision = self.with(&all, |request, fleet| policy.route(request, fleet, &mut rng));
        self.rng = rng;
        decision
    }
    /// The request went to `target`.
    pub fn sent(&mut self, policy: &mut dyn Policy, target: u32) {
        let all: Vec<u32> = (0..self.targets.len() as u32).collect();
        self.with(&all, |request, _| policy.sent(request, TargetId(target)));
    }
    /// Waiting requests and the share of KV blocks in use in percent, by target.
    pub fn loads<const N: usize>(mut self, loads: [(u32, u32); N]) -> Scene {
        self.load = loads
            .map(|(waiting, kv)| Load {
                waiting,
                kv_used_blocks: kv,
                kv_total_blocks: 100,
                ..Load::default()
            })
            .to_vec();
        self
    }
    /// A term behind the decision for `target`, all being eligible.
    pub fn term(&self, policy: &dyn Policy, target: u32, name: &str) -> f64 {
        let all: Vec<u32> = (0..self.targets.len() as u32).collect();
        let terms = self.with(&all, |request, fleet| policy.explain(request, fleet, TargetId(target)));
        terms.iter().find(|term| term.0 == name).unwrap_or_else(|| panic!("no {name} in {terms:?}")).1
    }
    /// Shows what a policy would see of these targets.
    pub fn with<T>(&self, eligible: &[u32], look: impl FnOnce(&RequestView<'_>, &FleetView<'_>) -> T) -> T {
        let eligible = eligible.iter().copied().map(TargetId).collect();
        let set = SETS.fetch_add(1, Ordering::Relaxed);
        let eligible = Eligible::new(set, eligible, &self.targets);
        let tally = Tally::new(&eligible, &self.own, true);
        let request = RequestView {
            id: RequestId(self.id),
            session: self.session,
            tenant: TenantId(self.tenant),
            origin: OriginId(0),
            class: ClassId(0),
            prompt_tokens: self.prompt_tokens,
            prompt: PromptBlocks::new(&self.chain, self.prompt_tokens, self.block_tokens),
        };
        let fleet = FleetView {
            targets: &self.targets,
            eligible: &eligible,
            own: &self.own,
            tally: &tally,
            total: self.own.iter().map(|own| u64::from(own.requests)).sum(),
            load: &self.load,
            columns: &Columns::of(&self.load),
            single: self.targets.iter().all(|target| target.replicas == 1),
            matched: &self.matched,
            active_blocks: &self.active_blocks,
            active_shared: &self.active_shared,
            healthy: &self.healthy,
            now: self.now,
            learned: self.learned.as_ref(),
            histogram: self.histogram.as_ref(),
        };
        look(&request, &fleet)
    }
}

/// Asserts that `counts` are draws with these probabilities: chi-square under `limit`.
pub fn assert_shares(counts: &[u32], shares: &[f64], limit: f64) {
    let total = counts.iter().sum::<u32>() as f64;
    let mut chi2 = 0.0;
    for (&count, &share) in counts.iter().zip(shares) {
        if share == 0.0 {
            assert_eq!(count, 0, "{counts:?}");
        } else {
            let off = count as f64 - share * total;
            chi2 += off * off / (share * total);
        }
    }
    assert!(chi2 < limit, "chi-square {chi2} of {counts:?}");
}
