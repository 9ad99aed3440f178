//! Why there is no plan, and the smallest change that was seen to help: more supply, larger pools, a lower target. Knows
//! plans and cells; must not know how plans are searched for.

use super::answer::Infeasible;
use super::cell::{Cause, CellError};
use super::confirm::{Confirmation, Rules, Verdict, confirm};
use super::evaluate::{Evaluator, may_miss};
use super::market::Market;
use super::{Question, scenes};

/// No more GPUs than this times the supply, plus eight, are tried: our choice.
const MORE: u32 = 2;

/// Why not even the most generous plan passes, or holds.
///
/// # Errors
/// When a cell cannot be played.
pub fn explain(
    question: &Question<'_>,
    evaluator: &mut Evaluator<'_>,
    seeds: &[u64],
    rules: &Rules,
) -> Result<Infeasible, CellError> {
    let top = evaluator.top.clone();
    let all = confirm(evaluator, &top, rules)?;
    let Some(line) = all.tightest().cloned() else {
        return Ok(Infeasible {
            reason: "load".into(),
            shown_by: "no class has a target".into(),
            relaxations: Vec::new(),
        });
    };
    let mut relaxations = Vec::new();
    let more_supply = supply(question, evaluator, seeds)?;
    relaxations.extend(more_supply.iter().cloned());
    let more_replicas = if more_supply.is_empty() { larger(question, evaluator, seeds)? } else { None };
    relaxations.extend(more_replicas.iter().cloned());
    relaxations.extend(lower_targets(&all));
    // What is missed, in the case that is furthest from its target.
    let scenes = evaluator.scenes;
    let mut missed = [0; super::cell::CAUSES];
    if let Some(scene) = scenes.iter().find(|scene| scene.name == line.scene) {
        let outcome = &evaluator.whole(&[(scene, top.as_slice(), rules.first_seed)])?[0];
        for region in &outcome.regions {
            missed.iter_mut().zip(region.missed).for_each(|(sum, n)| *sum += n);
        }
    }
    let misses: u64 = missed.iter().sum();
    let most = |cause: Cause| missed[cause as usize] * 2 > misses;
    let reason = if !more_supply.is_empty() {
        "supply"
    } else if more_replicas.is_some() {
        "max"
    } else if most(Cause::Network) {
        "RTT floor"
    } else if most(Cause::Unserved) {
        "residency"
    } else if evaluator.passes(&top, seeds)? {
        "confirmation"
    } else {
        "load"
    };
    let words = [
        "above the TTFT limit by network time alone",
        "waiting",
        "in prefill",
        "decoding",
        "served by nobody",
    ];
    let worst = (0..missed.len()).max_by_key(|&at| (missed[at], std::cmp::Reverse(at))).unwrap_or(0);
    let shown_by = format!(
        "with all that may be had ({}), {} reaches {:.1} % of {:.1} % ({}); {:.0} % of the misses are {}",
        counts_in_words(evaluator.market, &top),
        line.group,
        line.attainment * 100.0,
        line.target * 100.0,
        line.scene,
        missed[worst] as f64 / misses.max(1) as f64 * 100.0,
        words[worst]
    );
    Ok(Infeasible { reason: reason.into(), shown_by, relaxations })
}

fn counts_in_words(market: &Market, counts: &[u32]) -> String {
    let words = market.offers.iter().zip(counts).map(|(offer, n)| format!("{} {n}", offer.name));
    words.collect::<Vec<_>>().join(", ")
}

/// The targets that the most generous plan holds: the lowest end of what each case reaches, rounded down to a percent.
fn lower_targets(all: &Confirmation) -> Vec<String> {
    let short = all.lines.iter().filter(|line| line.verdict != Verdict::Holds);
    let words = short.map(|line| {
        format!(
            "a target of {:.2} for {} ({})",
            (line.interval.0 * 100.0).floor() / 100.0,
            line.group,
            line.scene
        )
    });
    let mut words: Vec<String> = words.collect();
    words.truncate(3);
    words
}

/// Whether the most generous plan of another market passes: only cells of that plan are played.
fn passes(
    question: &Question<'_>,
    evaluator: &mut Evaluator<'_>,
    market: &Market,
    seeds: &[u64],
) -> Result<bool, CellError> {
    let top = market.top();
    let policy = evaluator.scenes[0].policy();
    let scenes = scenes(question.planning, market, policy, question.base, question.by_set);
    for scene in &scenes {
        let cells: Vec<_> = seeds.iter().map(|&seed| (scene, top.as_slice(), seed)).collect();
        let outcomes = evaluator.whole(&cells)?;
        for group in 0..outcomes[0].groups.len() {
            let arrivals: u64 = outcomes.iter().map(|outcome| outcome.groups[group].arrivals).sum();
            let missed: u64 = outcomes.iter().map(|outcome| outcome.groups[group].missed()).sum();
            if missed > may_miss(arrivals, evaluator.target(scene, group)) {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// The fewest GPUs more of a single lot with which there is a plan, by lot; what pools may be at most rises with them.
fn supply(
    question: &Question<'_>,
    evaluator: &mut Evaluator<'_>,
    seeds: &[u64],
) -> Result<Vec<String>, CellError> {
    let market = evaluator.market.clone();
    let mut found = Vec::new();
    for at in 0..market.supply.len() {
        let lot = &market.supply[at];
        let sizes = market
            .offers
            .iter()
            .filter(|offer| Market::is_of(lot, offer))
            .map(|offer| offer.gpus_per_replica);
        let Some(step) = sizes.filter(|&size| size > 0).min() else { continue };
        let most = (lot.gpus * MORE + 8) / step;
        let with = |replicas: u32| {
            let mut more = market.with_more(at, replicas * step);
            for offer in
                more.offers.iter_mut().filter(|offer| Market::is_of(lot, offer) && offer.min < offer.max)
            {
                offer.max += replicas;
            }
            more
        };
        if most == 0 || !passes(question, evaluator, &with(most), seeds)? {
            continue;
        }
        let (mut low, mut high) = (1, most);
        while low < high {
            let middle = u32::midpoint(low, high);
            if passes(question, evaluator, &with(middle), seeds)? {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        let region = &question.base.plan.world.regions[lot.region].name;
        found.push(format!("+{} {} of supply in {region}", high * step, lot.gpu));
    }
    if found.is_empty() && market.supply.len() > 1 {
        // No lot alone: all of them, by as many replicas each.
        let with = |replicas: u32| {
            let mut more = market.clone();
            for lot in &mut more.supply {
                let own: Vec<_> = more.offers.iter_mut().filter(|offer| Market::is_of(lot, offer)).collect();
                lot.gpus += replicas * own.iter().map(|offer| offer.gpus_per_replica).max().unwrap_or(0);
                own.into_iter().filter(|offer| offer.min < offer.max).for_each(|offer| offer.max += replicas);
            }
            more
        };
        let most = market.supply.iter().map(|lot| lot.gpus).max().unwrap_or(0) * MORE + 8;
        if passes(question, evaluator, &with(most), seeds)? {
            let (mut low, mut high) = (1, most);
            while low < high {
                let middle = u32::midpoint(low, high);
                if passes(question, evaluator, &with(middle), seeds)? {
                    high = middle;
                } else {
                    low = middle + 1;
                }
            }
            found.push(format!("{high} replicas more of each lot of supply, together"));
        }
    }
    Ok(found)
}

/// The least factor on what pools may be at most with which there is a plan.
fn larger(
    question: &Question<'_>,
    evaluator: &mut Evaluator<'_>,
    seeds: &[u64],
) -> Result<Option<String>, CellError> {
    let market = evaluator.market.clone();
    for factor in [2, 4] {
        let mut more = market.clone();
        more.offers.iter_mut().filter(|offer| offer.min < offer.max).for_each(|offer| offer.max *= factor);
        if more.top() != market.top() && passes(question, evaluator, &more, seeds)? {
            return Ok(Some(format!("`max` of every pool times {factor}")));
        }
    }
    Ok(None)
}
