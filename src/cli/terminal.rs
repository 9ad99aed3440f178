//! What the terminal is told beside the result: warnings and errors on stderr, colour where it is wanted. Where nobody
//! reads stderr, nothing is told, and the exit code says what there is to say.

use super::exit::Invalid;
use std::io::{IsTerminal, Write};

fn colour_wanted(terminal: bool) -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    terminal && !set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Whether stdout should have colour: it is a terminal and `NO_COLOR` is not set.
pub fn stdout_colour() -> bool {
    colour_wanted(std::io::stdout().is_terminal())
}

/// How many characters a line of stdout has, where it is a terminal.
pub fn stdout_width() -> Option<usize> {
    terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| usize::from(width.0))
}

/// Whether stderr should have colour.
pub fn stderr_colour() -> bool {
    colour_wanted(std::io::stderr().is_terminal())
}

fn say(kind: &str, code: &str, text: &str) {
    if stderr_colour() {
        plain(&format!("\x1b[1;{code}m{kind}\x1b[0m: {text}"));
    } else {
        plain(&format!("{kind}: {text}"));
    }
}

/// Takes away what stands on the line, where it is a terminal's: a spinner.
pub fn clear_line() {
    if std::io::stderr().is_terminal() {
        let _ = std::io::stderr().write_all(b"\r\x1b[2K");
    }
}

/// An error with its causes.
pub fn error(error: &anyhow::Error) {
    if let Some(Invalid(diagnostics)) = error.downcast_ref::<Invalid>() {
        return plain(&diagnostics.render(stderr_colour()));
    }
    say("error", "31", &format!("{error:#}"));
}

/// Something to act on.
pub fn warning(text: &str) {
    say("warning", "33", text);
}

/// Text as it is, such as diagnostics that are already laid out.
pub fn plain(text: &str) {
    // Not `eprintln!`, which panics where stderr is closed.
    let _ = std::io::stderr().write_all(format!("{text}\n").as_bytes());
}

/// Something to know.
pub fn note(text: &str) {
    say("note", "36", text);
}
