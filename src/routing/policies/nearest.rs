//! Nearest: the region with the lowest round-trip time; its replicas in turn.

use crate::routing::params::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Nearest has no parameters.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {}

impl Validate for Params {}
