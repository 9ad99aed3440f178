//! What a plan has in each pool: replicas and their cost, a bar a policy.

use super::super::super::planned::Plan;
use super::Member;
use crate::report::draw::frame::{Place, frame};
use crate::report::draw::labels::{self, Named};
use crate::report::draw::scale::Axis;
use crate::report::draw::{Anchor, Ink, SIZE, Scene, elide, width};
use crate::report::figure::Drawing;
use crate::report::figures::cast::{WIDE, figure, under};
use crate::report::plots::PlotError;

/// The height of a bar.
const BAR: f64 = 15.0;

/// The figure; none where no policy has a plan.
pub(super) fn fleet(plan: &Plan, members: &[Member<'_>]) -> Result<Option<Drawing>, PlotError> {
    let offers = &plan.answer.offers;
    if members.is_empty() || offers.is_empty() {
        return Ok(None);
    }
    let title = format!("Replicas and their cost by pool, {}", plan.answer.scenario);
    let longest = offers.iter().map(|offer| width(offer, SIZE)).fold(0.0f64, f64::max);
    let left = (longest + 34.0).clamp(80.0, 300.0);
    let (top, step) = (44.0, members.len() as f64 * (BAR + 3.0) + 14.0);
    let bottom = top + offers.len() as f64 * step;
    let mut scene = Scene::new(WIDE, bottom + 50.0, &title);
    labels::title(&mut scene, &title);
    let lot = |member: &Member<'_>, offer: &str| {
        member.found.lots.iter().find(|lot| lot.offer == offer).map(|lot| (f64::from(lot.replicas), lot.cost))
    };
    let all = || members.iter().flat_map(|member| member.found.lots.iter());
    // Where costs are counted in replicas they are the same twice.
    let count = if plan.answer.unit == "replicas" { 1 } else { 2 };
    let half = (WIDE - left - 20.0 * count as f64) / count as f64;
    // The numbers behind the longest bar need room.
    let most = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0f64, f64::max).max(1e-9) * 1.22;
    let mut panels = vec![
        (left, most(&mut all().map(|lot| f64::from(lot.replicas))), "replicas".to_owned()),
        (
            left + half + 20.0,
            most(&mut all().map(|lot| lot.cost)),
            if plan.answer.unit == "GPUs" {
                "GPUs".to_owned()
            } else {
                format!("cost, {}", plan.answer.cost_unit())
            },
        ),
    ];
    panels.truncate(count);
    for (at, most, words) in &panels {
        let place = Place { at: (*at, top), size: (half, bottom - top + 44.0), left: 0.0, below: 44.0 };
        let up = Axis { title: String::new(), log: false, range: (0.0, 1.0), ticks: Vec::new() };
        let mut across = Axis::between(words, (0.0, *most), 5);
        if words == "replicas" || words == "GPUs" {
            // There are no halves of them.
            across.ticks.retain(|(value, _)| value.fract() == 0.0);
        }
        frame(&mut scene, place, across, up)?;
    }
    for (row, offer) in offers.iter().enumerate() {
        let y = top + row as f64 * step + 7.0;
        scene.text(
            (16.0, y + (step - 14.0) / 2.0 + 4.0),
            Anchor::Start,
            elide(offer, SIZE, left - 26.0),
            SIZE,
            Ink::Text,
        );
        for (number, member) in members.iter().enumerate() {
            let (replicas, cost) = lot(member, offer).unwrap_or_default();
            let y = y + number as f64 * (BAR + 3.0);
            let shown = [(replicas, format!("{replicas:.0}")), (cost, plan.answer.money(cost))];
            for ((at, most, unit), (value, words)) in panels.iter().zip(shown) {
                let wide = value / most * half;
                let says = format!("{}, {offer}: {words} {unit}", member.named.name);
                scene.rect((*at, y + 1.5), (wide, BAR), member.named.style.ink(), says);
                scene.label((at + wide + 5.0, y + BAR - 1.5), Anchor::Start, words, SIZE - 1.0, Ink::Text);
            }
        }
    }
    if members.len() > 1 {
        let keys: Vec<Named> = members.iter().map(|member| member.named.clone()).collect();
        under(&mut scene, &keys, false);
    }
    let sums = members.iter().map(|member| {
        let replicas: u32 = member.found.lots.iter().map(|lot| lot.replicas).sum();
        let who = if members.len() > 1 { format!("{}: ", member.named.name) } else { String::new() };
        format!(
            "{who}{replicas} replicas, {} {}",
            plan.answer.money(member.found.cost),
            plan.answer.cost_unit()
        )
    });
    let caption = format!("What the plan has of each offer. In all {}.", sums.collect::<Vec<_>>().join("; "));
    Ok(Some(figure("fleet", &title, &caption, &scene)))
}
