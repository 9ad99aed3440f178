//! Consistent hashing with bounded loads: a prefix keeps its target until that target has more than its share.

use crate::rng::{Stream, hash_name, mix2};
use crate::routing::params::{Problems, Validate};
use crate::routing::ring::Ring;
use crate::routing::{Decision, FleetView, Policy, RequestView, Target, TargetId, affinity, pick};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parameters of consistent hashing with bounded loads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// What is hashed: `prefix`, `session` or `tenant`. A request without a session is hashed by its prefix.
    pub key: RingKey,
    /// Prompt tokens that make the key when it is `prefix`: the last full block among them stands for all.
    pub prefix_tokens: u32,
    /// Points of each target on the ring, 1 to 65536.
    pub vnodes: u32,
    /// How much more than the mean load a target may have: a factor, 1 or more, counted in millionths.
    pub load_factor: f64,
    /// The load test: `kubeai` (load ≤ f·(total+1)/n), `envoy` (load ≤ ⌈⌈f·(total+1)⌉/n⌉) or `strict`
    /// (load + 1 ≤ ⌈f·(total+1)/n⌉, the bound of the theory); load and total without the new request.
    pub bound: Bound,
    /// Which targets make up total and n: those `eligible` for the request, or `all` of the stage.
    pub count: Count,
    /// Where a request goes whose target is full: `clockwise`, `seeded_shuffle` or `least_loaded`.
    pub overflow: Overflow,
    /// Where it goes when all eligible targets are full, which only `count = "all"` can bring about: to the
    /// `first` on the ring, or the `least_loaded`.
    pub all_full: AllFull,
}

/// What the ring hashes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RingKey {
    /// The prompt's first tokens.
    #[default]
    Prefix,
    /// The session.
    Session,
    /// The tenant.
    Tenant,
}

/// The load test.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// KubeAI's: load ≤ f·(total+1)/n.
    #[default]
    Kubeai,
    /// Envoy's: load ≤ slots, slots = max(1, ⌈⌈f·(total+1)⌉/n⌉).
    Envoy,
    /// Mirrokni, Thorup and Zadimoghaddam's: load + 1 ≤ ⌈f·(total+1)/n⌉.
    Strict,
}

/// Which targets are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Count {
    /// Those the request may go to.
    #[default]
    Eligible,
    /// All of the stage.
    All,
}

/// Where a request goes whose target is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Overflow {
    /// To the next on the ring with room (KubeAI; the theory's rule).
    #[default]
    Clockwise,
    /// To the first with room in a random order of the targets that the key seeds (Envoy).
    SeededShuffle,
    /// To the least loaded (SGLang's `prefix_hash`).
    LeastLoaded,
}

/// Where a request goes when all are full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AllFull {
    /// To its first target on the ring.
    #[default]
    First,
    /// To the least loaded.
    LeastLoaded,
}

impl Default for Params {
    fn default() -> Self {
        Params {
            key: RingKey::default(),
            prefix_tokens: 256,
            vnodes: 256,
            load_factor: 1.25,
            bound: Bound::default(),
            count: Count::default(),
            overflow: Overflow::default(),
            all_full: AllFull::default(),
        }
    }
}

impl Validate for Params {
    fn check(&self, problems: &mut Problems) {
        problems.require("prefix_tokens", self.prefix_tokens, self.prefix_tokens >= 1, "1 token or more");
        problems.require("vnodes", self.vnodes, (1..=65_536).contains(&self.vnodes), "from 1 to 65536");
        let factor = (1.0..=1e6).contains(&self.load_factor);
        problems.require("load_factor", self.load_factor, factor, "a number from 1 to 1000000");
    }
}

/// The load bound at one moment: integers throughout, so that it is the same everywhere.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    bound: Bound,
    /// f in millionths times the requests under way and the new one.
    room: u128,
    targets: u128,
}

const MILLION: u128 = 1_000_000;

impl Limit {
    /// For `total` requests under way, without the new one, over `targets` targets.
    pub fn new(bound: Bound, load_factor: f64, total: u64, targets: usize) -> Limit {
        let millionths = (load_factor * 1e6).round() as u128;
        Limit { bound, room: millionths * (total as u128 + 1), targets: targets as u128 }
    }
    /// Whether a target with `load` requests, without the new one, may take it.
    pub fn admits(&self, load: u32) -> bool {
        let load = load as u128;
        match self.bound {
            Bound::Kubeai => load * self.targets * MILLION <= self.room,
            Bound::Envoy => load <= self.room.div_ceil(MILLION).div_ceil(self.targets).max(1),
            Bound::Strict => load < self.room.div_ceil(MILLION * self.targets),
        }
    }
}

/// The policy.
#[derive(Debug)]
pub struct Chwbl {
    params: Params,
    ring: Ring,
    names: Vec<u64>,
    seen: Vec<bool>,
}

impl Chwbl {
    /// With these parameters, over `targets`.
    pub fn new(params: &Params, targets: &[Target]) -> Self {
        let named =
            targets.iter().enumerate().map(|(id, target)| (TargetId(id as u32), target.name.as_str()));
        Chwbl {
            params: params.clone(),
            ring: Ring::new(named, params.vnodes),
            names: targets.iter().map(|target| hash_name(&target.name)).collect(),
            seen: vec![false; targets.len()],
        }
    }
    fn key(&self, request: &RequestView<'_>) -> u64 {
        let prefix = || affinity::of_prefix(request, self.params.prefix_tokens);
        match self.params.key {
            RingKey::Prefix => prefix(),
            RingKey::Session => affinity::of_session(request).unwrap_or_else(prefix),
            RingKey::Tenant => affinity::of_tenant(request),
        }
    }
    fn limit(&self, fleet: &FleetView<'_>) -> Limit {
        let (total, targets) = match self.params.count {
            Count::Eligible => {
                let loads = fleet.eligible.iter().map(|&target| fleet.own(target).requests as u64);
                (loads.sum(), fleet.eligible.len())
            }
            Count::All => (fleet.own.iter().map(|own| own.requests as u64).sum(), fleet.own.len()),
        };
        Limit::new(self.params.bound, self.params.load_factor, total, targets)
    }
    /// Walks the ring from `key` over distinct eligible targets to the first that `wanted` holds for; and the first
    /// eligible one at all.
    fn clockwise(
        &mut self,
        key: u64,
        fleet: &FleetView<'_>,
        wanted: impl Fn(TargetId) -> bool,
    ) -> (TargetId, Option<TargetId>) {
        self.seen.fill(true);
        fleet.eligible.iter().for_each(|&target| self.seen[target.0 as usize] = false);
        let mut left = fleet.eligible.len();
        let mut first = None;
        for target in self.ring.walk(key) {
            if std::mem::replace(&mut self.seen[target.0 as usize], true) {
                continue;
            }
            let first = *first.get_or_insert(target);
            if wanted(target) {
                return (first, Some(target));
            }
            left -= 1;
            if left == 0 {
                break;
            }
        }
        (first.unwrap_or(fleet.eligible[0]), None)
    }
}

impl Policy for Chwbl {
    fn route(&mut self, request: &RequestView<'_>, fleet: &FleetView<'_>, _: &mut Stream) -> Decision {
        let key = self.key(request);
        let limit = self.limit(fleet);
        let load = |target| fleet.own(target).requests;
        let has_room = |target: TargetId| limit.admits(load(target));
        let (home, found) = match self.params.overflow {
            Overflow::Clockwise => self.clockwise(key, fleet, has_room),
            Overflow::SeededShuffle | Overflow::LeastLoaded => {
                let (home, _) = self.clockwise(key, fleet, |_| true);
                if has_room(home) {
                    return Decision::To(home);
                }
                let order = |target: TargetId| match self.params.overflow {
                    Overflow::SeededShuffle => mix2(key, self.names[target.0 as usize]),
                    _ => load(target) as u64,
                };
                let best = pick::least_first(fleet.eligible, |target| (!has_room(target), order(target)));
                (home, has_room(best).then_some(best))
            }
        };
        Decision::To(found.unwrap_or_else(|| match self.params.all_full {
            AllFull::First => home,
            AllFull::LeastLoaded => pick::least_first(fleet.eligible, load),
        }))
    }
    fn explain(
        &self,
        request: &RequestView<'_>,
        fleet: &FleetView<'_>,
        target: TargetId,
    ) -> Vec<(&'static str, f64)> {
        let mut on_ring = self.ring.walk(self.key(request)).filter(|&found| fleet.eligible.contains(&found));
        let limit = self.limit(fleet);
        vec![
            ("home", (on_ring.next() == Some(target)) as u8 as f64),
            ("requests", fleet.own(target).requests as f64),
            ("bound", limit.room as f64 / 1e6 / limit.targets as f64),
            ("has_room", limit.admits(fleet.own(target).requests) as u8 as f64),
        ]
    }
}
