//! What a suite's bounds leave: a row a bound, its value as a share of the bound.

use super::super::checked::{Checked, Held};
use super::reach;
use crate::measure::{Bound, Relation};
use crate::report::draw::labels::Named;
use crate::report::draw::scale::{Axis, short};
use crate::report::draw::{Anchor, Ink, SIZE, Style};
use crate::report::figure::Drawing;
use crate::report::figures::cast::{WIDE, figure, rows, under};
use crate::report::gates::shown;
use crate::report::plots::PlotError;

/// A bound as it is written: `ttft.p99{origin="eu"} < 800ms`.
fn bound(held: &Held) -> Option<Bound> {
    let outside = held.bound.rfind('}').map_or(0, |at| at + 1);
    let at = held.bound[outside..].find(['<', '>'])? + outside;
    Bound::parse(&held.unit, &held.bound[at..]).ok()
}

fn holds(holds: bool) -> Named {
    let (name, colour, marker) = if holds { ("holds", 2, 2) } else { ("broken", 1, 1) };
    Named { name: name.to_owned(), style: Style { colour, dash: 0, marker } }
}

/// The figure; none where nothing is bounded.
pub(super) fn bounds(checked: &Checked) -> Result<Option<Drawing>, PlotError> {
    let all = checked.policies.iter().flat_map(|judged| {
        judged.thresholds.iter().filter_map(move |held| {
            let bound = bound(held)?;
            let share = 100.0 * held.value? / bound.value;
            (bound.value > 0.0 && share.is_finite()).then_some((judged, held, bound, share))
        })
    });
    let all: Vec<_> = all.collect();
    if all.is_empty() {
        return Ok(None);
    }
    let name = |judged: &super::super::checked::Judged, held: &Held| {
        format!("{} {}: {}", judged.scenario, judged.policy, held.bound)
    };
    let names: Vec<Named> = all
        .iter()
        .map(|(judged, held, ..)| Named { name: name(judged, held), ..self::holds(held.holds) })
        .collect();
    let title = format!("Bounds of {}", checked.suite);
    let mut rows = rows(&title, &names, 24.0, 4.0, 120.0, 58.0);
    let far = reach(all.iter().map(|(.., share)| *share)).max(110.0);
    let plane = rows.across(Axis::between("value, % of its bound", (0.0, far * 1.03), 8), all.len())?;
    let at = |value: f64| plane.at(value.min(far), 0.0).0;
    let bottom = rows.top + all.len() as f64 * rows.step;
    rows.scene.line((at(100.0), rows.top), (at(100.0), bottom), Ink::Text);
    for (row, (judged, held, bound, share)) in all.iter().enumerate() {
        let y = rows.middle(row);
        let upper = matches!(bound.relation, Relation::Below | Relation::AtMost);
        // Which way is forbidden.
        let (from, to) = if upper { (at(100.0), rows.x.1) } else { (rows.x.0, at(100.0)) };
        rows.scene.rect((from, y - 9.0), (to - from, 18.0), Ink::Shade, "");
        let value = shown(held.value.unwrap_or_default(), &held.unit);
        let says = format!("{}: {value}, {} % of the bound", name(judged, held), short(*share));
        rows.scene.dot((at(*share), y), self::holds(held.holds).style, says);
        rows.scene.text((WIDE - 14.0, y + 4.0), Anchor::End, value, SIZE - 1.0, Ink::Text);
    }
    let mut keys = Vec::new();
    for held in [true, false] {
        if all.iter().any(|(_, one, ..)| one.holds == held) {
            keys.push(holds(held));
        }
    }
    under(&mut rows.scene, &keys, false);
    let caption = "Each value against its bound, the line; the shaded side is what the bound forbids.";
    Ok(Some(figure("bounds", &title, caption, &rows.scene)))
}
