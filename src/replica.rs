//! One replica: a serving engine on its GPUs, or a plain queue in its place. Knows its own requests, cache and
//! clock; must not know regions, routers or other replicas. Shaped like vLLM V1 (docs/model/engine.md).

pub mod params;

pub use params::{Admission, EngineParams, IngressParams, QueueParams, Scheduler, ServerParams};
