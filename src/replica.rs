//! One replica: a serving engine on its GPUs, or a plain queue in its place. Knows its own requests, cache and
//! clock; must not know regions, routers or other replicas. Shaped like vLLM V1 (docs/model/engine.md).
//!
//! The world delivers jobs, wakes the replica when it asked to be woken, and reads what came out. The replica may
//! be behind the clock between two wakes: [`Replica::advance_to`] brings it up to date, and whoever reads its load
//! calls that first.

pub mod engine;
mod estimate;
pub mod fifo;
pub mod params;
pub mod ps;
mod sequence;

pub use engine::Engine;
pub use fifo::Fifo;
pub use params::{
    Admission, Batching, CacheMethod, EngineParams, Habits, Method, QueueParams, Scheduler, ServerParams,
    Stepping,
};
pub use ps::ProcessorSharing;

use crate::kvcache::{BlockCache, ChangeLog, ExtentCache, Lru};
use crate::observe::{Load, Outcome, Work};
use crate::time::{SimTime, Span};
use crate::timing::{Slowed, StepTime};
use crate::workload::{Chain, Run};
use std::sync::Arc;

/// Names a job to whoever delivered it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct JobId(pub u32);

/// A request as a replica gets it.
#[derive(Clone, Debug, Default)]
pub struct Job {
    /// Its name.
    pub id: JobId,
    /// Prompt length.
    pub prompt_tokens: u32,
    /// Output length: the replica stops there, and uses it for nothing else unless its admission reserves output.
    pub output_tokens: u32,
    /// Scheduling priority, lower first.
    pub priority: u8,
    /// Its blocks.
    pub chain: Chain,
}

/// What became of a job's tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Prompt tokens found in the cache.
    pub cached: u32,
    /// Prompt tokens computed the first time.
    pub computed: u32,
    /// Tokens computed again after preemption.
    pub recomputed: u32,
    /// Output tokens produced.
    pub output: u32,
    /// How often it was preempted.
    pub preemptions: u32,
}

/// Something that came out of a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// The first token is there.
    FirstToken {
        /// Of this job.
        job: JobId,
        /// When the job was first part of a step.
        scheduled_at: SimTime,
        /// When the step that made the token ended.
        at: SimTime,
    },
    /// The job has ended.
    Ended {
        /// Which job.
        job: JobId,
        /// When.
        at: SimTime,
        /// How: completed, too large, queue full.
        outcome: Outcome,
        /// Its tokens.
        tokens: Tokens,
    },
}

/// What one step did, for the checkers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepRecord {
    /// Tokens computed in it.
    pub tokens: u32,
    /// Sequences in it.
    pub sequences: u32,
    /// Free KV blocks after it was built.
    pub free_blocks: u32,
    /// KV blocks in use after it was built.
    pub used_blocks: u32,
}

/// A replica.
#[derive(Debug)]
pub enum Replica {
    /// A continuous-batching engine with a cache of runs of blocks.
    Engine(Box<Engine<ExtentCache>>),
    /// A continuous-batching engine with a cache of single blocks.
    PlainEngine(Box<Engine<BlockCache<Lru>>>),
    /// First in, first out.
    Fifo(Fifo),
    /// Processor sharing.
    Ps(ProcessorSharing),
}

impl Replica {
    /// A replica with nothing in it. `timing` is used by engines alone.
    ///
    /// # Panics
    /// When an engine comes without a timing.
    pub fn new(params: &ServerParams, timing: Option<Arc<dyn StepTime>>, method: Method) -> Replica {
        match params {
            ServerParams::Engine(engine) => {
                let timing = timing.expect("an engine has a step-time model");
                match method.cache {
                    CacheMethod::Extents => {
                        Replica::Engine(Box::new(Engine::new(engine.clone(), timing, method.stepping)))
                    }
                    CacheMethod::Blocks => {
                        Replica::PlainEngine(Box::new(Engine::new(engine.clone(), timing, method.stepping)))
                    }
                }
            }
            ServerParams::Fifo(queue) => Replica::Fifo(Fifo::new(queue.clone())),
            ServerParams::Ps(queue) => Replica::Ps(ProcessorSharing::new(queue.clone())),
        }
    }
    /// Brings the replica to `now`, exclusive: a step that ends at `now` has not ended yet.
    pub fn advance_to(&mut self, now: SimTime) {
        match self {
            Replica::Engine(engine) => engine.advance_to(now),
            Replica::PlainEngine(engine) => engine.advance_to(now),
            Replica::Fifo(_) | Replica::Ps(_) => {}
        }
    }
    /// A job arrives. What it leads to at once (a refusal) is added to `out`.
    pub fn deliver(&mut self, now: SimTime, job: &Job, out: &mut Vec<Output>) {
        match self {
            Replica::Engine(engine) => engine.deliver(now, job, out),
            Replica::PlainEngine(engine) => engine.deliver(now, job, out),
            Replica::Fifo(fifo) => fifo.deliver(now, job, out),
            Replica::Ps(ps) => ps.deliver(now, job, out),
        }
    }
    /// The client of a job has left, after [`Replica::advance_to`] this instant. The job's end is told when it has
    /// gone: at once, or at the end of the step under way; with outcome completed if it was faster. A plain queue
    /// goes on with a service that it has begun.
    pub fn cancel(&mut self, now: SimTime, job: JobId, out: &mut Vec<Output>) {
        match self {
            Replica::Engine(engine) => engine.cancel(now, job, out),
            Replica::PlainEngine(engine) => engine.cancel(now, job, out),
            Replica::Fifo(fifo) => fifo.cancel(now, job, out),
            Replica::Ps(ps) => ps.cancel(now, job, out),
        }
    }
    /// From `now` on work takes so many thousandths of its usual time, after [`Replica::advance_to`] this instant. A
    /// step or a service of a queue that has begun is not changed. `timing` is the engine's usual step time.
    ///
    /// # Panics
    /// When an engine comes without a timing.
    pub fn set_slow(&mut self, now: SimTime, per_mille: u32, timing: Option<&Arc<dyn StepTime>>) {
        let step_time = || -> Arc<dyn StepTime> {
            let timing = timing.expect("an engine has a step-time model").clone();
            if per_mille == 1000 { timing } else { Arc::new(Slowed::new(timing, per_mille)) }
        };
        match self {
            Replica::Engine(engine) => engine.set_timing(step_time()),
            Replica::PlainEngine(engine) => engine.set_timing(step_time()),
            Replica::Fifo(fifo) => fifo.set_slow(per_mille),
            Replica::Ps(ps) => ps.set_slow(now, per_mille),
        }
    }
    /// When the replica wants to be woken next.
    pub fn wake_at(&self) -> Option<SimTime> {
        match self {
            Replica::Engine(engine) => engine.wake_at(),
            Replica::PlainEngine(engine) => engine.wake_at(),
            Replica::Fifo(fifo) => fifo.wake_at(),
            Replica::Ps(ps) => ps.wake_at(),
        }
    }
    /// The time it asked for has come. What came out is added to `out`.
    pub fn wake(&mut self, now: SimTime, out: &mut Vec<Output>) -> Option<StepRecord> {
        match self {
            Replica::Engine(engine) => engine.wake(now, out),
            Replica::PlainEngine(engine) => engine.wake(now, out),
            Replica::Fifo(fifo) => {
                fifo.wake(now, out);
                None
            }
            Replica::Ps(ps) => {
                ps.wake(now, out);
                None
            }
        }
    }
    /// Its load, as of the last [`Replica::advance_to`]. O(1).
    pub fn load(&self) -> Load {
        match self {
            Replica::Engine(engine) => engine.load(),
            Replica::PlainEngine(engine) => engine.load(),
            Replica::Fifo(fifo) => fifo.load(),
            Replica::Ps(ps) => ps.load(),
        }
    }
    /// Its work so far. O(1).
    pub fn work(&self) -> Work {
        match self {
            Replica::Engine(engine) => engine.work(),
            Replica::PlainEngine(engine) => engine.work(),
            Replica::Fifo(fifo) => fifo.work(),
            Replica::Ps(ps) => ps.work(),
        }
    }
    /// The tokens of a job that is still in the replica.
    pub fn tokens(&self, job: JobId) -> Tokens {
        match self {
            Replica::Engine(engine) => engine.tokens(job),
            Replica::PlainEngine(engine) => engine.tokens(job),
            Replica::Fifo(_) | Replica::Ps(_) => Tokens::default(),
        }
    }
    /// How many of the chain's first `limit` blocks it would find if the request were scheduled now, after
    /// [`Replica::advance_to`] this instant; 0 without a cache.
    pub fn holds(&self, chain: &Chain, limit: u32) -> u32 {
        match self {
            Replica::Engine(engine) => engine.holds(chain, limit),
            Replica::PlainEngine(engine) => engine.holds(chain, limit),
            Replica::Fifo(_) | Replica::Ps(_) => 0,
        }
    }
    /// All blocks that its cache would find, as runs in no particular order.
    pub fn cached(&mut self) -> Vec<Run> {
        match self {
            Replica::Engine(engine) => engine.cached(),
            Replica::PlainEngine(engine) => engine.cached(),
            Replica::Fifo(_) | Replica::Ps(_) => Vec::new(),
        }
    }
    /// The change log of its cache, if it has one.
    pub fn cache_log(&mut self) -> Option<&mut ChangeLog> {
        match self {
            Replica::Engine(engine) => Some(engine.cache_log()),
            Replica::PlainEngine(engine) => Some(engine.cache_log()),
            Replica::Fifo(_) | Replica::Ps(_) => None,
        }
    }
}

/// The service time of a plain queue.
fn service_time(params: &QueueParams, job: &Job) -> Span {
    Span(
        params.per_request.0
            + params.per_prompt_token.0 * u64::from(job.prompt_tokens)
            + params.per_output_token.0 * u64::from(job.output_tokens),
    )
}
