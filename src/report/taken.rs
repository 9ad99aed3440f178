//! What tables of many cells have of one: its headline measures, of all requests and of groups. Knows summaries; must not
//! know where the tables go.

use super::CellSummary;
use super::measures::{self, Measure};
use super::summary::Group;
use crate::sweep::Taken;
use crate::sweep::row::GroupRow;

/// Of requests, and so of any group of them.
fn of_requests() -> impl Iterator<Item = &'static Measure> {
    let service = measures::SERVICE
        .iter()
        .filter(|measure| matches!(measure.name, "slo.attainment" | "cache.hit_rate"));
    measures::LATENCY.iter().chain(service)
}

fn group(by: &str, name: &str, group: &Group) -> GroupRow {
    let alone = CellSummary { all: group.clone(), ..CellSummary::default() };
    let mut measures: Vec<(String, f64)> = of_requests()
        .filter_map(|measure| Some((measure.name.to_string(), (measure.value)(&alone)?.0)))
        .collect();
    measures.push(("requests".to_string(), group.arrivals as f64));
    GroupRow { by: by.to_string(), name: name.to_string(), measures }
}

/// The measures of a finished cell.
pub fn taken(cell: &CellSummary) -> Taken {
    let mut taken = Taken::default();
    for measure in measures::of(std::slice::from_ref(cell)) {
        let Some((value, reliable)) = (measure.value)(cell) else { continue };
        taken.measures.push((measure.name.to_string(), value));
        if !reliable {
            taken.unreliable.push(measure.name.to_string());
        }
    }
    for (by, groups) in [("region", &cell.regions), ("origin", &cell.origins), ("class", &cell.classes)] {
        taken.groups.extend(groups.iter().map(|named| group(by, &named.name, &named.group)));
    }
    for (at, region) in cell.cost.regions.iter().enumerate() {
        let row = taken.groups.iter_mut().find(|row| row.by == "region" && row.name == region.region);
        let Some(row) = row else { continue };
        row.measures.push(("cost.gpu_hours".to_string(), region.gpu_hours));
        let usd = cell.cost.usd.as_ref().and_then(|usd| usd.regions.get(at));
        row.measures.extend(usd.map(|usd| ("cost.usd".to_string(), *usd)));
    }
    taken
}
