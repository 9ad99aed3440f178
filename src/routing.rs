//! Where a request goes. Knows what has reached a router: its own counters, signals that arrived, a prefix index;
//! must not know a request's true output length, future arrivals, another gateway's state, or a replica itself.
//! One policy a file; the registry names them. Both tiers are the same stage over different targets.

pub mod policy;
pub mod view;

pub use policy::{Decision, IndexSource, Needs, Policy, Refusal};
pub use view::{FleetView, Own, PromptBlocks, RequestView, Target, TargetId};
