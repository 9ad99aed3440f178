//! Least request: the target with the fewest requests of this gateway under way (Envoy's `LEAST_REQUEST` over all
//! hosts, NGINX's `least_conn`).

use crate::routing::params::{Tie, Validate};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parameters of least request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// How targets with equally few requests are told apart: `random` or `first`.
    pub tie: Tie,
}

impl Validate for Params {}
