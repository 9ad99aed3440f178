//! From an expectation file to what can be run and judged: formulas read, names looked up, scenarios loaded, every mistake told
//! with place, rule and next step. Knows scenarios and measures; must not run anything.

use super::expression::{Expression, Term};
use super::judge::{Accept, Kind};
use super::measures::MEASURES;
use super::raw::{RawExpect, RawKind, RawSuite, Trust, suite_schema};
use crate::run::Prepared;
use crate::scenario::check;
use crate::scenario::diagnostic::{Diagnostic, Diagnostics, Place};
use crate::scenario::document::{At, Document, MAX_BYTES};
use crate::scenario::nearest::suggest;
use crate::scenario::{self};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What a name in a formula asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// The variant, by index; `None` is each that has a level.
    pub run: Option<usize>,
    /// The policy.
    pub policy: String,
    /// Of which requests.
    pub rung: Rung,
    /// The measure, by index in [`MEASURES`].
    pub measure: usize,
}

/// Which requests of a cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rung {
    /// All.
    All,
    /// Those of the rung with this rate.
    Rate(f64),
    /// Those of each rung in turn.
    Each,
}

/// Where something was published.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Source {
    /// What it is.
    pub what: String,
    /// Where it is.
    pub url: String,
    /// Its commit.
    pub commit: Option<String>,
    /// When it was published.
    pub date: Option<String>,
}

/// A variant, ready to run.
#[derive(Clone, Debug)]
pub struct Run {
    /// Its name; empty for a scenario without variants.
    pub name: String,
    /// Its place on a ladder of variants.
    pub level: Option<f64>,
    /// Its plan.
    pub prepared: Prepared,
    /// The policies that formulas name.
    pub policies: BTreeSet<String>,
}

/// One expectation.
#[derive(Clone, Debug)]
pub struct Expectation {
    /// In one line.
    pub what: String,
    /// What is compared with what.
    pub kind: Kind,
    /// What is accepted.
    pub accept: Accept,
    /// Whether a miss fails.
    pub gate: bool,
    /// How far to trust what was published.
    pub trust: Trust,
    /// Why it misses or does not gate.
    pub note: Option<String>,
    /// What the names in its formulas ask for.
    pub asked: BTreeMap<String, Asked>,
}

/// A benchmark.
#[derive(Clone, Debug)]
pub struct Suite {
    /// Its file's name without `.expect.toml`.
    pub name: String,
    /// In one line.
    pub title: String,
    /// How far to trust it.
    pub trust: Trust,
    /// Where it was published.
    pub sources: Vec<Source>,
    /// What was assumed.
    pub assumed: Vec<String>,
    /// Seeds of its runs.
    pub seeds: u32,
    /// Its variants, by name.
    pub runs: Vec<Run>,
    /// What is expected.
    pub expect: Vec<Expectation>,
}

/// The ending of an expectation file.
pub const ENDING: &str = ".expect.toml";

/// Reads the expectation file at `path` and the scenario it names. With any mistake, all of them, by file.
pub fn load(path: &Path) -> Result<Suite, Vec<Diagnostics>> {
    let file = path.display().to_string();
    let alone = |text: &str, items| vec![Diagnostics { file: file.clone(), text: text.to_owned(), items }];
    let unreadable = |why: String| {
        let item = Diagnostic::error_of_file(format!("an expectation file is text that can be read: {why}"));
        alone("", vec![item.help("check the path; scenarios/published has examples")])
    };
    let size = std::fs::metadata(path).map_err(|error| unreadable(error.to_string()))?.len();
    if size > MAX_BYTES as u64 {
        return Err(unreadable(format!("it has {size} bytes, and at most {MAX_BYTES} are read")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let document = Document::parse(text).map_err(|items| alone(text, items))?;
    let mut found = Vec::new();
    let mut pruned = document.clone();
    check::check(suite_schema(), pruned.root_mut(), &mut found);
    let raw: RawSuite = match pruned.read() {
        Ok(raw) => raw,
        Err(item) => {
            if found.is_empty() {
                found.push(item.help("docs/SCORE.md describes the file"));
            }
            return Err(alone(text, found));
        }
    };
    let shown = path.file_name().unwrap_or_default().to_string_lossy();
    let stem = shown.strip_suffix(ENDING).unwrap_or(shown.strip_suffix(".toml").unwrap_or(&shown));
    let trusted = pruned.has(&["trust"]);
    let mut reader = Reader { document: &document, text, trusted, found, others: Vec::new() };
    let runs = reader.runs(&raw, path.parent().unwrap_or(Path::new(".")), stem);
    let suite = reader.suite(raw, stem, runs);
    let Reader { mut found, mut others, .. } = reader;
    found.sort_by_key(|item| item.place.as_ref().map_or(0, |place| place.start));
    if !found.is_empty() {
        others.insert(0, Diagnostics { file, text: text.to_owned(), items: found });
    }
    if others.is_empty() { Ok(suite) } else { Err(others) }
}

struct Reader<'t> {
    document: &'t Document<'t>,
    text: &'t str,
    /// Whether the file's trust could be read.
    trusted: bool,
    found: Vec<Diagnostic>,
    /// Mistakes in scenarios.
    others: Vec<Diagnostics>,
}

/// A name, as far as it could be told apart.
struct Parts<'n> {
    run: Option<&'n str>,
    policy: &'n str,
    rung: Option<&'n str>,
    measure: &'n str,
}

impl Reader<'_> {
    fn runs(&mut self, raw: &RawSuite, folder: &Path, stem: &str) -> Vec<Run> {
        let scenario = raw.scenario.clone().unwrap_or_else(|| format!("{stem}.toml"));
        let path = folder.join(&scenario);
        if !path.is_file() {
            let given = self.document.has(&["scenario"]);
            let title = format!("`scenario` is a file; {} is none", path.display());
            let help = "write the scenario's path, from this file's folder";
            let item = if given {
                Diagnostic::error(self.document.place(&["scenario"], At::Value), title)
                    .label("no such file")
                    .help(help)
            } else {
                Diagnostic::error(0..0, title).help(format!("add the scenario beside this file, or {help}"))
            };
            self.found.push(item);
            return Vec::new();
        }
        let none = BTreeMap::from([(String::new(), super::raw::RawRun::default())]);
        let wanted = if raw.runs.is_empty() { &none } else { &raw.runs };
        let mut runs = Vec::new();
        for (name, run) in wanted {
            if name == "each" || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
                let place = self.document.place(&["runs", name], At::Key);
                let title = "a run's name has letters, digits and `_`, and is not `each`";
                self.found.push(
                    Diagnostic::error(place, title)
                        .label("not such a name")
                        .help("rename it: formulas use it"),
                );
            }
            match scenario::load(&path, &run.set) {
                Ok(plan) => runs.push(Run {
                    name: name.clone(),
                    level: run.level,
                    prepared: Prepared::of(plan),
                    policies: BTreeSet::new(),
                }),
                // What is wrong with the scenario itself is told once, what is wrong with overrides for each run.
                Err(mut wrong) => {
                    if !name.is_empty() {
                        for item in &mut wrong.items {
                            item.notes.push(format!("in the run `{name}` of {stem}"));
                        }
                    }
                    self.others.push(wrong);
                }
            }
        }
        runs
    }

    fn suite(&mut self, raw: RawSuite, stem: &str, mut runs: Vec<Run>) -> Suite {
        let mut expect = Vec::new();
        for (index, one) in raw.expect.iter().enumerate() {
            let Some(one) = self.expectation(one, index, &raw, &runs) else { continue };
            for asked in one.asked.values() {
                let each = |run: &Run| asked.run.is_none() && run.level.is_some();
                let runs = runs.iter_mut().enumerate();
                runs.filter(|(at, run)| asked.run == Some(*at) || each(run)).for_each(|(_, run)| {
                    run.policies.insert(asked.policy.clone());
                });
            }
            expect.push(one);
        }
        let source = |source: super::raw::RawSource| Source {
            what: source.what,
            url: source.url,
            commit: source.commit,
            date: source.date,
        };
        Suite {
            name: stem.to_owned(),
            title: raw.title,
            trust: raw.trust,
            sources: raw.sources.into_iter().map(source).collect(),
            assumed: raw.assumed,
            seeds: raw.seeds.unwrap_or(1),
            runs,
            expect,
        }
    }

    fn place(&self, index: usize, key: &str) -> Place {
        self.document.place(&["expect", &index.to_string(), key], At::Value)
    }
    fn error(&mut self, place: Place, title: impl Into<String>, label: &str, help: impl Into<String>) {
        self.found.push(Diagnostic::error(place, title).label(label).help(help));
    }

    fn expectation(
        &mut self,
        raw: &RawExpect,
        index: usize,
        suite: &RawSuite,
        runs: &[Run],
    ) -> Option<Expectation> {
        let before = self.found.len();
        let trust = raw.trust.unwrap_or(suite.trust);
        if raw.gate && trust == Trust::D && (self.trusted || raw.trust.is_some()) {
            let place = self.place(index, "gate");
            self.error(
                place,
                "what nobody has verified (trust D) does not gate",
                "it would",
                "write gate = false",
            );
        }
        let mut asked = BTreeMap::new();
        let kind = match raw.kind {
            RawKind::Ratio | RawKind::Absolute => {
                let value = self.formula(raw.value.as_deref(), index, "value", suite, runs, &mut asked)?;
                self.unused(index, raw, &["order", "published_values", "never", "above", "below"]);
                let (published, absolute) = (raw.published, raw.kind == RawKind::Absolute);
                Kind::Number { value, published, absolute }
            }
            RawKind::Knee => {
                let value = self.formula(raw.value.as_deref(), index, "value", suite, runs, &mut asked)?;
                self.unused(index, raw, &["order", "published_values"]);
                let limit = match (raw.above, raw.below) {
                    (Some(above), None) => Some((above, true)),
                    (None, Some(below)) => Some((below, false)),
                    _ => None,
                };
                let Some((limit, above)) = limit else {
                    let place = self.place(index, if raw.below.is_some() { "below" } else { "kind" });
                    let title = "a knee is where a formula goes above or below a limit: one of the two";
                    self.error(place, title, "needs a limit", "add, for example, above = 5000.0");
                    return None;
                };
                if raw.never == raw.published.is_some() {
                    let place = self.place(index, if raw.never { "never" } else { "kind" });
                    let title = "a knee has a `published` load, or `never = true`";
                    self.error(place, title, "exactly one of them", "give one of the two");
                }
                Kind::Knee { value, limit, above, published: raw.published }
            }
            RawKind::Ordering => {
                self.unused(index, raw, &["value", "published", "never", "above", "below"]);
                let mut order = Vec::new();
                for (at, text) in raw.order.iter().enumerate() {
                    let at = at.to_string();
                    let place = self.document.place(&["expect", &index.to_string(), "order", &at], At::Value);
                    order.push(self.read(text, place, suite, runs, &mut asked)?);
                }
                if order.len() < 2 {
                    let place = self.place(index, if raw.order.is_empty() { "kind" } else { "order" });
                    let help = "write order = [\"a.e2e.p95\", \"b.e2e.p95\"], the least first";
                    self.error(place, "an ordering has two formulas or more in `order`", "fewer", help);
                }
                let values = &raw.published_values;
                if !values.is_empty() && values.len() != raw.order.len() {
                    let place = self.place(index, "published_values");
                    let title = "`published_values` has a number for each formula of `order`";
                    self.error(
                        place,
                        title,
                        &format!("{} for {}", values.len(), raw.order.len()),
                        "make them as many",
                    );
                } else if !values.is_sorted() {
                    let place = self.place(index, "published_values");
                    let title = "`order` has the least first, as it was published";
                    self.error(place, title, "not rising", "put both lists into the order of the numbers");
                }
                Kind::Ordering { order, published: values.clone() }
            }
        };
        self.each(raw, index, &asked);
        let accept = self.accept(raw, index);
        (self.found.len() == before).then_some(())?;
        let (what, gate, note) = (raw.what.clone(), raw.gate, raw.note.clone());
        Some(Expectation { what, kind, accept: accept?, gate, trust, note, asked })
    }

    /// `each` is what a knee goes over, and nothing else has it.
    fn each(&mut self, raw: &RawExpect, index: usize, asked: &BTreeMap<String, Asked>) {
        let over = |asked: &Asked| (asked.run.is_none(), asked.rung == Rung::Each);
        let knee = raw.kind == RawKind::Knee;
        let overs: BTreeSet<(bool, bool)> =
            asked.values().map(over).filter(|over| over.0 || over.1).collect();
        let place = self.place(index, if raw.value.is_some() { "value" } else { "order" });
        if !knee && !overs.is_empty() {
            self.error(place, "`each` is for knees", "not a knee", "name a run or a rate in its place");
        } else if knee && (overs.len() != 1 || overs.contains(&(true, true))) {
            let title = "a knee goes over all runs or over all rungs: `each` stands for the one or the other";
            let help = "write each.policy.measure (runs with a `level`) or policy@each.measure (rungs)";
            self.error(place, title, "needs one `each`", help);
        }
    }

    /// Keys that this kind does not read.
    fn unused(&mut self, index: usize, raw: &RawExpect, keys: &[&str]) {
        for key in keys {
            let given = match *key {
                "value" => raw.value.is_some(),
                "order" => !raw.order.is_empty(),
                "published" => raw.published.is_some(),
                "published_values" => !raw.published_values.is_empty(),
                "never" => raw.never,
                "above" => raw.above.is_some(),
                _ => raw.below.is_some(),
            };
            if given {
                let place = self.document.place(&["expect", &index.to_string(), key], At::Key);
                let kind = match raw.kind {
                    RawKind::Ratio => "ratio",
                    RawKind::Ordering => "ordering",
                    RawKind::Knee => "knee",
                    RawKind::Absolute => "absolute",
                };
                self.error(
                    place,
                    format!("`{key}` is not for the kind \"{kind}\""),
                    "not read",
                    "leave it out, or change `kind`",
                );
            }
        }
    }
    fn accept(&mut self, raw: &RawExpect, index: usize) -> Option<Accept> {
        let one_sided = raw.at_least.is_some() || raw.at_most.is_some();
        let ways = [raw.within.is_some(), raw.plus_minus.is_some(), one_sided];
        let given = ways.iter().filter(|way| **way).count();
        let needed = raw.kind != RawKind::Ordering && !raw.never;
        if given != usize::from(needed) {
            let key = if raw.within.is_some() { "within" } else { "kind" };
            let place = self.place(index, key);
            if needed {
                let title = "what is accepted is stated in one way: `within`, `plus_minus`, or `at_least` and `at_most`";
                self.error(place, title, "not in one way", "add, for example, within = \"25%\"");
            } else {
                let title = "an ordering, and a knee that there never was, hold or do not";
                self.error(
                    place,
                    title,
                    "no tolerance here",
                    "leave `within`, `plus_minus`, `at_least` and `at_most` out",
                );
            }
            return None;
        }
        if !needed {
            return Some(Accept::Holds);
        }
        let Some(published) = raw.published else {
            if one_sided {
                return Some(Accept::Band(raw.at_least, raw.at_most));
            }
            let key = if raw.within.is_some() { "within" } else { "plus_minus" };
            let place = self.place(index, key);
            self.error(
                place,
                "a tolerance is one around `published`",
                "around what?",
                "add published = …, or use `at_least` and `at_most`",
            );
            return None;
        };
        let around = |by: f64| Accept::Band(Some(published - by.abs()), Some(published + by.abs()));
        Some(match (raw.within, raw.plus_minus) {
            (Some(share), _) => around(share.0 * published),
            (_, Some(by)) => around(by),
            _ => Accept::Band(raw.at_least, raw.at_most),
        })
    }

    fn formula(
        &mut self,
        text: Option<&str>,
        index: usize,
        key: &str,
        suite: &RawSuite,
        runs: &[Run],
        asked: &mut BTreeMap<String, Asked>,
    ) -> Option<Expression> {
        let Some(text) = text else {
            let place = self.place(index, "kind");
            self.error(
                place,
                format!("this kind needs a formula in `{key}`"),
                "needs one",
                "add value = \"policy.measure\"",
            );
            return None;
        };
        let place = self.place(index, key);
        self.read(text, place, suite, runs, asked)
    }

    /// Reads a formula that stands, in quotes, at `place`.
    fn read(
        &mut self,
        text: &str,
        place: Place,
        suite: &RawSuite,
        runs: &[Run],
        asked: &mut BTreeMap<String, Asked>,
    ) -> Option<Expression> {
        // Where the text is as it is written, a caret can stand within it.
        let plain = self.text.get(place.start + 1..place.start + 1 + text.len()) == Some(text);
        let within = |at: &std::ops::Range<usize>| {
            if plain {
                place.start + 1 + at.start..place.start + 1 + at.end.max(at.start + 1)
            } else {
                place.clone()
            }
        };
        let expression = match Expression::parse(text) {
            Ok(expression) => expression,
            Err(wrong) => {
                self.error(within(&wrong.at), wrong.rule, "here", wrong.help);
                return None;
            }
        };
        let terms: Vec<Term> = expression.terms().into_iter().cloned().collect();
        let mut sound = true;
        for term in terms {
            match look_up(&term.name, suite, runs) {
                Ok(Some(found)) => {
                    asked.insert(term.name, found);
                }
                // The scenario has mistakes, which are told.
                Ok(None) => sound = false,
                Err((title, help)) => {
                    self.error(within(&term.at), title, "no such", help);
                    sound = false;
                }
            }
        }
        sound.then_some(expression)
    }
}

/// `run.policy@rate.measure`, its parts.
fn parts(name: &str, with_runs: bool) -> Option<Parts<'_>> {
    let (run, rest) =
        if with_runs { name.split_once('.').map(|(run, rest)| (Some(run), rest))? } else { (None, name) };
    let end = rest.find(['.', '@'])?;
    let (policy, rest) = rest.split_at(end);
    let Some(rest) = rest.strip_prefix('@') else {
        return Some(Parts { run, policy, rung: None, measure: &rest[1..] });
    };
    // The rate may have a point itself: a measure begins with a letter.
    let letter = |at: usize| rest[at + 1..].starts_with(|c: char| c.is_ascii_alphabetic());
    let end = rest.match_indices('.').map(|(at, _)| at).find(|&at| letter(at))?;
    Some(Parts { run, policy, rung: Some(&rest[..end]), measure: &rest[end + 1..] })
}

type Unknown = (String, String);

fn look_up(name: &str, suite: &RawSuite, runs: &[Run]) -> Result<Option<Asked>, Unknown> {
    let with_runs = !suite.runs.is_empty();
    let form = if with_runs { "run.policy.measure" } else { "policy.measure" };
    let parts = parts(name, with_runs)
        .ok_or_else(|| (format!("a name is `{form}`; `{name}` is not"), format!("write it as {form}")))?;
    let run = match parts.run {
        None => Some(0),
        Some("each") => None,
        Some(run) if suite.runs.contains_key(run) => match runs.iter().position(|known| known.name == run) {
            Some(run) => Some(run),
            None => return Ok(None),
        },
        Some(run) => {
            let known = suite.runs.keys().map(String::as_str);
            return Err((format!("there is no run `{run}`"), suggest(run, "the runs are", known)));
        }
    };
    if run.is_none() && !suite.runs.values().any(|run| run.level.is_some()) {
        return Err(("`each` goes over runs that have a `level`".into(), "give the runs levels".into()));
    }
    let Some(index) = MEASURES.iter().position(|known| known.name == parts.measure) else {
        let known = MEASURES.iter().map(|known| known.name);
        return Err((
            format!("there is no measure `{}`", parts.measure),
            suggest(parts.measure, "the measures are", known) + "; docs/SCORE.md has them all",
        ));
    };
    let Some(first) = runs.get(run.unwrap_or(0)) else { return Ok(None) };
    let policies = &first.prepared.plan.policies;
    if policies.iter().all(|policy| policy.name != parts.policy) {
        let known = policies.iter().map(|policy| policy.name.as_str());
        return Err((
            format!("the scenario has no policy `{}`", parts.policy),
            suggest(parts.policy, "its policies are", known),
        ));
    }
    let rung = match parts.rung {
        None => Rung::All,
        Some("each") => Rung::Each,
        Some(rate) => {
            let rate: f64 = rate.parse().map_err(|_| {
                (
                    format!("`@` is followed by a rate, not `{rate}`"),
                    "write, for example, random@20.ttft.mean".to_owned(),
                )
            })?;
            let rates = rates(first);
            if !rates.contains(&rate) {
                let known: Vec<String> = rates.iter().map(f64::to_string).collect();
                return Err((
                    format!("the scenario has no rung of rate {rate}"),
                    format!("its rates are: {}", known.join(", ")),
                ));
            }
            Rung::Rate(rate)
        }
    };
    Ok(Some(Asked { run, policy: parts.policy.to_owned(), rung, measure: index }))
}

/// The rates of a scenario's first ladder.
fn rates(run: &Run) -> Vec<f64> {
    let ladders = run.prepared.plan.world.workloads.iter().map(crate::workload::rungs::rungs);
    let first = ladders.into_iter().find(|rungs| !rungs.is_empty()).unwrap_or_default();
    first.into_iter().map(|rung| rung.rate.0).collect()
}
