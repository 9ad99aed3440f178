//! The pure cell: parameters, a policy and a seed in, a result out. Knows how to build a world and which sinks watch
//! it; must not know files. The laws of conservation are checked in every run.

use super::routed::RoutedSink;
use super::{
    CapacityLine, Conservation, Difference, FollowSink, Labels, PoolLabel, Provenance, ReplicaLabel,
    ReplicaTotals, RowSink, RowWriter, RunResult, SeriesSink, SpentSink, TokenTime, Totals, Warning,
    lockstep,
};
use crate::engine::Ended;
use crate::id::{Id, IdVec};
use crate::observe::{Observer, ReplicaSample, Work};
use crate::replica::{Method, ServerParams};
use crate::time::{SimTime, Span};
use crate::workload::{WorkloadKind, WorkloadParams};
use crate::world::{
    GatewayPlacement, Look, PolicyParams, World, WorldError, WorldParams, gateway_regions, load_age, oracles,
};
use std::sync::Arc;

/// What a cell is made of.
#[derive(Clone, Debug)]
pub struct CellInput<'p> {
    /// The scenario's name.
    pub scenario: &'p str,
    /// The world.
    pub world: &'p WorldParams,
    /// How it routes.
    pub policy: &'p PolicyParams,
    /// The root of all its randomness.
    pub seed: u64,
    /// Requests sent before this time are not measured.
    pub warmup: Span,
    /// The GPU's catalogue name of each pool, by id; empty for plain queues.
    pub gpus: &'p [String],
    /// KV capacity by pool.
    pub capacity: &'p [CapacityLine],
    /// Where the numbers come from.
    pub provenance: Arc<Provenance>,
    /// How engines compute; results do not depend on it.
    pub method: Method,
    /// What to look at beside what happens; outcomes do not depend on it.
    pub look: Look,
    /// What the user should know.
    pub notices: &'p [String],
    /// What the user should act on, as far as the scenario alone tells.
    pub warnings: &'p [Warning],
}

/// The names of a world under a policy.
pub fn labels(world: &WorldParams, policy: &PolicyParams, gpus: &[String]) -> Labels {
    let region_names: IdVec<_, String> = world.regions.iter().map(|region| region.name.clone()).collect();
    let places = match policy.gateways {
        GatewayPlacement::Central(region) => vec![world.regions[region].name.clone()],
        GatewayPlacement::PerRegion => region_names.as_slice().to_vec(),
    };
    let gateways = match policy.gateways_per_region {
        1 => places,
        several => {
            let numbered = |place: &String| (0..several).map(|i| format!("{place}.{i}")).collect::<Vec<_>>();
            places.iter().flat_map(numbered).collect()
        }
    };
    let pools = world.pools.enumerate().map(|(id, pool)| PoolLabel {
        name: pool.name.clone(),
        region: pool.region,
        gpu: gpus.get(id.index()).cloned().unwrap_or_default(),
        gpus_per_replica: pool.gpus_per_replica,
    });
    let replicas = world.pools.enumerate().flat_map(|(id, pool)| {
        (0..pool.replicas).map(move |number| ReplicaLabel {
            name: format!("{}/{number}", pool.name),
            pool: id,
            region: pool.region,
        })
    });
    Labels {
        origins: world.origins.iter().map(|origin| origin.name.clone()).collect(),
        homes: world.origins.iter().map(|origin| Some(origin.near)).collect(),
        classes: world.classes.iter().map(|class| class.name.clone()).collect(),
        data_classes: world.data_classes.iter().map(|class| class.name.clone()).collect(),
        gateways,
        sources: world.workloads.iter().map(|workload| workload.name.clone()).collect(),
        pools: pools.collect(),
        replicas: replicas.collect(),
        regions: region_names,
    }
}

/// Runs a cell. Rows go to `writer` as requests end, where there is one; `extra` watches as well.
///
/// # Errors
/// When the world cannot be built from its parameters.
pub fn run_cell(
    input: &CellInput<'_>,
    writer: Option<&mut dyn RowWriter>,
    extra: impl Observer,
) -> Result<RunResult, WorldError> {
    let world =
        World::with_method(input.world, input.policy, input.seed, input.method, sinks(input, writer, extra))?;
    let (summary, sinks) = world.looking(&input.look).run(|_, _| true);
    Ok(result(input, summary, sinks))
}

/// Runs a cell twice in lock-step: the result of the second run, and the first event at which they differ.
///
/// # Errors
/// When the world cannot be built from its parameters.
pub fn run_cell_twice(
    input: &CellInput<'_>,
    writer: Option<&mut dyn RowWriter>,
    extra: impl Observer,
) -> Result<(RunResult, Option<Difference>), WorldError> {
    // Both are built before either runs, so that what cannot be built is an error and no difference.
    drop(World::with_method(input.world, input.policy, input.seed, input.method, ())?);
    let watched = sinks(input, writer, extra);
    let (first, second, difference) = lockstep(
        |watch| {
            let world = World::with_method(input.world, input.policy, input.seed, input.method, ())?;
            Ok::<_, WorldError>(world.run(watch).0.outcome_digest)
        },
        |watch| {
            let world = World::with_method(input.world, input.policy, input.seed, input.method, watched)?;
            Ok::<_, WorldError>(world.looking(&input.look).run(watch))
        },
    );
    let (first, (summary, sinks)) = (first?, second?);
    let difference = difference.or_else(|| {
        let show = |digest: u64| Some(format!("outcome digest {digest:016x}"));
        (first != summary.outcome_digest).then(|| Difference {
            equal_events: summary.events,
            first: show(first),
            second: show(summary.outcome_digest),
        })
    });
    Ok((result(input, summary, sinks), difference))
}

type Counting = (Totals, RoutedSink, Option<SpentSink>);
type Sinks<'w, O> = ((RowSink<'w>, SeriesSink), (Conservation, Counting, FollowSink), O);

fn sinks<'w, O>(input: &CellInput<'_>, writer: Option<&'w mut dyn RowWriter>, extra: O) -> Sinks<'w, O> {
    let rows = writer.map_or_else(RowSink::new, RowSink::streaming);
    let series = SeriesSink::new(window(input.world));
    let followed = FollowSink::new(input.world.workloads.iter());
    let replicas = input.world.pools.iter().map(|pool| u64::from(pool.replicas)).sum();
    let routed = RoutedSink::new(gateway_regions(input.world, input.policy), replicas, input.warmup);
    let priced = !input.provenance.prices.is_empty();
    let spent =
        priced.then(|| SpentSink::new(input.world, gateway_regions(input.world, input.policy), input.warmup));
    ((rows, series), (Conservation::new(), (Totals::new(input.warmup), routed, spent), followed), extra)
}

/// The windows of the time line are the gaps between samples; ten seconds where nothing is sampled (our choice).
fn window(world: &WorldParams) -> Span {
    if world.sample_every == Span::ZERO { Span::from_secs(10) } else { world.sample_every }
}

/// Whether the law of what is sent stays the same and nothing happens to the fleet. A trace is as it was recorded.
fn steady(world: &WorldParams) -> bool {
    let generated = |workload: &WorkloadParams| {
        workload.setting.rate_curve.is_none()
            && matches!(&workload.kind, WorkloadKind::Synthetic(some) if some.stages.is_empty())
    };
    world.operations.incidents.is_empty()
        && world.workloads.iter().all(generated)
        && world.origins.iter().all(|origin| origin.geography.day_curve.is_none())
}

fn result<O>(input: &CellInput<'_>, summary: crate::world::Summary, sinks: Sinks<'_, O>) -> RunResult {
    let ((rows, series), (conservation, (totals, routed, spent), followed), _) = sinks;
    let labels = Arc::new(labels(input.world, input.policy, input.gpus));
    let book = rows.finish();
    // The last word may reach its client after the last event; a run ends when its last request has.
    let ended_at = book.last_end().max(summary.end);
    let engines = input.world.pools.iter().all(|pool| matches!(pool.server, ServerParams::Engine(_)));
    let works: Vec<Work> =
        if engines { summary.replicas.iter().map(|sample| sample.work).collect() } else { Vec::new() };
    let spent = spent.map(|sink| {
        let mut spent = sink.finish();
        spent.token_times = token_times(input.world, &summary.replicas);
        spent
    });
    let replicas = summary.replicas.iter().map(|sample| {
        let (warmup_sample_at, at_warmup) = totals.at_warmup(sample.replica);
        ReplicaTotals {
            whole: sample.work,
            at_warmup,
            warmup_sample_at,
            kv_total_blocks: sample.load.kv_total_blocks,
            provisioned: ended_at.since(SimTime::ZERO),
        }
    });
    RunResult {
        scenario: input.scenario.to_string(),
        policy: input.policy.name.clone(),
        seed: input.seed,
        slos: input.world.classes.iter().map(|class| class.slo.clone()).collect(),
        warmup: input.warmup,
        ended_at,
        cut_at_horizon: summary.ended == Ended::Horizon,
        series: series.finish(labels.regions.len(), ended_at),
        series_window: window(input.world),
        replicas: replicas.collect(),
        capacity: input.capacity.to_vec(),
        conservation: conservation.finish(&works),
        events: summary.events,
        outcome_digest: summary.outcome_digest,
        provenance: input.provenance.clone(),
        notices: input.notices.to_vec(),
        warnings: input.warnings.to_vec(),
        labels,
        book,
        followed: followed.finish(),
        routed: routed.finish(),
        spent,
        oracles: oracles(input.policy),
        load_age: load_age(input.policy),
        tenants: Vec::new(),
        steady: steady(input.world),
    }
}

/// By pool, how long a token took in this run.
fn token_times(world: &WorldParams, replicas: &[ReplicaSample]) -> Vec<Option<TokenTime>> {
    let each = world.pools.enumerate().map(|(id, pool)| {
        let of = replicas.iter().filter(|sample| sample.pool == id);
        TokenTime::of(pool, &of.map(|sample| sample.work).collect::<Vec<_>>())
    });
    each.collect()
}
