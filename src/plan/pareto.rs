//! Plans side by side: what each costs, how late its first tokens are, how much is within the SLO; and which of those that
//! hold are beaten by none. Knows cells and confirmations; must not know how plans were found.

use super::answer::Point;
use super::cell::{CellError, Tally};
use super::confirm::{Confirmation, Rules, Verdict, confirm};
use super::evaluate::Evaluator;
use super::market::Counts;
use crate::stats::Moments;
use std::collections::BTreeMap;

/// The most plans that are confirmed for the frontier's sake: our choice, a curve of a dozen points.
const CONFIRMED: usize = 12;

/// Plans that were played to their ends in usual cases, by cost. With `confirm_more`, those that would be on the frontier
/// are confirmed.
///
/// # Errors
/// When a cell cannot be played.
pub fn points(
    evaluator: &mut Evaluator<'_>,
    seeds: &[u64],
    confirmed: &BTreeMap<Counts, Confirmation>,
    rules: &Rules,
    confirm_more: bool,
) -> Result<Vec<Point>, CellError> {
    let per_scene = seeds.len();
    let mut points: Vec<Point> = Vec::new();
    for (counts, outcomes) in evaluator.seen(seeds) {
        let (mut p99, mut attainment) = (None::<f64>, 1.0f64);
        for cells in outcomes.chunks(per_scene) {
            let mean = Moments::of(cells.iter().filter_map(|outcome| outcome.ttft_p99_ms)).mean();
            p99 = p99.into_iter().chain(mean).max_by(f64::total_cmp);
            for group in 0..cells[0].groups.len() {
                let sum = |of: fn(&Tally) -> u64| -> f64 {
                    cells.iter().map(|outcome| of(&outcome.groups[group])).sum::<u64>() as f64
                };
                let arrivals = sum(|tally| tally.arrivals);
                if arrivals > 0.0 {
                    attainment = attainment.min(sum(|tally| tally.met) / arrivals);
                }
            }
        }
        let cost = evaluator.market.cost(&counts).usd();
        let verdict = confirmed.get(&counts).map(|said| said.verdict);
        points.push(Point {
            counts,
            cost,
            ttft_p99_ms: p99,
            attainment,
            confirmed: verdict,
            frontier: false,
        });
    }
    points.sort_by(|a, b| a.cost.total_cmp(&b.cost).then_with(|| a.counts.cmp(&b.counts)));
    if confirm_more {
        for _ in 0..CONFIRMED {
            // The cheapest of those that would stand on it and nobody has confirmed.
            let open = |point: &Point| point.confirmed.is_none() && !evaluator.dominated(&point.counts);
            let may = |point: &Point| holds(point) || open(point);
            let Some(at) = points.iter().position(|point| open(point) && unbeaten(&points, point, &may))
            else {
                break;
            };
            points[at].confirmed = Some(confirm(evaluator, &points[at].counts.clone(), rules)?.verdict);
        }
    }
    let frontier: Vec<bool> =
        points.iter().map(|point| holds(point) && unbeaten(&points, point, &holds)).collect();
    points.iter_mut().zip(frontier).for_each(|(point, on)| point.frontier = on);
    Ok(points)
}

fn holds(point: &Point) -> bool {
    point.confirmed == Some(Verdict::Holds)
}

/// Whether none of those that count is as good in all three and better in one.
fn unbeaten(points: &[Point], point: &Point, counts: &dyn Fn(&Point) -> bool) -> bool {
    let late = |point: &Point| point.ttft_p99_ms.unwrap_or(f64::INFINITY);
    let better = |a: &Point, b: &Point| {
        let as_good = a.cost <= b.cost && late(a) <= late(b) && a.attainment >= b.attainment;
        as_good && (a.cost < b.cost || late(a) < late(b) || a.attainment > b.attainment)
    };
    !points.iter().filter(|other| counts(other)).any(|other| better(other, point))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_holds_beats_and_stands() {
        let point = |cost, ttft, attainment, confirmed| Point {
            counts: Vec::new(),
            cost,
            ttft_p99_ms: Some(ttft),
            attainment,
            confirmed,
            frontier: false,
        };
        // The cheapest is as good as all, but fails; of the others the third is beaten by the second.
        let points = [
            point(1.0, 100.0, 1.0, Some(Verdict::Fails)),
            point(2.0, 500.0, 0.96, Some(Verdict::Holds)),
            point(3.0, 600.0, 0.95, Some(Verdict::Holds)),
            point(4.0, 200.0, 0.99, None),
        ];
        let on = |counts: &dyn Fn(&Point) -> bool| {
            points.iter().map(|point| counts(point) && unbeaten(&points, point, counts)).collect::<Vec<_>>()
        };
        assert_eq!(on(&holds), [false, true, false, false]);
        assert_eq!(on(&|_| true), [true, false, false, false]);
    }
}
