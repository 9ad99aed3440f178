//! What can be wrong with a workload or a trace file, in words that say what to do next.

use std::fmt;
use std::path::{Path, PathBuf};

/// A value of a workload that cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{field} is {value}: {rule}. {next}")]
pub struct WorkloadError {
    /// The parameter, as `synthetic.output.max` or `trace.speed`.
    pub field: String,
    /// What it is.
    pub value: String,
    /// What it must be.
    pub rule: String,
    /// What to do.
    pub next: String,
}

/// One thing that is wrong with a trace file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceFinding {
    /// The line, from 1; 0 is the file as a whole.
    pub line: u64,
    /// The field, or `line` or `file`.
    pub field: String,
    /// What stands there, shortened.
    pub value: String,
    /// What must stand there.
    pub rule: String,
    /// What to do.
    pub next: String,
}

/// The most characters of a value that a finding shows.
const SHOWN: usize = 60;

impl TraceFinding {
    /// A finding in `line`.
    pub fn new(
        line: u64,
        field: &str,
        value: impl fmt::Display,
        rule: impl Into<String>,
        next: impl Into<String>,
    ) -> TraceFinding {
        let (field, value) = (shown(field), shown(&value.to_string()));
        TraceFinding { line, field, value, rule: rule.into(), next: next.into() }
    }
}

/// The beginning of what stands in a file, without control characters: they would steer the reader's terminal.
fn shown(text: &str) -> String {
    let plain = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    let mut shown: String = text.chars().take(SHOWN).map(plain).collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

impl fmt::Display for TraceFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is {}: {}. {}", self.field, self.value, self.rule, self.next)
    }
}

/// What is wrong with a trace file: the first twenty findings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceErrors {
    /// The file.
    pub path: PathBuf,
    /// The findings, in file order, at most [`TraceErrors::LIMIT`].
    pub findings: Vec<TraceFinding>,
    /// How many more there are.
    pub more: u64,
    /// Lines that were left out because the reader was told to, and the first findings among them.
    pub skipped: (u64, Vec<TraceFinding>),
}

impl TraceErrors {
    /// How many findings are kept.
    pub const LIMIT: usize = 20;
    /// How many lines left out are named.
    pub const SKIPPED: usize = 10;

    /// None so far.
    pub fn new(path: &Path) -> TraceErrors {
        TraceErrors { path: path.to_owned(), findings: Vec::new(), more: 0, skipped: Default::default() }
    }
    /// Exactly one.
    pub fn one(path: &Path, finding: TraceFinding) -> TraceErrors {
        TraceErrors { findings: vec![finding], ..TraceErrors::new(path) }
    }
    /// Takes another.
    pub fn push(&mut self, finding: TraceFinding) {
        if self.findings.len() < Self::LIMIT {
            self.findings.push(finding);
        } else {
            self.more += 1;
        }
    }
    /// Takes a finding for which its line is left out and the trace still read.
    pub fn skip(&mut self, finding: TraceFinding) {
        self.skipped.0 += 1;
        if self.skipped.1.len() < Self::SKIPPED {
            self.skipped.1.push(finding);
        }
    }
    /// What the user should know of the lines left out.
    pub fn skipped_notice(&self) -> Option<String> {
        let (count, first) = (self.skipped.0, self.skipped.1.first()?);
        let lines: Vec<String> = self.skipped.1.iter().map(|finding| finding.line.to_string()).collect();
        let more = if count > lines.len() as u64 { ", …" } else { "" };
        Some(format!(
            "{count} bad line{} left out (line {}{more}); the first: `{}` is {}: {}",
            if count == 1 { " was" } else { "s were" },
            lines.join(", "),
            first.field,
            first.value,
            first.rule
        ))
    }
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.findings.is_empty()
    }
}

impl fmt::Display for TraceErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, finding) in self.findings.iter().enumerate() {
            let end = if index == 0 { "" } else { "\n" };
            match finding.line {
                0 => write!(f, "{end}{}: {finding}", self.path.display())?,
                line => write!(f, "{end}{}:{line}: {finding}", self.path.display())?,
            }
        }
        match self.more {
            0 => Ok(()),
            more => write!(f, "\n{}: and {more} more", self.path.display()),
        }
    }
}

impl std::error::Error for TraceErrors {}
