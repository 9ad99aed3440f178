//! Random small worlds, and every law of conservation in each: by the checker that runs in every cell, and by a slow
//! one that keeps all that was ever told and adds it up again in another way.

#[path = "common/recipe.rs"]
mod recipe;
#[path = "common/regions.rs"]
mod regions;
#[path = "common/world.rs"]
mod world;

use proptest::prelude::*;
use proptest::sample::Index;
use recipe::{Recipe, build, recipe};
use regions::{chat, engine, linear, origin, pool, tiers};
use regionsim::dist::Dist;
use regionsim::engine::Ended;
use regionsim::fleet::admission::{
    AdmissionParams, Discipline, GateParams, Over, QueueParams as QueueBounds, SaturationParams, ShedParams,
    Signal, ThrottleBy, ThrottleParams,
};
use regionsim::fleet::{
    DnsParams, Effect, HealthParams, Incident, OperationsParams, Place, RetryParams, SpillParams,
};
use regionsim::id::{ClassId, DataClassId, Id, OriginId, PoolId, RegionId, ReplicaId, SourceId};
use regionsim::network::{Connection, JitterParams, LastMileParams, RegionSet};
use regionsim::observe::{Leg, Miss, Observation, Observer, Outcome, ReplicaSample, RequestRow};
use regionsim::replica::{
    Admission, Batching, CacheMethod, EngineParams, Method, QueueParams, Scheduler, ServerParams, Stepping,
};
use regionsim::routing::{IndexSource, PolicySpec, REGISTRY};
use regionsim::run::{Audit, Conservation};
use regionsim::time::{SimTime, Span};
use regionsim::workload::params::{Arrivals, GlobalPrefix, SharedPrefix, SyntheticParams, Tokens, Until};
use regionsim::world::params::{
    ClassParams, GatewayPlacement, Isolation, PolicyParams, RegionParams, ResidencyParams, SloParams,
    WorldParams,
};
use regionsim::world::{Decisions, Look, Summary, World};
use std::collections::{BTreeMap, BTreeSet};
use world::{one_region, queue, workload};

/// All that was told, in order.
#[derive(Default)]
struct Diary {
    told: Vec<SimTime>,
    arrived: Vec<(SimTime, u32, OriginId, ClassId, u32, u32)>,
    sent: BTreeMap<u32, Vec<(u32, ReplicaId, RegionId)>>,
    ended: Vec<(SimTime, RequestRow)>,
    samples: Vec<ReplicaSample>,
    steps: Vec<(ReplicaId, [u32; 4])>,
}

impl Observer for Diary {
    fn observe(&mut self, now: SimTime, observation: &Observation<'_>) {
        self.told.push(now);
        match *observation {
            Observation::Arrived { id, origin, class, tenant, prompt_tokens } => {
                self.arrived.push((now, id.0, origin, class, tenant.0, prompt_tokens));
            }
            Observation::Restricted { .. } => {}
            Observation::Sent { id, gateway, replica, region, .. } => {
                self.sent.entry(id.0).or_default().push((gateway.0, replica, region));
            }
            Observation::Ended(row) => self.ended.push((now, *row)),
            Observation::Sampled(sample) => self.samples.push(*sample),
            Observation::Stepped { replica, tokens, sequences, free_blocks, used_blocks } => {
                self.steps.push((replica, [tokens, sequences, free_blocks, used_blocks]));
            }
            Observation::Decided(_) | Observation::TurnedAway(_) => {}
        }
    }
}

/// The place of each replica.
fn sites(world: &WorldParams) -> Vec<(PoolId, RegionId)> {
    let pools = world.pools.enumerate();
    pools.flat_map(|(id, pool)| (0..pool.replicas).map(move |_| (id, pool.region))).collect()
}

fn gateway_region(policy: &PolicyParams, gateway: u32) -> RegionId {
    match policy.gateways {
        GatewayPlacement::Central(region) => region,
        GatewayPlacement::PerRegion => RegionId(gateway),
    }
}

fn check_row(
    world: &WorldParams,
    policy: &PolicyParams,
    end: SimTime,
    row: &RequestRow,
) -> Result<(), TestCaseError> {
    let legs: u64 = Leg::ALL.iter().map(|&leg| row.legs.get(leg).0).sum();
    if let Some(first) = row.first_token_at {
        prop_assert_eq!(first.0 - row.sent_at.0, legs, "legs of {:?}", row);
        let outside = row.server_ttft.expect("told with the first token").0;
        let (out, connect) = (row.legs.get(Leg::LastMile).0, row.legs.get(Leg::Connect).0);
        prop_assert_eq!(outside, legs - out - connect - row.legs.get(Leg::Return).0);
        prop_assert!(first <= row.ended_at);
    } else {
        prop_assert_ne!(row.outcome, Outcome::Completed);
        prop_assert_eq!(row.server_ttft, None);
    }
    prop_assert!(row.sent_at <= row.ended_at);
    prop_assert_eq!(row.attempts > 0, row.replica.is_some());
    let most = world.operations.retry.as_ref().map_or(1, |retry| retry.attempts.max(1));
    prop_assert!(row.attempts <= most, "{:?}", row);
    let quiet = world.operations.is_quiet();
    prop_assert_eq!(row.fetched_tokens, 0, "there are no tiers");
    match row.outcome {
        Outcome::Completed => {
            prop_assert_eq!(row.cached_tokens + row.computed_tokens, row.prompt_tokens, "{:?}", row);
            prop_assert!(row.output_tokens >= 1 && row.cached_tokens < row.prompt_tokens);
            prop_assert!(row.preemptions > 0 || row.recomputed_tokens == 0, "{:?}", row);
        }
        Outcome::InFlight => {
            prop_assert_eq!(row.ended_at, end);
            prop_assert!(row.cached_tokens + row.computed_tokens <= row.prompt_tokens, "{:?}", row);
        }
        Outcome::TimedOut => {
            let setting = &world.workloads[row.source].setting;
            let stayed = row.ended_at.since(row.sent_at);
            let too_late = setting.timeout == Some(stayed);
            let no_token = setting.first_token_timeout == Some(stayed) && row.first_token_at.is_none();
            prop_assert!(too_late || no_token, "{:?}", row);
            prop_assert!(row.cached_tokens + row.computed_tokens <= row.prompt_tokens, "{:?}", row);
        }
        Outcome::TooLarge | Outcome::QueueFull | Outcome::NoRegion => {
            prop_assert_eq!(row.cached_tokens + row.computed_tokens + row.output_tokens, 0);
        }
        Outcome::Shed => {
            let sheds = policy.admission.as_ref().is_some_and(|admission| admission.shed.is_some());
            prop_assert!(world.operations.spill.is_some() || sheds);
            prop_assert_eq!(row.cached_tokens + row.computed_tokens + row.output_tokens, 0);
        }
        Outcome::Rejected | Outcome::QueueTimeout | Outcome::Throttled => {
            let admission = policy.admission.as_ref().expect("nobody is turned away for nothing");
            let declared = match row.outcome {
                Outcome::Throttled => admission.throttle.is_some() && row.ended_at == row.sent_at,
                Outcome::QueueTimeout => admission.queue.is_some_and(|queue| queue.timeout.is_some()),
                _ => {
                    admission.gate.is_some() || admission.queue.is_some_and(|queue| queue.capacity.is_some())
                }
            };
            prop_assert!(declared, "{:?}", row);
            prop_assert_eq!(row.cached_tokens + row.computed_tokens + row.output_tokens, 0);
        }
        Outcome::Failed => {
            prop_assert!(world.operations.incidents.iter().any(|incident| incident.effect == Effect::Down));
            let gateways = |incident: &Incident| matches!(incident.place, Place::Gateways(_));
            prop_assert!(row.attempts > 0 || world.operations.incidents.iter().any(gateways));
        }
    }
    if row.outcome == Outcome::Throttled {
        prop_assert_eq!(row.gateway, None);
        return Ok(());
    }
    // Residency: read by a gateway that may, served in a region that may, and passed on only where that is allowed.
    let rule = &world.data_classes[row.data_class];
    let gateways: Vec<RegionId> = match policy.gateways {
        GatewayPlacement::Central(region) => vec![region],
        GatewayPlacement::PerRegion => world.regions.ids().collect(),
    };
    let Some(gateway) = row.gateway.map(|id| gateway_region(policy, id.0)) else {
        prop_assert!(gateways.iter().all(|&region| !rule.decrypt_in.contains(region)));
        prop_assert!(matches!(row.outcome, Outcome::NoRegion | Outcome::TimedOut | Outcome::InFlight));
        return Ok(());
    };
    prop_assert!(rule.decrypt_in.contains(gateway), "read where it must not be: {:?}", row);
    let may = |region: RegionId| {
        rule.process_in.contains(region) && (region == gateway || rule.transit_via.contains(gateway))
    };
    if let Some(region) = row.region {
        prop_assert!(may(region), "served where it must not be: {:?} {:?}", row, rule);
    }
    let somewhere = sites(world).iter().any(|&(_, region)| may(region));
    prop_assert!(
        row.outcome != Outcome::NoRegion || !somewhere || !quiet,
        "refused though it could go: {:?}",
        row
    );
    prop_assert!(
        somewhere
            || matches!(row.outcome, Outcome::NoRegion | Outcome::TimedOut | Outcome::InFlight)
            || row.outcome == Outcome::Failed && row.attempts == 0
    );
    // Nobody waits longer than their patience.
    let setting = &world.workloads[row.source].setting;
    if row.outcome == Outcome::Completed {
        prop_assert!(setting.timeout.is_none_or(|limit| row.ended_at <= row.sent_at + limit), "{:?}", row);
        let limit = setting.first_token_timeout;
        let first = row.first_token_at.expect("completed");
        prop_assert!(limit.is_none_or(|limit| first <= row.sent_at + limit), "{:?}", row);
    }
    // What was served fits where it was served.
    if let (Outcome::Completed, Some(replica)) = (row.outcome, row.replica) {
        let (pool, region) = sites(world)[replica.index()];
        prop_assert_eq!(Some(region), row.region);
        if let ServerParams::Engine(engine) = &world.pools[pool].server {
            let total = row.prompt_tokens + row.output_tokens;
            prop_assert!(total <= engine.max_model_len);
            prop_assert!((total - 1).div_ceil(16) < engine.kv_blocks);
        }
    }
    Ok(())
}

/// How many there are of each.
fn tally<K: Ord>(keys: impl Iterator<Item = K>) -> BTreeMap<K, u64> {
    let mut counts = BTreeMap::new();
    keys.for_each(|key| *counts.entry(key).or_insert(0) += 1);
    counts
}

fn check_all(
    world: &WorldParams,
    policy: &PolicyParams,
    summary: &Summary,
    diary: &Diary,
) -> Result<(), TestCaseError> {
    prop_assert!(diary.told.windows(2).all(|pair| pair[0] <= pair[1]), "time went back");
    // Every arrival ends once, by every group.
    let ended = || diary.ended.iter().map(|(_, row)| row);
    prop_assert_eq!(tally(diary.arrived.iter().map(|a| a.1)), tally(ended().map(|row| row.id.0)));
    prop_assert!(tally(ended().map(|row| row.id.0)).values().all(|&count| count == 1));
    prop_assert_eq!(tally(diary.arrived.iter().map(|a| a.2)), tally(ended().map(|row| row.origin)));
    prop_assert_eq!(tally(diary.arrived.iter().map(|a| a.3)), tally(ended().map(|row| row.class)));
    prop_assert_eq!(tally(diary.arrived.iter().map(|a| a.4)), tally(ended().map(|row| row.tenant.0)));
    let keys: BTreeSet<u64> = ended().map(|row| row.key).collect();
    prop_assert_eq!(keys.len(), diary.ended.len(), "a key names one request");
    let rows: BTreeMap<u32, &RequestRow> = ended().map(|row| (row.id.0, row)).collect();
    for (at, id, _, _, _, prompt) in &diary.arrived {
        prop_assert_eq!((*at, *prompt), (rows[id].sent_at, rows[id].prompt_tokens));
    }
    for (id, row) in &rows {
        let place = diary.sent.get(id).map(|sent| (sent.len(), sent[sent.len() - 1]));
        let attempts = row.attempts as usize;
        let expected =
            row.replica.map(|replica| (attempts, (row.gateway.unwrap().0, replica, row.region.unwrap())));
        prop_assert_eq!(place, expected);
        check_row(world, policy, summary.end, row)?;
    }
    for (at, row) in &diary.ended {
        // A client that leaves, or whose gateway is lost, has ended before the news of it has reached the engine.
        let early = matches!(row.outcome, Outcome::InFlight | Outcome::TimedOut | Outcome::Failed);
        let later = early && *at >= row.ended_at;
        prop_assert!(*at == row.ended_at || later);
    }
    let cut = summary.ended == Ended::Horizon;
    prop_assert!(cut || ended().all(|row| row.outcome != Outcome::InFlight));
    prop_assert!(
        diary.ended.iter().all(|(_, row)| row.ended_at <= world.horizon),
        "nothing after the horizon"
    );

    // Little: the integral of the number of requests between clients and service is the sum of their times.
    let mut changes: Vec<(u64, i64)> = diary.arrived.iter().map(|a| (a.0.0, 1)).collect();
    changes.extend(diary.ended.iter().map(|(_, row)| (row.ended_at.0, -1)));
    changes.sort_unstable_by_key(|&(at, change)| (at, -change));
    let (mut number, mut integral, mut last) = (0i64, 0u128, 0);
    for (at, change) in changes {
        integral += number as u128 * u128::from(at - last);
        (number, last) = (number + change, at);
        prop_assert!(number >= 0);
    }
    let times: u128 = ended().map(|row| u128::from(row.ended_at.0 - row.sent_at.0)).sum();
    prop_assert_eq!((number, integral), (0, times));

    // Engines: bounds of every step, and what replicas did is what requests got.
    let sites = sites(world);
    for (replica, [tokens, sequences, free, used]) in &diary.steps {
        let ServerParams::Engine(engine) = &world.pools[sites[replica.index()].0].server else {
            return Err(TestCaseError::fail("a step of a queue"));
        };
        // Where prompts have steps of their own, a step of outputs is bound by the sequences alone.
        let most = match engine.batching {
            Batching::Mixed => engine.max_num_batched_tokens,
            Batching::PrefillFirst => engine.max_num_batched_tokens.max(engine.max_num_seqs),
        };
        prop_assert!((1..=most).contains(tokens));
        prop_assert!((1..=engine.max_num_seqs).contains(sequences) && sequences <= tokens);
        prop_assert_eq!(free + used, engine.kv_blocks - 1);
    }
    let quiet = world.operations.is_quiet();
    for sample in &summary.replicas {
        let (pool, region) = sites[sample.replica.index()];
        prop_assert_eq!((sample.pool, sample.region), (pool, region));
        let here: Vec<&RequestRow> = ended().filter(|row| row.replica == Some(sample.replica)).collect();
        let completed = here.iter().filter(|row| row.outcome == Outcome::Completed).count();
        let (load, work) = (&sample.load, &sample.work);
        let sum = |of: fn(&RequestRow) -> u32| here.iter().map(|row| u64::from(of(row))).sum::<u64>();
        if !cut {
            prop_assert_eq!(load.running + load.waiting, 0);
            prop_assert_eq!((load.waiting_tokens, load.context_tokens, load.kv_used_blocks), (0, 0, 0));
            // An engine may complete what nobody waits for any more.
            let left = here.iter().filter(|row| row.outcome == Outcome::TimedOut).count();
            prop_assert!(!quiet || (completed..=completed + left).contains(&(work.completed as usize)));
            // What was lost was computed and belongs to nobody.
            let adds_up = |done: u64, told: u64| if quiet { done == told } else { done >= told };
            prop_assert!(adds_up(work.output_tokens, sum(|row| row.output_tokens)));
            prop_assert!(adds_up(work.computed_tokens, sum(|row| row.computed_tokens)));
            prop_assert!(adds_up(work.preemptions, sum(|row| row.preemptions)));
        }
        if let ServerParams::Engine(engine) = &world.pools[pool].server {
            prop_assert_eq!(load.kv_total_blocks, engine.kv_blocks - 1);
            prop_assert!(work.kv_peak_blocks < engine.kv_blocks);
            let adds_up = |done: u64, told: u64| if quiet { done == told } else { done >= told };
            prop_assert!(
                adds_up(work.cached_tokens, sum(|row| row.cached_tokens)),
                "cached at {:?}",
                sample.replica
            );
            prop_assert!(adds_up(work.recomputed_tokens, sum(|row| row.recomputed_tokens)));
            if !cut && quiet {
                let whole = here.iter().all(|row| row.outcome != Outcome::TimedOut);
                let done = work.cached_tokens + work.computed_tokens;
                prop_assert!(done == work.prompt_tokens || !whole && done < work.prompt_tokens);
            }
        }
        // What a replica has done only grows.
        let mut before = (0, 0, 0, 0);
        for earlier in diary.samples.iter().filter(|other| other.replica == sample.replica) {
            let work = &earlier.work;
            let now = (work.steps, work.busy_ps, work.computed_tokens, work.output_tokens);
            prop_assert!(before.0 <= now.0 && before.1 <= now.1 && before.2 <= now.2 && before.3 <= now.3);
            before = now;
        }
    }
    Ok(())
}

fn check(recipe: &Recipe) -> Result<(), TestCaseError> {
    let (world, policy) = build(recipe);
    let observer = ((Diary::default(), Audit::default()), Conservation::new());
    let run = World::new(&world, &policy, recipe.seed, observer).expect("a sound world");
    let mut events = 0u64;
    let (summary, ((diary, audit), conservation)) = run.run(|_, _| {
        events += 1;
        assert!(events < 5_000_000, "so small a world must end");
        true
    });
    prop_assert_eq!(events, summary.events);
    check_all(&world, &policy, &summary, &diary)?;
    prop_assert_eq!(audit.finish(&world, &policy, recipe.seed).violations, 0);
    let engines = world.pools.iter().all(|pool| matches!(pool.server, ServerParams::Engine(_)));
    let works = summary.replicas.iter().filter(|_| engines).map(|sample| &sample.work);
    let report = conservation.finish(works);
    prop_assert_eq!((&report.first[..], report.violations), (&[][..], 0));
    prop_assert_eq!(report.total.arrived, diary.arrived.len() as u64);
    for outcome in Outcome::ALL {
        let count = diary.ended.iter().filter(|(_, row)| row.outcome == outcome).count() as u64;
        prop_assert_eq!(report.total.of(outcome), count);
    }
    Ok(())
}

/// The four ways to compute, stepwise or fast, single blocks or runs: the same rows, samples and caches.
fn check_twins(recipe: &Recipe) -> Result<(), TestCaseError> {
    let (world, policy) = build(recipe);
    let run = |stepping, cache| {
        let method = Method { stepping, cache };
        let world = World::with_method(&world, &policy, recipe.seed, method, Diary::default());
        world.expect("a sound world").run(|_, _| true)
    };
    let (plain, other) = run(Stepping::Stepwise, CacheMethod::Blocks);
    for (stepping, cache) in [
        (Stepping::Fast, CacheMethod::Extents),
        (Stepping::Fast, CacheMethod::Blocks),
        (Stepping::Stepwise, CacheMethod::Extents),
    ] {
        let (fast, diary) = run(stepping, cache);
        prop_assert_eq!(diary.ended.len(), other.ended.len());
        for ((_, fast), (_, plain)) in diary.ended.iter().zip(&other.ended) {
            prop_assert_eq!(fast, plain);
        }
        for (fast, plain) in diary.samples.iter().zip(&other.samples) {
            prop_assert_eq!(fast, plain);
        }
        prop_assert_eq!(&fast.replicas, &plain.replicas);
        prop_assert_eq!(fast.outcome_digest, plain.outcome_digest);
        prop_assert_eq!((fast.ended, fast.end), (plain.ended, plain.end));
    }
    check_all(&world, &policy, &plain, &other)
}

/// Whoever looks changes nothing; each uncached token has one reason, the one that plain sets of blocks give.
fn check_looking(recipe: &Recipe) -> Result<BTreeMap<Miss, u64>, TestCaseError> {
    let (world, policy) = build(recipe);
    let look = Look { misses: true, check_misses: true, decisions: Decisions::Share(0.5) };
    let run = |look: &Look, cache| {
        let method = Method { cache, ..Method::default() };
        let world = World::with_method(&world, &policy, recipe.seed, method, Diary::default());
        world.expect("a sound world").looking(look).run(|_, _| true)
    };
    let (blind, unseen) = run(&Look::default(), CacheMethod::Extents);
    let mut sums: BTreeMap<Miss, u64> = BTreeMap::new();
    for cache in [CacheMethod::Extents, CacheMethod::Blocks] {
        let (seen, diary) = run(&look, cache);
        prop_assert_eq!((seen.outcome_digest, seen.end), (blind.outcome_digest, blind.end));
        for ((_, row), (_, plain)) in diary.ended.iter().zip(&unseen.ended) {
            prop_assert_eq!(&RequestRow { misses: None, ..*row }, plain);
            prop_assert_eq!(row.misses.is_some(), row.outcome == Outcome::Completed);
            let Some(misses) = row.misses else { continue };
            let uncached = row.prompt_tokens - row.cached_tokens - row.fetched_tokens;
            prop_assert_eq!(misses.total(), u64::from(uncached), "{:?}", row);
            for miss in Miss::ALL {
                *sums.entry(miss).or_default() += u64::from(misses.get(miss));
            }
        }
    }
    Ok(sums)
}

/// So many cases, or as many as `PROPTEST_CASES` says.
fn cases(usual: u32) -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(usual);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn nothing_is_lost_in_any_world(recipe in recipe()) {
        check(&recipe)?;
    }
}

proptest! {
    #![proptest_config(cases(2_000))]
    #[test]
    fn the_four_ways_to_compute_are_one(recipe in recipe()) {
        check_twins(&recipe)?;
    }
}

proptest! {
    #![proptest_config(cases(256))]
    #[test]
    fn looking_changes_nothing_and_each_miss_has_its_reason(recipe in recipe()) {
        check_looking(&recipe)?;
    }
}

#[test]
fn random_worlds_reach_every_end_that_there_is() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let (mut ends, mut preempted, mut cached, mut elsewhere) = (BTreeSet::new(), 0, 0, 0);
    let mut retried = 0;
    let mut reasons = BTreeSet::new();
    for _ in 0..250 {
        let recipe = recipe().new_tree(&mut runner).unwrap().current();
        let sums = check_looking(&recipe).unwrap();
        reasons.extend(sums.into_iter().filter_map(|(miss, tokens)| (tokens > 0).then_some(miss)));
        let (world, policy) = build(&recipe);
        let run = World::new(&world, &policy, recipe.seed, Diary::default()).unwrap();
        for (_, row) in run.run(|_, _| true).1.ended {
            ends.insert(row.outcome);
            preempted += row.preemptions;
            retried += u32::from(row.attempts > 1 && row.outcome == Outcome::Completed);
            cached += row.cached_tokens;
            elsewhere += u32::from(row.region.is_some_and(|region| region != world.origins[row.origin].near));
        }
    }
    assert_eq!(ends, Outcome::ALL.into());
    // Residency is one world in a hundred here; `tests/misses.rs` has it by hand.
    reasons.remove(&Miss::Residency);
    assert_eq!(
        reasons,
        [Miss::Compulsory, Miss::Capacity, Miss::Policy, Miss::Isolation, Miss::Outage].into()
    );
    assert!(retried > 0, "no retry was ever completed");
    assert!(preempted > 0 && cached > 0 && elsewhere > 0, "{preempted} {cached} {elsewhere}");
}

#[test]
fn the_slow_checker_sees_what_is_planted() {
    let mut world = regions::three(60);
    world.workloads[SourceId(0)].data_class = None;
    let policy = tiers(Some("nearest"), "least_request", GatewayPlacement::PerRegion);
    let told = || World::new(&world, &policy, 1, Diary::default()).unwrap().run(|_, _| true);
    let (summary, diary) = told();
    check_all(&world, &policy, &summary, &diary).unwrap();
    type Plant = fn(&mut Diary);
    let plants: [Plant; 8] = [
        |diary| diary.told.swap(0, 50),
        |diary| diary.ended.truncate(40),
        |diary| diary.ended[7].1.legs.add(Leg::Hop, Span(1)),
        |diary| diary.ended[7].1.cached_tokens += 1,
        |diary| diary.ended[7].1.ended_at += Span(1),
        |diary| diary.ended[7].1.region = Some(RegionId(9)),
        |diary| diary.steps[3].1[2] += 1,
        |diary| diary.ended[7].1.output_tokens += 1,
    ];
    for (number, plant) in plants.into_iter().enumerate() {
        let (summary, mut diary) = told();
        plant(&mut diary);
        assert!(check_all(&world, &policy, &summary, &diary).is_err(), "plant {number} was not seen");
    }
}
