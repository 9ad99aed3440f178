//! The pairs that a comparison stands on: a row a measure, a mark a seed.

use super::super::compared::{Change, Comparison, Pair};
use super::{look, reach, signed};
use crate::report::draw::labels::Named;
use crate::report::draw::scale::Axis;
use crate::report::draw::{Anchor, Ink, Mark, SIZE, Style};
use crate::report::figure::Drawing;
use crate::report::figures::cast::{figure, rows};
use crate::report::plots::PlotError;

/// The differences of a measure's pairs, as they are shown.
fn differences<'p>(change: &Change, pairs: &[&'p Pair]) -> Vec<(&'p Pair, f64)> {
    let own = pairs.iter().filter(|pair| pair.metric == change.metric);
    own.filter_map(|pair| Some((*pair, change.shown(pair.after - pair.before).filter(|x| x.is_finite())?)))
        .collect()
}

/// The figure, of what decides; none where there are no pairs.
pub(super) fn pairs(
    id: &str,
    title: &str,
    comparison: &Comparison,
    pairs: &[&Pair],
) -> Result<Option<Drawing>, PlotError> {
    let items: Vec<(&Change, Vec<(&Pair, f64)>)> = comparison
        .changes
        .iter()
        .filter(|change| change.decides())
        .map(|change| (change, differences(change, pairs)))
        .filter(|(_, pairs)| pairs.len() > 1)
        .collect();
    if items.is_empty() {
        return Ok(None);
    }
    let name = |change: &Change| {
        let unit = if change.unit == "share" { " (pp)" } else { "" };
        Named { name: format!("{}{unit}", change.metric), ..look(change.verdict) }
    };
    let names: Vec<Named> = items.iter().map(|(change, _)| name(change)).collect();
    let mut rows = rows(title, &names, 34.0, 4.0, 96.0, 52.0);
    let far = reach(items.iter().flat_map(|(_, pairs)| pairs.iter().map(|pair| pair.1)));
    let cut = |value: f64| value.clamp(-far, far);
    let all = items.iter().flat_map(|(_, pairs)| pairs.iter().map(|pair| cut(pair.1)));
    let (low, high) = all.fold((0.0f64, 0.0f64), |(low, high), x| (low.min(x), high.max(x)));
    let room = ((high - low) * 0.05).max(far * 0.02);
    let axis =
        Axis::between("change, % of before; of shares, percentage points (pp)", (low - room, high + room), 8);
    let plane = rows.across(axis, items.len())?;
    let at = |value: f64| plane.at(value, 0.0).0;
    let bottom = rows.top + items.len() as f64 * rows.step;
    rows.scene.line((at(0.0), rows.top), (at(0.0), bottom), Ink::Text);
    for (row, (change, pairs)) in items.iter().enumerate() {
        let y = rows.middle(row);
        let mean = pairs.iter().map(|pair| pair.1).sum::<f64>() / pairs.len() as f64;
        for (number, (pair, value)) in pairs.iter().enumerate() {
            // Side by side, so that equal ones are seen.
            let lane = (number % 5) as f64 - 2.0;
            let style = Style { marker: 4, ..look(change.verdict).style };
            let says = format!("seed {}: {} {}", pair.seed, signed(*value), change.shown_unit());
            rows.scene.dot((at(cut(*value)), y + lane * 3.6), style, says);
        }
        let tick = vec![vec![(at(cut(mean)), y - 14.0), (at(cut(mean)), y + 14.0)]];
        rows.scene.marks.push(Mark::Lines { lines: tick, ink: Ink::Text, width: 2.0, dash: 0 });
        let words = format!("{} {}", signed(mean), change.shown_unit());
        rows.scene.text((rows.x.1 + 10.0, y + 4.0), Anchor::Start, words, SIZE - 1.0, Ink::Text);
    }
    let cutoff = items.iter().any(|(_, pairs)| pairs.iter().any(|pair| pair.1.abs() > far));
    let beyond = if cutoff { " Marks at the very edge lie beyond it." } else { "" };
    let caption = format!(
        "A ring is the difference of two runs with the same seed, the tick their mean, which stands at the right. One ring far \
         from the others is one seed that makes the difference.{beyond}"
    );
    Ok(Some(figure(id, title, &caption, &rows.scene)))
}
