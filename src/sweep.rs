//! Many cells: a scenario at many points (lists and ranges over paths that `--set` reaches, or random points), under
//! its policies and seeds. Knows which cells there are, how they are named, shared out, run side by side and put
//! together again; must not know how measures are taken (the caller says), nor files or how anything looks.
//!
//! A cell is pure, so where it runs and how often cannot matter: a row has no wall time and no machine, its id is a hash
//! of what it was made from, and rows are put together by the cell's number. Equal bytes for any number of shards,
//! threads and interruptions follow from that, and `merge` checks it where a cell was run twice.

pub mod axis;
pub mod best;
pub mod cells;
pub mod emit;
pub mod file;
pub mod merge;
pub mod play;
pub mod point;
pub mod row;
pub mod shard;

pub use axis::{Axis, AxisError};
pub use best::{Best, Effect, Goal, best, effects};
pub use cells::{Cell, Manifest, SCHEMA_VERSION, manifest};
pub use file::{SweepFile, is_sweep_file};
pub use merge::{Header, Line, merge, read_shard};
pub use play::{Taken, play};
pub use point::{Point, grid, random};
pub use row::{Row, Status};
pub use shard::Shard;
