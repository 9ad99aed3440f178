//! requests.parquet: the columns of requests.csv as a Parquet file. Needs the feature `frames`; the lean build says
//! so instead.

use crate::observe::RequestRow;
use crate::run::RunResult;
use std::io::Write;

/// A Parquet file could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ParquetError {
    /// This build cannot.
    #[error(
        "this build of regionsim writes no Parquet (it was built with --no-default-features): build it with \
         `--features frames`, or read requests.csv"
    )]
    NotBuilt,
    /// The library failed.
    #[error("cannot write Parquet: {0}")]
    Failed(String),
}

/// Whether this build can write Parquet; asked before the work.
pub fn available() -> Result<(), ParquetError> {
    if cfg!(feature = "frames") { Ok(()) } else { Err(ParquetError::NotBuilt) }
}

/// Writes the rows of a cell by id.
#[cfg(not(feature = "frames"))]
pub fn write(_: impl Write, _: &RunResult) -> Result<(), ParquetError> {
    let _ = std::mem::size_of::<RequestRow>();
    Err(ParquetError::NotBuilt)
}

/// Writes the rows of a cell by id.
#[cfg(feature = "frames")]
pub fn write(out: impl Write, result: &RunResult) -> Result<(), ParquetError> {
    frames::write(out, result).map_err(|error| ParquetError::Failed(error.to_string()))
}
