//! What else there is to say of a plan: how much more traffic it stands, what it does without a region, what keeps it from
//! being smaller. Knows plans and cells; must not know how the plan was found.

use super::answer::{Binding, Headroom, Lost};
use super::cell::{CAUSES, Cause, CellError, Outcome, Use};
use super::confirm::{Confirmation, Rules, Verdict, confirm_in};
use super::evaluate::{Evaluator, may_miss};
use super::market::{Counts, Market};
use super::scene::{AskedBy, Scene, regions_of};
use super::search::in_region;
use crate::id::{Id, RegionId};
use std::sync::Arc;

/// No larger factor is tried.
const MOST: f64 = 8.0;
/// The factor is found to this.
const FINE: f64 = 0.02;

/// The largest factor on traffic at which a plan stands in all usual cases, under these seeds.
///
/// # Errors
/// When a cell cannot be played.
pub fn headroom(evaluator: &mut Evaluator<'_>, counts: &[u32], seeds: &[u64]) -> Result<Headroom, CellError> {
    let mut stands_at = |factor: f64| -> Result<bool, CellError> {
        let usual: Vec<Scene> = evaluator
            .scenes
            .iter()
            .filter(|scene| scene.usual)
            .map(|scene| scene.at_traffic(factor))
            .collect();
        for scene in &usual {
            let cells: Vec<_> = seeds.iter().map(|&seed| (scene, counts, seed)).collect();
            let outcomes = evaluator.whole(&cells)?;
            for group in 0..outcomes[0].groups.len() {
                let sum = |of: fn(&super::cell::Tally) -> u64| -> u64 {
                    outcomes.iter().map(|outcome| of(&outcome.groups[group])).sum()
                };
                let target = evaluator.target(scene, group);
                if sum(|tally| tally.arrivals - tally.met) > may_miss(sum(|tally| tally.arrivals), target) {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    };
    let (mut low, mut high) = (1.0, 1.25);
    while stands_at(high)? {
        low = high;
        if high >= MOST {
            return Ok(Headroom { stands: low, falls: None });
        }
        high = (high * 1.5f64).min(MOST);
    }
    while high - low > FINE * low {
        // Whole percents, so that factors print as they are.
        let middle = ((low + high) * 50.0).round() / 100.0;
        if middle <= low || middle >= high {
            break;
        }
        *(if stands_at(middle)? { &mut low } else { &mut high }) = middle;
    }
    Ok(Headroom { stands: low, falls: Some(high) })
}

/// A plan with each region gone that it has replicas in, under the seeds and looks of its confirmation: where a region's loss is
/// asked for, these are the same cells.
///
/// # Errors
/// When a cell cannot be played.
pub fn without_each_region(
    evaluator: &mut Evaluator<'_>,
    counts: &[u32],
    rules: &Rules,
    asked: Option<f64>,
) -> Result<Vec<Lost>, CellError> {
    let mut regions: Vec<RegionId> = regions_of(evaluator.market);
    regions.retain(|&region| in_region(evaluator, counts, region) > 0);
    let mut lost = Vec::new();
    for region in regions {
        let all = evaluator.scenes.iter();
        let scenes: Vec<Scene> = if asked.is_some() {
            all.filter(|scene| scene.asked_by == AskedBy::Spare && scene.down == [region]).cloned().collect()
        } else {
            all.filter(|scene| scene.usual).map(|scene| scene.without(region)).collect()
        };
        let said = confirm_in(evaluator, &scenes, counts, rules)?;
        let Some(worst) = said.lines.iter().min_by(|a, b| a.attainment.total_cmp(&b.attainment)) else {
            continue;
        };
        let (mut elsewhere, mut unserved, mut served, mut arrivals) = (0, 0, 0, 0);
        for scene in &scenes {
            let seeds =
                said.lines.iter().filter(|line| line.scene == scene.name).map(|line| line.seeds).max();
            let seeds = (0..u64::from(seeds.unwrap_or(0))).map(|i| rules.first_seed.wrapping_add(i));
            let cells: Vec<_> = seeds.map(|seed| (scene, counts, seed)).collect();
            let outcomes = evaluator.whole(&cells)?;
            for region in outcomes.iter().flat_map(|outcome| &outcome.regions) {
                elsewhere += region.from_elsewhere;
                unserved += region.missed[Cause::Unserved as usize];
                served += region.served;
            }
            arrivals += outcomes.iter().map(|outcome| outcome.all().arrivals).sum::<u64>();
        }
        let share = |n: u64| n as f64 / arrivals.max(1) as f64;
        lost.push(Lost {
            region: name(evaluator, region),
            attainment: (worst.attainment, worst.interval.0, worst.interval.1),
            ttft_p99_ms: said.lines.iter().filter_map(|line| line.ttft_p99_ms).max_by(f64::total_cmp),
            seeds: worst.seeds,
            serves: served > 0,
            served_elsewhere: share(elsewhere),
            unserved: share(unserved),
            asked,
        });
    }
    Ok(lost)
}

fn name(evaluator: &Evaluator<'_>, region: RegionId) -> String {
    evaluator.scenes[0].plan.world.regions[region].name.clone()
}

/// The plan with one replica less of an offer of a region: of that which costs most.
pub fn one_less(market: &Market, counts: &[u32], region: RegionId) -> Option<Counts> {
    let offers = market.offers.iter().enumerate();
    let spare = offers.filter(|(at, offer)| offer.region == region && counts[*at] > offer.min);
    let (at, _) = spare.max_by_key(|(at, offer)| (offer.price, std::cmp::Reverse(*at)))?;
    let mut less = counts.to_vec();
    less[at] -= 1;
    Some(less)
}

/// What keeps each region from one replica less: the misses of the plan that has one less, in the case where it falls
/// furthest short. `confirmed` gives what the confirmation of such a plan said.
///
/// # Errors
/// When a cell cannot be played.
pub fn binding(
    evaluator: &mut Evaluator<'_>,
    counts: &[u32],
    first_seed: u64,
    confirmed: &dyn Fn(&[u32]) -> Option<Confirmation>,
) -> Result<Vec<Binding>, CellError> {
    let market = evaluator.market;
    let mut found = Vec::new();
    for region in regions_of(market) {
        let replicas = in_region(evaluator, counts, region);
        let region_name = name(evaluator, region);
        let mut add = |constraint: &str, shown_by: String| {
            found.push(Binding {
                region: region_name.clone(),
                replicas,
                constraint: constraint.to_string(),
                shown_by,
            });
        };
        if replicas == 0 {
            add("none", "nothing stands here".to_string());
            continue;
        }
        let Some(less) = one_less(market, counts, region) else {
            add("min", "no replica may be taken away".to_string());
            continue;
        };
        if less.iter().all(|&n| n == 0) {
            add("none", "one replica is the least that serves at all".to_string());
            continue;
        }
        let Some((line, verdict)) =
            confirmed(&less).and_then(|all| all.tightest().map(|line| (line.clone(), all.verdict)))
        else {
            continue;
        };
        let scenes = evaluator.scenes;
        let Some(scene) = scenes.iter().find(|scene| scene.name == line.scene) else { continue };
        if scene.world(market, &less).is_none() {
            add("spare", format!("one less, and not one replica is left ({})", line.scene));
            continue;
        }
        let outcomes: Vec<Arc<Outcome>> = evaluator.whole(&[(scene, less.as_slice(), first_seed)])?;
        let (constraint, why) = constraint(scene, &outcomes[0], region);
        let open = if verdict == Verdict::Open { ", too near to tell" } else { "" };
        add(
            constraint,
            format!(
                "one less: {} {:.1} % of {:.1} %{open} ({}); {why}",
                line.group,
                line.attainment * 100.0,
                line.target * 100.0,
                line.scene,
            ),
        );
    }
    supply(evaluator, counts, &mut found);
    Ok(found)
}

/// Lots that are used up.
fn supply(evaluator: &Evaluator<'_>, counts: &[u32], found: &mut Vec<Binding>) {
    let market = evaluator.market;
    for lot in &market.supply {
        let taken = market.taken(lot, counts);
        let smallest =
            market.offers.iter().filter(|offer| Market::is_of(lot, offer)).map(|o| o.gpus_per_replica).min();
        let Some(smallest) = smallest else { continue };
        if taken > 0 && taken + u64::from(smallest) > u64::from(lot.gpus) {
            found.push(Binding {
                region: name(evaluator, lot.region),
                replicas: in_region(evaluator, counts, lot.region),
                constraint: "supply".to_string(),
                shown_by: format!("{taken} of {} {} are taken: not one replica more fits", lot.gpus, lot.gpu),
            });
        }
    }
}

/// The constraint that most misses show, of a region, or of all where it has none.
fn constraint(scene: &Scene, outcome: &Outcome, region: RegionId) -> (&'static str, String) {
    let count = |of: &Use| of.missed.iter().sum::<u64>();
    let mut own = outcome.regions.get(region.index()).copied().unwrap_or_default();
    let mut place = "here".to_string();
    if count(&own) == 0 {
        // What was taken away here is missed where its requests went: where most is missed.
        let regions = outcome.regions.iter().enumerate();
        if let Some((at, most)) = regions.max_by_key(|(at, of)| (count(of), std::cmp::Reverse(*at))) {
            own = *most;
            place = format!("in {}", scene.plan.world.regions[RegionId::new(at)].name);
        }
    }
    let missed = own.missed;
    let all: u64 = missed.iter().sum();
    let most = (0..CAUSES).max_by_key(|&at| (missed[at], std::cmp::Reverse(at))).unwrap_or(0);
    let share = format!("{:.0} % of {all} misses {place}", missed[most] as f64 / all.max(1) as f64 * 100.0);
    let engine = scene.plan.world.pools.iter().any(|pool| pool.region == region && pool.timing.is_some());
    let busy = format!("busy {:.0} %", own.busy * 100.0);
    let waiting = |what: &str| {
        if !engine {
            ("server", format!("{share} {what}; {busy}"))
        } else if own.kv_peak >= 0.95 {
            ("KV", format!("{share} {what}; KV blocks in use up to {:.0} %, {busy}", own.kv_peak * 100.0))
        } else if own.slots_peak >= 0.999 {
            ("decode slots", format!("{share} {what}; all `max_num_seqs` taken, {busy}"))
        } else {
            (
                "prefill",
                format!(
                    "{share} {what}; {busy}, KV up to {:.0} %, slots up to {:.0} %",
                    own.kv_peak * 100.0,
                    own.slots_peak * 100.0
                ),
            )
        }
    };
    match most {
        at if at == Cause::Network as usize => {
            ("RTT floor", format!("{share} have a network time above the TTFT limit"))
        }
        at if at == Cause::Waiting as usize => waiting("wait"),
        at if at == Cause::Prefill as usize => waiting("are too long in prefill"),
        at if at == Cause::Decode as usize => {
            if engine {
                (
                    "ITL",
                    format!("{share} decode too slowly; {busy}, slots up to {:.0} %", own.slots_peak * 100.0),
                )
            } else {
                ("server", format!("{share} end too late; {busy}"))
            }
        }
        _ => (
            "residency",
            format!("{share} are served by nobody: no region that may is there, or they were turned away"),
        ),
    }
}
