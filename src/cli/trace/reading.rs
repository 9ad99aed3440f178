//! How subcommands read a trace: flags that all share, stdin as `-`, and what the reader has to say.

use super::super::exit::Failure;
use super::terminal;
use crate::workload::open_file::Lines;
use crate::workload::read::read_lines;
use crate::workload::{ReadOptions, TraceData, TraceFormat, read_trace};
use std::io;
use std::path::Path;

/// How the trace is read.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Reading")]
pub struct Reading {
    /// The format; told by the content where it is not given.
    #[arg(long, value_name = "FORMAT", value_parser = format)]
    format: Option<TraceFormat>,
    /// Tokens of one of the file's blocks, where the format does not say.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    block_tokens: Option<u32>,
}

fn format(name: &str) -> Result<TraceFormat, String> {
    let parsed = serde_json::from_value(serde_json::Value::String(name.replace('-', "_")));
    parsed.map_err(|error| format!("{error}"))
}

impl Reading {
    fn options(&self) -> ReadOptions {
        ReadOptions { format: self.format.unwrap_or_default(), trace_block_tokens: self.block_tokens }
    }
    /// Reads a trace; `-` is stdin.
    pub fn read(&self, file: &str) -> Result<TraceData, Failure> {
        let read = if file == "-" {
            read_lines(Lines::from_reader(io::stdin())?, Path::new("<stdin>"), &self.options())
        } else {
            read_trace(Path::new(file), &self.options())
        };
        let data = read.map_err(Failure::usage)?;
        data.notices.iter().for_each(|notice| terminal::note(&format!("{}: {notice}", data.path)));
        Ok(data)
    }
}
