//! Fits a timing profile to measurements. Knows measured steps, serving points and request logs, the roofline's terms
//! and an engine to play them on; must not know scenarios, worlds or files' places. Numbers come from the caller's
//! measurements alone; the method and its limits: docs/CALIBRATE.md.

pub mod closed_loop;
pub mod errors;
pub mod fit;
pub mod log;
pub mod measured;
pub mod points;
pub mod runs;
pub mod sample;
pub mod solve;
pub mod steps;
pub mod table;
pub mod terms;

pub use fit::{Fit, FitOptions, fit};
pub use measured::{Hardware, Quantity};
pub use sample::Sample;
pub use terms::{TERMS, Term};
