//! Who asks for what, when. Knows requests, sessions, arrival processes, trace formats; must not know regions'
//! hardware, routing or time to serve. One reader or generator a file.

pub mod chain;
pub mod request;

pub use chain::{Chain, Run};
pub use request::{Request, Source};
