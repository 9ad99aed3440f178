//! Requests that a policy holds wait in line at their gateway, and none waits for ever.

#[path = "common/regions.rs"]
mod regions;
#[path = "common/world.rs"]
mod world;

use regions::{chat, three, tiers};
use regionsim::id::SourceId;
use regionsim::observe::{Leg, Outcome};
use regionsim::routing::PolicySpec;
use regionsim::time::Span;
use regionsim::workload::params::WorkloadKind;
use regionsim::world::params::{GatewayPlacement, PolicyParams, WorldParams};
use world::run;

/// Far more requests than the engines can take at once, of one data class.
fn crowded() -> WorldParams {
    let mut world = three(1);
    let mut params = chat(400);
    params.sessions_per_s = 500.0;
    world.workloads[SourceId(0)].kind = WorkloadKind::Synthetic(params);
    world
}

fn policy(spec: &str) -> PolicyParams {
    let spec: PolicySpec = toml::from_str(spec).unwrap();
    let mut policy = tiers(None, spec.name(), GatewayPlacement::PerRegion);
    (policy.replica, policy.workers, policy.decision_time) = (spec, 0, Span::from_us(200));
    policy
}

const HOLDING: [&str; 6] = [
    "gorgo_v1 = { max_running = 2 }",
    "gorgo_distributed = { max_running = 2 }",
    "gorgo_distributed = { max_running = 0 }",
    "skywalker = {}",
    "skywalker = { push = \"outstanding\", max_outstanding = 2, select = \"ring\" }",
    "dynamo_kv = { queue_tokens = 200 }",
];

#[test]
fn what_is_held_goes_in_the_order_it_came_and_all_of_it_goes() {
    let world = crowded();
    for spec in HOLDING {
        let (_, keep) = run(&world, &policy(spec), 3);
        assert!(keep.rows.iter().all(|row| row.outcome == Outcome::Completed), "{spec}");
        let held = keep.rows.iter().filter(|row| row.legs.get(Leg::Hold) > Span::ZERO).count();
        assert!(held > 0, "{spec}");
        for gateway in 0..3 {
            // When it was decided about first, and when it was sent.
            let mut times: Vec<_> = (keep.rows.iter())
                .filter(|row| row.gateway.is_some_and(|id| id.0 == gateway))
                .map(|row| {
                    let leg = |leg| row.legs.get(leg);
                    let decided = row.sent_at + leg(Leg::LastMile) + leg(Leg::Connect) + leg(Leg::Route);
                    (decided, decided + leg(Leg::Hold))
                })
                .collect();
            times.sort_unstable();
            assert!(times.len() > 20, "{spec}");
            assert!(
                times.is_sorted_by_key(|&(_, sent)| sent),
                "{spec}: somebody was overtaken at gateway {gateway}"
            );
        }
    }
}
