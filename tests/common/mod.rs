//! What several test files need.
#![allow(dead_code, clippy::print_stderr)]

use std::path::PathBuf;

/// A file of the real data that some tests use. It stands in `../shared` beside the project, or where
/// `REGIONSIM_SHARED` says; where there is none, says so and returns nothing, and the test is to return.
pub fn shared(path: &str) -> Option<PathBuf> {
    let root = std::env::var_os("REGIONSIM_SHARED")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let path = root.join(path);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: {} is absent (set REGIONSIM_SHARED to where the real traces are)", path.display());
    None
}
