//! Comparisons, from their folder: what `compare --json` prints, and each pair's values. The verdicts' own floor lies above this
//! one, so their documents are read by their fields.

use super::{Kind, ReadError, Source};
use crate::stats::Verdict;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;

/// What `compare --json` prints.
pub const FILE: &str = "compare.json";
/// The values of each pair.
pub const PAIRS: &str = "pairs.csv";
const HEAD: [&str; 5] = ["comparison", "seed", "metric", "before", "after"];

/// What made a side.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Made {
    /// The tool's version.
    pub tool_version: String,
    /// The scenario's hash.
    pub scenario_hash: String,
    /// Workloads and their hashes.
    #[serde(default)]
    pub workload_hashes: Vec<(String, String)>,
}

/// One measure on both sides.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Change {
    /// Its name.
    pub metric: String,
    /// Its unit.
    pub unit: String,
    /// Mean before.
    pub before: f64,
    /// Mean after.
    pub after: f64,
    /// Mean of after less before.
    pub difference: f64,
    /// Its interval.
    pub interval: Option<(f64, f64)>,
    /// The loss that does not matter; none where the measure does not decide.
    pub margin: Option<f64>,
    /// The corrected probability of such a loss, if the true loss were the margin.
    pub p_worse: Option<f64>,
    /// What the pairs say.
    pub verdict: Option<Verdict>,
    /// Whether every value stands on enough samples.
    #[serde(default)]
    pub reliable: bool,
    /// How many seeds would tell.
    #[serde(default)]
    pub seeds_wanted: Option<u64>,
}

impl Change {
    /// A difference as it is shown: of shares in percentage points, else in per cent of the value before; none where that is 0
    /// and something is different.
    pub fn shown(&self, difference: f64) -> Option<f64> {
        if self.unit == "share" {
            return Some(difference * 100.0);
        }
        if self.before != 0.0 {
            return Some(100.0 * difference / self.before.abs());
        }
        (difference == 0.0).then_some(0.0)
    }
    /// The unit of that.
    pub fn shown_unit(&self) -> &'static str {
        if self.unit == "share" { "pp" } else { "%" }
    }
    /// Whether it is one of those that decide.
    pub fn decides(&self) -> bool {
        self.margin.is_some()
    }
}

/// A measure that one side alone has in some pairs.
#[derive(Clone, Debug, Deserialize)]
pub struct Missing {
    /// Its name.
    pub metric: String,
    /// Pairs with a value before alone.
    pub only_before: u64,
    /// Pairs with a value after alone.
    pub only_after: u64,
}

/// Two sides compared.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Comparison {
    /// The first side.
    pub before: String,
    /// The second.
    pub after: String,
    /// The seeds of the pairs.
    pub seeds: Vec<u64>,
    /// How many pairs have equal outcomes of every request.
    #[serde(default)]
    pub equal_outcomes: u64,
    /// Of the intervals.
    pub confidence: f64,
    /// The measures, first those that decide.
    pub changes: Vec<Change>,
    /// What decides and one side alone has.
    #[serde(default)]
    pub missing: Vec<Missing>,
    /// Of all that decide.
    pub verdict: Option<Verdict>,
}

impl Comparison {
    /// Whether nothing is different at all.
    pub fn is_equal(&self) -> bool {
        self.equal_outcomes == self.seeds.len() as u64
            && self.changes.iter().all(|change| change.difference == 0.0)
    }
}

impl Comparison {
    /// What is compared with what, in few words: what both names begin with is said once. `set` is what was set after.
    pub fn title(&self, set: &[String]) -> String {
        let set = if set.is_empty() { String::new() } else { format!(" with {}", set.join(", ")) };
        if self.before == self.after {
            return format!("{}{}", self.after, if set.is_empty() { ", twice".to_owned() } else { set });
        }
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let (before, after) = (words(&self.before), words(&self.after));
        let most = before.len().min(after.len()) - 1;
        let alike = before.iter().zip(&after).take(most).take_while(|(a, b)| a == b).count();
        let head = if alike > 0 { format!("{}: ", after[..alike].join(" ")) } else { String::new() };
        format!("{head}{}{set} against {}", after[alike..].join(" "), before[alike..].join(" "))
    }
}

/// A measure in a pair of runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// Of which comparison of the document, counted from 1.
    pub comparison: usize,
    /// The seed of both runs.
    pub seed: u64,
    /// The measure.
    pub metric: String,
    /// Its value before, in its unit.
    pub before: f64,
    /// Its value after.
    pub after: f64,
}

/// What `compare` left.
#[derive(Clone, Debug)]
pub struct Compared {
    /// What made the first side.
    pub before: Made,
    /// What made the second.
    pub after: Made,
    /// What is not the same on both sides beside what was asked for.
    pub differs: Vec<String>,
    /// Overrides of both sides.
    pub set_both: Vec<String>,
    /// Overrides of the second.
    pub set: Vec<String>,
    /// One a pair of policies.
    pub comparisons: Vec<Comparison>,
    /// Every pair's values; none where the folder lost them.
    pub pairs: Vec<Pair>,
}

#[derive(Deserialize)]
struct Document {
    before: Made,
    after: Made,
    #[serde(default)]
    differs: Vec<String>,
    #[serde(default)]
    set_both: Vec<String>,
    #[serde(default)]
    set: Vec<String>,
    comparisons: Vec<Comparison>,
}

/// Reads it.
pub(super) fn read(folder: &Path) -> Result<Compared, ReadError> {
    let Document { before, after, differs, set_both, set, comparisons } =
        Source::of(folder, FILE, Kind::Compare).json()?;
    let pairs = pairs(folder, Kind::Compare)?;
    Ok(Compared { before, after, differs, set_both, set, comparisons, pairs })
}

/// The values of pairs; none where the file is not there.
pub(super) fn pairs(folder: &Path, kind: Kind) -> Result<Vec<Pair>, ReadError> {
    let source = Source::of(folder, PAIRS, kind);
    let Some(text) = source.text_if_any()? else { return Ok(Vec::new()) };
    let (head, rows) = source.csv(&text)?;
    if head != HEAD {
        return Err(source.broken(format!("its columns are not {}", HEAD.join(","))));
    }
    let mut pairs = Vec::new();
    for row in &rows {
        let field = |at: usize| row.get(at).unwrap_or_default();
        let (Some(before), Some(after)) = (source.number(row, 3)?, source.number(row, 4)?) else { continue };
        let bad = |_| source.broken(format!("`{}` or `{}` is no whole number", field(0), field(1)));
        pairs.push(Pair {
            comparison: field(0).parse().map_err(bad)?,
            seed: field(1).parse().map_err(bad)?,
            metric: field(2).to_owned(),
            before,
            after,
        });
    }
    Ok(pairs)
}

/// pairs.csv: a row a comparison, seed and measure that both runs have. `comparison` counts from 1, in the document's order.
///
/// # Errors
/// When `to` cannot be written to.
pub fn pairs_csv(pairs: &[Pair], to: impl io::Write) -> io::Result<()> {
    #[derive(Serialize)]
    struct Line<'p>(usize, u64, &'p str, f64, f64);
    let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(to);
    writer.write_record(HEAD)?;
    for pair in pairs {
        writer.serialize(Line(pair.comparison, pair.seed, &pair.metric, pair.before, pair.after))?;
    }
    writer.flush()
}
