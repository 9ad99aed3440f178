//! Which origin a trace's rows come from, as far as the trace says. Knows names of origins and countries; must not know
//! regions. What the trace does not say is drawn (`assign`), and counted here, so that no result hides it.

use super::params::{OriginAssignment, OriginTable, WorkloadKind, WorkloadParams};
use crate::catalog::{Country, country};
use crate::id::{Id, OriginId};
use serde::Serialize;
use std::collections::BTreeMap;

/// How much of a trace's geography is its own.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct GeographyReport {
    /// Requests of the trace.
    pub requests: u64,
    /// Those whose origin was drawn, because the row names none or a country that no origin lists.
    pub drawn: u64,
    /// Of these, requests by the country that no origin lists.
    pub unmapped: BTreeMap<String, u64>,
}

/// The origin that a row means by `name`: an origin of that name, else the first that lists the country of that name or
/// code, else the first that lists its continent.
pub(super) fn origin_of(name: &str, table: &OriginTable) -> Option<OriginId> {
    let find =
        |wanted: &dyn Fn(&super::OriginRow) -> bool| table.origins.iter().position(wanted).map(OriginId::new);
    let lists = |place: &str| {
        let place = place.to_owned();
        move |row: &super::OriginRow| row.geography.countries.contains(&place)
    };
    find(&|row| row.name == name).or_else(|| {
        let Country { code, continent, .. } = *country(name)?;
        find(&lists(code)).or_else(|| find(&lists(continent)))
    })
}

/// Whether `name` need not be an origin: it is a country, and origins say which countries are theirs.
pub(super) fn is_country(name: &str, table: &OriginTable) -> bool {
    country(name).is_some() && table.origins.iter().any(|row| !row.geography.countries.is_empty())
}

/// How much of a trace's geography is drawn; `None` for a generator and where there is one origin alone.
pub fn geography_of(params: &WorkloadParams, table: &OriginTable) -> Option<GeographyReport> {
    let WorkloadKind::Trace(trace) = &params.kind else { return None };
    if table.origins.len() < 2 {
        return None;
    }
    let names = &trace.trace.names().origins;
    let known: Vec<bool> = names.iter().map(|name| origin_of(name, table).is_some()).collect();
    let single = matches!(params.origins, OriginAssignment::Single(_));
    let mut report = GeographyReport::default();
    for row in trace.trace.rows().take(trace.limit.map_or(usize::MAX, |limit| limit as usize)) {
        report.requests += 1;
        match row.origin {
            _ if single => report.drawn += 1,
            None => report.drawn += 1,
            Some(index) if !known[index as usize] => {
                report.drawn += 1;
                if country(&names[index as usize]).is_none() {
                    continue;
                }
                *report.unmapped.entry(names[index as usize].clone()).or_default() += 1;
            }
            Some(_) => {}
        }
    }
    Some(report)
}

/// How origins that the trace does not tell were made up: what a result on them is labelled with, after
/// `origin: `. `None` where none were.
pub fn origin_label(params: &WorkloadParams, table: &OriginTable, seeds: &str) -> Option<String> {
    let report = geography_of(params, table)?;
    if report.drawn == 0 {
        // Drawn before: what a run has exported is no better known than what it replayed.
        let WorkloadKind::Trace(trace) = &params.kind else { return None };
        let label = trace.trace.origin_label();
        return (!label.is_empty()).then(|| label.to_owned());
    }
    Some(match params.origins {
        OriginAssignment::Single(origin) => {
            let name = table.origins.get(origin.index()).map_or("?", |row| row.name.as_str());
            format!("synthetic(single {name}, seed {seeds}, affinity 0)")
        }
        OriginAssignment::Weighted { affinity, diurnal, .. } => {
            let moves =
                diurnal && super::assign::locals(params, table).iter().any(|local| !local.curve.is_flat());
            let method = if moves { "diurnal" } else { "static" };
            format!("synthetic({method}, seed {seeds}, affinity {affinity})")
        }
    })
}

/// What the user should know: countries that no origin lists.
pub fn geography_notice(params: &WorkloadParams, table: &OriginTable) -> Option<String> {
    /// How many countries are named.
    const NAMED: usize = 5;
    let report = geography_of(params, table)?;
    let unmapped: u64 = report.unmapped.values().sum();
    if unmapped == 0 {
        return None;
    }
    let mut most: Vec<(&String, &u64)> = report.unmapped.iter().collect();
    most.sort_by_key(|&(name, &count)| (std::cmp::Reverse(count), name));
    let named: Vec<String> = most.iter().take(NAMED).map(|(name, count)| format!("{name} {count}")).collect();
    let more = most.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    Some(format!(
        "{unmapped} of {} requests come from countries that no origin lists ({}{more}): their origins are drawn by weight",
        report.requests,
        named.join(", "),
    ))
}
