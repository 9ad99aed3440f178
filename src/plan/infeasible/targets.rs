//! Lower targets: the highest that hold, in steps that people write. Knows which key asks for each case; must not know why a
//! target is missed. A target is never lowered to nothing.

use super::trial::{Trials, Tried};
use crate::plan::AskedBy;
use crate::plan::cell::CellError;
use crate::plan::confirm::Line;
use crate::scenario::Planning;
use crate::scenario::overrides::{dotted, key};
use std::collections::BTreeMap;

/// What asks for a share: a class on usual days, the loss of a region, a contingency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Asks {
    Class(usize),
    Spare,
    Contingency(usize),
}

/// Shares by what asks for them, in thousandths.
type Shares = BTreeMap<Asks, u32>;

/// The share in steps that people write, rounded down: whole percents, above 99 % tenths of them.
fn written(share: f64) -> u32 {
    let thousandths = (share.max(0.0) * 1000.0 + 1e-6) as u32;
    if thousandths >= 990 { thousandths } else { thousandths - thousandths % 10 }
}

fn step_below(thousandths: u32) -> u32 {
    thousandths - if thousandths > 990 { 1 } else { 10.min(thousandths) }
}

fn step_above(thousandths: u32) -> u32 {
    thousandths + if thousandths >= 990 { 1 } else { 10 }
}

/// Targets that hold.
pub(super) struct Lower {
    pub words: String,
    pub set: Vec<String>,
    pub tried: Tried,
}

/// The highest targets with which the most generous plan holds under `more`; `None` where one would be nothing.
pub(super) fn lower(trials: &mut Trials<'_, '_>, more: &[String]) -> Result<Option<Lower>, CellError> {
    let planning = &trials.asked().planning;
    let mut shares = Shares::new();
    loop {
        let set = overrides(trials, &shares);
        let Some(tried) = trials.confirm_all(&[more, &set].concat())? else { return Ok(None) };
        if tried.holds() {
            let (shares, tried) = highest(trials, shares, more, tried)?;
            let (set, words) = (overrides(trials, &shares), words(trials, &shares));
            return Ok((!set.is_empty()).then_some(Lower { words, set, tried }));
        }
        // What is only open was not looked at to the end where something fails.
        let worst = tried.said.verdict;
        let mut moved = false;
        for line in tried.said.lines.iter().filter(|line| line.verdict == worst) {
            let Some(asks) = asks_for(trials, planning, line) else { return Ok(None) };
            let least = written(line.interval.0).min(step_below(written_up(line.target)));
            if least == 0 {
                return Ok(None);
            }
            let share = shares.entry(asks).or_insert(1001);
            moved |= least < *share;
            *share = least.min(*share);
        }
        if !moved {
            return Ok(None);
        }
    }
}

/// A target in thousandths, rounded up: targets may be finer than steps.
fn written_up(target: f64) -> u32 {
    (target * 1000.0 - 1e-6).ceil() as u32
}

/// Raised again, one by one, as far as each holds: the first looks were of few seeds.
fn highest(
    trials: &mut Trials<'_, '_>,
    mut shares: Shares,
    more: &[String],
    mut tried: Tried,
) -> Result<(Shares, Tried), CellError> {
    for asks in shares.keys().copied().collect::<Vec<_>>() {
        let now = asked_now(&trials.asked().planning, asks);
        let steps = |&share: &u32| Some(step_above(share)).filter(|&next| next < now);
        let higher: Vec<u32> = std::iter::successors(Some(shares[&asks]), steps).skip(1).collect();
        let (mut holds, mut fails) = (0, higher.len() + 1);
        while holds + 1 < fails {
            // The first step is the likeliest to be too high.
            let middle =
                if holds == 0 && fails == higher.len() + 1 { 1 } else { usize::midpoint(holds, fails) };
            let mut next = shares.clone();
            next.insert(asks, higher[middle - 1]);
            let set = [more, &overrides(trials, &next)].concat();
            if let Some(held) = trials.confirm(&set)?.filter(Tried::holds) {
                (holds, shares, tried) = (middle, next, held);
            } else {
                fails = middle;
            }
        }
    }
    Ok((shares, tried))
}

/// What is asked there now, in thousandths.
fn asked_now(planning: &Planning, asks: Asks) -> u32 {
    written_up(match asks {
        Asks::Class(class) => planning.targets[class],
        Asks::Spare => planning.n_plus_1.unwrap_or(1.0),
        Asks::Contingency(at) => planning.contingencies[at].attainment.unwrap_or(1.0),
    })
}

/// What asks for the share of a line.
fn asks_for(trials: &Trials<'_, '_>, planning: &Planning, line: &Line) -> Option<Asks> {
    let scene = trials.evaluator.scenes.iter().find(|scene| scene.name == line.scene)?;
    Some(match scene.asked_by {
        AskedBy::Usual => {
            // With an origin for each, a group is called after both.
            let names = |name: &str| {
                line.group == name || planning.by_origin && line.group.starts_with(&format!("{name} of "))
            };
            Asks::Class(scene.classes().iter().rposition(|class| names(&class.name))?)
        }
        AskedBy::Spare => Asks::Spare,
        AskedBy::Contingency(at) => Asks::Contingency(at),
    })
}

/// Targets as keys of `[plan]`.
fn overrides(trials: &Trials<'_, '_>, shares: &Shares) -> Vec<String> {
    let asked = trials.asked();
    let planning = &asked.planning;
    let classes = asked.base.plan.world.classes.as_slice();
    let share = |thousandths: u32| format!("{}", f64::from(thousandths) / 1000.0);
    let mut set = Vec::new();
    let of_class = |class: usize| shares.get(&Asks::Class(class)).copied();
    if (0..classes.len()).any(|class| of_class(class).is_some()) {
        if classes.len() == 1 && !planning.targets_by_class {
            set.extend(of_class(0).map(|least| format!("plan.attainment={}", share(least))));
        } else {
            // All of them in one table: single names may be new to it.
            let each = classes.iter().enumerate().map(|(at, class)| {
                let target = of_class(at).map_or_else(|| planning.targets[at].to_string(), share);
                format!("{}={target}", key(&class.name))
            });
            set.push(format!("plan.targets={{{}}}", each.collect::<Vec<_>>().join(",")));
        }
    }
    for (asks, &least) in shares {
        match asks {
            Asks::Class(_) => {}
            Asks::Spare => set.push(format!("plan.n_plus_1={}", share(least))),
            Asks::Contingency(at) => {
                let name = &planning.contingencies[*at].name;
                let path = dotted(&["plan", "contingencies", name, "attainment"]);
                set.push(format!("{path}={}", share(least)));
            }
        }
    }
    set
}

/// The same in words.
fn words(trials: &Trials<'_, '_>, shares: &Shares) -> String {
    let asked = trials.asked();
    let each = shares.iter().map(|(asks, &least)| {
        let of = match asks {
            Asks::Class(class) => asked.base.plan.world.classes.as_slice()[*class].name.as_str(),
            Asks::Spare => "a region's loss",
            Asks::Contingency(at) => asked.planning.contingencies[*at].name.as_str(),
        };
        format!("a target of {} % for {of}", f64::from(least) / 10.0)
    });
    each.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_go_down_in_steps_that_people_write() {
        assert_eq!([0.9578, 0.95, 0.9997, 0.9902, 0.0099, -0.2].map(written), [950, 950, 999, 990, 0, 0]);
        assert_eq!([1000, 991, 990, 950, 10, 5].map(step_below), [999, 990, 980, 940, 0, 0]);
        assert_eq!([980, 990, 999].map(step_above), [990, 991, 1000]);
        // Tries of 0.9500000001 by rounding are 95 %.
        assert_eq!([0.95, 1.0, 0.955].map(written_up), [950, 1000, 955]);
    }
}
