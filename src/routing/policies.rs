//! The policies, one a file: each holds its parameters with their published defaults, and the rule itself.

pub mod cache_aware;
pub mod chwbl;
pub mod dynamo_kv;
pub mod epp;
pub mod epp_precise;
pub mod failover;
pub mod gorgo;
pub mod gorgo_digest;
pub mod gorgo_distributed;
pub mod gorgo_v1;
pub mod least_load;
pub mod least_request;
pub mod nearest;
pub mod nearest_within_budget;
pub mod p2c;
pub mod prefix;
pub mod proportional;
pub mod random;
pub mod round_robin;
pub mod session;
pub mod skywalker;
pub mod sticky_until_saturated;
pub mod waterfall;
