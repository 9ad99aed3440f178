//! How long a request would wait for its first token if it came now: what decisions are judged by. An estimate, never
//! what the engine goes by: it knows nobody who comes later.

use super::{Job, Replica};
use crate::time::{SimTime, Span};

impl Replica {
    /// The time before the request's own prefill, and that prefill, if it came at `now`, after [`Replica::advance_to`]
    /// this instant. `cached` of its prompt tokens are here.
    pub fn estimate(&self, now: SimTime, job: &Job, cached: u32) -> (Span, Span) {
        match self {
            Replica::Engine(engine) => engine.estimate(now, job.prompt_tokens, cached),
            Replica::PlainEngine(engine) => engine.estimate(now, job.prompt_tokens, cached),
            Replica::Fifo(fifo) => fifo.estimate(now, job),
            Replica::Ps(ps) => ps.estimate(job),
        }
    }
}
