//! Session affinity: a session keeps its target, by rendezvous hashing.

use crate::rng::{Stream, hash_name, mix2};
use crate::routing::params::{Problems, Validate};
use crate::routing::{
    Decision, Eligible, FleetView, Needs, Policy, RequestView, Target, TargetId, affinity, pick,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parameters of session affinity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// Soft affinity: the session's target is kept while it has at most this many more requests of this gateway
    /// under way than the target with the fewest. Off unless given: affinity is then hard.
    pub soft: Option<u32>,
    /// Prompt tokens whose hash is the key of a request that has neither session nor tenant.
    pub prefix_tokens: u32,
}

impl Default for Params {
    fn default() -> Self {
        Params { soft: None, prefix_tokens: 256 }
    }
}

impl Validate for Params {
    fn check(&self, problems: &mut Problems) {
        problems.require("prefix_tokens", self.prefix_tokens, self.prefix_tokens >= 1, "1 token or more");
    }
}

/// The policy.
#[derive(Debug)]
pub struct Session {
    params: Params,
    names: Vec<u64>,
    /// Homes found lately, by the key's low bits: the key, the set of targets, the home. Empty in a small fleet.
    homes: Vec<(u64, u32, TargetId)>,
}

/// Homes that are remembered (our choice: 64 KiB).
const HOMES: usize = 4_096;
/// Targets up to which a search is as fast as remembering (our choice).
const SMALL: usize = 16;
/// No set of targets has this number.
const NO_SET: u32 = u32::MAX;

impl Session {
    /// With these parameters, over `targets`.
    pub fn new(params: &Params, targets: &[Target]) -> Self {
        let names = targets.iter().map(|target| hash_name(&target.name)).collect();
        Session { params: params.clone(), names, homes: Vec::new() }
    }
    /// The session, else the tenant (tenant 0 is nobody in particular), else the prefix.
    fn key(&self, request: &RequestView<'_>) -> u64 {
        affinity::of_session(request).unwrap_or_else(|| match request.tenant.0 {
            0 => affinity::of_prefix(request, self.params.prefix_tokens),
            _ => affinity::of_tenant(request),
        })
    }
    /// A target's place in the key's order of preference: lowest first.
    fn rank(&self, key: u64, target: TargetId) -> u64 {
        mix2(key, self.names[target.0 as usize])
    }
    /// The key's first preference. It depends on key and set alone, so that what was found once stays true.
    fn home(&mut self, key: u64, eligible: &Eligible) -> TargetId {
        if eligible.len() <= SMALL {
            return self.search(key, eligible);
        }
        if self.homes.is_empty() {
            self.homes.resize(HOMES, (0, NO_SET, TargetId(0)));
        }
        let at = key as usize % HOMES;
        if (self.homes[at].0, self.homes[at].1) != (key, eligible.id()) {
            self.homes[at] = (key, eligible.id(), self.search(key, eligible));
        }
        self.homes[at].2
    }
    fn search(&self, key: u64, eligible: &Eligible) -> TargetId {
        pick::rendezvous(eligible.list(), key, &self.names)
    }
}

impl Policy for Session {
    fn needs(&self) -> Needs {
        Needs { fewest: self.params.soft.is_some(), ..Needs::default() }
    }
    fn route(&mut self, request: &RequestView<'_>, fleet: &FleetView<'_>, _: &mut Stream) -> Decision {
        let key = self.key(request);
        let home = self.home(key, fleet.eligible);
        let Some(slack) = self.params.soft else { return Decision::To(home) };
        let fewest = fleet.tally.fewest();
        if fleet.own(home).requests <= fewest.saturating_add(slack) {
            return Decision::To(home);
        }
        Decision::To(pick::least_first(fleet.eligible.list(), |target| {
            (fleet.own(target).requests, self.rank(key, target))
        }))
    }
    fn explain(
        &self,
        request: &RequestView<'_>,
        fleet: &FleetView<'_>,
        target: TargetId,
    ) -> Vec<(&'static str, f64)> {
        let key = self.key(request);
        let before =
            fleet.eligible.list().iter().filter(|&&other| self.rank(key, other) < self.rank(key, target));
        vec![("preference", before.count() as f64), ("requests", fleet.own(target).requests as f64)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::scene::{Scene, assert_shares};

    fn policy(scene: &Scene, soft: Option<u32>) -> Session {
        Session::new(&Params { soft, ..Params::default() }, &scene.targets)
    }

    #[test]
    fn a_session_keeps_its_target_and_sessions_spread_evenly() {
        let mut scene = Scene::new(5);
        let mut policy = policy(&scene, None);
        let mut counts = [0; 5];
        for session in 1..=20_000 {
            (scene.session, scene.id) = (session, session as u32);
            scene.prompt(session);
            let target = scene.ask(&mut policy);
            counts[target as usize] += 1;
            scene.prompt(session + 1);
            scene.own[target as usize].requests += 1;
            assert_eq!(scene.ask(&mut policy), target, "a new prompt and a higher load move nothing");
        }
        // Chi-square with 4 degrees of freedom: 99.99 % point 23.5.
        assert_shares(&counts, &[0.2; 5], 23.5);
    }

    #[test]
    fn when_a_target_goes_only_its_sessions_move() {
        let mut scene = Scene::new(4);
        let mut policy = policy(&scene, None);
        let mut moved = 0;
        for session in 1..=4_000 {
            scene.session = session;
            let (before, after) = (scene.ask(&mut policy), scene.ask_among(&mut policy, &[0, 1, 3]));
            moved += (before != after) as u32;
            assert_eq!(before != after, before == 2);
        }
        assert!(moved > 0);
    }

    #[test]
    fn without_a_session_the_tenant_counts_and_without_a_tenant_the_prefix() {
        let mut scene = Scene::new(16);
        let mut policy = policy(&scene, None);
        let mut asked = |tenant, prompt, id| {
            (scene.tenant, scene.id) = (tenant, id);
            scene.prompt(prompt);
            scene.ask(&mut policy)
        };
        let of_tenant: Vec<u32> = (0..20).map(|i| asked(3, i, i as u32)).collect();
        assert!(of_tenant.iter().all(|&target| target == of_tenant[0]));
        let of_prefix: Vec<u32> = (0..20).map(|i| asked(0, i, i as u32)).collect();
        assert!(of_prefix.iter().any(|&target| target != of_prefix[0]));
        assert_eq!(of_prefix, (0..20).map(|i| asked(0, i, 100 + i as u32)).collect::<Vec<_>>());
    }

    #[test]
    fn soft_affinity_lets_go_beyond_the_slack() {
        // Slack 2, idlest target at 3: home keeps with 5 = 3 + 2 requests and loses with 6.
        let mut scene = Scene::new(3);
        scene.session = 77;
        let home = scene.ask(&mut policy(&scene, None)) as usize;
        let (one, other) = ((home + 1) % 3, (home + 2) % 3);
        let mut soft = policy(&scene, Some(2));
        (scene.own[home].requests, scene.own[one].requests, scene.own[other].requests) = (5, 3, 4);
        assert_eq!(scene.ask(&mut soft) as usize, home);
        scene.own[home].requests = 6;
        assert_eq!(scene.ask(&mut soft) as usize, one);
        // Between two equally idle ones the session's own order decides: its second choice.
        scene.own[other].requests = 3;
        let mut rest = [one as u32, other as u32];
        rest.sort_unstable();
        let second = scene.ask_among(&mut policy(&scene, None), &rest);
        assert_eq!(scene.ask(&mut soft), second);
        // Hard affinity never lets go.
        assert_eq!(scene.ask(&mut policy(&scene, None)) as usize, home);
    }
}
