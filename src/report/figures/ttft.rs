//! The distribution of TTFT: as a curve and as its tail.

use super::cast::{Line, Member, about, figure, lines, members};
use crate::report::curves::shares;
use crate::report::draw::scale::{Axis, percent};
use crate::report::draw::{Anchor, Ink, SIZE};
use crate::report::figure::Drawing;
use crate::report::loaded::LoadedRun;
use crate::report::plots::PlotError;

/// The points of a curve: share of requests that are at most so many milliseconds, and how many samples there are.
fn curve(member: &Member<'_>) -> Option<(Vec<(f64, f64)>, u64)> {
    let cell = member.first()?;
    let n = cell.all.ttft.n;
    let points: Vec<(f64, f64)> = shares(n).into_iter().zip(cell.ttft_curve_ms.iter().copied()).collect();
    (!points.is_empty()).then_some((points, n))
}

fn times(curves: &[(Member<'_>, (Vec<(f64, f64)>, u64))]) -> Vec<f64> {
    curves.iter().flat_map(|(_, (points, _))| points.iter().map(|point| point.1.max(LEAST_MS))).collect()
}

fn curves<'r>(runs: &'r [LoadedRun]) -> Vec<(Member<'r>, (Vec<(f64, f64)>, u64))> {
    members(runs).into_iter().filter_map(|member| Some((member, curve(&member)?))).collect()
}

/// Positions on the logarithmic axis start above 0.
const LEAST_MS: f64 = 1e-3;

/// The cumulative distribution.
pub(super) fn cdf(runs: &[LoadedRun]) -> Result<Vec<Drawing>, PlotError> {
    let curves = curves(runs);
    if curves.is_empty() {
        return Ok(Vec::new());
    }
    let across = Axis::log("TTFT at the client, ms (logarithmic)", times(&curves), 12);
    let up = Axis::shares("share of completed requests", 5);
    let all: Vec<Line> = curves
        .iter()
        .map(|(member, (points, _))| Line {
            named: member.named(),
            points: points.iter().map(|&(share, ms)| (ms.max(LEAST_MS), Some(share))).collect(),
            sure: usize::MAX,
            dots: false,
        })
        .collect();
    let title = format!("Time to first token, {}", about(runs));
    let scene = lines(&title, across, up, &all, |_, _| ())?;
    let caption = "At each time on the axis below, the share of completed requests (first seed) whose first token came \
                   within it: the further left and the steeper, the better.";
    Ok(vec![figure("ttft-cdf", &title, caption, &scene)])
}

/// The tail: its complement, both axes logarithmic.
pub(super) fn tail(runs: &[LoadedRun]) -> Result<Vec<Drawing>, PlotError> {
    let curves = curves(runs);
    let Some(most) = curves.iter().map(|(_, (_, n))| *n).max() else { return Ok(Vec::new()) };
    let across = Axis::log("TTFT at the client, ms (logarithmic)", times(&curves), 12);
    let mut up =
        Axis::log("share of completed requests above (logarithmic)", [1.0, 1.0 / (most.max(2) as f64)], 7);
    up.ticks = (0..=12)
        .map(|k| (-f64::from(k), percent(libm::pow(10.0, -f64::from(k)))))
        .filter(|tick| tick.0 >= up.range.0)
        .collect();
    let all: Vec<Line> = curves
        .iter()
        .map(|(member, (points, n))| {
            let beyond = |share: f64| 1.0 - share;
            let points: Vec<(f64, f64)> = points.iter().filter(|point| point.0 < 1.0).copied().collect();
            // Ten samples beyond, as everywhere else.
            let sure = points.iter().take_while(|point| beyond(point.0) * *n as f64 >= 10.0 - 1e-6).count();
            Line {
                named: member.named(),
                points: points.iter().map(|&(share, ms)| (ms.max(LEAST_MS), Some(beyond(share)))).collect(),
                sure,
                dots: false,
            }
        })
        .collect();
    let title = format!("The slowest first tokens, {}", about(runs));
    let scene = lines(&title, across, up, &all, |scene, plane| {
        for (share, name) in [(0.5, "p50"), (0.1, "p90"), (0.01, "p99"), (0.001, "p99.9")] {
            let (_, y) = plane.at(1.0, share);
            if y < plane.y.1 - 4.0 {
                scene.line((plane.x.0, y), (plane.x.1, y), Ink::Grid);
                scene.text((plane.x.1 - 4.0, y - 4.0), Anchor::End, name, SIZE - 2.0, Ink::Muted);
            }
        }
    })?;
    let caption = "At each time on the axis below, the share of completed requests (first seed) that waited longer: where a \
                   line crosses 1 % is its p99; a thin end stands on fewer than ten requests.";
    Ok(vec![figure("ttft-tail", &title, caption, &scene)])
}
