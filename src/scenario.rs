//! Scenario files: TOML with positions → what is written → the resolved plan, and every diagnostic on the way. Knows
//! files, names and defaults; must not know how anything runs.

pub mod check;
pub mod diagnostic;
pub mod document;
pub mod nearest;
pub mod raw;
pub mod schema;
