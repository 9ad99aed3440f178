//! A comparison as a forest: a row a measure, its difference with the interval, the zero line, the verdict by its mark.

use super::super::compared::{Change, Comparison};
use super::{look, reach, signed};
use crate::report::draw::labels::Named;
use crate::report::draw::scale::Axis;
use crate::report::draw::{Anchor, Ink, Mark, SIZE, width};
use crate::report::figure::Drawing;
use crate::report::figures::cast::{WIDE, figure, rows, under};
use crate::report::plots::PlotError;

/// A row: what is shown of a change, in per cent or percentage points.
struct Item<'c> {
    change: &'c Change,
    value: f64,
    ends: Option<(f64, f64)>,
    margin: Option<f64>,
    named: Named,
}

impl Item<'_> {
    fn of(change: &Change) -> Option<Item<'_>> {
        let shown = |value: f64| change.shown(value).filter(|value| value.is_finite());
        let ends = change.interval.and_then(|(low, high)| Some((shown(low)?, shown(high)?)));
        let unit = if change.unit == "share" { " (pp)" } else { "" };
        let named = Named {
            name: format!("{}{unit}", change.metric),
            ..look(change.verdict.filter(|_| change.decides()))
        };
        Some(Item {
            change,
            value: shown(change.difference)?,
            ends,
            margin: change.margin.and_then(shown),
            named,
        })
    }
    fn far(&self) -> f64 {
        let (low, high) = self.ends.unwrap_or((self.value, self.value));
        self.value.abs().max(low.abs()).max(high.abs())
    }
    /// What stands at the right.
    fn words(&self) -> String {
        let ends =
            self.ends.map_or(String::new(), |(low, high)| format!(" ({} … {})", signed(low), signed(high)));
        let few = if self.change.reliable { "" } else { " ~" };
        format!("{} {}{ends}{few}", signed(self.value), self.change.shown_unit())
    }
}

/// The forest; none where no measure has a difference that can be shown.
pub(super) fn forest(id: &str, title: &str, comparison: &Comparison) -> Result<Option<Drawing>, PlotError> {
    let items: Vec<Item<'_>> = comparison.changes.iter().filter_map(Item::of).collect();
    if items.is_empty() {
        return Ok(None);
    }
    let names: Vec<Named> = items.iter().map(|item| item.named.clone()).collect();
    let words = items.iter().map(|item| width(&item.words(), SIZE - 1.0)).fold(0.0, f64::max);
    let verdicts = items.iter().filter(|item| item.change.decides());
    let verdict = verdicts.map(|item| width(&look(item.change.verdict).name, SIZE - 1.0)).fold(0.0, f64::max);
    let right = (words + verdict + 40.0).min(340.0);
    let mut rows = rows(title, &names, 24.0, 4.0, right, 58.0);
    let far = reach(items.iter().map(Item::far));
    let cut = |value: f64| value.clamp(-far, far);
    let ends = items.iter().flat_map(|item| {
        let (low, high) = item.ends.unwrap_or((item.value, item.value));
        [cut(low), cut(high), cut(item.value)]
    });
    let (low, high) = ends.fold((0.0f64, 0.0f64), |(low, high), x| (low.min(x), high.max(x)));
    let room = ((high - low) * 0.05).max(far * 0.02);
    let axis =
        Axis::between("change, % of before; of shares, percentage points (pp)", (low - room, high + room), 7);
    let plane = rows.across(axis, items.len())?;
    let at = |value: f64| plane.at(value, 0.0).0;
    let bottom = rows.top + items.len() as f64 * rows.step;
    rows.scene.line((at(0.0), rows.top), (at(0.0), bottom), Ink::Text);
    // The losses and gains that do not matter lie behind the intervals.
    for (row, item) in items.iter().enumerate() {
        if let Some(margin) = item.margin {
            let (left, end) = (at(-margin), at(margin));
            let says = format!(
                "{}: up to {:.2} {} does not matter",
                item.change.metric,
                margin,
                item.change.shown_unit()
            );
            rows.scene.rect((left, rows.middle(row) - 9.0), (end - left, 18.0), Ink::Shade, says);
        }
    }
    let deciding = items.iter().filter(|item| item.change.decides()).count();
    if deciding > 0 && deciding < items.len() {
        let y = rows.top + deciding as f64 * rows.step;
        rows.scene.line((14.0, y), (WIDE - 14.0, y), Ink::Axis);
    }
    for (row, item) in items.iter().enumerate() {
        let y = rows.middle(row);
        let ink = item.named.style.ink();
        if let Some((low, high)) = item.ends {
            let lines = vec![vec![(at(cut(low)), y), (at(cut(high)), y)]];
            rows.scene.marks.push(Mark::Lines { lines, ink, width: 2.0, dash: 0 });
        }
        if item.value.abs() <= far {
            let says = format!("{}: {}", item.change.metric, item.words());
            rows.scene.dot((at(item.value), y), item.named.style, says);
        }
        // What goes on beyond the edge.
        let (least, most) = item.ends.unwrap_or((item.value, item.value));
        if least.min(item.value) < -far {
            rows.scene.label((at(-far) + 4.0, y + 4.0), Anchor::Middle, "←", SIZE, Ink::Text);
        }
        if most.max(item.value) > far {
            rows.scene.label((at(far) - 4.0, y + 4.0), Anchor::Middle, "→", SIZE, Ink::Text);
        }
        rows.scene.text((rows.x.1 + 10.0, y + 4.0), Anchor::Start, item.words(), SIZE - 1.0, Ink::Text);
        if item.change.decides() {
            let words =
                item.change.verdict.map_or("no verdict".to_owned(), |_| look(item.change.verdict).name);
            rows.scene.text((WIDE - 14.0, y + 4.0), Anchor::End, words, SIZE - 1.0, Ink::Text);
        }
    }
    let mut keys: Vec<Named> = Vec::new();
    for item in &items {
        let key = look(item.change.verdict.filter(|_| item.change.decides()));
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    under(&mut rows.scene, &keys, false);
    let seeds = comparison.seeds.len();
    let sure = if seeds > 1 {
        format!("{} % intervals over {seeds} pairs of runs with equal seeds", comparison.confidence * 100.0)
    } else {
        "one pair of runs, which has no interval".to_owned()
    };
    let all = comparison.verdict.map_or(String::new(), |verdict| format!(" All in all: {verdict}."));
    let caption = format!(
        "What changed, right of the line more, left of it less; {sure}. The shaded band is what does not matter; above the \
         rule is what decides.{all}"
    );
    Ok(Some(figure(id, title, &caption, &rows.scene)))
}
