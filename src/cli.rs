//! The command line: what was typed, what it means, where it goes. The only place that prints, reads a wall clock
//! or ends the process. Stdout carries the result, stderr progress and warnings. One file a command.

mod bench;
mod calibrate;
mod catalog;
mod cells;
mod check;
mod compare;
mod completions;
mod exit;
mod explain;
mod interrupt;
mod load;
mod one_file;
mod opened;
mod paired;
mod plan;
mod plot;
mod policies;
mod progress;
mod query;
mod report;
mod run;
mod schema;
mod score;
mod sweep;
mod terminal;
mod trace;
mod tune;
mod validate;

pub use exit::Exit;

use crate::scenario::nearest::suggest;
use clap::{CommandFactory, Parser, Subcommand};
use std::ffi::OsString;
use std::io;

/// A deterministic simulator and capacity planner for LLM serving across regions.
///
/// Give it a fleet, a workload and routing policies; it plays every policy on the same world and says what users
/// would have seen: TTFT in its parts, SLO attainment, cache hit rates, load and GPU-hours.
#[derive(Debug, Parser)]
#[command(
    name = "regionsim",
    version,
    about,
    long_about,
    max_term_width = 100,
    arg_required_else_help = true,
    after_long_help = "Examples:
  regionsim run scenarios/three-regions.toml
  regionsim run scenarios/three-regions.toml --policy nearest_chwbl --seeds 10
  regionsim explain scenarios/three-regions.toml 812 --policy gorgo
  regionsim report reports/three-regions
  regionsim compare scenarios/three-regions.toml --before nearest_chwbl --after gorgo
  regionsim plot reports/three-regions --png
  regionsim tune scenarios/routing/tune-gorgo.toml --over rtt=0.05..2 --over queue=0.001..2
  regionsim validate my-scenario.toml
  regionsim policies gorgo

Exit codes:
  0  ok
  1  gate breached
  2  wrong usage or invalid scenario
  3  failure at run time
  4  not comparable, or inconclusive
  5  residency violation
  130  interrupted (143 by SIGTERM): what is not whole is taken away"
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(Box<run::Args>),
    Explain(explain::Args),
    Sweep(Box<sweep::Args>),
    Report(report::Args),
    Query(query::Args),
    Compare(Box<compare::Args>),
    Plot(plot::Args),
    Check(check::Args),
    Plan(plan::Args),
    Tune(Box<tune::Args>),
    Validate(validate::Args),
    Schema(schema::Args),
    Policies(policies::Args),
    Catalog(catalog::Args),
    Trace(Box<trace::Args>),
    Calibrate(Box<calibrate::Args>),
    Score(score::Args),
    Bench(bench::Args),
    Completions(completions::Args),
    Man(completions::ManArgs),
}

/// What a command ends in: an exit code, or an error with the code that goes with it.
type Outcome = Result<Exit, exit::Failure>;

/// Runs the command line `args`, the program's name first.
pub fn main(args: impl IntoIterator<Item = OsString>) -> Exit {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { Exit::Usage } else { Exit::Ok };
            // A reader that has gone away is no failure of ours.
            let _ = error.print();
            return code;
        }
    };
    interrupt::listen();
    let outcome = match cli.command {
        Command::Run(args) => run::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Sweep(args) => sweep::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Query(args) => query::run(&args),
        Command::Compare(args) => compare::run(&args),
        Command::Plot(args) => plot::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Plan(args) => plan::run(&args),
        Command::Tune(args) => tune::run(&args),
        Command::Validate(args) => validate::run(&args),
        Command::Schema(args) => schema::run(&args),
        Command::Policies(args) => policies::run(&args),
        Command::Catalog(args) => catalog::run(&args),
        Command::Trace(args) => trace::run(&args),
        Command::Calibrate(args) => calibrate::run(&args),
        Command::Score(args) => score::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Completions(args) => completions::run(&args, Cli::command()),
        Command::Man(args) => completions::man(&args, Cli::command()),
    };
    match outcome {
        Ok(exit) => exit,
        // `regionsim … | head`: the reader has what it wanted.
        Err(failure) if failure.is_broken_pipe() => Exit::Ok,
        Err(failure) => {
            terminal::error(&failure.error);
            failure.exit
        }
    }
}

/// A name that does not exist: the nearest one, or those there are.
fn no_such<'a>(rule: &str, name: &str, known: impl Iterator<Item = &'a str>) -> exit::Failure {
    exit::Failure::usage(anyhow::anyhow!("{rule} `{name}`; {}", suggest(name, "known", known)))
}

/// Text on stdout; a broken pipe comes back as an error.
fn print(text: &str) -> io::Result<()> {
    use io::Write;
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
