//! The policies, one a file: each holds its parameters with their published defaults, and the rule itself.

pub mod chwbl;
pub mod gorgo;
pub mod least_load;
pub mod least_request;
pub mod nearest;
pub mod p2c;
pub mod prefix;
pub mod random;
pub mod round_robin;
pub mod session;
