//! One plan in one case under one seed: how many of all arrivals were within their SLO, and why the others were not.
//! Knows a world and its observers; must not know targets beyond the misses at which there is nothing left to see. A run
//! that has missed too much stops there: its requests that are still to come could not save it.

use super::market::Market;
use super::scene::Scene;
use crate::engine::Ended;
use crate::id::{Id, RegionId};
use crate::observe::{Leg, Observation, Observer, RequestRow, Work};
use crate::replica::ServerParams;
use crate::run::{Conservation, Entry, met};
use crate::stats;
use crate::time::{SimTime, Span};
use crate::world::{SloParams, World, WorldError, WorldParams};
use serde::{Deserialize, Serialize};
use std::cell::Cell;

/// Arrivals, and those of them within their SLO.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// All that were sent after the warm-up.
    pub arrivals: u64,
    /// Those that got what their class is promised.
    pub met: u64,
}

impl Tally {
    /// Those that did not.
    pub fn missed(&self) -> u64 {
        self.arrivals - self.met
    }
    /// The share that did; 1 of none.
    pub fn attainment(&self) -> f64 {
        if self.arrivals == 0 { 1.0 } else { self.met as f64 / self.arrivals as f64 }
    }
}

/// Why a request was not within its SLO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The network alone took longer than TTFT may.
    Network,
    /// TTFT: waiting took longer than prefill.
    Waiting,
    /// TTFT: prefill took longer than waiting.
    Prefill,
    /// Its tokens came too slowly, or its last too late.
    Decode,
    /// Nobody served it: no region may, it was turned away, gave up, was lost.
    Unserved,
}

/// How many causes there are.
pub const CAUSES: usize = 5;

/// What an origin asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Demand {
    /// Requests.
    pub requests: u64,
    /// Prompt tokens that were computed.
    pub computed_tokens: u64,
    /// Prompt tokens.
    pub prompt_tokens: u64,
    /// Output tokens.
    pub output_tokens: u64,
}

/// What a region did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Use {
    /// Requests served there, after the warm-up.
    pub served: u64,
    /// Those of them whose home is elsewhere.
    pub from_elsewhere: u64,
    /// The share of its replicas' time that was spent in steps, warm-up included.
    pub busy: f64,
    /// The largest share of its KV blocks in use at a sampling instant, in the fullest replica.
    pub kv_peak: f64,
    /// The largest share of `max_num_seqs` that ran at a sampling instant, in the fullest replica; 0 for plain queues.
    pub slots_peak: f64,
    /// Requests not within their SLO, by cause: those served there, and the unserved of its home.
    pub missed: [u64; CAUSES],
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Whether it ran to its end. Otherwise `met` and all that follows is of its first part.
    pub whole: bool,
    /// By class, and within a class by origin where each must reach the target.
    pub groups: Vec<Tally>,
    /// The 99th percentile of TTFT over all that had a first token, in milliseconds; `None` where none had.
    pub ttft_p99_ms: Option<f64>,
    /// By origin.
    pub demand: Vec<Demand>,
    /// By region.
    pub regions: Vec<Use>,
    /// From the end of the warm-up to the last arrival, in seconds.
    pub span_s: f64,
    /// The digest of all outcomes; 0 where it was stopped.
    pub digest: u64,
}

impl Outcome {
    /// All arrivals together.
    pub fn all(&self) -> Tally {
        let add =
            |sum: Tally, one: &Tally| Tally { arrivals: sum.arrivals + one.arrivals, met: sum.met + one.met };
        self.groups.iter().fold(Tally::default(), add)
    }
}

/// Why a cell could not be played.
#[derive(Debug, thiserror::Error)]
pub enum CellError {
    /// The world cannot be built.
    #[error(transparent)]
    World(#[from] WorldError),
    /// A law of conservation does not hold: a fault of the simulator.
    #[error("{scene}: {what}")]
    Law {
        /// The case.
        scene: String,
        /// Which, and how.
        what: String,
    },
}

struct Judge<'c> {
    slos: Vec<SloParams>,
    homes: Vec<RegionId>,
    by_origin: bool,
    warmup: Span,
    /// Misses of a group beyond which there is nothing left to see.
    allowed: Option<&'c [u64]>,
    stop: &'c Cell<bool>,
    outcome: Outcome,
    ttfts: Vec<u64>,
    last_sent: SimTime,
    seqs: Vec<u32>,
    work: Vec<(RegionId, Work)>,
}

impl Judge<'_> {
    fn ended(&mut self, row: &RequestRow) {
        if row.sent_at.0 < self.warmup.0 {
            return;
        }
        let entry = Entry::of(row);
        let (class, origin) = (entry.class.index(), entry.origin.index());
        let group = if self.by_origin { class * self.homes.len() + origin } else { class };
        let good = met(&self.slos[class], &entry);
        self.last_sent = self.last_sent.max(entry.sent_at);
        let tally = &mut self.outcome.groups[group];
        tally.arrivals += 1;
        tally.met += u64::from(good);
        if self.allowed.is_some_and(|allowed| tally.missed() > allowed[group]) {
            self.stop.set(true);
        }
        if let Some(ttft) = entry.ttft {
            self.ttfts.push(ttft.0);
        }
        let demand = &mut self.outcome.demand[origin];
        demand.requests += 1;
        demand.prompt_tokens += u64::from(entry.prompt_tokens);
        demand.computed_tokens += u64::from(entry.prompt_tokens - entry.cached_tokens);
        demand.output_tokens += u64::from(entry.output_tokens);
        let home = self.homes[origin];
        let region = &mut self.outcome.regions[entry.region.unwrap_or(home).index()];
        if entry.region.is_some() {
            region.served += 1;
            region.from_elsewhere += u64::from(entry.region != Some(home));
        }
        if !good {
            region.missed[cause(&self.slos[class], &entry) as usize] += 1;
        }
    }
}

/// Why a request that missed its SLO did.
fn cause(slo: &SloParams, entry: &Entry) -> Cause {
    let Some(ttft) = entry.ttft.filter(|_| entry.completed()) else { return Cause::Unserved };
    if slo.ttft.is_none_or(|limit| ttft <= limit) {
        return Cause::Decode;
    }
    let legs = |legs: &[Leg]| legs.iter().map(|&leg| entry.legs.get(leg).0).sum::<u64>();
    let network = legs(&[Leg::LastMile, Leg::Connect, Leg::Hop, Leg::Return]);
    if slo.ttft.is_some_and(|limit| network > limit.0) {
        Cause::Network
    } else if legs(&[Leg::Queue, Leg::Hold, Leg::Route]) >= legs(&[Leg::Prefill, Leg::KvFetch]) {
        Cause::Waiting
    } else {
        Cause::Prefill
    }
}

impl Observer for Judge<'_> {
    fn observe(&mut self, _: SimTime, observation: &Observation<'_>) {
        match observation {
            Observation::Ended(row) => self.ended(row),
            Observation::Sampled(sample) => {
                let region = &mut self.outcome.regions[sample.region.index()];
                region.kv_peak = region.kv_peak.max(sample.load.kv_usage());
                let most = self.seqs[sample.pool.index()];
                if most > 0 {
                    region.slots_peak =
                        region.slots_peak.max(f64::from(sample.load.running) / f64::from(most));
                }
                let at = sample.replica.index();
                if self.work.len() <= at {
                    self.work.resize(at + 1, (sample.region, Work::default()));
                }
                self.work[at] = (sample.region, sample.work);
            }
            _ => {}
        }
    }
}

/// Plays a plan in a case. With `allowed`, misses by group, it stops where one is exceeded.
///
/// # Errors
/// When the world cannot be built, or a law of conservation does not hold.
pub fn play(
    scene: &Scene,
    market: &Market,
    counts: &[u32],
    seed: u64,
    by_origin: bool,
    allowed: Option<&[u64]>,
) -> Result<Outcome, CellError> {
    let world = scene.world(market, counts);
    let params: &WorldParams = world.as_ref().unwrap_or(&scene.plan.world);
    let homes: Vec<RegionId> = params.origins.iter().map(|origin| origin.near).collect();
    let classes = scene.classes();
    let groups = classes.len() * if by_origin { homes.len() } else { 1 };
    let seqs = |pool: &crate::world::PoolParams| match &pool.server {
        ServerParams::Engine(engine) => engine.max_num_seqs,
        _ => 0,
    };
    let stop = Cell::new(false);
    let judge = Judge {
        slos: classes.iter().map(|class| class.slo.clone()).collect(),
        by_origin,
        warmup: scene.plan.warmup,
        allowed,
        stop: &stop,
        outcome: Outcome {
            groups: vec![Tally::default(); groups],
            demand: vec![Demand::default(); homes.len()],
            regions: vec![Use::default(); params.regions.len()],
            ..Outcome::default()
        },
        homes,
        ttfts: Vec::new(),
        last_sent: SimTime(scene.plan.warmup.0),
        seqs: params.pools.iter().map(seqs).collect(),
        work: Vec::new(),
    };
    if world.is_none() {
        // Nobody is left: whatever arrives is missed. One miss of each group stands for all.
        let mut outcome = judge.outcome;
        outcome.groups.iter_mut().for_each(|group| group.arrivals = 1);
        if let Some(home) = judge.homes.first() {
            outcome.regions[home.index()].missed[Cause::Unserved as usize] = groups as u64;
        }
        outcome.whole = true;
        return Ok(outcome);
    }
    let world = World::new(params, scene.policy(), seed, (judge, Conservation::new()))?;
    let (summary, (judge, laws)) = world.run(|_, _| !stop.get());
    let whole = summary.ended != Ended::Stopped;
    let engines = params.pools.iter().all(|pool| matches!(pool.server, ServerParams::Engine(_)));
    let works: Vec<Work> =
        if engines { summary.replicas.iter().map(|sample| sample.work).collect() } else { Vec::new() };
    let report = laws.finish(&works);
    if whole && let Some(violation) = report.first.first() {
        return Err(CellError::Law { scene: scene.name.clone(), what: violation.to_string() });
    }
    let Judge { mut outcome, mut ttfts, last_sent, work, .. } = judge;
    let seconds = summary.end.as_secs_f64();
    for (index, region) in outcome.regions.iter_mut().enumerate() {
        let here = work.iter().filter(|(of, _)| of.index() == index);
        let (replicas, busy) =
            here.fold((0u32, 0.0), |(n, busy), (_, work)| (n + 1, busy + work.busy_ps as f64 / 1e12));
        if replicas > 0 && seconds > 0.0 {
            region.busy = busy / (f64::from(replicas) * seconds);
        }
    }
    let p99 = stats::ascending_quantiles(&mut ttfts, [0.99])[0];
    outcome.whole = whole;
    outcome.ttft_p99_ms = p99.map(|ns| ns / 1e6);
    outcome.span_s = last_sent.since(SimTime(scene.plan.warmup.0)).as_secs_f64();
    outcome.digest = if whole { summary.outcome_digest } else { 0 };
    Ok(outcome)
}
