//! SkyWalker, a reconstruction: the system's code is not public. A region's balancer pushes a request only to a replica
//! with room, at home first, then to another region that has some, and otherwise keeps it.

use crate::id::RegionId;
use crate::rng::Stream;
use crate::routing::params::{Problems, Validate};
use crate::routing::ring::Ring;
use crate::routing::{
    Decision, FleetView, IndexSource, Needs, Policy, RequestView, Target, TargetId, affinity,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;

/// Parameters of the reconstruction. Where the paper's values are not known, they are our choice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// When a target has room: `pending` (SP-P: nobody waits in its engine), `outstanding` (SP-O: this gateway has
    /// fewer than `max_outstanding` under way there) or `blind` (BP: always).
    pub push: Push,
    /// Requests of this gateway under way at a replica from which it has no room under `outstanding`.
    pub max_outstanding: u32,
    /// How a target with room is chosen: `prefix` (longest match) or `ring` (consistent hashing of the session).
    pub select: Select,
    /// The share of the prompt's tokens, 0 to 1, that a match must cover to be followed; else the fewest requests.
    pub min_match: f64,
    /// Points of each target on the ring, 1 to 65536.
    pub vnodes: u32,
}

/// When a target has room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Push {
    /// While nobody waits in its engine.
    #[default]
    Pending,
    /// While few requests of this gateway are under way there.
    Outstanding,
    /// Always.
    Blind,
}

/// How a target with room is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Select {
    /// By the longest match.
    #[default]
    Prefix,
    /// By consistent hashing of the session.
    Ring,
}

impl Default for Params {
    fn default() -> Self {
        Params {
            push: Push::default(),
            max_outstanding: 32,
            select: Select::default(),
            min_match: 0.5,
            vnodes: 256,
        }
    }
}

impl Validate for Params {
    fn check(&self, problems: &mut Problems) {
        let most = self.max_outstanding;
        problems.require("max_outstanding", most, most >= 1, "1 request or more");
        problems.share("min_match", self.min_match);
        problems.require("vnodes", self.vnodes, (1..=65_536).contains(&self.vnodes), "from 1 to 65536");
    }
}

/// The policy.
#[derive(Debug)]
pub struct Skywalker {
    params: Params,
    ring: Option<Ring>,
}

impl Skywalker {
    /// With these parameters, over `targets`.
    pub fn new(params: &Params, targets: &[Target]) -> Self {
        let ring = (params.select == Select::Ring).then(|| {
            let named =
                targets.iter().enumerate().map(|(id, target)| (TargetId(id as u32), target.name.as_str()));
            Ring::new(named, params.vnodes)
        });
        Skywalker { params: params.clone(), ring }
    }
    fn has_room(&self, fleet: &FleetView<'_>, target: TargetId) -> bool {
        let replicas = fleet.target(target).replicas.max(1);
        match self.params.push {
            // Fewer waiting than replicas: at one of them nobody waits.
            Push::Pending => fleet.load(target).waiting < replicas,
            Push::Outstanding => {
                u64::from(fleet.own(target).requests)
                    < u64::from(self.params.max_outstanding) * u64::from(replicas)
            }
            Push::Blind => true,
        }
    }
    /// Among the targets with room that `wanted` holds for: on the ring the first, else the longest match that is long
    /// enough, nearer ones and idler ones first among equals, else the idlest.
    fn choose(
        &self,
        request: &RequestView<'_>,
        fleet: &FleetView<'_>,
        wanted: impl Fn(TargetId) -> bool,
    ) -> Option<TargetId> {
        let fits = |&target: &TargetId| wanted(target) && self.has_room(fleet, target);
        if let Some(ring) = &self.ring {
            let key = affinity::of_session(request).unwrap_or_else(|| affinity::of_prefix(request, 256));
            return ring.walk(key).filter(|&target| fleet.eligible.contains(target)).find(fits);
        }
        let near = |target: TargetId| (fleet.target(target).rtt, fleet.own(target).requests, target);
        let with_room = || fleet.eligible.list().iter().copied().filter(fits);
        let longest =
            with_room().min_by_key(|&target| (Reverse(fleet.matched_blocks(target)), near(target)))?;
        if fleet.matched_blocks(longest) > 0 && fleet.matched_share(request, longest) >= self.params.min_match
        {
            return Some(longest);
        }
        with_room().min_by_key(|&target| near(target))
    }
}

fn home(fleet: &FleetView<'_>) -> RegionId {
    fleet.target(fleet.eligible.nearest()[0]).region
}

impl Policy for Skywalker {
    fn needs(&self) -> Needs {
        Needs {
            load: self.params.push == Push::Pending,
            index: (self.params.select == Select::Prefix).then_some(IndexSource::Sent.into()),
            ..Needs::default()
        }
    }
    fn route(&mut self, request: &RequestView<'_>, fleet: &FleetView<'_>, _: &mut Stream) -> Decision {
        let home = home(fleet);
        let at_home = |target: TargetId| fleet.target(target).region == home;
        if let Some(target) = self
            .choose(request, fleet, at_home)
            .or_else(|| self.choose(request, fleet, |target| !at_home(target)))
        {
            return Decision::To(target);
        }
        if fleet.total > 0 {
            return Decision::Hold;
        }
        // Full of others' requests alone, nothing would ever wake a held one.
        let idlest = |&target: &TargetId| (fleet.own(target).requests, target);
        Decision::To(fleet.eligible.nearest().iter().copied().min_by_key(idlest).unwrap_or(TargetId(0)))
    }
    fn explain(
        &self,
        request: &RequestView<'_>,
        fleet: &FleetView<'_>,
        target: TargetId,
    ) -> Vec<(&'static str, f64)> {
        let mut terms = vec![
            ("home", f64::from(u8::from(fleet.target(target).region == home(fleet)))),
            ("has_room", f64::from(u8::from(self.has_room(fleet, target)))),
            ("requests", f64::from(fleet.own(target).requests)),
        ];
        if self.ring.is_none() {
            terms.push(("match", fleet.matched_share(request, target)));
        }
        terms
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::scene::Scene;

    fn policy(scene: &Scene, change: impl Fn(&mut Params)) -> Skywalker {
        let mut params = Params::default();
        change(&mut params);
        Skywalker::new(&params, &scene.targets)
    }
    /// Two replicas at home, one 60 ms and one 150 ms away; by target, how many wait. The prompt has 6 blocks, 96 of its
    /// 100 tokens.
    fn scene(waiting: [u32; 4]) -> Scene {
        Scene::new(4).places([(0, 0), (0, 0), (1, 60), (2, 150)]).loads(waiting.map(|waiting| (waiting, 0)))
    }

    #[test]
    fn home_comes_first_and_there_the_longest_match_that_is_long_enough() {
        let mut policy = policy(&scene([0; 4]), |_| {});
        // Match 4 of 6 blocks, 64 %: followed, although busier. 3, 48 %: not, so the fewer requests.
        assert_eq!(scene([0; 4]).requests([0, 7, 0, 0]).matched([0, 4, 6, 6]).ask(&mut policy), 1);
        assert_eq!(scene([0; 4]).requests([0, 7, 0, 0]).matched([0, 3, 6, 6]).ask(&mut policy), 0);
        // Who holds it all but has somebody waiting gets nothing.
        assert_eq!(scene([0, 1, 0, 0]).matched([0, 6, 6, 6]).ask(&mut policy), 0);
    }

    #[test]
    fn without_room_at_home_it_goes_to_a_region_that_has_some() {
        let mut policy = policy(&scene([0; 4]), |_| {});
        // Nobody holds anything: the nearer one. The farther one holds enough: there. Not enough: the nearer.
        assert_eq!(scene([1, 1, 0, 0]).ask(&mut policy), 2);
        assert_eq!(scene([1, 1, 0, 0]).matched([6, 6, 0, 4]).ask(&mut policy), 3);
        assert_eq!(scene([1, 1, 0, 0]).matched([6, 6, 0, 3]).ask(&mut policy), 2);
        assert_eq!(scene([1, 1, 1, 0]).ask(&mut policy), 3);
        // A region of three replicas in which two wait has one where nobody does.
        let mut region = scene([3, 3, 2, 0]);
        region.targets[2].replicas = 3;
        assert_eq!(region.ask(&mut policy), 2);
    }

    #[test]
    fn with_room_nowhere_it_is_kept_until_something_comes_back() {
        let mut policy = policy(&scene([0; 4]), |_| {});
        assert_eq!(scene([1; 4]).requests([0, 0, 0, 1]).decide(&mut policy), Decision::Hold);
        assert_eq!(scene([1; 4]).decide(&mut policy), Decision::To(TargetId(0)));
    }

    #[test]
    fn outstanding_and_blind_pushing_look_at_other_things() {
        // 31 of 32 outstanding is room, 32 is none, whoever waits.
        let mut outstanding = policy(&scene([0; 4]), |params| params.push = Push::Outstanding);
        assert_eq!(scene([9; 4]).requests([31, 32, 0, 0]).ask(&mut outstanding), 0);
        assert_eq!(scene([0; 4]).requests([32, 32, 0, 0]).ask(&mut outstanding), 2);
        assert!(!outstanding.needs().load);
        let mut blind = policy(&scene([0; 4]), |params| params.push = Push::Blind);
        assert_eq!(scene([9; 4]).requests([90, 80, 0, 0]).ask(&mut blind), 1);
    }

    #[test]
    fn on_the_ring_a_session_keeps_its_replica_while_that_has_room() {
        let mut policy = policy(&scene([0; 4]), |params| params.select = Select::Ring);
        for session in 1..40 {
            let asked = |waiting: [u32; 4], policy: &mut Skywalker| {
                let mut scene = scene(waiting);
                scene.session = session;
                scene.ask(policy)
            };
            let own = asked([0; 4], &mut policy);
            assert!(own < 2);
            let mut full = [0; 4];
            full[own as usize] = 1;
            assert_eq!(asked(full, &mut policy), 1 - own);
            assert!(asked([1, 1, 0, 0], &mut policy) >= 2);
        }
        assert_eq!(policy.needs().index, None);
    }
}
