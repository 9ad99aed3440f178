//! Names of the headline measures and bounds on them, as people write them: `ttft.p99{origin="eu"}`, `< 800ms`. Knows
//! names, units and how both are written; must not know where values come from. It stands this low so that a scenario
//! can check its `[gates]`; that the names are those of the table is a test of the report's.

use crate::time::Span;
use crate::units::{parse_duration, parse_percent};
use std::fmt;

/// A measure that can be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its name, such as `ttft.p99`.
    pub name: &'static str,
    /// Its unit, such as `ms`, `share`, `1/s`.
    pub unit: &'static str,
    /// Whether it is of requests, and so of any group of them; else it is of the whole run.
    pub of_requests: bool,
    /// Whether it is a fact, better neither for more nor for less.
    pub fact: bool,
}

const fn of_requests(name: &'static str, unit: &'static str) -> Known {
    Known { name, unit, of_requests: true, fact: false }
}

const fn of_the_run(name: &'static str, unit: &'static str) -> Known {
    Known { name, unit, of_requests: false, fact: false }
}

const fn fact(name: &'static str, unit: &'static str) -> Known {
    Known { name, unit, of_requests: false, fact: true }
}

/// All of them, in the order of the table; then those that no table shows.
pub const KNOWN: &[Known] = &[
    of_requests("ttft.p50", "ms"),
    of_requests("ttft.p90", "ms"),
    of_requests("ttft.p95", "ms"),
    of_requests("ttft.p99", "ms"),
    of_requests("tpot.p50", "ms"),
    of_requests("tpot.p99", "ms"),
    of_requests("e2e.p50", "ms"),
    of_requests("e2e.p99", "ms"),
    of_requests("slo.attainment", "share"),
    of_requests("cache.hit_rate", "share"),
    of_the_run("throughput.requests", "1/s"),
    of_the_run("throughput.output_tokens", "1/s"),
    fact("cross_region", "share"),
    fact("busy.mean", "share"),
    fact("batch.mean", "sequences"),
    fact("waiting.mean", "requests"),
    fact("kv.peak", "share"),
    of_the_run("cost.gpu_hours", "GPU-h"),
    of_the_run("cost.usd", "USD"),
    of_the_run("cost.usd_egress", "USD"),
    of_the_run("cost.usd_per_hour", "USD/h"),
    of_the_run("cost.usd_per_1m_input_tokens", "USD"),
    of_the_run("cost.usd_per_1m_output_tokens", "USD"),
    of_the_run("cost.usd_per_request", "USD"),
    of_the_run("cost.usd_per_good_request", "USD"),
    fact("routing.forwards", "1/request"),
    fact("routing.run", "decisions"),
    fact("routing.run_shuffled", "decisions"),
    fact("routing.run_longest", "decisions"),
    of_the_run("regret.mean", "ms"),
    of_the_run("regret.p50", "ms"),
    of_the_run("regret.p99", "ms"),
    fact("miss.compulsory", "share"),
    fact("miss.capacity", "share"),
    fact("miss.policy", "share"),
    fact("miss.residency", "share"),
    fact("miss.isolation", "share"),
    fact("miss.rollout", "share"),
    fact("miss.outage", "share"),
    of_requests("ttft.mean", "ms"),
    of_requests("tpot.p95", "ms"),
    of_requests("e2e.p95", "ms"),
    fact("load.top_replica", "share"),
    fact("load.top_region", "share"),
];

/// Why something written was refused: what is wrong and what to write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub String);

/// What requests are grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Where their clients are.
    Origin,
    /// What they are promised.
    Class,
    /// Where they were served.
    Region,
}

impl By {
    const NAMES: [(&'static str, By); 3] =
        [("origin", By::Origin), ("class", By::Class), ("region", By::Region)];

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            By::Origin => "origin",
            By::Class => "class",
            By::Region => "region",
        }
    }
}

/// A measure, perhaps of one group of requests, perhaps of one policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    /// The measure.
    pub known: &'static Known,
    /// The group; all requests where `None`.
    pub group: Option<(By, String)>,
    /// The policy; each where `None`.
    pub policy: Option<String>,
}

impl Selector {
    /// Reads `ttft.p99`, `ttft.p99{origin="eu"}` or `ttft.p99{policy="gorgo", region="us"}`.
    ///
    /// # Errors
    /// When a measure or a key is not known, a key is given twice, or the measure is of the whole run and has no groups.
    pub fn parse(text: &str, suggest: impl Fn(&str, &[&str]) -> String) -> Result<Selector, Refused> {
        let text = text.trim();
        let (name, inner) = match text.split_once('{') {
            None => (text, None),
            Some((name, rest)) => {
                let inner = rest.strip_suffix('}').ok_or_else(|| {
                    Refused(format!("`{text}` lacks its closing brace; write {name}{{origin=\"eu\"}}"))
                })?;
                (name.trim(), Some(inner))
            }
        };
        let known = KNOWN.iter().find(|known| known.name == name).ok_or_else(|| {
            let names: Vec<&str> = KNOWN.iter().map(|known| known.name).collect();
            Refused(format!("there is no measure `{name}`; {}", suggest(name, &names)))
        })?;
        let mut selector = Selector { known, group: None, policy: None };
        for part in inner.iter().flat_map(|inner| inner.split(',')) {
            let (key, value) = part.split_once('=').ok_or_else(|| {
                Refused(format!("`{{{part}}}` names no group; write {name}{{origin=\"eu\"}}"))
            })?;
            let (key, value) = (key.trim(), value.trim().trim_matches(['"', '\'']).to_string());
            let twice = |given: bool| {
                let words = "has one group at most, and one policy";
                if given { Err(Refused(format!("`{text}` {words}; leave one out"))) } else { Ok(()) }
            };
            if key == "policy" {
                twice(selector.policy.is_some())?;
                selector.policy = Some(value);
                continue;
            }
            let &(_, by) = By::NAMES.iter().find(|(name, _)| *name == key).ok_or_else(|| {
                let names = By::NAMES.map(|(name, _)| name);
                Refused(format!("requests have no group by `{key}`; {}", suggest(key, &names)))
            })?;
            if !known.of_requests {
                return Err(Refused(format!(
                    "`{name}` is of the whole run and has no groups; leave the braces out"
                )));
            }
            twice(selector.group.is_some())?;
            selector.group = Some((by, value));
        }
        Ok(selector)
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let group = self.group.as_ref().map(|(by, name)| format!("{}=\"{name}\"", by.name()));
        let policy = self.policy.as_ref().map(|name| format!("policy=\"{name}\""));
        let parts: Vec<String> = group.into_iter().chain(policy).collect();
        let name = self.known.name;
        if parts.is_empty() { f.pad(name) } else { f.pad(&format!("{name}{{{}}}", parts.join(", "))) }
    }
}

/// How a value must stand to a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// Below.
    Below,
    /// At most.
    AtMost,
    /// Above.
    Above,
    /// At least.
    AtLeast,
}

const RELATIONS: [(&str, Relation); 4] =
    [("<=", Relation::AtMost), (">=", Relation::AtLeast), ("<", Relation::Below), (">", Relation::Above)];

/// A bound.
#[derive(Clone, Debug, PartialEq)]
pub struct Bound {
    /// How a value must stand.
    pub relation: Relation,
    /// To what, in the measure's unit: milliseconds, a share of 1.
    pub value: f64,
    /// As it was written: `< 800ms`.
    pub text: String,
}

impl Bound {
    /// Reads the bound of a measure with this unit.
    ///
    /// # Errors
    /// When it does not begin with a relation, or what follows is no quantity of the unit.
    pub fn parse(unit: &str, text: &str) -> Result<Bound, Refused> {
        let text = text.trim();
        let example = match unit {
            "ms" => "< 800ms",
            "share" => ">= 95%",
            _ => "> 100",
        };
        let wrong = || {
            Refused(format!("`{text}` is no bound; write a relation and a quantity, such as \"{example}\""))
        };
        let (sign, relation) =
            RELATIONS.into_iter().find(|(sign, _)| text.starts_with(sign)).ok_or_else(wrong)?;
        let quantity = text[sign.len()..].trim();
        let number = || quantity.parse::<f64>().ok().filter(|value| value.is_finite());
        let value = match unit {
            "ms" => parse_duration(quantity).ok().map(Span::as_ms_f64),
            "share" => {
                parse_percent(quantity).ok().or_else(number).filter(|share| (0.0..=1.0).contains(share))
            }
            _ => number(),
        };
        let value = value.ok_or_else(wrong)?;
        Ok(Bound { relation, value, text: format!("{sign} {quantity}") })
    }
    /// Whether a value of the measure is within it.
    pub fn holds(&self, value: f64) -> bool {
        match self.relation {
            Relation::Below => value < self.value,
            Relation::AtMost => value <= self.value,
            Relation::Above => value > self.value,
            Relation::AtLeast => value >= self.value,
        }
    }
}

/// A loss that does not matter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Margin {
    /// A share of the value before.
    Relative(f64),
    /// In the measure's unit: milliseconds, a share, requests a second.
    Absolute(f64),
}

impl Margin {
    /// In the measure's unit, given the mean before.
    pub fn of(self, before: f64) -> f64 {
        match self {
            Margin::Relative(share) => share * before.abs(),
            Margin::Absolute(amount) => amount,
        }
    }

    /// Reads a margin for a measure of this unit: a percentage, a length of time where the unit is `ms`, percentage
    /// points (`0.5pp`) where it is a share, else a number.
    ///
    /// # Errors
    /// When it is none of these, or negative.
    pub fn parse(text: &str, unit: &str) -> Result<Margin, Refused> {
        let text = text.trim();
        let number = |text: &str| text.trim().parse::<f64>().ok().filter(|x| x.is_finite() && *x >= 0.0);
        let found = if text.ends_with('%') {
            parse_percent(text).ok().filter(|share| *share >= 0.0).map(Margin::Relative)
        } else if let Some(points) = text.strip_suffix("pp") {
            number(points).filter(|_| unit == "share").map(|points| Margin::Absolute(points / 100.0))
        } else if unit == "ms" {
            parse_duration(text).ok().map(|span| Margin::Absolute(span.as_ms_f64()))
        } else {
            number(text).filter(|_| unit != "share").map(Margin::Absolute)
        };
        found.ok_or_else(|| {
            let absolute = match unit {
                "ms" => "a length of time such as 5ms",
                "share" => "percentage points such as 0.5pp",
                _ => "a number in its unit",
            };
            Refused(format!(
                "`{text}` is no margin; write a share of the value before such as 3%, or {absolute}"
            ))
        })
    }
}

impl fmt::Display for Margin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Margin::Relative(share) => write!(f, "{} %", share * 100.0),
            Margin::Absolute(amount) => write!(f, "{amount}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Selector, String> {
        Selector::parse(text, |name, known| format!("not {name} of {}", known.len())).map_err(|error| error.0)
    }

    #[test]
    fn a_selector_is_read_and_written_alike() {
        for text in [
            "ttft.p99",
            "throughput.requests",
            "ttft.p99{origin=\"eu\"}",
            "slo.attainment{class=\"batch\", policy=\"gorgo\"}",
            "cost.gpu_hours{policy=\"gorgo\"}",
        ] {
            assert_eq!(parse(text).unwrap().to_string(), text);
        }
        let loose = parse(" e2e.p50{ policy = 'a' , region = us } ").unwrap();
        assert_eq!(loose.to_string(), "e2e.p50{region=\"us\", policy=\"a\"}");
    }

    #[test]
    fn what_is_wrong_with_a_selector_is_said() {
        for (text, words) in [
            ("ttft.p98", "there is no measure `ttft.p98`; not ttft.p98 of"),
            ("ttft.p99{origin=\"eu\"", "closing brace"),
            ("ttft.p99{eu}", "names no group"),
            ("ttft.p99{}", "names no group"),
            ("ttft.p99{origins=\"eu\"}", "no group by `origins`"),
            ("cost.gpu_hours{region=\"eu\"}", "whole run"),
            ("ttft.p99{origin=a, region=b}", "one group at most"),
            ("ttft.p99{policy=a, policy=b}", "one group at most"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
    }

    #[test]
    fn margins_by_unit() {
        assert_eq!(Margin::parse("3%", "ms"), Ok(Margin::Relative(0.03)));
        assert_eq!(Margin::parse("5ms", "ms"), Ok(Margin::Absolute(5.0)));
        assert_eq!(Margin::parse("1s", "ms"), Ok(Margin::Absolute(1000.0)));
        assert_eq!(Margin::parse("0.5pp", "share"), Ok(Margin::Absolute(0.005)));
        assert_eq!(Margin::parse("2", "1/s"), Ok(Margin::Absolute(2.0)));
        for (text, unit) in
            [("5", "ms"), ("0.5", "share"), ("5ms", "share"), ("-1", "1/s"), ("-3%", "ms"), ("x", "1/s")]
        {
            assert!(Margin::parse(text, unit).is_err(), "{text} of {unit}");
        }
        assert_eq!(Margin::Relative(0.03).of(-200.0), 6.0);
    }

    #[test]
    fn bounds_by_unit() {
        for (unit, text, bound) in [
            ("ms", "< 800ms", 800.0),
            ("ms", "<=1s", 1000.0),
            ("share", ">= 95%", 0.95),
            ("share", ">0.5", 0.5),
            ("1/s", "> 12", 12.0),
        ] {
            assert_eq!(Bound::parse(unit, text).unwrap().value, bound, "{unit} {text}");
        }
        for (unit, text) in [
            ("ms", "800ms"),
            ("ms", "< 800"),
            ("share", "> x"),
            ("share", "<= 95"),
            ("ms", "= 1s"),
            ("ms", ""),
        ] {
            assert!(Bound::parse(unit, text).is_err(), "{unit} {text}");
        }
    }

    #[test]
    fn a_bound_itself_is_within_where_it_may_be_met() {
        for (text, below, at, above) in [
            ("< 8", true, false, false),
            ("<= 8", true, true, false),
            (">= 8", false, true, true),
            ("> 8", false, false, true),
        ] {
            let bound = Bound::parse("1/s", text).unwrap();
            assert_eq!([7.9, 8.0, 8.1].map(|value| bound.holds(value)), [below, at, above], "{text}");
        }
    }
}
