//! What is compared: a headline measure, of all requests or of one origin, class or region, written
//! `ttft.p99{origin="eu"}`. Knows the names; must not know verdicts.

use crate::report::CellSummary;
use crate::report::measures::{self, Better, Measure};
use std::fmt;

/// What requests are grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Origin,
    Class,
    Region,
}

const BY: [(&str, By); 3] = [("origin", By::Origin), ("class", By::Class), ("region", By::Region)];

/// A measure, perhaps of one group alone.
#[derive(Clone, Debug)]
pub struct Metric {
    /// The measure.
    pub measure: &'static Measure,
    group: Option<(By, String)>,
}

/// Why a metric was refused: what is wrong and what to write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MetricError(pub String);

/// All measures that have a name here.
fn known() -> impl Iterator<Item = &'static Measure> {
    shown().chain(measures::MORE)
}

/// Those of them that tables show.
fn shown() -> impl Iterator<Item = &'static Measure> {
    [
        measures::LATENCY,
        measures::SERVICE,
        measures::MONEY,
        measures::ROUTING,
        measures::REGRET,
        measures::MISSES,
    ]
    .into_iter()
    .flatten()
}

/// Whether a measure is of requests, and so of any group of them.
fn of_requests(measure: &Measure) -> bool {
    measures::LATENCY.iter().any(|other| other.name == measure.name)
        || matches!(measure.name, "slo.attainment" | "cache.hit_rate" | "ttft.mean" | "tpot.p95" | "e2e.p95")
}

impl Metric {
    /// Of all requests.
    pub fn of(measure: &'static Measure) -> Metric {
        Metric { measure, group: None }
    }

    /// Every measure that tables show, of all requests.
    pub fn all() -> impl Iterator<Item = Metric> {
        shown().map(Metric::of)
    }

    /// Reads `ttft.p99` or `ttft.p99{origin="eu"}`.
    ///
    /// # Errors
    /// When the measure or the key is not known, or the measure is not one of requests and so has no groups.
    pub fn parse(text: &str, suggest: impl Fn(&str, &[&str]) -> String) -> Result<Metric, MetricError> {
        let text = text.trim();
        let (name, group) = match text.split_once('{') {
            None => (text, None),
            Some((name, rest)) => {
                let inner = rest.strip_suffix('}').ok_or_else(|| {
                    MetricError(format!("`{text}` lacks its closing brace; write {name}{{origin=\"eu\"}}"))
                })?;
                (name.trim(), Some(inner))
            }
        };
        let measure = known().find(|measure| measure.name == name).ok_or_else(|| {
            let names: Vec<&str> = known().map(|measure| measure.name).collect();
            MetricError(format!("there is no measure `{name}`; {}", suggest(name, &names)))
        })?;
        let Some(inner) = group else { return Ok(Metric::of(measure)) };
        if !of_requests(measure) {
            return Err(MetricError(format!(
                "`{name}` is of the whole run and has no groups; leave the braces out"
            )));
        }
        let (key, value) = inner.split_once('=').ok_or_else(|| {
            MetricError(format!("`{{{inner}}}` names no group; write {name}{{origin=\"eu\"}}"))
        })?;
        let key = key.trim();
        let &(_, by) = BY.iter().find(|(name, _)| *name == key).ok_or_else(|| {
            let names = BY.map(|(name, _)| name);
            MetricError(format!("requests have no group by `{key}`; {}", suggest(key, &names)))
        })?;
        let value = value.trim().trim_matches(['"', '\'']);
        Ok(Metric { measure, group: Some((by, value.to_string())) })
    }

    /// Its value in a cell, and whether it stands on enough samples; `None` where the cell has none.
    pub fn value(&self, cell: &CellSummary) -> Option<(f64, bool)> {
        let Some((by, name)) = &self.group else { return (self.measure.value)(cell) };
        let group = groups(cell, *by).iter().find(|group| group.name == *name)?;
        (self.measure.value)(&CellSummary { all: group.group.clone(), ..CellSummary::default() })
    }

    /// The group's name where a cell does not have it, and those it has: a misspelt origin is no missing value.
    pub fn missing_group<'c>(&self, cell: &'c CellSummary) -> Option<(&str, Vec<&'c str>)> {
        let (by, name) = self.group.as_ref()?;
        let names: Vec<&str> = groups(cell, *by).iter().map(|group| group.name.as_str()).collect();
        (!names.contains(&name.as_str())).then_some((name.as_str(), names))
    }

    /// Which way is better.
    pub fn better(&self) -> Better {
        self.measure.better
    }
}

fn groups(cell: &CellSummary, by: By) -> &[crate::report::summary::NamedGroup] {
    match by {
        By::Origin => &cell.origins,
        By::Class => &cell.classes,
        By::Region => &cell.regions,
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.measure.name;
        match &self.group {
            None => f.pad(name),
            Some((by, value)) => {
                let key = BY.iter().find(|(_, other)| other == by).map_or("", |(key, _)| key);
                f.pad(&format!("{name}{{{key}=\"{value}\"}}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::summary::{Group, NamedGroup};

    fn parse(text: &str) -> Result<Metric, String> {
        Metric::parse(text, |name, known| format!("not {name} of {}", known.len())).map_err(|error| error.0)
    }

    #[test]
    fn a_metric_is_read_and_written_alike() {
        for text in
            ["ttft.p99", "throughput.requests", "ttft.p99{origin=\"eu\"}", "slo.attainment{class=\"batch\"}"]
        {
            assert_eq!(parse(text).unwrap().to_string(), text);
        }
        assert_eq!(parse(" e2e.p50{ region = us } ").unwrap().to_string(), "e2e.p50{region=\"us\"}");
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert!(
            parse("ttft.p98").unwrap_err().starts_with("there is no measure `ttft.p98`; not ttft.p98 of")
        );
        assert!(parse("ttft.p99{origin=\"eu\"").unwrap_err().contains("closing brace"));
        assert!(parse("ttft.p99{eu}").unwrap_err().contains("names no group"));
        assert!(parse("ttft.p99{origins=\"eu\"}").unwrap_err().contains("no group by `origins`"));
        assert!(parse("cost.gpu_hours{region=\"eu\"}").unwrap_err().contains("whole run"));
    }

    #[test]
    fn a_group_is_asked_for_its_own_value() {
        let group = |attainment| Group { attainment: Some(attainment), ..Group::default() };
        let cell = CellSummary {
            all: group(0.5),
            origins: vec![NamedGroup { name: "eu".into(), group: group(0.9) }],
            ..CellSummary::default()
        };
        assert_eq!(parse("slo.attainment").unwrap().value(&cell), Some((0.5, true)));
        let eu = parse("slo.attainment{origin=\"eu\"}").unwrap();
        assert_eq!((eu.value(&cell), eu.missing_group(&cell)), (Some((0.9, true)), None));
        let asia = parse("slo.attainment{origin=\"asia\"}").unwrap();
        assert_eq!((asia.value(&cell), asia.missing_group(&cell)), (None, Some(("asia", vec!["eu"]))));
    }
}
