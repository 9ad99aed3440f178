//! A plan's figures: what was played by cost, the fleet, what is reached in every case, with a region gone, and headroom.

mod attainment;
mod fleet;
mod pareto;

use super::super::planned::{Found, Plan};
use crate::report::draw::Style;
use crate::report::draw::labels::Named;
use crate::report::figure::Drawing;
use crate::report::plots::PlotError;

/// A policy that has a plan, with its look.
struct Member<'p> {
    named: Named,
    found: &'p Found,
}

fn members(plan: &Plan) -> Vec<Member<'_>> {
    let named = |place: usize, name: &str| Named { name: name.to_owned(), style: Style::of(place) };
    let all = plan.answer.plans.iter().enumerate();
    all.filter_map(|(at, planned)| {
        Some(Member { named: named(at, &planned.policy), found: planned.found.as_ref()? })
    })
    .collect()
}

/// All of them, as far as there is something to draw.
pub(super) fn drawings(plan: &Plan) -> Result<Vec<Drawing>, PlotError> {
    let members = members(plan);
    let made = [
        pareto::p99(plan)?,
        pareto::attainment(plan)?,
        fleet::fleet(plan, &members)?,
        attainment::cases(plan, &members)?,
        attainment::lost(plan, &members)?,
        attainment::headroom(plan, &members)?,
    ];
    Ok(made.into_iter().flatten().collect())
}
