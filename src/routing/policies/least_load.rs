//! Least load: the target with the least work in it, requests and tokens added up.

use crate::routing::params::{Release, Tie, Validate};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parameters of least load.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// When a prompt of this gateway stops counting as queued: `completion` or `first_token`.
    pub release: Release,
    /// How equally loaded targets are told apart: `random` or `first`.
    pub tie: Tie,
}

impl Validate for Params {}
