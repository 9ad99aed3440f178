//! Requests of a trace that may go to some regions alone. Knows names of regions and which data classes are served
//! where; must not know replicas.

use super::data::{Bound, TraceNames};
use super::error::TraceFinding;
use super::geography::origin_of;
use super::params::{OriginAssignment, OriginTable, WorkloadKind, WorkloadParams};
use crate::id::{DataClassId, Id, OriginId, RegionId, RegionSet};

/// The trace's lists of regions as sets; a name that the scenario has not is in none.
pub(super) fn sets(names: &TraceNames, table: &OriginTable) -> Vec<RegionSet> {
    let known = |&region: &u32| {
        let name = &names.regions[region as usize];
        table.regions.iter().position(|other| other == name).map(RegionId::new)
    };
    names.allowed.iter().map(|list| list.iter().filter_map(known).collect()).collect()
}

/// From where this workload brings what: origins and data classes. Of a trace whose rows name data classes or origins,
/// only what they name: whether others come is not known here.
pub fn brings(workload: &WorkloadParams, table: &OriginTable) -> Vec<(OriginId, DataClassId)> {
    let names = match &workload.kind {
        WorkloadKind::Trace(params) => Some(params.trace.names()),
        _ => None,
    };
    let origins: Vec<OriginId> = match (names, workload.origins) {
        (_, OriginAssignment::Single(origin)) => vec![origin],
        (Some(names), _) if !names.origins.is_empty() => {
            names.origins.iter().filter_map(|name| origin_of(name, table)).collect()
        }
        _ => drawn(table),
    };
    let classes: Option<Vec<DataClassId>> = match (names, workload.data_class) {
        (Some(names), _) if !names.data_classes.is_empty() => {
            let known = |name: &String| table.data_classes.iter().position(|known| known == name);
            Some(names.data_classes.iter().filter_map(known).map(DataClassId::new).collect())
        }
        (_, class) => class.map(|class| vec![class]),
    };
    let own = |origin: OriginId| table.origins.get(origin.index()).map(|row| row.data_class);
    let of = |origin: OriginId| classes.clone().unwrap_or_else(|| own(origin).into_iter().collect());
    origins.into_iter().flat_map(|origin| of(origin).into_iter().map(move |class| (origin, class))).collect()
}

/// Origins of requests that name none.
fn drawn(table: &OriginTable) -> Vec<OriginId> {
    let some = table.origins.iter().enumerate().filter(|(_, row)| row.weight > 0.0);
    some.map(|(index, _)| OriginId::new(index)).collect()
}

/// The data classes that this workload [`brings`] and that no region which it allows may serve.
pub fn unserved(workload: &WorkloadParams, table: &OriginTable) -> Vec<DataClassId> {
    let Some(allowed) = workload.setting.allowed else { return Vec::new() };
    let mut classes: Vec<DataClassId> = brings(workload, table).into_iter().map(|(_, class)| class).collect();
    classes.sort();
    classes.dedup();
    let served = |class: DataClassId| table.served_in.get(class.index()).copied().unwrap_or(RegionSet::ALL);
    classes.retain(|&class| allowed.and(served(class)).is_empty());
    classes
}

/// Rows that no region may serve, for what they and the workload allow and what their data class allows: one finding
/// for each combination, with its first line. Where a row's data class follows from an origin that is drawn, it is
/// found only if no origin leaves it a region. `served` says which regions may serve a class that comes from an origin.
pub fn nowhere(
    workload: &WorkloadParams,
    table: &OriginTable,
    served: impl Fn(OriginId, DataClassId) -> RegionSet,
) -> Vec<TraceFinding> {
    let WorkloadKind::Trace(params) = &workload.kind else { return Vec::new() };
    let names = params.trace.names();
    let sets = sets(names, table);
    let everywhere = workload.setting.allowed.unwrap_or(RegionSet::ALL);
    let mut found = Vec::new();
    for (&Bound { allowed, data_class, origin }, &line) in &names.bound {
        let list = &names.allowed[allowed as usize];
        let shown: Vec<&str> = list.iter().map(|&region| names.regions[region as usize].as_str()).collect();
        if !shown.iter().all(|name| table.regions.iter().any(|known| known == name)) {
            continue;
        }
        let own = data_class.and_then(|class| {
            let name = &names.data_classes[class as usize];
            table.data_classes.iter().position(|known| known == name).map(DataClassId::new)
        });
        let at = match workload.origins {
            OriginAssignment::Single(origin) => Some(origin),
            OriginAssignment::Weighted { .. } => {
                origin.and_then(|origin| origin_of(&names.origins[origin as usize], table))
            }
        };
        let own = own.or(workload.data_class);
        let from: Vec<OriginId> = at.map_or_else(|| drawn(table), |origin| vec![origin]);
        let of = |origin: OriginId| own.or_else(|| Some(table.origins.get(origin.index())?.data_class));
        let ways: Vec<(OriginId, DataClassId)> =
            from.into_iter().filter_map(|origin| Some((origin, of(origin)?))).collect();
        let here = sets[allowed as usize].and(everywhere);
        if ways.iter().any(|&(origin, class)| !here.and(served(origin, class)).is_empty()) {
            continue;
        }
        let class = ways.first().and_then(|(_, class)| table.data_classes.get(class.index()));
        let rule = match class {
            Some(class) => format!("none of these serves requests of data class `{class}` in this workload"),
            None => "none of these serves requests of this workload".to_owned(),
        };
        let value = format!("[{}]", shown.join(", "));
        let next = "Allow a region that has a pool and may process them";
        found.push(TraceFinding::new(line, "allowed_regions", value, rule, next));
    }
    found.sort_by_key(|finding| finding.line);
    found
}
