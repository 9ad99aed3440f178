//! `schema`: JSON Schemas, for editors and for whoever reads the results.

use super::exit::Exit;
use super::{Outcome, print};
use crate::report::summary;
use crate::scenario::scenario_schema;

/// Print the JSON Schema of scenarios or of summary.json.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  regionsim schema > regionsim.schema.json     for editors: taplo, VS Code's Even Better TOML
  regionsim schema summary                     what a program may rely on in summary.json")]
pub struct Args {
    /// Which schema.
    #[arg(value_enum, default_value_t = Which::Scenario)]
    which: Which,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Which {
    /// A scenario file.
    Scenario,
    /// summary.json.
    Summary,
}

/// Runs `schema`.
pub fn run(args: &Args) -> Outcome {
    let schema = match args.which {
        Which::Scenario => scenario_schema().clone(),
        Which::Summary => summary::schema(),
    };
    print(&format!("{}\n", serde_json::to_string_pretty(&schema)?))?;
    Ok(Exit::Ok)
}
