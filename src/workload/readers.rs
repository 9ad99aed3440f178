//! The trace formats that are read: one file each, one line each in [`READERS`]. A reader knows its format's fields
//! and traps; it must not know another's, nor engine blocks.

use super::data::TraceData;
use super::error::TraceErrors;
use super::open_file::Lines;
use super::options::{ReadOptions, TraceFormat};

mod agent_sessions;
mod agent_turns;
mod azure;
mod bailian;
mod burstgpt;
pub mod mooncake;
pub mod native;
mod otlp;
pub(super) mod telemetry;
mod vllm_bench;

/// A format that can be read.
pub struct Reader {
    /// What the options call it.
    pub format: TraceFormat,
    /// The same in words of a scenario.
    pub name: &'static str,
    /// One line on what it is.
    pub about: &'static str,
    /// What its files begin with.
    pub looks_for: &'static str,
    /// Its page.
    pub page: &'static str,
    /// Whether a file that begins so is one.
    pub(super) detect: fn(&Beginning) -> bool,
    /// Reads from the current line on.
    pub(super) read: fn(&mut Lines, &ReadOptions, &mut TraceErrors) -> TraceData,
}

/// The readers, in the order in which they are asked whether a file is theirs.
pub static READERS: &[Reader] = &[
    native::READER,
    agent_sessions::READER,
    bailian::READER,
    agent_turns::READER,
    mooncake::READER,
    azure::READER,
    burstgpt::READER,
    otlp::READER,
    vllm_bench::READER,
    telemetry::READER,
];

/// What a file begins with.
#[derive(Clone, Debug, Default)]
pub struct Beginning {
    /// The keys of the first line, where that is a JSON object.
    pub keys: Option<Vec<String>>,
    /// The names of the first line's columns in lower case, where it is not.
    pub columns: Vec<String>,
    /// Whether columns are mapped.
    pub mapped: bool,
}

impl Beginning {
    /// Whether it is a JSON object with all of these keys.
    pub(super) fn has(&self, keys: &[&str]) -> bool {
        self.keys.as_ref().is_some_and(|known| keys.iter().all(|key| known.iter().any(|other| other == key)))
    }
    /// Whether it is a table with all of these columns (lower case).
    pub(super) fn has_columns(&self, columns: &[&str]) -> bool {
        columns.iter().all(|name| self.columns.iter().any(|other| other == name))
    }
}
