//! The paged KV cache of one replica. Knows blocks, chained ids, reference counts and the order of eviction; must
//! not know requests, time to compute, or who asks. Semantics are those of vLLM V1's prefix cache: full blocks
//! only, visible when scheduled, freed tail first, a hash dropped only when its block is needed
//! (docs/model/kvcache.md).
//!
//! [`BlockCache`] works on single blocks and is the plain form that [`ExtentCache`], which works on runs of blocks,
//! is compared with; they answer alike and have the same change log.
//! [`InstantCache`] is a cache alone, without requests in flight: what a trace's reuse is measured with.

pub mod block_cache;
pub mod cache;
pub mod eviction;
pub mod extent_cache;
pub mod instant;
pub mod log;

pub use block_cache::{BlockCache, BlockTable};
pub use cache::{KvCache, Open, Tail};
pub use eviction::{Eviction, Lru};
pub use extent_cache::{ExtentCache, ExtentTable};
pub use instant::{InstantCache, TouchOrder};
pub use log::{Change, ChangeLog, Noted, Turn};
