//! A plan with what every cell of it shares: names, capacity, where its numbers come from, and what a user should
//! know before it runs. Knows plans; must not know files or how anything looks.

use super::{CapacityLine, CellInput, DataTable, Provenance, Warning};
use crate::catalog;
use crate::id::{Id, RegionId};
use crate::network::matrix::PairSource;
use crate::replica::{Method, ServerParams};
use crate::scenario::{Plan, PoolFacts};
use crate::time::Span;
use crate::timing::Status;
use crate::workload::geography::origin_label;
use crate::workload::{WorkloadKind, WorkloadParams};
use crate::world::{Look, PolicyParams, PoolParams};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The year this version's data was last looked at: what "old" is measured from, since results know no clock.
const DATA_YEAR: u32 = 2026;
/// Years after which a table is called old: our choice, because clouds re-route and add cables about as often.
const OLD_YEARS: u32 = 2;
/// How much two directions may differ before it is worth a warning, as a share of the longer and at least so many
/// milliseconds: our choice, above what medians of separate measurements differ by.
const ASYMMETRY: (f64, f64) = (0.25, 20.0);

/// A plan, ready for its cells.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The plan.
    pub plan: Plan,
    /// The GPU's name of each pool; empty for plain queues.
    pub gpus: Vec<String>,
    /// KV capacity by pool.
    pub capacity: Vec<CapacityLine>,
    /// Where the numbers come from.
    pub provenance: Arc<Provenance>,
    /// What the user should know.
    pub notices: Vec<String>,
    /// What the user should act on.
    pub warnings: Vec<Warning>,
}

impl Prepared {
    /// Prepares a plan.
    pub fn of(plan: Plan) -> Prepared {
        let tables = tables(&plan);
        let facts = || plan.world.pools.iter().zip(&plan.facts.pools);
        let notices = plan.notices.items.iter().map(|item| item.title.clone());
        Prepared {
            gpus: plan.facts.pools.iter().map(|pool| pool.gpu.clone().unwrap_or_default()).collect(),
            capacity: facts().filter_map(|(pool, facts)| capacity(pool, facts)).collect(),
            notices: notices.collect(),
            warnings: warnings(&plan, &tables),
            provenance: Arc::new(Provenance {
                tool_version: env!("CARGO_PKG_VERSION").to_string(),
                scenario_hash: format!("{:016x}", plan.content_hash()),
                workload_hashes: workload_hashes(&plan),
                origins: origin_labels(&plan),
                profiles: profiles(&plan),
                profile_status: plan.facts.pools.iter().filter_map(|pool| pool.timing_status).max(),
                data_tables: tables,
                prices: plan.facts.prices.clone(),
                api_prices: plan.facts.api_prices,
                egress_prices: plan.facts.egress_prices.clone(),
            }),
            plan,
        }
    }

    /// The cell of a policy and a seed.
    pub fn cell<'p>(&'p self, policy: &'p PolicyParams, seed: u64) -> CellInput<'p> {
        CellInput {
            scenario: &self.plan.name,
            world: &self.plan.world,
            policy,
            seed,
            warmup: self.plan.warmup,
            gpus: &self.gpus,
            capacity: &self.capacity,
            provenance: self.provenance.clone(),
            method: Method::default(),
            look: Look::default(),
            notices: &self.notices,
            warnings: &self.warnings,
        }
    }
}

fn capacity(pool: &PoolParams, facts: &PoolFacts) -> Option<CapacityLine> {
    let ServerParams::Engine(engine) = &pool.server else { return None };
    let gib = |bytes: u64| bytes as f64 / (1u64 << 30) as f64;
    let note = match &facts.kv {
        None => "as stated in the scenario".to_string(),
        Some(kv) => format!(
            "{:.1} GiB usable on {} GPUs, less {:.1} weights, {:.1} activations, {:.1} outside the framework: {:.1} GiB \
             at {} bytes a token{}",
            gib(kv.usable_bytes),
            pool.gpus_per_replica,
            gib(kv.weights_bytes),
            gib(kv.activation_bytes),
            gib(kv.non_torch_bytes),
            gib(kv.kv_bytes),
            kv.kv_bytes_per_token,
            if kv.kv_copies > 1 { format!(" in {} copies", kv.kv_copies) } else { String::new() },
        ),
    };
    Some(CapacityLine {
        pool: pool.name.clone(),
        kv_blocks: u64::from(engine.kv_blocks),
        block_tokens: engine.block_tokens,
        given: facts.kv.is_none(),
        note,
    })
}

/// A generated workload is known by the plan's hash; a trace by its rows.
fn workload_hashes(plan: &Plan) -> Vec<(String, String)> {
    let hash = |kind: &WorkloadKind| match kind {
        WorkloadKind::Trace(trace) => format!("{:016x}", trace.trace.content_hash()),
        WorkloadKind::Synthetic(_) => "generated".to_string(),
        WorkloadKind::Pool(pool) => format!("{:016x}", pool.pool.summary().content_hash),
    };
    plan.world.workloads.iter().map(|workload| (workload.name.clone(), hash(&workload.kind))).collect()
}

/// How the origins were made up that traces do not tell. The seed is each cell's own.
fn origin_labels(plan: &Plan) -> Vec<(String, String)> {
    let table = plan.world.origin_table();
    let label = |workload: &WorkloadParams| {
        origin_label(workload, &table, "of the cell").map(|label| (workload.name.clone(), label))
    };
    plan.world.workloads.iter().filter_map(label).collect()
}

/// Each kind of timing once, with how far to trust it.
fn profiles(plan: &Plan) -> Vec<(String, String)> {
    let used: BTreeMap<&String, &Option<String>> = plan
        .facts
        .pools
        .iter()
        .filter_map(|pool| Some((pool.timing.as_ref()?, &pool.timing_trust)))
        .collect();
    let given = || "given in the scenario".to_string();
    used.into_iter().map(|(name, trust)| (name.clone(), trust.clone().unwrap_or_else(given))).collect()
}

fn tables(plan: &Plan) -> Vec<DataTable> {
    let mut rtt: BTreeSet<&str> = BTreeSet::new();
    let (mut fitted, mut stated) = (false, false);
    for (from, row) in plan.facts.rtt_sources.iter().enumerate() {
        for (to, source) in row.iter().enumerate().filter(|(to, _)| *to != from) {
            let _ = to;
            match source {
                PairSource::Catalogue { table, .. } => {
                    rtt.insert(table);
                }
                PairSource::Override => stated = true,
                PairSource::Distance { .. } => fitted = true,
                PairSource::Intra => {}
            }
        }
    }
    let entry = |name: String, from: &catalog::Provenance| DataTable {
        name,
        date: from.date.to_string(),
        statistic: from.statistic.to_string(),
        source: from.source.to_string(),
    };
    let mut tables = Vec::new();
    if plan.facts.pools.iter().any(|pool| pool.gpu.is_some()) {
        tables.push(entry("gpus".to_string(), &catalog::gpu::PROVENANCE));
    }
    if plan.facts.pools.iter().any(|pool| pool.model.is_some()) {
        tables.push(entry("models".to_string(), &catalog::model::PROVENANCE));
    }
    let found = rtt.iter().filter_map(|name| catalog::rtt_table(name));
    tables.extend(found.map(|table| entry(format!("rtt/{}", table.name), &table.provenance)));
    let taken = |source: &String| source != "stated" && !source.starts_with("owned");
    if plan.facts.prices.iter().any(|price| taken(&price.source)) {
        tables.push(entry("prices".to_string(), &catalog::price::PROVENANCE));
    }
    let links = plan.facts.egress_prices.iter().flat_map(|rates| &rates.links);
    if links.map(|link| &link.source).any(|source| source != "stated" && !source.starts_with("within")) {
        tables.push(entry("egress".to_string(), &catalog::egress::PROVENANCE));
    }
    let own = |name: &str, statistic: &str, source: String| DataTable {
        name: name.to_string(),
        date: "-".to_string(),
        statistic: statistic.to_string(),
        source,
    };
    if fitted {
        tables.push(own("rtt/distance", "a fit to great-circle distance", "regionsim".to_string()));
    }
    if stated {
        let source = plan.facts.rtt_source.clone().unwrap_or_else(|| "the scenario".to_string());
        tables.push(own("rtt/scenario", "as stated", source));
    }
    tables
}

/// The latest year a date's words name.
fn latest_year(date: &str) -> Option<u32> {
    let words = date.split(|c: char| !c.is_ascii_digit()).filter(|word| word.len() == 4);
    words.filter_map(|word| word.parse().ok()).filter(|year| (1990..2100).contains(year)).max()
}

fn warnings(plan: &Plan, tables: &[DataTable]) -> Vec<Warning> {
    let old = |table: &&DataTable| latest_year(&table.date).is_some_and(|year| year + OLD_YEARS < DATA_YEAR);
    let ages = |name: &str| name.starts_with("rtt/") || matches!(name, "prices" | "egress");
    let aging = tables.iter().filter(|table| ages(&table.name));
    let mut warnings: Vec<Warning> = aging
        .filter(old)
        .map(|table| Warning::OldTable { table: table.name.clone(), date: table.date.clone() })
        .collect();
    let pools = plan.world.pools.iter().zip(&plan.facts.pools);
    let elsewhere = pools.filter(|(_, facts)| facts.timing_status == Some(Status::Extrapolated));
    let pools: Vec<String> = elsewhere.map(|(pool, _)| pool.name.clone()).collect();
    if !pools.is_empty() {
        warnings.push(Warning::Extrapolated { pools, profile: true });
    }
    let (rtt, names) = (&plan.world.network.rtt, &plan.world.regions);
    for (from, row) in rtt.iter().enumerate() {
        for (to, &there) in row.iter().enumerate().take(from) {
            let back: Span = rtt[to][from];
            let (longer, shorter) = (there.max(back).as_ms_f64(), there.min(back).as_ms_f64());
            if longer - shorter > (longer * ASYMMETRY.0).max(ASYMMETRY.1) {
                let name = |index| names[RegionId::new(index)].name.clone();
                warnings.push(Warning::AsymmetricRtt { from: name(to), to: name(from) });
            }
        }
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::latest_year;

    #[test]
    fn the_year_of_a_date_in_words() {
        assert_eq!(latest_year("not stated; the set of regions implies 2021 to 2023"), Some(2023));
        assert_eq!(latest_year("2026-07-30, over 30 days"), Some(2026));
        assert_eq!(latest_year("-"), None);
    }
}
