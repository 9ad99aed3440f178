//! Capacity plans: the cheapest replicas of each offer, in each region, that keep the SLOs in every case asked for. Knows
//! scenarios and cells; must not know files, nor how an answer looks. Every number comes from played cells; what is
//! estimated (rates) says only where to look first. A plan is of the long run: what happens on the way to a region's loss is
//! a matter of `[[events]]`.
//!
//! The way: offers and cases → a guess by rates → bisection by region → one replica less, exchanges, several starts →
//! confirmation of the winner and its neighbours under seeds of their own → what else there is to say of it.

pub mod after;
pub mod answer;
pub mod asked;
pub mod cell;
pub mod confirm;
pub mod evaluate;
pub mod fluid;
pub mod infeasible;
pub mod market;
pub mod pareto;
pub mod scene;
pub mod search;
pub mod sun;
pub mod traffic;
pub mod usage;

pub use answer::{Answer, Planned};
pub use asked::{Asked, AskedError};
pub use cell::{CellError, Outcome};
pub use evaluate::{Evaluator, Store};
pub use market::{Counts, Market};
pub use scene::{AskedBy, Scene, Variant, scenes};
pub use usage::Written;

use crate::stats::Paired;
use crate::world::PolicyParams;
use answer::{Found, Lot, Neighbour};
use confirm::{Confirmation, Rules, Verdict};
use std::collections::{BTreeMap, BTreeSet};

/// The seeds of confirmation begin so far from those of the search.
pub const CONFIRM_FROM: u64 = 1_000_000;
/// Plans that are confirmed one replica at a time before steps become larger.
const SMALL_STEPS: usize = 12;
/// Neighbours are confirmed upwards too where so many offers are free.
const FEW: usize = 6;
/// Fewer allowed misses than this in a cell, and its attainment is coarse: the usual rule of thumb for tails.
const COARSE: f64 = 10.0;

/// What to plan.
pub struct Question<'q> {
    /// The scenario and what is asked of it.
    pub asked: &'q Asked,
    /// Its text: what would help where there is no plan is tried as a user would.
    pub written: &'q dyn Written,
    /// Leave out what else there is to say: headroom, the price of residency.
    pub quick: bool,
    /// Where results outlive the program.
    pub store: Option<&'q dyn Store>,
    /// Called for each cell that was played.
    pub tick: &'q (dyn Fn() + Sync),
}

/// The answer.
///
/// # Errors
/// When a cell cannot be played.
pub fn solve(question: &Question<'_>) -> Result<Answer, CellError> {
    let Asked { base: variant, by_set, planning } = question.asked;
    let base = &variant.plan;
    let market = Market::of(base, planning, &variant.typed);
    let mut plans = Vec::new();
    let mut cells = (0, 0);
    let mut cases = Vec::new();
    let mut requests = 0.0;
    let mut notices = Vec::new();
    for name in &planning.policies {
        let Some(policy) = base.policies.iter().find(|policy| policy.name == *name) else { continue };
        let scenes = scenes(planning, &market, policy, variant, by_set);
        cases = scenes.iter().map(|scene| scene.name.clone()).collect();
        let mut evaluator =
            Evaluator::new(&scenes, &market, planning.by_origin, question.store, question.tick);
        let planned = one(question, &mut evaluator, policy)?;
        cells = (cells.0 + evaluator.played, cells.1 + evaluator.recalled);
        if plans.is_empty() {
            requests = size(&mut evaluator, base.seed, &mut notices)?;
        }
        plans.push(planned);
    }
    let sun = sun::sun(base, planning);
    let events = (!base.world.operations.incidents.is_empty()).then_some(planning.events);
    if let Some(sun) = sun.as_ref().filter(|_| planning.times_s.len() < 2) {
        let peaks: Vec<String> = sun.regions.iter().map(|(name, _, _, at)| format!("{name} {at}")).collect();
        notices.push(format!(
            "demand moves with the clock (peaks in UTC: {}; of all together {}), and the plan stands at one time: name others in \
             `plan.times`",
            peaks.join(", "),
            sun.peak
        ));
    }
    Ok(Answer {
        schema_version: 2,
        scenario: base.name.clone(),
        tool_version: env!("CARGO_PKG_VERSION").to_string(),
        scenario_hash: format!("{:016x}", base.content_hash()),
        kind: if events == Some(true) {
            "traffic and events as they are over the span of a cell, a lost region gone from the start"
                .to_string()
        } else {
            "steady state: traffic as it is over the span of a cell, a lost region gone from the start"
                .to_string()
        },
        events,
        unit: market.unit().to_string(),
        offers: market.offers.iter().map(|offer| offer.name.clone()).collect(),
        cases,
        search_seeds: (base.seed, planning.seeds),
        confirm_seeds: (base.seed.wrapping_add(CONFIRM_FROM), planning.max_seeds),
        confidence: planning.confidence,
        requests_per_cell: requests,
        plans,
        sun,
        notices,
        cells,
    })
}

/// How many requests count in a cell of the most generous plan, and a notice where they are too few for a target.
fn size(evaluator: &mut Evaluator<'_>, seed: u64, notices: &mut Vec<String>) -> Result<f64, CellError> {
    let top = evaluator.top.clone();
    let scenes = evaluator.scenes;
    let usual: Vec<_> = scenes.iter().filter(|scene| scene.usual).collect();
    let cells: Vec<_> = usual.iter().map(|scene| (*scene, top.as_slice(), seed)).collect();
    let outcomes = evaluator.whole(&cells)?;
    let mut coarse: Option<(String, f64, f64)> = None;
    for (scene, outcome) in usual.iter().zip(&outcomes) {
        for (group, tally) in outcome.groups.iter().enumerate() {
            let target = evaluator.target(scene, group);
            let may = tally.arrivals as f64 * (1.0 - target);
            if target < 1.0 && tally.arrivals > 0 && may < COARSE && coarse.as_ref().is_none_or(|c| may < c.1)
            {
                coarse = Some((evaluator.group_name(scene, group), may, target));
            }
        }
    }
    let whole = |scene: &&Scene| scene.targets.iter().any(|&target| target >= 1.0);
    if let Some(scene) = scenes.iter().find(whole) {
        notices.push(format!(
            "a target of 100 % ({}) holds as long as not one request of the cells misses: no number of cells shows that none ever \
             will",
            scene.name
        ));
    }
    if top.iter().all(|&n| n == 0) {
        return Ok(0.0);
    }
    if outcomes.iter().all(|outcome| outcome.all().arrivals == 0) {
        notices.push(
            "no request counts in a cell: send more, lengthen the workloads, or shorten `warmup`".to_string(),
        );
    }
    if let Some((group, may, target)) = coarse {
        notices.push(format!(
            "a cell has so few requests of {group} that {:.1} misses are {:.1} %: lengthen the workloads (or `plan.span`) to about \
             {:.0} times, or the plan rests on chance",
            may,
            (1.0 - target) * 100.0,
            (COARSE / may.max(0.1)).ceil()
        ));
    }
    Ok(outcomes.iter().map(|outcome| outcome.all().arrivals as f64).sum::<f64>()
        / outcomes.len().max(1) as f64)
}

fn one(
    question: &Question<'_>,
    evaluator: &mut Evaluator<'_>,
    policy: &PolicyParams,
) -> Result<Planned, CellError> {
    let planning = &question.asked.planning;
    let base = &question.asked.base.plan;
    let seeds: Vec<u64> = (0..u64::from(planning.seeds)).map(|i| base.seed.wrapping_add(i)).collect();
    let rules = Rules {
        first_seed: base.seed.wrapping_add(CONFIRM_FROM),
        max_seeds: planning.max_seeds,
        confidence: planning.confidence,
    };
    let (guess, fluid) = guess(evaluator, &seeds)?;
    let name = policy.name.clone();
    // What the search's few seeds reject, confirmation may uphold: it has the last word.
    let proposed = search::search(evaluator, &guess, &seeds)?.unwrap_or_else(|| evaluator.top.clone());
    let Settled { counts, confirmed } = settle(evaluator, &proposed, &rules)?;
    let Some(counts) = counts else {
        let infeasible = infeasible::explain(question, evaluator, policy, &rules)?;
        let pareto = pareto::points(evaluator, &seeds, &confirmed, &rules, false)?;
        return Ok(Planned { policy: name, found: None, infeasible: Some(infeasible), pareto });
    };
    let market = evaluator.market;
    let lots = market.offers.iter().zip(&counts).zip(&fluid);
    let lots = lots.map(|((offer, &n), fluid)| Lot {
        offer: offer.name.clone(),
        region: base.world.regions[offer.region].name.clone(),
        gpu: offer.gpu.clone(),
        replicas: n,
        gpus: offer.gpus_per_replica * n,
        cost: offer.price.usd() * f64::from(n),
        fluid: fluid.0,
        rates: fluid.1,
    });
    let lots = lots.collect();
    let confirmation = confirmed[&counts].clone();
    let neighbours = neighbours(evaluator, &counts, &confirmed, &rules)?;
    let headroom = if question.quick { None } else { Some(after::headroom(evaluator, &counts, &seeds)?) };
    let binding = after::binding(evaluator, &counts, rules.first_seed, &|less| confirmed.get(less).cloned())?;
    let lost = after::without_each_region(evaluator, &counts, &rules, planning.n_plus_1)?;
    let residency =
        if question.quick { None } else { residency(evaluator, &counts, &seeds, &rules, question)? };
    let mut binding = binding;
    if let Some(without) = residency.as_ref().filter(|residency| residency.cost_without.is_some()) {
        for region in scene::regions_of(market) {
            let here = search::in_region(evaluator, &counts, region);
            let free = search::in_region(evaluator, &without.replicas_without, region);
            if here > free {
                binding.push(answer::Binding {
                    region: base.world.regions[region].name.clone(),
                    replicas: here,
                    constraint: "residency".to_string(),
                    shown_by: format!(
                        "without residency rules {free} here, at {} in all",
                        market.money(market.cost(&without.replicas_without))
                    ),
                });
            }
        }
    }
    let pareto = pareto::points(evaluator, &seeds, &confirmed, &rules, !question.quick)?;
    Ok(Planned {
        policy: name,
        found: Some(Found {
            cost: market.cost(&counts).usd(),
            set: usage::set(market, base, question.written, &counts),
            proposed: (proposed != counts).then_some(proposed),
            lots,
            confirmation,
            neighbours,
            headroom,
            binding,
            lost,
            residency,
        }),
        infeasible: None,
        pareto,
    })
}

/// By offer, where rates say to look, and how many replicas the region's own demand takes by rates.
type Guess = (Counts, Vec<(f64, Option<fluid::Rates>)>);

fn guess(evaluator: &mut Evaluator<'_>, seeds: &[u64]) -> Result<Guess, CellError> {
    let market = evaluator.market;
    let top = evaluator.top.clone();
    let scenes = evaluator.scenes;
    let mut needed = vec![(0.0, None); market.offers.len()];
    let usual: Vec<_> = scenes.iter().filter(|scene| scene.usual).collect();
    let cells: Vec<_> = usual.iter().map(|scene| (*scene, top.as_slice(), seeds[0])).collect();
    let outcomes = evaluator.whole(&cells)?;
    for (scene, outcome) in usual.iter().zip(&outcomes) {
        let world = &scene.plan.world;
        for (at, offer) in market.offers.iter().enumerate() {
            let mut home = cell::Demand::default();
            for (origin, demand) in world.origins.iter().zip(&outcome.demand) {
                if origin.near == offer.region {
                    home.requests += demand.requests;
                    home.computed_tokens += demand.computed_tokens;
                    home.prompt_tokens += demand.prompt_tokens;
                    home.output_tokens += demand.output_tokens;
                }
            }
            let per = |tokens: u64| tokens as f64 / home.requests.max(1) as f64;
            let slo = &world.classes.as_slice()[0].slo;
            let pool = &world.pools.as_slice()[at];
            let rates = fluid::rates(pool, per(home.prompt_tokens), per(home.output_tokens), slo);
            let replicas = rates.map_or(0.0, |rates| fluid::replicas(&rates, &home, outcome.span_s));
            if rates.is_some() && (needed[at].1.is_none() || replicas > needed[at].0) {
                needed[at] = (replicas, rates);
            }
        }
    }
    let count = |(at, offer): (usize, &market::Offer)| {
        (needed[at].0.ceil() as u32).clamp(offer.min, offer.max).min(top[at])
    };
    let mut counts: Counts = market.offers.iter().enumerate().map(count).collect();
    if counts.iter().all(|&n| n == 0) {
        counts.clone_from(&top);
    }
    Ok((counts, needed))
}

struct Settled {
    /// The plan; `None` where nothing held.
    counts: Option<Counts>,
    confirmed: BTreeMap<Counts, Confirmation>,
}

/// From what the search proposes to what confirmation holds up: upwards from a proposal that it does not, cheapest first;
/// then downwards as long as a plan with one replica less holds too. The most generous plan is the last that is tried, so
/// that where it holds there is a plan.
fn settle(evaluator: &mut Evaluator<'_>, proposed: &[u32], rules: &Rules) -> Result<Settled, CellError> {
    let market = evaluator.market;
    let mut confirmed: BTreeMap<Counts, Confirmation> = BTreeMap::new();
    let mut open: BTreeSet<(u64, u32, Counts)> = BTreeSet::new();
    let entry = |counts: Counts| (market.cost(&counts).0, counts.iter().sum::<u32>(), counts);
    open.insert(entry(proposed.to_vec()));
    let mut best = None;
    while let Some((_, _, counts)) = open.pop_first() {
        if confirmed.contains_key(&counts) {
            continue;
        }
        let said = confirm::confirm(evaluator, &counts, rules)?;
        let holds = said.verdict == Verdict::Holds;
        confirmed.insert(counts.clone(), said);
        if holds {
            best = Some(counts);
            break;
        }
        if confirmed.len() > SMALL_STEPS {
            // One more of everything, as far as there is room; the top at last.
            let mut more = counts.clone();
            for at in market.free() {
                more[at] += 1;
                if !market.fits(&more) {
                    more[at] -= 1;
                }
            }
            open.clear();
            if more != counts {
                open.insert(entry(more));
            }
            continue;
        }
        for at in market.free() {
            let mut more = counts.clone();
            more[at] += 1;
            if market.fits(&more) {
                open.insert(entry(more));
            }
        }
    }
    if best.is_none() && !confirmed.contains_key(&evaluator.top) {
        let top = evaluator.top.clone();
        let said = confirm::confirm(evaluator, &top, rules)?;
        best = (said.verdict == Verdict::Holds).then(|| top.clone());
        confirmed.insert(top, said);
    }
    let Some(mut best) = best else { return Ok(Settled { counts: None, confirmed }) };
    'smaller: loop {
        let mut less: Vec<Counts> = Vec::new();
        for at in market.free() {
            let mut one = best.clone();
            if one[at] > market.offers[at].min {
                one[at] -= 1;
                less.push(one);
            }
        }
        less.sort_by_key(|counts| market.cost(counts));
        for counts in less {
            if !confirmed.contains_key(&counts) {
                let said = confirm::confirm(evaluator, &counts, rules)?;
                confirmed.insert(counts.clone(), said);
            }
            if confirmed[&counts].verdict == Verdict::Holds {
                best = counts;
                continue 'smaller;
            }
        }
        break;
    }
    if market.free().count() <= FEW {
        for at in market.free() {
            let mut more = best.clone();
            more[at] += 1;
            if market.fits(&more) && !confirmed.contains_key(&more) {
                let said = confirm::confirm(evaluator, &more, rules)?;
                confirmed.insert(more, said);
            }
        }
    }
    Ok(Settled { counts: Some(best), confirmed })
}

/// The neighbours that were confirmed, each beside the plan under the neighbour's own seeds.
fn neighbours(
    evaluator: &mut Evaluator<'_>,
    counts: &[u32],
    confirmed: &BTreeMap<Counts, Confirmation>,
    rules: &Rules,
) -> Result<Vec<Neighbour>, CellError> {
    let market = evaluator.market;
    let scenes = evaluator.scenes;
    let mut found = Vec::new();
    for at in market.free() {
        for step in [-1i64, 1] {
            let mut next = counts.to_vec();
            let Some(n) = u32::try_from(i64::from(next[at]) + step).ok() else { continue };
            next[at] = n;
            let Some(said) = confirmed.get(&next) else { continue };
            let Some(line) = said.tightest() else { continue };
            let mut difference = None;
            if let Some(scene) = scenes.iter().find(|scene| scene.name == line.scene) {
                let seeds = (0..u64::from(line.seeds)).map(|i| rules.first_seed.wrapping_add(i));
                let cells: Vec<(&Scene, &[u32], u64)> = seeds.map(|seed| (scene, counts, seed)).collect();
                let own = evaluator.whole(&cells)?;
                let group =
                    (0..own[0].groups.len()).find(|&at| evaluator.group_name(scene, at) == line.group);
                let own: Vec<f64> =
                    own.iter().map(|outcome| outcome.groups[group.unwrap_or(0)].attainment()).collect();
                difference = Paired::of(&own, &line.by_seed)
                    .and_then(|paired| Some((paired.mean(), paired.interval(rules.confidence)?)))
                    .map(|(mean, (low, high))| (mean, low, high));
            }
            found.push(Neighbour {
                change: format!("{} {step:+}", market.offers[at].name),
                cost: market.cost(&next).usd(),
                verdict: said.verdict,
                tightest: format!("{}, {}", line.group, line.scene),
                attainment: (line.attainment, line.interval.0, line.interval.1),
                seeds: line.seeds,
                difference,
            });
        }
    }
    Ok(found)
}

/// What the rules cost: the same question without them.
fn residency(
    evaluator: &mut Evaluator<'_>,
    counts: &[u32],
    seeds: &[u64],
    rules: &Rules,
    question: &Question<'_>,
) -> Result<Option<answer::Residency>, CellError> {
    let world = &question.asked.base.plan.world;
    let all: crate::id::RegionSet = world.regions.ids().collect();
    let restricts = |rule: &crate::world::ResidencyParams| {
        let every = |set: crate::id::RegionSet| all.without(set).is_empty();
        let open = every(rule.serve_in()) && every(rule.read_in(true)) && every(rule.transit_via);
        !open || !rule.closed.is_empty()
    };
    if !world.data_classes.iter().any(restricts) {
        return Ok(None);
    }
    let scenes: Vec<Scene> = evaluator.scenes.iter().map(Scene::unrestricted).collect();
    let market = evaluator.market;
    let mut free = Evaluator::new(&scenes, market, evaluator.by_origin, question.store, question.tick);
    let proposed = search::search(&mut free, counts, seeds)?.unwrap_or_else(|| free.top.clone());
    let found = settle(&mut free, &proposed, rules)?.counts;
    evaluator.played += free.played;
    evaluator.recalled += free.recalled;
    let cost = found.as_ref().map(|found| market.cost(found).usd());
    Ok(Some(answer::Residency {
        cost_without: cost,
        price: cost.map(|cost| market.cost(counts).usd() - cost),
        replicas_without: found.unwrap_or_default(),
    }))
}
