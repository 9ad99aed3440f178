//! Why there is no plan, and the smallest changes that were seen to help: more supply, larger pools, later limits, one region more
//! for a data class, a lower target; several of them together where none does by itself. Knows plans and cells; must not
//! know how plans are searched for. Each change is tried as its user would, as overrides of the scenario, and counts only if the most
//! generous plan is confirmed with it just as plans are: that plan is the last that a search tries.

mod axes;
mod targets;
mod trial;

use super::Question;
use super::answer::{Infeasible, Relaxation};
use super::cell::{CAUSES, Cause, CellError};
use super::confirm::{Confirmation, Rules, confirm};
use super::evaluate::Evaluator;
use super::market::Market;
use crate::world::PolicyParams;
use axes::{Axis, Kind, Later};
use trial::{Trials, Tried};

/// Why not even the most generous plan holds.
///
/// # Errors
/// When a cell cannot be played.
pub fn explain(
    question: &Question<'_>,
    evaluator: &mut Evaluator<'_>,
    policy: &PolicyParams,
    rules: &Rules,
) -> Result<Infeasible, CellError> {
    let top = evaluator.top.clone();
    let all = confirm(evaluator, &top, rules)?;
    let Some(line) = all.tightest().cloned() else {
        return Ok(Infeasible {
            reason: "load".into(),
            shown_by: "no class has a target".into(),
            relaxations: Vec::new(),
            tried: Vec::new(),
        });
    };
    // What is missed, in the case that is furthest from its target.
    let scenes = evaluator.scenes;
    let mut missed = [0; CAUSES];
    if let Some(scene) = scenes.iter().find(|scene| scene.name == line.scene) {
        let outcome = &evaluator.whole(&[(scene, top.as_slice(), rules.first_seed)])?[0];
        for region in &outcome.regions {
            missed.iter_mut().zip(region.missed).for_each(|(sum, n)| *sum += n);
        }
    }
    let misses: u64 = missed.iter().sum();
    let words = [
        "above the TTFT limit by network time alone",
        "waiting",
        "in prefill",
        "decoding",
        "served by nobody",
    ];
    let worst = (0..missed.len()).max_by_key(|&at| (missed[at], std::cmp::Reverse(at))).unwrap_or(0);
    let had = if top.iter().all(|&n| n == 0) {
        "there is not one replica to be had".to_string()
    } else {
        format!("with all that may be had ({})", counts_in_words(evaluator.market, &top))
    };
    let shown_by = format!(
        "{had}, {} reaches {:.1} % of {:.1} % ({}); {:.0} % of the misses are {}",
        line.group,
        line.attainment * 100.0,
        line.target * 100.0,
        line.scene,
        missed[worst] as f64 / misses.max(1) as f64 * 100.0,
        words[worst]
    );
    let most = |cause: Cause| missed[cause as usize] * 2 > misses;
    let (unserved, network) = (most(Cause::Unserved), most(Cause::Network));
    let later = if network {
        Later::Floor
    } else if most(Cause::Waiting) {
        Later::Queue
    } else {
        Later::Usual
    };

    let seeds = 0..u64::from(question.asked.planning.seeds);
    let passes = seeds.map(|i| question.asked.base.plan.seed.wrapping_add(i)).collect::<Vec<_>>();
    let passes = evaluator.passes(&top, &passes)?;
    let mut trials = Trials::new(question, evaluator, policy, rules, later);
    let found = search(&mut trials, &all)?;
    let has =
        |kind: fn(&Kind) -> bool| found.kinds.iter().any(|kinds| !kinds.is_empty() && kinds.iter().all(kind));
    let reason = if has(|kind| matches!(kind, Kind::Lot(_))) {
        "supply"
    } else if has(|kind| matches!(kind, Kind::Pool(_))) {
        "max"
    } else if has(|kind| matches!(kind, Kind::Lot(_) | Kind::Pool(_))) {
        "supply"
    } else if found.several {
        "several"
    } else if network {
        "RTT floor"
    } else if unserved {
        "residency"
    } else if passes {
        "confirmation"
    } else {
        "load"
    };
    Ok(Infeasible { reason: reason.into(), shown_by, relaxations: found.relaxations, tried: found.tried })
}

fn counts_in_words(market: &Market, counts: &[u32]) -> String {
    let words = market.offers.iter().zip(counts).map(|(offer, n)| format!("{} {n}", offer.name));
    words.collect::<Vec<_>>().join(", ")
}

/// What was found.
#[derive(Default)]
struct Found {
    relaxations: Vec<Relaxation>,
    /// Of each relaxation, the kinds of its changes; none for targets.
    kinds: Vec<Vec<Kind>>,
    /// Whether it took changes of several kinds.
    several: bool,
    tried: Vec<String>,
}

impl Found {
    fn add(&mut self, change: String, set: Vec<String>, kinds: Vec<Kind>, tried: &Tried) {
        let Some(line) = tried.said.tightest() else { return };
        self.relaxations.push(Relaxation {
            change,
            set,
            tightest: format!("{}, {}", line.group, line.scene),
            target: line.target,
            attainment: (line.attainment, line.interval.0, line.interval.1),
            seeds: line.seeds,
        });
        self.kinds.push(kinds);
    }
}

/// All changes that help by themselves; one of several kinds where none does.
fn search(trials: &mut Trials<'_, '_>, base: &Confirmation) -> Result<Found, CellError> {
    let mut found = Found::default();
    let groups = axes::all(trials, base);
    for group in &groups {
        found.tried.extend(group.iter().map(|axis| axis.reach(trials)));
        alone_or_together(trials, group, &mut found)?;
    }
    found.tried.push("targets down to 1 %".into());
    if let Some(lower) = targets::lower(trials, &[])? {
        found.add(lower.words, lower.set, Vec::new(), &lower.tried);
    }
    if !found.relaxations.is_empty() {
        return Ok(found);
    }
    // No kind by itself: all of them, targets last of all.
    let axes: Vec<Axis> = groups.concat();
    let levels: Vec<u32> = axes.iter().map(|axis| axis.most).collect();
    let at_most = axes::overrides(trials, &axes, &levels);
    let lower = if holds(trials, &at_most)? {
        None
    } else {
        let Some(lower) = targets::lower(trials, &at_most)? else { return Ok(found) };
        Some(lower)
    };
    let lowered = lower.as_ref().map(|lower| lower.set.clone()).unwrap_or_default();
    found.several = true;
    let levels = reduce(trials, &axes, levels, &lowered)?;
    let mut set = axes::overrides(trials, &axes, &levels);
    set.extend(lowered.iter().cloned());
    if let Some(tried) = trials.confirm(&set)?.filter(Tried::holds) {
        let mut words = axes::words(trials, &axes, &levels);
        words.extend(lower.map(|lower| lower.words));
        let kinds = axes.iter().zip(&levels).filter(|(_, level)| **level > 0).map(|(axis, _)| axis.kind);
        found.add(words.join(", and "), set, kinds.collect(), &tried);
    }
    Ok(found)
}

fn holds(trials: &mut Trials<'_, '_>, set: &[String]) -> Result<bool, CellError> {
    Ok(trials.confirm(set)?.is_some_and(|tried| tried.holds()))
}

/// Each change of a kind by itself; where none is enough, the least of all together.
fn alone_or_together(
    trials: &mut Trials<'_, '_>,
    group: &[Axis],
    found: &mut Found,
) -> Result<(), CellError> {
    let levels: Vec<u32> = group.iter().map(|axis| axis.most).collect();
    let all = axes::overrides(trials, group, &levels);
    if group.is_empty() || !holds(trials, &all)? {
        return Ok(());
    }
    let mut add = |trials: &mut Trials<'_, '_>, levels: &[u32]| -> Result<(), CellError> {
        let set = axes::overrides(trials, group, levels);
        if let Some(tried) = trials.confirm(&set)?.filter(Tried::holds) {
            let kinds = group.iter().zip(levels).filter(|(_, level)| **level > 0).map(|(axis, _)| axis.kind);
            found.add(axes::words(trials, group, levels).join(", and "), set, kinds.collect(), &tried);
        }
        Ok(())
    };
    let mut any = false;
    for at in 0..group.len() {
        let only = |level: u32| {
            let mut levels = vec![0; group.len()];
            levels[at] = level;
            levels
        };
        let set = axes::overrides(trials, group, &only(group[at].most));
        if holds(trials, &set)? {
            let least = least(trials, group, only(group[at].most), at, &[])?;
            add(trials, &least)?;
            any = true;
        }
    }
    if !any {
        let levels = reduce(trials, group, levels, &[])?;
        add(trials, &levels)?;
    }
    Ok(())
}

/// Levels that hold, each as low as it can be with the others where they are: those that come last are lowered first.
fn reduce(
    trials: &mut Trials<'_, '_>,
    axes: &[Axis],
    mut levels: Vec<u32>,
    more: &[String],
) -> Result<Vec<u32>, CellError> {
    for at in (0..axes.len()).rev() {
        let mut without = levels.clone();
        without[at] = 0;
        let set = [axes::overrides(trials, axes, &without), more.to_vec()].concat();
        levels = if holds(trials, &set)? { without } else { least(trials, axes, levels, at, more)? };
    }
    Ok(levels)
}

/// The least level of one axis that holds, by bisection, from 1 to where it is known to.
fn least(
    trials: &mut Trials<'_, '_>,
    axes: &[Axis],
    mut levels: Vec<u32>,
    at: usize,
    more: &[String],
) -> Result<Vec<u32>, CellError> {
    let (mut low, mut high) = (1, levels[at]);
    // What helps is mostly little: the first looks are near the lower end.
    let mut probe = 1;
    while low < high {
        levels[at] = probe.clamp(low, high - 1);
        let set = [axes::overrides(trials, axes, &levels), more.to_vec()].concat();
        if holds(trials, &set)? {
            high = levels[at];
            probe = u32::midpoint(low, high);
        } else {
            low = levels[at] + 1;
            probe = if probe.saturating_mul(4) < high { probe * 2 } else { u32::midpoint(low, high) };
        }
    }
    levels[at] = high;
    Ok(levels)
}
