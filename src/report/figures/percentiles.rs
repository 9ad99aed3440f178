//! Percentiles of TTFT, a bar a policy.

use super::cast::{Member, about, figure, members, rows};
use crate::report::draw::scale::{Axis, short};
use crate::report::draw::{Anchor, Ink, SIZE, width};
use crate::report::figure::Drawing;
use crate::report::loaded::LoadedRun;
use crate::report::plots::PlotError;

/// The percentiles and how thick the bar is up to the next.
const STEPS: [(&str, f64); 4] = [("ttft.p50", 12.0), ("ttft.p90", 8.0), ("ttft.p95", 4.0), ("ttft.p99", 0.0)];

/// A bar from p50 to p99, thinner beyond p90 and p95.
pub(super) fn percentiles(runs: &[LoadedRun]) -> Result<Vec<Drawing>, PlotError> {
    let values = |member: &Member<'_>| STEPS.map(|(name, _)| member.measure(name));
    let all: Vec<_> =
        members(runs).into_iter().filter(|member| values(member).iter().any(Option::is_some)).collect();
    if all.is_empty() {
        return Ok(Vec::new());
    }
    let names: Vec<_> = all.iter().map(Member::named).collect();
    let title = format!("Percentiles of time to first token, {}", about(runs));
    let mut rows = rows(&title, &names, 30.0, 4.0, 170.0, 52.0);
    let every =
        all.iter().flat_map(|member| values(member).into_iter().flatten().map(|value| value.0.max(1e-3)));
    let mut axis = Axis::log("TTFT at the client, ms (logarithmic)", every, 9);
    // Room for the number before the first bar.
    axis.range.0 -= (axis.range.1 - axis.range.0) * 0.09;
    let plane = rows.across(axis, all.len())?;
    for (row, member) in all.iter().enumerate() {
        let (y, values) = (rows.middle(row), values(member));
        let x = |i: usize| values[i].map(|value| plane.at(value.0, 0.0).0);
        for (i, (_, thick)) in STEPS.iter().enumerate().take(3) {
            if let (Some(from), Some(to)) = (x(i), x(i + 1)) {
                rows.scene.rect((from, y - thick / 2.0), (to - from, *thick), member.style.ink(), "");
            }
        }
        if let (Some(from), Some((p50, ..))) = (x(0), values[0]) {
            rows.scene.dot((from, y), member.style, format!("p50 {} ms", short(p50)));
            rows.scene.label((from - 9.0, y + 4.0), Anchor::End, short(p50), SIZE - 1.0, Ink::Text);
        }
        let Some((p99, half, reliable)) = values[3] else { continue };
        let end = plane.at(p99, 0.0).0;
        rows.scene.line((end, y - 7.0), (end, y + 7.0), member.style.ink());
        let mut right = end;
        if let Some(half) = half.filter(|half| half.is_finite()) {
            let (from, to) = (plane.at((p99 - half).max(1e-9), 0.0).0, plane.at(p99 + half, 0.0).0);
            rows.scene.line((from, y + 9.0), (to, y + 9.0), Ink::Axis);
            right = right.max(to);
        }
        let words = match half {
            Some(half) => format!("p99 {} ± {} ms", short(p99), short(half)),
            None if reliable => format!("p99 {} ms", short(p99)),
            None => format!("p99 {} ms (few)", short(p99)),
        };
        let at = (right + 7.0).min(rows.scene.size.0 - 6.0 - width(&words, SIZE - 1.0));
        rows.scene.label((at, y + 4.0), Anchor::Start, words, SIZE - 1.0, Ink::Text);
    }
    let caption = "A bar begins at the median, is thinner beyond p90 and again beyond p95, and ends at p99 (with several seeds \
                   their means, and under the end its 95 % interval); the further left and the shorter, the better.";
    Ok(vec![figure("ttft-percentiles", &title, caption, &rows.scene)])
}
