//! What figures a sweep has: a line a policy over each setting that is a number, and a map over the first two. Knows rows
//! and which of their settings vary; how figures look is `sweep_plots`'s.

use super::figure::Drawing;
use super::figures::cast::slug;
use super::measures::Measure;
use super::plots::PlotError;
use super::sweep_plots::{SweepAxes, SweepPoint, sweep_heat, sweep_lines};
use crate::stats::Moments;
use crate::sweep::{Manifest, Row, Status};
use std::collections::{BTreeMap, BTreeSet};

/// From this ratio of the largest to the smallest on, an axis is logarithmic (our choice).
const DECADE: f64 = 20.0;

/// A number and what follows it, such as `10` and `ms`; `None` where the text does not begin with a number.
fn number(text: &str) -> Option<(f64, &str)> {
    let text = text.trim().trim_matches('"');
    let end = text
        .char_indices()
        .find(|&(at, c)| !(c.is_ascii_digit() || c == '.' || at == 0 && c == '-'))
        .map_or(text.len(), |(at, _)| at);
    let (digits, unit) = text.split_at(end);
    let value: f64 = digits.parse().ok()?;
    let word = unit.chars().all(|c| c.is_alphabetic() || c == '%');
    (value.is_finite() && word).then_some((value, unit))
}

/// A setting that varies and is a number of one unit everywhere.
struct Varied<'r> {
    path: &'r str,
    unit: &'r str,
    values: BTreeMap<&'r str, f64>,
}

impl Varied<'_> {
    fn of<'r>(rows: &[&'r Row], path: &'r str) -> Option<Varied<'r>> {
        let texts: BTreeSet<&str> =
            rows.iter().map(|row| row.settings.get(path).map(String::as_str)).collect::<Option<_>>()?;
        let read: Vec<(&str, (f64, &str))> =
            texts.iter().map(|text| Some((*text, number(text)?))).collect::<Option<_>>()?;
        let unit = read.first()?.1.1;
        if read.len() < 2 || read.iter().any(|(_, (_, other))| *other != unit) {
            return None;
        }
        let values = read.into_iter().map(|(text, (value, _))| (text, value)).collect();
        Some(Varied { path, unit, values })
    }
    fn at(&self, row: &Row) -> Option<f64> {
        self.values.get(row.settings.get(self.path)?.as_str()).copied()
    }
    fn label(&self) -> String {
        if self.unit.is_empty() { self.path.to_owned() } else { format!("{}, {}", self.path, self.unit) }
    }
    fn spans_decades(&self) -> bool {
        far_apart(self.values.values().copied())
    }
}

/// Whether these are all above 0 and far apart.
fn far_apart(values: impl Iterator<Item = f64>) -> bool {
    let ends = values.fold((f64::MAX, f64::MIN), |(low, high), x| (low.min(x), high.max(x)));
    ends.0 > 0.0 && ends.1 / ends.0 >= DECADE
}

/// A policy and the bits of its two numbers.
type Key<'r> = (&'r str, u64, u64);
/// The two numbers and what was measured there.
type Seen = (f64, Option<f64>, Moments);

/// Means over seeds, and over whatever else is varied, with their intervals where that is chance alone.
fn points<'r>(
    rows: &[&'r Row],
    measure: &Measure,
    chance: bool,
    at: impl Fn(&Row) -> Option<(f64, Option<f64>)>,
) -> Vec<SweepPoint> {
    let scale = if measure.unit == "share" { 100.0 } else { 1.0 };
    // By the bits of two numbers that are not negative zero and no NaN: an order, and equal where they are.
    let mut groups: BTreeMap<Key<'r>, Seen> = BTreeMap::new();
    for row in rows {
        let (Some((x, y)), Some(value)) = (at(row), row.value(measure.name)) else { continue };
        let key = (row.policy.as_str(), (x + 0.0).to_bits(), (y.unwrap_or(0.0) + 0.0).to_bits());
        groups.entry(key).or_insert_with(|| (x, y, Moments::default())).2.add(value * scale);
    }
    let point = |((policy, ..), (x, y, values)): (Key<'r>, Seen)| {
        let value = values.mean()?;
        let half = values.half_width(0.95).filter(|_| chance);
        let (low, high) = (half.map(|half| value - half), half.map(|half| value + half));
        Some(SweepPoint { x, y, series: policy.to_owned(), value, low, high })
    };
    groups.into_iter().filter_map(point).collect()
}

/// The figures of a sweep for one measure; none where no setting is a number that varies.
///
/// # Errors
/// When a drawing fails, which is a fault of this program.
pub fn sweep_figures(sweep: &Manifest, rows: &[Row], measure: &Measure) -> Result<Vec<Drawing>, PlotError> {
    let rows: Vec<&Row> = rows.iter().filter(|row| row.status == Status::Ok).collect();
    let paths: BTreeSet<&str> = rows.iter().flat_map(|row| row.settings.keys()).map(String::as_str).collect();
    let differ =
        |path: &&str| rows.iter().map(|row| row.settings.get(*path)).collect::<BTreeSet<_>>().len() > 1;
    let varied = paths.iter().filter(|path| differ(path)).count();
    let axes: Vec<Varied<'_>> = paths.iter().filter_map(|path| Varied::of(&rows, path)).collect();
    let unit = if measure.unit == "share" { "%" } else { measure.unit };
    let value = format!("{}, {unit}", measure.name);
    let mut drawn = Vec::new();
    for axis in &axes {
        let all = points(&rows, measure, varied == 1, |row| Some((axis.at(row)?, None)));
        let others = if varied > 1 { ", means over everything else that is varied" } else { "" };
        let text = SweepAxes {
            id: format!("sweep-{}-{}", slug(measure.name), slug(axis.path)),
            title: format!("{}: {} by {}{others}", sweep.scenario, measure.name, axis.path),
            x: axis.label(),
            y: String::new(),
            value: value.clone(),
            log_x: axis.spans_decades(),
            log_value: far_apart(all.iter().map(|point| point.value)),
        };
        drawn.push(sweep_lines(&text, &all, &sweep.policies)?);
    }
    if let [x, y, ..] = axes.as_slice() {
        let all = points(&rows, measure, false, |row| Some((x.at(row)?, Some(y.at(row)?))));
        let text = SweepAxes {
            id: format!("sweep-{}-map", slug(measure.name)),
            title: format!("{}: {}", sweep.scenario, measure.name),
            x: x.label(),
            y: y.label(),
            value,
            log_x: false,
            log_value: far_apart(all.iter().map(|point| point.value)),
        };
        drawn.extend(sweep_heat(&text, &all, &sweep.policies));
    }
    Ok(drawn)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::measures;

    fn row(policy: &str, seed: u64, settings: &[(&str, &str)], ttft_ms: f64) -> Row {
        Row {
            policy: policy.to_owned(),
            seed,
            settings: settings
                .iter()
                .map(|(path, value)| ((*path).to_owned(), (*value).to_owned()))
                .collect(),
            measures: vec![("ttft.p99".to_owned(), ttft_ms)],
            ..Row::default()
        }
    }
    fn p99() -> &'static Measure {
        measures::LATENCY.iter().find(|measure| measure.name == "ttft.p99").unwrap()
    }
    fn ids(rows: &[Row]) -> Vec<String> {
        let sweep = Manifest { scenario: "here".to_owned(), ..Manifest::default() };
        sweep_figures(&sweep, rows, p99()).unwrap().into_iter().map(|drawing| drawing.figure.id).collect()
    }

    #[test]
    fn numbers_have_one_unit_or_are_words() {
        assert_eq!(number("10ms"), Some((10.0, "ms")));
        assert_eq!(number("\"-2.5\""), Some((-2.5, "")));
        assert_eq!(number("50%"), Some((50.0, "%")));
        assert_eq!(
            (number("aws:us-east-1"), number("1..2"), number("[1]"), number("")),
            (None, None, None, None)
        );
    }

    #[test]
    fn a_line_a_setting_and_a_map_of_two() {
        let one = [row("a", 1, &[("warmup", "1m")], 5.0), row("a", 1, &[("warmup", "3m")], 7.0)];
        assert_eq!(ids(&one), ["sweep-ttft-p99-warmup"]);
        let both: Vec<Row> = ["1", "2"]
            .iter()
            .flat_map(|x| ["3", "4"].map(|y| row("a", 1, &[("x", x), ("y", y), ("z", "same")], 1.0)))
            .collect();
        assert_eq!(ids(&both)[..2], ["sweep-ttft-p99-x", "sweep-ttft-p99-y"]);
        assert_eq!(ids(&both).len(), 3);
        // Units that differ and words have no axis.
        assert!(ids(&[row("a", 1, &[("t", "10ms")], 1.0), row("a", 1, &[("t", "1s")], 1.0)]).is_empty());
        assert!(ids(&[row("a", 1, &[("t", "x")], 1.0), row("a", 1, &[("t", "y")], 1.0)]).is_empty());
        assert!(ids(&[]).is_empty());
    }

    #[test]
    fn a_point_is_the_mean_of_its_seeds() {
        let rows = [4.0, 6.0, 8.0].map(|ms| row("a", ms as u64, &[("x", "1")], ms));
        let refs: Vec<&Row> = rows.iter().collect();
        let all = points(&refs, p99(), true, |_| Some((1.0, None)));
        // Student's 97.5 % quantile with 2 degrees of freedom is 4.303, the standard error 2 / √3.
        assert!(all.len() == 1 && (all[0].value - 6.0).abs() < 1e-12);
        assert!((all[0].high.unwrap() - 6.0 - 4.302_653 * 2.0 / 3f64.sqrt()).abs() < 1e-4);
    }
}
