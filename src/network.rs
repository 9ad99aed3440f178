//! x
pub mod region_set;
pub use region_set::RegionSet;
