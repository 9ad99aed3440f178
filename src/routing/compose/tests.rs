//! What the tests of compositions share.

mod any;
mod blocks;
mod rules;
mod twins;

use super::Compose;
use crate::id::{RegionId, ReplicaId};
use crate::routing::scene::Scene;
use crate::routing::{PolicySpec, Target};
use crate::time::Span;

fn spec(text: &str) -> PolicySpec {
    let spec: PolicySpec = toml::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let problems = spec.validate();
    assert!(problems.is_empty(), "{problems:?}\n{text}");
    spec
}

fn targets(count: u32, replicas: u32) -> Vec<Target> {
    let target = |number| Target {
        name: format!("target {number}"),
        replica: (replicas == 1).then_some(ReplicaId(number)),
        region: RegionId(number % 3),
        rtt: Span::from_ms(40 * u64::from(number % 3)),
        replicas,
    };
    (0..count).map(target).collect()
}

fn policy(scene: &Scene, text: &str) -> Compose {
    let PolicySpec::Compose(params) = spec(&format!("compose = {{ {} }}", text.replace('\n', " "))) else {
        unreachable!()
    };
    Compose::new(&params, &scene.targets)
}
