//! What is compared: a headline measure, of all requests or of one origin, class or region, written
//! `ttft.p99{origin="eu"}`. Knows the names; must not know verdicts.

use crate::measure::{By, Selector};
use crate::report::CellSummary;
use crate::report::measures::{self, Better, Measure};
use std::fmt;

/// A measure, perhaps of one group alone.
#[derive(Clone, Debug)]
pub struct Metric {
    /// The measure.
    pub measure: &'static Measure,
    group: Option<(By, String)>,
}

/// Why a metric was refused: what is wrong and what to write.
pub use crate::measure::Refused as MetricError;

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
        let selector = Selector::parse(text, suggest)?;
        if selector.policy.is_some() {
            let why = "names a policy, which is chosen elsewhere here; leave `policy` out";
            return Err(MetricError(format!("`{}` {why}", text.trim())));
        }
        Metric::selected(&selector)
    }

    /// What a selector names, whatever its policy.
    ///
    /// # Errors
    /// Never, while the names are those of the table.
    pub fn selected(selector: &Selector) -> Result<Metric, MetricError> {
        let name = selector.known.name;
        let measure = known().find(|measure| measure.name == name);
        let measure = measure.ok_or_else(|| MetricError(format!("`{name}` is measured nowhere")))?;
        Ok(Metric { measure, group: selector.group.clone() })
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
            Some((by, value)) => f.pad(&format!("{name}{{{}=\"{value}\"}}", by.name())),
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
