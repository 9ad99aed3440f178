//! Requests that may go to some regions alone, and origins that follow the sun, in whole worlds.

mod common;
#[path = "common/regions.rs"]
mod regions;
#[path = "common/world.rs"]
mod world;

use regions::{all_policies, first, three};
use regionsim::id::{RegionId, RegionSet};
use regionsim::observe::Outcome;
use regionsim::time::Span;
use regionsim::workload::Curve;
use regionsim::workload::params::{Arrivals, SyntheticParams, Until, WorkloadKind};
use std::collections::BTreeMap;
use world::{run, workload};

fn set(regions: &[u32]) -> RegionSet {
    regions.iter().map(|&region| RegionId(region)).collect()
}

#[test]
fn no_policy_sends_a_request_where_it_may_not_go() {
    // Two workloads: one may go to eu and ap alone, the other anywhere. The data class allows all three.
    for allowed in [set(&[0, 2]), set(&[1])] {
        let mut params = three(40);
        let mut narrow = workload("narrow", regions::chat(40));
        narrow.setting.allowed = Some(allowed);
        params.workloads.push(narrow);
        let mut free = 0;
        for policy in all_policies() {
            let rows = run(&params, &policy, 3).1.rows;
            let narrow: Vec<_> = rows.iter().filter(|row| row.source.0 == 1).collect();
            assert!(narrow.iter().any(|row| row.outcome == Outcome::Completed), "{}", policy.name);
            for row in narrow {
                assert!(row.region.is_none_or(|region| allowed.contains(region)), "{}: {row:?}", policy.name);
            }
            let elsewhere = |row: &&regionsim::observe::RequestRow| {
                row.source.0 == 0 && row.region.is_some_and(|region| !allowed.contains(region))
            };
            free += rows.iter().filter(elsewhere).count();
        }
        assert!(free > 100, "the others are free: {free}");
    }
}

#[test]
fn a_rule_of_ones_own_only_narrows_what_the_data_class_allows() {
    let mut params = three(30);
    for class in params.data_classes.iter_mut() {
        class.process_in = set(&[0]);
    }
    params.workloads[regionsim::id::SourceId(0)].setting.allowed = Some(set(&[1, 2]));
    for policy in all_policies() {
        let rows = run(&params, &policy, 3).1.rows;
        assert!(
            !rows.is_empty() && rows.iter().all(|row| row.outcome == Outcome::NoRegion),
            "{}",
            policy.name
        );
    }
    // A rule that forbids nothing changes nothing.
    let mut params = three(60);
    let plain = run(&params, &all_policies()[0], 3).0;
    params.workloads[regionsim::id::SourceId(0)].setting.allowed = Some(first(3));
    assert_eq!(run(&params, &all_policies()[0], 3).0.outcome_digest, plain.outcome_digest);
}

#[test]
fn demand_follows_the_sun_in_a_world() {
    // Three origins of equal weight at -5, +1 and +9 h, chat. What each sends by UTC hour is its own curve at its own
    // local time: chi² over 72 cells with 71 degrees of freedom exceeds 112 once in a thousand.
    let mut params = three(1);
    for (origin, hours) in params.origins.iter_mut().zip([-5, 1, 9]) {
        origin.weight = 1.0;
        origin.geography.utc_offset_min = hours * 60;
    }
    let day = 86_400;
    let synthetic = SyntheticParams {
        arrivals: Arrivals::Poisson,
        sessions_per_s: 0.5,
        until: Until::Duration(Span::from_secs(day)),
        turns: regionsim::dist::Dist::Constant { value: 1.0 },
        message: regionsim::workload::params::Tokens::fixed(8),
        output: regionsim::workload::params::Tokens::fixed(1),
        ..SyntheticParams::default()
    };
    let mut chat = workload("chat", synthetic);
    chat.setting.rate_curve = Some(Curve::chat());
    // The run begins at 6 h UTC, the workload an hour later: hours are counted from 7 h.
    chat.setting.utc_start_s = 6 * 3600;
    chat.setting.shift = Span::from_secs(3600);
    assert!(matches!(chat.kind, WorkloadKind::Synthetic(_)));
    params.workloads = vec![chat].into();
    let rows = run(&params, &all_policies()[0], 3).1.rows;
    let mut counts: BTreeMap<(u32, u64), f64> = BTreeMap::new();
    for row in &rows {
        assert!(row.sent_at.0 >= 3_600_000_000_000);
        *counts.entry((row.origin.0, row.sent_at.0 / 3_600_000_000_000 - 1)).or_default() += 1.0;
    }
    let curve = Curve::chat();
    let mut chi = 0.0;
    for (origin, hours) in [-5i64, 1, 9].into_iter().enumerate() {
        for hour in 0..24 {
            let local = (7 + hour as i64 + hours).rem_euclid(24) as u32;
            let expected = 0.5 * 3600.0 / 3.0 * curve.at(local * 3600);
            let found = counts.get(&(origin as u32, hour)).copied().unwrap_or(0.0);
            chi += (found - expected) * (found - expected) / expected;
        }
    }
    assert!(chi < 112.0, "chi² {chi}");
}
