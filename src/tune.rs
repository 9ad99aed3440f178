//! The tuner: which weights of a policy serve best. Knows a policy's parameters, ranges, ways to search and what better
//! means; must not know how worlds are run (it asks for points and is told what was measured there) nor how anything looks.
//!
//! `space` maps parameters to coordinates, `evolution`, `simplex` and `sampling`
//! search, `objective` turns measures into a score that piling everything onto one replica does not lower, `search` asks
//! them for candidates and remembers what was tried, `window` parts a trace into what is learned from and what is judged on.

mod evolution;
mod objective;
mod sampling;
mod search;
mod simplex;
mod space;
mod window;

pub use crate::scenario::tuning::{Axis, Cut, Knob, KnobError, Scale, Strategy, WindowError};
pub use evolution::Evolution;
pub use objective::{Aim, Allowance, Limit, Means, Objective, Score, Sense};
pub use sampling::{latin_hypercube, uniform};
pub use search::{Candidate, Measured, Method, Phase, Run, Search};
pub use simplex::Simplex;
pub use space::Space;
pub use window::{part, span};
