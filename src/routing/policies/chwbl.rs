//! Consistent hashing with bounded loads: a prefix keeps its target until that target has more than its share.

use crate::rng::{Stream, hash_name, mix2};
use crate::routing::params::{Problems, Validate};
use crate::routing::ring::Ring;
use crate::routing::{Decision, FleetView, Needs, Policy, RequestView, Target, TargetId, affinity, pick};
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
    /// (load + 1 ≤ ⌈f·(total+1)/n⌉, the bound of the theory), `sglang` (load ≤ f·total/n, f = 1.5 there); load and total
    /// without the new request.
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
    /// That of SGLang's `bounded_consistent_hashing`: load ≤ f·total/n.
    Sglang,
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
    /// f in millionths times the requests under way and, except by SGLang's test, the new one.
    room: u128,
    targets: u128,
}

const MILLION: u128 = 1_000_000;

impl Limit {
    /// For `total` requests under way, without the new one, over `targets` targets.
    pub fn new(bound: Bound, load_factor: f64, total: u64, targets: usize) -> Limit {
        let millionths = (load_factor * 1e6).round() as u128;
        let counted = total as u128 + u128::from(bound != Bound::Sglang);
        Limit { bound, room: millionths * counted, targets: targets as u128 }
    }
    /// Whether a target with `load` requests, without the new one, may take it.
    pub fn admits(&self, load: u32) -> bool {
        let load = load as u128;
        match self.bound {
            Bound::Kubeai | Bound::Sglang => load * self.targets * MILLION <= self.room,
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
    /// By target: the last walk that came past it.
    seen: Vec<u64>,
    turn: u64,
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
            seen: vec![0; targets.len()],
            turn: 0,
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
            Count::Eligible => (fleet.tally.total(), fleet.eligible.len()),
            Count::All => (fleet.total, fleet.targets.len()),
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
        self.turn += 1;
        let mut left = fleet.eligible.len();
        let mut first = None;
        for target in self.ring.walk(key) {
            let seen = std::mem::replace(&mut self.seen[target.0 as usize], self.turn);
            if seen == self.turn || !fleet.eligible.contains(target) {
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
        (first.unwrap_or(fleet.eligible.list()[0]), None)
    }
}

impl Policy for Chwbl {
    fn needs(&self) -> Needs {
        let fewest =
            self.params.overflow == Overflow::LeastLoaded || self.params.all_full == AllFull::LeastLoaded;
        Needs { fewest, ..Needs::default() }
    }
    fn route(&mut self, request: &RequestView<'_>, fleet: &FleetView<'_>, _: &mut Stream) -> Decision {
        let key = self.key(request);
        let limit = self.limit(fleet);
        let has_room = |target: TargetId| limit.admits(fleet.own(target).requests);
        let (home, found) = match self.params.overflow {
            Overflow::Clockwise => self.clockwise(key, fleet, has_room),
            Overflow::SeededShuffle | Overflow::LeastLoaded => {
                let (home, _) = self.clockwise(key, fleet, |_| true);
                if has_room(home) {
                    return Decision::To(home);
                }
                let best = if self.params.overflow == Overflow::LeastLoaded {
                    fleet.tally.idlest(fleet.eligible)
                } else {
                    pick::least_first(fleet.eligible.list(), |target| {
                        (!has_room(target), mix2(key, self.names[target.0 as usize]))
                    })
                };
                (home, has_room(best).then_some(best))
            }
        };
        Decision::To(found.unwrap_or_else(|| match self.params.all_full {
            AllFull::First => home,
            AllFull::LeastLoaded => fleet.tally.idlest(fleet.eligible),
        }))
    }
    fn explain(
        &self,
        request: &RequestView<'_>,
        fleet: &FleetView<'_>,
        target: TargetId,
    ) -> Vec<(&'static str, f64)> {
        let mut on_ring = self.ring.walk(self.key(request)).filter(|&found| fleet.eligible.contains(found));
        let limit = self.limit(fleet);
        vec![
            ("home", (on_ring.next() == Some(target)) as u8 as f64),
            ("requests", fleet.own(target).requests as f64),
            ("bound", limit.room as f64 / 1e6 / limit.targets as f64),
            ("has_room", limit.admits(fleet.own(target).requests) as u8 as f64),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::scene::Scene;
    use proptest::prelude::*;

    fn policy(scene: &Scene, params: Params) -> Chwbl {
        Chwbl::new(&params, &scene.targets)
    }
    /// Where the key of the scene's request would go round the ring.
    fn ring_order(scene: &mut Scene) -> Vec<u32> {
        let mut left: Vec<u32> = (0..scene.targets.len() as u32).collect();
        let mut order = Vec::new();
        while !left.is_empty() {
            let next =
                scene.ask_among(&mut policy(scene, Params { load_factor: 1e6, ..Params::default() }), &left);
            left.retain(|&target| target != next);
            order.push(next);
        }
        order
    }

    #[test]
    fn the_published_bounds() {
        // n = 4, total = 100, f = 1.25: 1.25·101/4 = 31.5625, so a load of 31 is taken and 32 is not. Nothing under
        // way: 0 ≤ 0.3125.
        let kubeai = Limit::new(Bound::Kubeai, 1.25, 100, 4);
        assert!(kubeai.admits(31) && !kubeai.admits(32));
        assert!(Limit::new(Bound::Kubeai, 1.25, 0, 4).admits(0));
        // Envoy: ⌈101·1.25⌉ = ⌈126.25⌉ = 127 slots, ⌈127/4⌉ = 32 each: 32 is taken, 33 is not.
        let envoy = Limit::new(Bound::Envoy, 1.25, 100, 4);
        assert!(envoy.admits(32) && !envoy.admits(33));
        // The theory: ⌈31.5625⌉ = 32 with the new one, so 31 is taken and 32 is not.
        let strict = Limit::new(Bound::Strict, 1.25, 100, 4);
        assert!(strict.admits(31) && !strict.admits(32));
        // SGLang, f = 1.5 and without the new one: 1.5·100/4 = 37.5: 37 is taken, 38 is not. Nothing under way: 0 ≤ 0.
        let sglang = Limit::new(Bound::Sglang, 1.5, 100, 4);
        assert!(sglang.admits(37) && !sglang.admits(38));
        let idle = Limit::new(Bound::Sglang, 1.5, 0, 4);
        assert!(idle.admits(0) && !idle.admits(1));
        // An exact bound: 1.1·10/1 = 11, although 1.1·10 in floating point is 11.000000000000002.
        let exact = Limit::new(Bound::Strict, 1.1, 9, 1);
        assert!(exact.admits(10) && !exact.admits(11));
        // 1.25·16/4 = 5 exactly: KubeAI takes a load of 5 and so reaches 6, the theory stays at 5.
        assert!(Limit::new(Bound::Kubeai, 1.25, 15, 4).admits(5));
        assert!(!Limit::new(Bound::Strict, 1.25, 15, 4).admits(5));
    }

    #[test]
    fn a_hot_key_fills_the_ring_as_worked_by_hand() {
        // One key, four targets, f = 1.25, nothing ends. The theory's capacity ⌈1.25·m/4⌉ for m = 1..8 is
        // 1 1 1 2 2 2 3 3, so the targets in ring order a b c d get: a, b, c, then a again (2), b, c, a (3), b.
        // KubeAI's threshold 1.25·m/4 on the load before is .31 .63 .94 1.25 1.56 1.88 2.19 2.5: the same here.
        // Envoy's slots are ⌈⌈1.25·m⌉/4⌉ = 1 1 1 2 2 2 3 3 on the load before: a, a (1 ≤ 1), b, a (2 ≤ 2), b, b?
        // m = 5: a has 3 > 2, b has 1 ≤ 2: b; m = 6: b has 2 ≤ 2: b; m = 7: a has 3 ≤ 3: a; m = 8: a 4 > 3, b 3: b.
        let mut scene = Scene::new(4);
        let order = ring_order(&mut scene);
        let cases = [
            (Bound::Strict, [0, 1, 2, 0, 1, 2, 0, 1]),
            (Bound::Kubeai, [0, 1, 2, 0, 1, 2, 0, 1]),
            (Bound::Envoy, [0, 0, 1, 0, 1, 1, 0, 1]),
        ];
        for (bound, expected) in cases {
            let mut scene = Scene::new(4);
            let mut policy = policy(&scene, Params { bound, ..Params::default() });
            for place in expected {
                let target = scene.ask(&mut policy);
                assert_eq!(target, order[place], "{bound:?}");
                scene.own[target as usize].requests += 1;
            }
        }
    }

    #[test]
    fn overflow_goes_round_the_ring_or_shuffles_or_to_the_least_loaded() {
        let mut first_choices = [0u32; 3];
        for key in 0..300 {
            let mut scene = Scene::new(4);
            scene.prompt(key);
            let order = ring_order(&mut scene);
            // Home has 8 of 11: 1.25·12/4 = 3.75, full. The last on the ring is the least loaded.
            for (place, requests) in [(0, 8), (1, 2), (2, 1), (3, 0)] {
                scene.own[order[place] as usize].requests = requests;
            }
            let mut asked =
                |overflow| scene.ask(&mut policy(&scene, Params { overflow, ..Params::default() }));
            assert_eq!(asked(Overflow::Clockwise), order[1]);
            assert_eq!(asked(Overflow::LeastLoaded), order[3]);
            let shuffled = asked(Overflow::SeededShuffle);
            assert_eq!(asked(Overflow::SeededShuffle), shuffled, "the key decides");
            first_choices[order.iter().position(|&target| target == shuffled).unwrap() - 1] += 1;
        }
        // The shuffle knows nothing of the ring: a third each. 2 degrees of freedom, 99.99 % point 18.4.
        crate::routing::scene::assert_shares(&first_choices, &[1.0 / 3.0; 3], 18.4);
    }

    #[test]
    fn when_all_eligible_are_full_it_is_the_first_or_the_least_loaded() {
        // Counted over all four the bound is 1.25·21/4 = 6.56; the two eligible have 9 and 11. Over the two it is
        // 1.25·21/2 = 13.1, and home has room.
        for key in 0..20 {
            let mut scene = Scene::new(4);
            scene.prompt(key);
            let order = ring_order(&mut scene);
            for (place, requests) in [(0, 11), (1, 0), (2, 0), (3, 9)] {
                scene.own[order[place] as usize].requests = requests;
            }
            let mut eligible = [order[0], order[3]];
            eligible.sort_unstable();
            let mut asked = |count, overflow, all_full| {
                let params = Params { count, overflow, all_full, ..Params::default() };
                scene.ask_among(&mut policy(&scene, params), &eligible)
            };
            for overflow in [Overflow::Clockwise, Overflow::SeededShuffle, Overflow::LeastLoaded] {
                assert_eq!(asked(Count::All, overflow, AllFull::First), order[0]);
                assert_eq!(asked(Count::All, overflow, AllFull::LeastLoaded), order[3]);
                assert_eq!(asked(Count::Eligible, overflow, AllFull::LeastLoaded), order[0]);
            }
        }
    }

    #[test]
    fn the_key_is_the_last_full_block_of_the_first_tokens() {
        // Prompts of 100 tokens in blocks of 16 that share 3 blocks: equal under the first 48..63 tokens.
        use crate::routing::{PromptBlocks, RequestView};
        use crate::workload::{Chain, Run};
        let chain = |tail| {
            let mut chain = Chain::new();
            chain.push(Run { key: 1, start: 0, len: 3 });
            chain.push(Run { key: tail, start: 0, len: 3 });
            chain
        };
        let (one, other) = (chain(8), chain(9));
        let key = |chain: &Chain, prefix_tokens| {
            let request = RequestView {
                id: crate::id::RequestId(0),
                session: 0,
                tenant: crate::id::TenantId(0),
                origin: crate::id::OriginId(0),
                class: crate::id::ClassId(0),
                prompt_tokens: 100,
                prompt: PromptBlocks::new(chain, 100, 16),
            };
            policy(&Scene::new(1), Params { prefix_tokens, ..Params::default() }).key(&request)
        };
        for tokens in [1, 16, 48, 63] {
            assert_eq!(key(&one, tokens), key(&other, tokens), "{tokens}");
        }
        for tokens in [64, 96, 256] {
            assert_ne!(key(&one, tokens), key(&other, tokens), "{tokens}");
        }
        assert_eq!(key(&one, 96), key(&one, 256), "a prompt shorter than that is its own prefix");
    }

    /// ⌈c·m/n⌉ with c in hundredths.
    fn capacity(hundredths: u64, m: u64, n: u64) -> u64 {
        (hundredths * m).div_ceil(100 * n)
    }

    proptest! {
        #[test]
        fn no_target_is_ever_chosen_beyond_its_bound(
            steps in prop::collection::vec((0u64..6, any::<u16>(), any::<bool>(), any::<u8>()), 1..300),
            hundredths in 100u64..300,
            overflow in prop::sample::select(vec![
                Overflow::Clockwise, Overflow::SeededShuffle, Overflow::LeastLoaded,
            ]),
            bound in prop::sample::select(vec![Bound::Strict, Bound::Kubeai, Bound::Envoy, Bound::Sglang]),
        ) {
            let mut scene = Scene::new(6);
            let load_factor = hundredths as f64 / 100.0;
            let params = Params { load_factor, overflow, bound, vnodes: 16, ..Params::default() };
            let mut policy = policy(&scene, params);
            for (key, mask, ends, which) in steps {
                if ends {
                    let busy = scene.own.iter_mut().filter(|own| own.requests > 0);
                    let mut busy: Vec<_> = busy.collect();
                    let count = busy.len();
                    if count > 0 {
                        busy[which as usize % count].requests -= 1;
                    }
                    continue;
                }
                let mut eligible: Vec<u32> = (0..6).filter(|bit| mask >> bit & 1 == 1).collect();
                if eligible.is_empty() {
                    eligible = (0..6).collect();
                }
                scene.prompt(key);
                let target = scene.ask_among(&mut policy, &eligible) as usize;
                prop_assert!(eligible.contains(&(target as u32)));
                let n = eligible.len() as u64;
                let total: u64 = eligible.iter().map(|&i| scene.own[i as usize].requests as u64).sum();
                let before = scene.own[target].requests as u64;
                match bound {
                    Bound::Strict => prop_assert!(before < capacity(hundredths, total + 1, n)),
                    Bound::Kubeai => prop_assert!(before * 100 * n <= hundredths * (total + 1)),
                    Bound::Sglang => prop_assert!(before * 100 * n <= hundredths * total),
                    Bound::Envoy => {
                        let slots = (hundredths * (total + 1)).div_ceil(100).div_ceil(n);
                        prop_assert!(before <= slots);
                    }
                }
                scene.own[target].requests += 1;
            }
        }

        #[test]
        fn while_nothing_ends_no_target_is_ever_above_the_theorys_bound(
            keys in prop::collection::vec(0u64..4, 1..200),
            hundredths in 100u64..300,
            count in 1u32..9,
        ) {
            let mut scene = Scene::new(count);
            let load_factor = hundredths as f64 / 100.0;
            let params = Params { load_factor, bound: Bound::Strict, vnodes: 16, ..Params::default() };
            let mut policy = policy(&scene, params);
            for (sent, key) in keys.into_iter().enumerate() {
                scene.prompt(key);
                let target = scene.ask(&mut policy) as usize;
                scene.own[target].requests += 1;
                let most = scene.own.iter().map(|own| own.requests as u64).max().unwrap_or(0);
                prop_assert!(most <= capacity(hundredths, sent as u64 + 1, count as u64));
            }
        }
    }
}
