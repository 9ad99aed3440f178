//! The fleet: a map where regions are known to the catalogue, regions with their replicas and GPUs, round trips.

use super::map;
use super::model::{Block, Cell, Column, Row, Section, Table, cell, name, number, words};
use super::sides::Runs;
use super::values::{count, fixed, tints};
use crate::report::setup::{Setup, SetupPool};
use crate::run::CapacityLine;

pub(super) fn section(runs: &Runs<'_>) -> Option<Section> {
    let mut blocks = Vec::new();
    let mut shown: Vec<&Setup> = Vec::new();
    for (at, run) in runs.runs.iter().enumerate() {
        let Some(setup) = &run.setup else { continue };
        let same = |other: &&Setup| (&other.regions, &other.pools) == (&setup.regions, &setup.pools);
        if shown.iter().any(same) {
            continue;
        }
        shown.push(setup);
        let others = runs.runs.iter().filter_map(|run| run.setup.as_ref()).any(|other| !same(&other));
        if others {
            blocks.push(Block::Heading { text: runs.labels[at].clone() });
        }
        blocks.extend(map::map(setup, &format!("map-{at}")));
        blocks.push(Block::Table { table: regions(runs, setup, &run.summary.capacity) });
        if setup.regions.len() > 1 {
            blocks.push(Block::Table { table: round_trips(runs, setup) });
        }
    }
    (!blocks.is_empty()).then(|| Section { id: "fleet", title: "Fleet".to_owned(), blocks })
}

/// A row a pool; a region without one has a row too.
fn regions(runs: &Runs<'_>, setup: &Setup, capacity: &[CapacityLine]) -> Table {
    let columns = vec![
        words("region"),
        words("place"),
        words("catalogue"),
        words("jurisdiction"),
        words("pool"),
        words("model"),
        words("GPU"),
        number("replicas", "at start", "replicas when the run begins"),
        number("GPUs", "at start", "GPUs of all its replicas when the run begins"),
        number("KV cache", "tokens / replica", "tokens that one replica's KV cache holds"),
    ];
    let mut rows = Vec::new();
    for region in &setup.regions {
        let known = |text: &Option<String>| text.clone().map_or_else(|| cell("–"), name);
        let place = cell(region.place.as_deref().unwrap_or("–"));
        let mut law = region.jurisdiction.join(" ");
        if region.provider_jurisdiction != region.jurisdiction && !region.provider_jurisdiction.is_empty() {
            law = format!("{law}; provider {}", region.provider_jurisdiction.join(" "));
        }
        let pools: Vec<&SetupPool> = setup.pools.iter().filter(|pool| pool.region == region.name).collect();
        let first = [Cell { head: true, ..name(&region.name) }, place, known(&region.catalogue), cell(law)];
        let mut add = |rest: [Cell; 6]| {
            rows.push(Row {
                policy: None,
                region: runs.region(&region.name),
                cells: first.iter().cloned().chain(rest).collect(),
            });
        };
        for pool in &pools {
            let kv = capacity.iter().find(|line| line.pool == pool.name);
            let tokens = |line: &CapacityLine| count(line.kv_blocks * u64::from(line.block_tokens));
            let short = pool.name.strip_prefix(&format!("{}/", region.name)).unwrap_or(&pool.name);
            let gpu = pool.gpu.clone().map(|gpu| format!("{gpu} × {}", pool.gpus_per_replica));
            add([
                name(short),
                known(&pool.model),
                known(&gpu),
                cell(count(u64::from(pool.replicas))),
                cell(count(u64::from(pool.replicas) * u64::from(pool.gpus_per_replica))),
                Cell {
                    title: kv.map(|line| line.note.clone()),
                    ..cell(kv.map_or_else(|| "–".to_owned(), tokens))
                },
            ]);
        }
        if pools.is_empty() {
            add([cell("gateway only"), cell("–"), cell("–"), cell("0"), cell("0"), cell("–")]);
        }
    }
    let caption = "Regions and their pools".to_owned();
    Table { caption, columns, rows, notes: Vec::new(), sortable: true }
}

fn round_trips(runs: &Runs<'_>, setup: &Setup) -> Table {
    let head = |region: &crate::report::setup::SetupRegion| Column {
        region: runs.region(&region.name),
        ..number(&region.name, "ms", "")
    };
    let columns = [words("from \\ to")].into_iter().chain(setup.regions.iter().map(head)).collect();
    let mut rows = Vec::new();
    let mut values = Vec::new();
    let mut sources: Vec<&str> = Vec::new();
    for (from, region) in setup.regions.iter().enumerate() {
        let mut cells = vec![Cell { head: true, ..name(&region.name) }];
        for (to, &rtt) in region.rtt_ms.iter().enumerate() {
            let source = region.rtt_from.get(to).map_or("", String::as_str);
            if !matches!(source, "inside" | "") && !sources.contains(&source) {
                sources.push(source);
            }
            values.push((from != to).then_some(rtt));
            let told =
                format!("{} → {}: {} ms ({source})", region.name, setup.regions[to].name, fixed(rtt, 1));
            cells.push(Cell { title: Some(told), ..cell(fixed(rtt, usize::from(rtt < 10.0))) });
        }
        rows.push(Row { policy: None, region: runs.region(&region.name), cells });
    }
    tints(rows.iter_mut().flat_map(|row| row.cells.iter_mut().skip(1)).zip(values));
    let notes = vec![format!(
        "Median of a round trip; on the diagonal inside the region. From {}.",
        sources.join(", ")
    )];
    Table { caption: "Round trips between regions".to_owned(), columns, rows, notes, sortable: false }
}
