//! The composition root: regions, network, gateways and replicas under one clock. Knows all parts and what each
//! event means; must not know files, scenarios or reports. `params` is what it is built from, `event` what can
//! happen, `handle` what then does; `dispatch` is the one place from which a request is sent to a replica.

mod admission;
mod dispatch;
mod entrance;
pub mod event;
mod gateway;
mod handle;
mod leave;
mod loads;
mod look;
mod misses;
mod outage;
mod outcome;
pub mod params;
mod record;
mod retry;
mod rtt;
mod slots;
mod state;
mod store;
mod views;

pub use event::Event;
pub use gateway::{gateway_regions, keeps_index, load_age, oracles};
pub use look::{Decisions, Look};
pub use params::{
    ClassParams, GatewayPlacement, Isolation, OriginParams, PolicyParams, PoolParams, RegionParams,
    ResidencyParams, SloParams, WorldParams,
};

use crate::engine::{self, Ended, Schedule};
use crate::fleet::Names;
use crate::id::{GatewayId, IdVec, OriginId, PoolId, RegionId, ReplicaId, SourceId};
use crate::network::{Network, NetworkError};
use crate::observe::{Load, Observation, Observer, Outcome, ReplicaSample, Work};
use crate::replica::{Job, Method, Output, Replica};
use crate::rng::Key;
use crate::routing::IndexSource;
use crate::time::{SimTime, Span};
use crate::timing::{IngressParams, StepTime, TimingError};
use crate::workload::{Request, Source, WorkloadParams, open, workload_key};
use admission::Throttles;
use gateway::Gateway;
use leave::Deadlines;
use outage::Health;
use outcome::OutcomeDigest;
use slots::Slots;
use state::Place;
use std::collections::BTreeSet;
use std::sync::Arc;
use views::{Follower, follow};

/// A replica in its place. The order of fields is that of memory: what each wake and each request reads comes first.
#[derive(Debug)]
#[repr(C, align(64))]
struct Site {
    wake_at: Option<SimTime>,
    region: RegionId,
    ingress: IngressParams,
    replica: Replica,
    pool: PoolId,
    /// What it takes to start it over, and what it did before it last was.
    timing: Option<Arc<dyn StepTime>>,
    past: Work,
    past_cache: u64,
    /// The blocks in its cache, by run and number, where stages follow it and it may be lost.
    present: Option<BTreeSet<(u64, u32)>>,
    /// Stages whose prefix index follows this cache.
    followers: Vec<Follower>,
}

/// A workload and the arrival it has announced.
struct Inflow {
    source: Box<dyn Source>,
    /// Which announced arrival is valid.
    turn: u32,
    /// By what its clients wait for.
    deadlines: [Deadlines; 2],
}

/// A world, ready to run.
pub struct World<'p, O> {
    params: &'p WorldParams,
    policy: &'p PolicyParams,
    key: Key,
    network: Network,
    sites: IdVec<ReplicaId, Site>,
    health: Health,
    method: Method,
    gateways: IdVec<GatewayId, Gateway>,
    /// Loads that gateways share, where they read those.
    store: Option<store::Shared>,
    /// The gateways of each origin's requests of each data class, by `origin × classes + class`, the
    /// nearest first.
    doors: Vec<Vec<GatewayId>>,
    names: Option<Names>,
    throttles: Throttles,
    inflows: IdVec<SourceId, Inflow>,
    slots: Slots,
    /// The request that a source told of last, in memory used again.
    pulled: Request,
    /// Whether a replica may be lost.
    losses: bool,
    /// Whether anybody follows a replica's cache.
    follows_caches: bool,
    /// What is delivered next, in memory used again.
    job: Job,
    outputs: Vec<Output>,
    digest: OutcomeDigest,
    /// Events to come that keep no world alive: samples and polls.
    background: usize,
    /// Polls in a row while nothing else was to come.
    quiet_polls: u32,
    /// When something last happened.
    last: SimTime,
    /// Of events: what observers have been told of so far.
    clock: SimTime,
    /// What is looked at beside what happens, where anything is.
    misses: Option<Box<misses::MissBook>>,
    decisions: Decisions,
    observer: O,
}

/// Why a world cannot be built. A plan that was checked leads to none of these.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// A pool's step-time model is not usable.
    #[error("pool `{pool}`: {source}")]
    Timing {
        /// The pool.
        pool: String,
        /// What is wrong.
        source: TimingError,
    },
    /// The network is not usable.
    #[error(transparent)]
    Network(#[from] NetworkError),
}

/// How a run ended and what it amounts to.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Why it ended.
    pub ended: Ended,
    /// The time of the last event, or the horizon.
    pub end: SimTime,
    /// Events handled.
    pub events: u64,
    /// The digest of all outcomes and all cache changes.
    pub outcome_digest: u64,
    /// Every replica's last sample.
    pub replicas: Vec<ReplicaSample>,
}

impl<'p, O: Observer> World<'p, O> {
    /// Builds a world from its parameters. `seed` is the root of all its randomness.
    ///
    /// # Errors
    /// When a pool's step-time model or the network cannot be built.
    pub fn new(
        params: &'p WorldParams,
        policy: &'p PolicyParams,
        seed: u64,
        observer: O,
    ) -> Result<World<'p, O>, WorldError> {
        World::with_method(params, policy, seed, Method::default(), observer)
    }

    /// The same, with a say in how engines compute. Results do not depend on it.
    ///
    /// # Errors
    /// As [`World::new`].
    pub fn with_method(
        params: &'p WorldParams,
        policy: &'p PolicyParams,
        seed: u64,
        method: Method,
        observer: O,
    ) -> Result<World<'p, O>, WorldError> {
        let key = Key::root(seed);
        let network = Network::new(&params.network)?;
        let mut sites = IdVec::new();
        for (pool, pool_params) in params.pools.enumerate() {
            let timing = step_time(pool_params)?;
            for _ in 0..pool_params.replicas {
                let timing = timing.clone();
                sites.push(Site {
                    pool,
                    region: pool_params.region,
                    replica: Replica::new(&pool_params.server, timing.clone(), method),
                    timing,
                    past: Work::default(),
                    past_cache: 0,
                    present: None,
                    ingress: pool_params.ingress,
                    wake_at: None,
                    followers: Vec::new(),
                });
            }
        }
        let gateways = gateway::build(params, policy, &network, &sites, key);
        for (id, gateway) in gateways.enumerate() {
            let tiers = gateway.stages.iter().enumerate().map(|(index, stage)| (Some(index), stage));
            for (tier, stage) in tiers.chain(gateway.global.iter().map(|stage| (None, stage))) {
                if stage.needs().source() == Some(IndexSource::Oracle) {
                    follow(&mut sites, id, tier, gateway, stage, &policy.views.cache);
                }
            }
        }
        if !params.operations.incidents.is_empty() {
            for site in sites.iter_mut().filter(|site| !site.followers.is_empty()) {
                site.present = Some(BTreeSet::new());
            }
        }
        let health = Health::new(sites.iter().map(|site| site.region), params.regions.len());
        let doors = gateway::doors(params, policy, &network, &gateways);
        let operations = &params.operations;
        let names =
            operations.dns.as_ref().map(|dns| Names::new(dns, &operations.incidents, params.regions.len()));
        let table = params.origin_table();
        let inflow = |workload: &WorkloadParams| Inflow {
            source: open(workload, &table, params.block_tokens, workload_key(seed, &workload.name)),
            turn: 0,
            deadlines: [
                Deadlines::new(workload.setting.first_token_timeout),
                Deadlines::new(workload.setting.timeout),
            ],
        };
        let follows_caches = sites.iter().any(|site| !site.followers.is_empty());
        Ok(World {
            inflows: params.workloads.iter().map(inflow).collect(),
            store: store::Shared::new(&policy.views.load, &sites, params.regions.len()),
            params,
            policy,
            key,
            network,
            sites,
            health,
            method,
            gateways,
            doors,
            names,
            throttles: Throttles::default(),
            slots: Slots::default(),
            pulled: Request::default(),
            follows_caches,
            losses: !params.operations.incidents.is_empty(),
            job: Job::default(),
            outputs: Vec::new(),
            digest: OutcomeDigest::default(),
            background: 0,
            quiet_polls: 0,
            last: SimTime::ZERO,
            clock: SimTime::ZERO,
            misses: None,
            decisions: Decisions::None,
            observer,
        })
    }

    /// Runs until all is done or the horizon. `watch` sees each event before it happens and stops the run by
    /// returning false.
    pub fn run(mut self, mut watch: impl FnMut(SimTime, &Event) -> bool) -> (Summary, O) {
        let mut schedule = Schedule::new();
        let mut events = 0;
        self.start(&mut schedule);
        let horizon = self.params.horizon;
        let ended = engine::run(&mut self, &mut schedule, horizon, |now, event| {
            events += 1;
            watch(now, event)
        });
        // What is left beyond the horizon may be superseded: then all was done before it.
        let done = self.slots.live().is_empty()
            && self.inflows.iter_mut().all(|inflow| inflow.source.peek().is_none());
        let ended = if done && ended == Ended::Horizon { Ended::Drained } else { ended };
        let end = if ended == Ended::Horizon { horizon } else { self.last };
        // The last sampling instant may lie after the last event that counts; observers' time never goes back.
        let told = end.max(self.clock);
        self.finish(end, told);
        let replicas: Vec<ReplicaSample> = self.sites.ids().map(|id| self.sample(id)).collect();
        for sample in &replicas {
            self.observer.observe(told, &Observation::Sampled(sample));
        }
        let mut digest = self.digest;
        for site in &mut self.sites {
            if site.past_cache != 0 {
                digest.cache(site.past_cache);
            }
            digest.cache(site.replica.cache_log().map_or(0, |log| log.digest()));
        }
        let summary = Summary { ended, end, events, outcome_digest: digest.value(), replicas };
        (summary, self.observer)
    }

    /// Announces the first arrivals.
    fn start(&mut self, schedule: &mut Schedule<Event>) {
        let sources: Vec<SourceId> = self.inflows.ids().collect();
        for source in sources {
            self.announce(source, SimTime::ZERO, schedule);
        }
        self.start_polls(schedule);
        self.start_store(schedule);
        self.schedule_incidents(schedule);
        if self.params.sample_every > Span::ZERO {
            self.background += 1;
            schedule.at(SimTime::ZERO + self.params.sample_every, Event::Sample { number: 1 });
        }
    }

    /// Events to come that change nothing for any request by themselves: no world lives on for them.
    fn aside(&self) -> usize {
        self.health.pending() + self.background
    }

    /// Ends every request that is still under way.
    fn finish(&mut self, end: SimTime, told: SimTime) {
        // The horizon counts: a step that ends at it has ended.
        for site in &mut self.sites {
            site.replica.advance_to(end + Span(1));
        }
        for slot in self.slots.live() {
            let state = self.slots.get_mut(slot);
            if let Some(replica) = state.replica().filter(|_| state.place == Place::InReplica) {
                let tokens = self.sites[replica].replica.tokens(crate::replica::JobId(slot));
                state.take_tokens(tokens);
            }
            if state.left() {
                self.end_of_left(told, slot);
                continue;
            }
            let row = self.slots.row(slot, Outcome::InFlight, end);
            self.digest.row(&row);
            self.observer.observe(told, &Observation::Ended(&row));
        }
    }

    fn sample(&self, replica: ReplicaId) -> ReplicaSample {
        let site = &self.sites[replica];
        let (load, work): (Load, Work) = (site.replica.load(), outage::sum(site.past, site.replica.work()));
        ReplicaSample {
            replica,
            pool: site.pool,
            region: site.region,
            load,
            work,
            up: self.health.is_well(replica),
        }
    }
}

fn step_time(pool: &PoolParams) -> Result<Option<Arc<dyn StepTime>>, WorldError> {
    let build = |timing: &crate::timing::TimingParams| {
        timing.build().map(Arc::from).map_err(|source| WorldError::Timing { pool: pool.name.clone(), source })
    };
    pool.timing.as_ref().map(build).transpose()
}

/// The gateway of an origin's requests of a data class, as an index.
fn entry_index(params: &WorldParams, origin: OriginId, data_class: crate::id::DataClassId) -> usize {
    origin.0 as usize * params.data_classes.len() + data_class.0 as usize
}
