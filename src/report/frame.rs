//! Frames: everything that polars does here. Columns to Parquet, rows to groups. Needs the feature `frames`; the lean build
//! says so instead.

pub mod group;
pub mod parquet;
pub mod table;
