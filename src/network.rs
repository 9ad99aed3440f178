//! How long a message takes between two places, and where a request may go. Knows regions, directed round-trip
//! times, jitter, bandwidth, the last mile and region sets; must not know requests' lengths, replicas or policies.
//! Formulas, constants and their sources: docs/model/network.md.

pub mod matrix;
pub mod params;
pub mod region_set;

pub use params::{Connection, JitterParams, LastMileParams, NetworkParams};
pub use region_set::RegionSet;
