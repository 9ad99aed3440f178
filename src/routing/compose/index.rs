//! The prefix index of a composition, as it is written. Knows the options of an index; must not know what reads it.

use crate::routing::{IndexOptions, IndexSource};
use crate::units::Duration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A prefix index. It keeps everything unless it is told to forget.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ComposeIndex")]
pub struct IndexBlock {
    /// When it learns that a target holds a prompt: `sent`, `first_token`, `completion`, or `oracle` (from the caches
    /// themselves, as late as `views.cache` says).
    pub insert: IndexSource,
    /// Blocks kept for each target, the least recently inserted go first; not for `oracle`. Default: all.
    #[serde(default)]
    pub capacity_blocks: Option<u32>,
    /// How often the capacity is enforced. Default: at each insertion.
    #[serde(default)]
    pub sweep: Option<Duration>,
    /// How long a block is kept after its last insertion; not for `oracle`. Default: for ever.
    #[serde(default)]
    pub ttl: Option<Duration>,
    /// Leading blocks of a prompt that are looked at. Default: all.
    #[serde(default)]
    pub prompt_blocks: Option<u32>,
    /// KV blocks in a unit of the index: a match is a whole number of units. Default: 1.
    #[serde(default)]
    pub unit_blocks: Option<u32>,
    /// Whether of one prompt the head is forgotten before the tail. Default: false.
    #[serde(default)]
    pub heads_first: bool,
    /// Whether a block counts for a target that lacks an earlier one (as in llm-d's index). Default: false.
    #[serde(default)]
    pub count_any: bool,
}

impl IndexBlock {
    /// As the stage takes it.
    pub fn options(&self) -> IndexOptions {
        IndexOptions {
            capacity_blocks: self.capacity_blocks,
            ttl: self.ttl.map(|ttl| ttl.0),
            sweep: self.sweep.map(|sweep| sweep.0),
            prompt_blocks: self.prompt_blocks,
            unit_blocks: self.unit_blocks.unwrap_or(1).max(1),
            heads_first: self.heads_first,
            count_any: self.count_any,
            ..IndexOptions::new(self.insert)
        }
    }
}
