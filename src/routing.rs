//! Where a request goes. Knows what has reached a router: its own counters, signals that arrived, a prefix index;
//! must not know a request's true output length, future arrivals, another gateway's state, or a replica itself.
//! One policy a file; the registry names them. Both tiers are the same stage over different targets.

pub mod affinity;
pub mod compose;
pub mod eligible;
pub mod freshness;
pub mod index;
pub mod learn;
pub mod levels;
pub mod maglev;
#[cfg(test)]
#[path = "../docs/policies/adding/most_free_kv.rs"]
mod most_free_kv;
pub mod params;
pub mod pick;
pub mod places;
pub mod policies;
pub mod policy;
pub mod registry;
pub mod ring;
#[cfg(test)]
mod scanning;
#[cfg(test)]
mod scene;
pub mod score;
pub mod spec;
pub mod stage;
pub mod tally;
pub mod tuner;
pub mod view;

pub use eligible::Eligible;
pub use freshness::{CacheView, Feed, LoadView, LoadsSeen, OnStale, Poll, Probe, RttView, Store, Views};
pub use index::{Histogram, HistogramOptions, IndexOptions, PrefixIndex};
pub use learn::{LearnOptions, Learner};
pub use params::{ParamInfo, ParamProblem};
pub use policy::{Decision, IndexSource, Needs, Policy, Refusal};
pub use registry::{PolicyEntry, REGISTRY, Tier};
pub use spec::{BuildContext, PolicySpec};
pub use stage::{EligibleId, Stage, Ticket};
pub use tally::Tally;
pub use view::{Columns, FleetView, Own, PromptBlocks, RequestView, Target, TargetId};
