//! Groups of requests under the table: by the region that served, by class, by origin, by tenant. Knows finished cells.

use super::summary::{CellSummary, Group, NamedGroup, Summary};
use super::table::{Cell, Column, Shown, decimals, lay};
use crate::stats::Moments;
use std::fmt::Write;

/// The most groups that are shown: those with the most requests. More is for a file.
const MOST: usize = 20;

/// What requests are grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The region that served.
    Region,
    /// What was promised.
    Class,
    /// Where the client is.
    Origin,
    /// Whose request it is; only where it was asked for before the run.
    Tenant,
}

impl By {
    fn name(self) -> &'static str {
        match self {
            By::Region => "region",
            By::Class => "class",
            By::Origin => "origin",
            By::Tenant => "tenant",
        }
    }
    fn groups(self, cell: &CellSummary) -> &[NamedGroup] {
        match self {
            By::Region => &cell.regions,
            By::Class => &cell.classes,
            By::Origin => &cell.origins,
            By::Tenant => &cell.tenants,
        }
    }
}

/// What is shown of a group: the heads, and its value with whether that stands on enough samples.
type Shows = ([&'static str; 2], fn(&Group, &CellSummary) -> Option<(f64, bool)>);

const SHOWN: [Shows; 6] = [
    (["share", "%"], |group, cell| {
        (cell.all.arrivals > 0).then(|| (100.0 * group.arrivals as f64 / cell.all.arrivals as f64, true))
    }),
    (["in SLO", "%"], |group, _| Some((group.attainment? * 100.0, true))),
    (["TTFT ms", "p50"], |group, _| group.ttft.at(50.0).map(|p| (p.ms, p.reliable))),
    (["TTFT ms", "p99"], |group, _| group.ttft.at(99.0).map(|p| (p.ms, p.reliable))),
    (["E2E ms", "p50"], |group, _| group.e2e.at(50.0).map(|p| (p.ms, p.reliable))),
    (["cache", "hit %"], |group, _| Some((group.hit_rate? * 100.0, true))),
];

/// The block: a row for each group and policy, means over seeds.
pub(super) fn render(summary: &Summary, by: By, shown: &Shown<'_>, unreliable: &mut bool) -> String {
    let cells = || summary.policies.iter().flat_map(|policy| &policy.cells);
    let mut sizes: Vec<(String, u64)> = Vec::new();
    for group in cells().flat_map(|cell| by.groups(cell)) {
        match sizes.iter_mut().find(|(name, _)| *name == group.name) {
            Some((_, size)) => *size += group.group.arrivals,
            None => sizes.push((group.name.clone(), group.group.arrivals)),
        }
    }
    let left_out = sizes.len().saturating_sub(MOST);
    if left_out > 0 {
        sizes.sort_by_key(|(_, size)| std::cmp::Reverse(*size));
        sizes.truncate(MOST);
    }
    let mut names = Vec::new();
    let mut rows = Vec::new();
    let width =
        |names: &mut dyn Iterator<Item = &str>| names.map(|name| name.chars().count()).max().unwrap_or(0);
    let group_width = width(&mut sizes.iter().map(|(name, _)| name.as_str()).chain([by.name()]));
    for (name, _) in &sizes {
        for (index, policy) in summary.policies.iter().enumerate() {
            let label = if index == 0 { name.as_str() } else { "" };
            names.push(format!("{label:group_width$}  {}", policy.policy));
            rows.push((name, policy));
        }
    }
    let columns = SHOWN.iter().map(|(head, of)| {
        let values = rows.iter().map(|(name, policy)| {
            let found = policy.cells.iter().filter_map(|cell| {
                let group = by.groups(cell).iter().find(|group| group.name == **name)?;
                of(&group.group, cell)
            });
            let found: Vec<(f64, bool)> = found.collect();
            (Moments::of(found.iter().map(|value| value.0)).mean(), found.iter().all(|value| value.1))
        });
        let values: Vec<(Option<f64>, bool)> = values.collect();
        let largest = values.iter().filter_map(|value| value.0).fold(0.0, f64::max);
        let decimals = decimals(largest);
        let cell = |&(value, reliable): &(Option<f64>, bool)| {
            let Some(value) = value else { return Cell { text: "-".into(), best: false } };
            *unreliable |= !reliable;
            Cell { text: format!("{}{value:.decimals$}", if reliable { "" } else { "~" }), best: false }
        };
        Column::new(*head, values.iter().map(cell).collect())
    });
    let columns: Vec<Column> = columns.collect();
    let mut out = String::from("\n");
    lay(&mut out, &format!("{:group_width$}  policy", by.name()), &names, &columns, shown);
    if left_out > 0 {
        let _ = writeln!(out, "{left_out} smaller ones are in summary.json");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::sample::{cell, summary};
    use super::*;

    #[test]
    fn a_row_for_each_group_and_policy() {
        let all = summary(&[("a", vec![cell("a", 1, 1)]), ("bb", vec![cell("bb", 1, 2)])]);
        let mut unreliable = false;
        // Of either origin 50 of 100 arrivals. America's TTFTs are 1, 3, … 89 ms: the median is 45, 25 of 50 have 50 ms or less.
        let text = render(&all, By::Origin, &Shown::default(), &mut unreliable);
        insta::assert_snapshot!(text);
        assert!(unreliable, "45 requests carry no p99");
        let words = |text: &str| {
            text.lines().nth(3).unwrap().split_whitespace().map(String::from).collect::<Vec<_>>()
        };
        assert_eq!(words(&text)[..5], ["americas", "a", "50.0", "50.0", "45.0"]);
    }
}
