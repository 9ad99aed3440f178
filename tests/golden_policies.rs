//! Every policy of the registry, with its defaults, gives the outcomes on record in `tests/golden/policies.txt`: a row
//! each, its name, a digest of all outcomes where it chooses among all replicas, and one where it chooses a region. Where a
//! change is meant to change results, write them anew, read what changed, and say why in CHANGELOG.md:
//!
//! ```text
//! REGIONSIM_WRITE_GOLDEN=1 cargo test --test golden_policies
//! ```

#[path = "common/regions.rs"]
mod regions;
#[path = "common/world.rs"]
mod world;

use rayon::prelude::*;
use regions::{chat, three, tiers};
use regionsim::id::SourceId;
use regionsim::routing::REGISTRY;
use regionsim::workload::params::WorkloadKind;
use regionsim::world::params::{GatewayPlacement, PolicyParams};
use std::fs;
use std::path::Path;

#[test]
fn every_policy_has_the_outcomes_on_record() {
    // Enough requests to queue and to evict.
    let mut world = three(1);
    let mut params = chat(400);
    params.sessions_per_s = 40.0;
    world.workloads[SourceId(0)].kind = WorkloadKind::Synthetic(params);
    let digest = |policy: PolicyParams| world::run(&world, &policy, 3).0.outcome_digest;
    let place = GatewayPlacement::PerRegion;
    let rows = REGISTRY.par_iter().map(|entry| {
        let replicas = digest(tiers(None, entry.name, place));
        let regions = digest(tiers(Some(entry.name), "round_robin", place));
        format!("{} {replicas} {regions}\n", entry.name)
    });
    let rows: Vec<String> = rows.collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/policies.txt");
    if std::env::var_os("REGIONSIM_WRITE_GOLDEN").is_some() {
        return fs::write(path, rows.concat()).unwrap();
    }
    let committed = fs::read_to_string(path).unwrap_or_default();
    let changed: Vec<&String> = rows.iter().filter(|row| !committed.contains(row.as_str())).collect();
    assert!(changed.is_empty(), "new or changed: {changed:?}\nif that is meant: REGIONSIM_WRITE_GOLDEN=1");
    assert_eq!(committed, rows.concat(), "rows of no policy, or out of order");
}
