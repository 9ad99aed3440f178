//! Exit codes, and the errors that carry them.

use crate::scenario::Diagnostics;
use std::io;
use std::process::ExitCode;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All is well.
    Ok = 0,
    /// A gate was breached.
    GateBreached = 1,
    /// The command line or the scenario is wrong.
    Usage = 2,
    /// Something failed while it ran.
    Failed = 3,
    /// Results cannot be compared, or (strictly) say nothing either way.
    NotComparable = 4,
    /// A residency rule was broken.
    Residency = 5,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// A scenario that does not stand: what is wrong has its own layout.
#[derive(Debug, thiserror::Error)]
#[error("the scenario cannot be run")]
pub struct Invalid(pub Diagnostics);

/// An error and the exit code that goes with it.
#[derive(Debug)]
pub struct Failure {
    /// The code.
    pub exit: Exit,
    /// The error.
    pub error: anyhow::Error,
}

impl Failure {
    /// A mistake of the user's: the command line or the scenario.
    pub fn usage(error: impl Into<anyhow::Error>) -> Failure {
        Failure { exit: Exit::Usage, error: error.into() }
    }
    /// Whether this is only a reader that has gone away.
    pub fn is_broken_pipe(&self) -> bool {
        self.error.chain().any(|cause| {
            cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
        })
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure { exit: Exit::Failed, error: error.into() }
    }
}
