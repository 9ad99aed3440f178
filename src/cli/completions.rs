//! `completions` and `man`: generated from the same definitions as the help.

use super::exit::Exit;
use super::{Outcome, print};
use clap_complete::Shell;

/// Print completions for a shell.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  regionsim completions bash > ~/.local/share/bash-completion/completions/regionsim
  regionsim completions zsh > ~/.zfunc/_regionsim")]
pub struct Args {
    /// The shell.
    shell: Shell,
}

/// Print the manual page, or that of a command.
#[derive(Debug, clap::Args)]
#[command(hide = true)]
pub struct ManArgs {
    /// The command; without it the page of the program.
    command: Option<String>,
}

/// Runs `completions`.
pub fn run(args: &Args, mut command: clap::Command) -> Outcome {
    let mut out = Vec::new();
    clap_complete::generate(args.shell, &mut command, "regionsim", &mut out);
    print(&String::from_utf8_lossy(&out))?;
    Ok(Exit::Ok)
}

/// Runs `man`.
pub fn man(args: &ManArgs, command: clap::Command) -> Outcome {
    let page = match &args.command {
        None => clap_mangen::Man::new(command),
        Some(name) => match command.find_subcommand(name) {
            Some(found) => clap_mangen::Man::new(found.clone()).title(format!("regionsim-{name}")),
            None => {
                return Err(super::exit::Failure::usage(anyhow::anyhow!("there is no command `{name}`")));
            }
        },
    };
    let mut out = Vec::new();
    page.render(&mut out)?;
    print(&String::from_utf8_lossy(&out))?;
    Ok(Exit::Ok)
}
