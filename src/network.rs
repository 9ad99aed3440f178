//! How long a message takes between two places, and where a request may go. Knows regions, directed round-trip
//! times, jitter, bandwidth, the last mile and region sets; must not know requests' lengths, replicas or policies.
//! Formulas, constants and their sources: docs/model/network.md.

mod jitter;
pub mod link;
pub mod matrix;
pub mod matrix_csv;
pub mod params;

pub use crate::id::RegionSet;
pub use link::{Network, NetworkError, last_mile, set_up, split};
pub use params::{Connection, JitterParams, LastMileParams, NetworkParams};
