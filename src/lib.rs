//! regionsim: a deterministic simulator and capacity planner for LLM serving across regions.
//!
//! The modules are floors: each may use only those below it (docs/ARCHITECTURE.md has the house, `tests/floors.rs`
//! holds it). Data goes one way: scenario file → plan → world → events → observations → result → report.

// Floor 0: words.
pub mod digest;
pub mod dist;
pub mod id;
pub mod measure;
pub mod rng;
pub mod stats;
pub mod time;
pub mod units;
// Floor 1: the kernel and what it is told.
pub mod catalog;
pub mod engine;
pub mod observe;
// Floor 2: the parts of a world.
pub mod cost;
pub mod kvcache;
pub mod network;
pub mod timing;
pub mod workload;
// Floor 3: what acts.
pub mod fleet;
pub mod replica;
pub mod routing;
// Floor 4: everything together.
pub mod world;
// Floor 5: what users write.
pub mod scenario;
// Floor 6: one cell, many cells, many against what was published, searches over many.
pub mod calibrate;
pub mod plan;
pub mod run;
pub mod score;
pub mod sweep;
pub mod tune;
// Floor 7: what people and files see.
pub mod gate;
pub mod report;
// Floor 8: the command line.
pub mod cli;
