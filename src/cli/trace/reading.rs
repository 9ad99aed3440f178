//! How subcommands read a trace: flags that all share, stdin as `-`, and what the reader has to say.

use super::super::exit::Failure;
use super::terminal;
use crate::workload::head::{Again, read_head};
use crate::workload::open_file::Lines;
use crate::workload::read::read_lines;
use crate::workload::{Columns, OnBadLine, ReadOptions, TimeUnit, TraceData, TraceFormat, read_trace};
use anyhow::anyhow;
use std::io;
use std::path::{Path, PathBuf};

/// How the trace is read.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Reading")]
pub struct Reading {
    /// The format; told by the content where it is not given.
    #[arg(long, value_name = "FORMAT", value_parser = word::<TraceFormat>)]
    format: Option<TraceFormat>,
    /// Tokens of one of the file's blocks, where the format does not say.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub block_tokens: Option<u32>,
    /// What stands in which column, for your own CSV or JSON lines: time, input, output, session, tenant, origin,
    /// class, data_class, priority, ttft, e2e.
    #[arg(long, value_name = "KEY=COLUMN,…", value_parser = columns)]
    columns: Option<Columns>,
    /// The unit of the column of time, where its form does not say.
    #[arg(long, value_name = "UNIT", value_parser = word::<TimeUnit>)]
    time_unit: Option<TimeUnit>,
    /// What a line does that cannot be read: fail, or skip (with a note that counts).
    #[arg(long, value_name = "WHAT", value_parser = word::<OnBadLine>, default_value = "fail")]
    on_bad_line: OnBadLine,
    /// Sessions that start in a second, where the trace does not say when.
    #[arg(long, value_name = "PER_S", value_parser = rate)]
    session_rate: Option<f64>,
    /// Let coding-agent sessions of equal model, tool and system lengths share that prefix.
    #[arg(long)]
    restore_shared_prefix: bool,
}

/// A word as scenarios write it.
fn word<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
    let parsed = serde_json::from_value(serde_json::Value::String(text.replace('-', "_")));
    parsed.map_err(|error| error.to_string())
}

fn columns(text: &str) -> Result<Columns, String> {
    Columns::parse(text).map_err(|mistakes| mistakes.join("; "))
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse::<f64>().ok().filter(|rate| (1e-6..=1e6).contains(rate));
    rate.ok_or_else(|| "sessions a second, from 1e-6 to 1e6".to_owned())
}

impl Reading {
    /// What the reader is told.
    pub fn options(&self) -> ReadOptions {
        ReadOptions {
            format: self.format.unwrap_or_default(),
            trace_block_tokens: self.block_tokens,
            on_bad_line: self.on_bad_line,
            columns: self.columns.clone().unwrap_or_default(),
            time_unit: self.time_unit,
            session_rate: self.session_rate,
            restore_shared_prefix: self.restore_shared_prefix,
            id_scope: None,
        }
    }
    /// Reads a trace; `-` is stdin.
    pub fn read(&self, file: &str) -> Result<TraceData, Failure> {
        let read = if file == "-" {
            read_lines(Lines::from_reader(io::stdin())?, Path::new("<stdin>"), &self.options())
        } else {
            read_trace(Path::new(file), &self.options())
        };
        let data = read.map_err(Failure::usage)?;
        Self::tell(&data);
        Ok(data)
    }
    /// Reads the first requests of a trace, and no more of it; `-` is stdin.
    pub fn head(&self, file: &str, rows: u64) -> Result<TraceData, Failure> {
        let options = self.options();
        let read = if file == "-" {
            let stdin = Again::new(io::stdin());
            read_head(|| stdin.lines(), Path::new("<stdin>"), &options, rows)
        } else {
            read_head(|| Lines::open(Path::new(file)), Path::new(file), &options, rows)
        };
        let data = read.map_err(Failure::usage)?;
        Self::tell(&data);
        Ok(data)
    }
    /// Opens a file as lines, `-` being stdin, with its name.
    pub fn open(file: &str) -> Result<(Lines, PathBuf), Failure> {
        if file == "-" {
            return Ok((Lines::from_reader(io::stdin())?, PathBuf::from("<stdin>")));
        }
        let lines = Lines::open(Path::new(file));
        let lines = lines.map_err(|error| Failure::usage(anyhow!("`{file}` cannot be read: {error}")))?;
        Ok((lines, PathBuf::from(file)))
    }
    /// Says what the reader has noticed.
    pub fn tell(data: &TraceData) {
        let name = data.path.rsplit('/').next().unwrap_or(&data.path);
        data.notices.iter().for_each(|notice| terminal::note(&format!("{name}: {notice}")));
    }
}
