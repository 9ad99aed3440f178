//! Searches of functions whose least values are known.

use super::super::objective::{Aim, Sense};
use super::*;
use crate::scenario::tuning::{Axis, Scale};

const LOG: Axis = Axis { low: 0.001, high: 10.0, scale: Scale::Log, whole: false };
const LINEAR: Axis = Axis { low: -2.0, high: 2.0, scale: Scale::Linear, whole: false };

fn objective() -> Objective {
    Objective { aim: Aim { measure: "f".into(), better: Sense::Lower }, limits: Vec::new() }
}

/// Searches `f`, and says where it was least and how often it was asked.
fn search(
    strategy: Strategy,
    space: &Space,
    start: &[f64],
    budget: u32,
    f: impl Fn(&[f64]) -> f64,
) -> (Vec<f64>, Vec<Vec<f64>>) {
    let objective = objective();
    let of = |point: &[f64]| Means::from([("f".to_owned(), f(point))]);
    let mut search = Search::new(&objective, start.to_vec(), of(start));
    let mut method = strategy.method(space, start, budget, Key::root(11));
    let mut asked = Vec::new();
    let mut run = |points: &[Vec<f64>]| -> Result<Vec<Measured>, ()> {
        asked.extend_from_slice(points);
        Ok(points.iter().map(|point| Ok(of(point))).collect())
    };
    search.run(method.as_mut(), budget, &mut run).unwrap();
    (search.best().point.clone(), asked)
}

/// A bowl in logarithms with its bottom at (0.3, 0.02): 1 + ln²(x / 0.3) + 4 ln²(y / 0.02).
fn bowl(point: &[f64]) -> f64 {
    let (x, y) = (libm::log(point[0] / 0.3), libm::log(point[1] / 0.02));
    1.0 + x * x + 4.0 * y * y
}

#[test]
fn evolution_and_simplex_find_the_bottom_of_a_bowl() {
    let space = Space(vec![LOG, LOG]);
    for strategy in [Strategy::Es, Strategy::NelderMead] {
        let (best, asked) = search(strategy, &space, &[5.0, 5.0], 200, bowl);
        // Within 5 % of both, from 17 and 250 times as much.
        assert!(
            (best[0] / 0.3 - 1.0).abs() < 0.05 && (best[1] / 0.02 - 1.0).abs() < 0.05,
            "{strategy:?}: {best:?}"
        );
        assert!(asked.len() < 200, "{strategy:?} ends by itself: {}", asked.len());
    }
}

/// Rosenbrock's valley, whose floor bends: 1 + (1 − x)² + 100 (y − x²)², least at (1, 1); "An Automatic Method for Finding
/// the Greatest or Least Value of a Function", The Computer Journal 3(3), 1960.
#[test]
fn the_simplex_follows_a_bent_valley() {
    let valley = |point: &[f64]| {
        let (x, y) = (point[0], point[1]);
        1.0 + (1.0 - x) * (1.0 - x) + 100.0 * (y - x * x) * (y - x * x)
    };
    let space = Space(vec![LINEAR, LINEAR]);
    let (best, _) = search(Strategy::NelderMead, &space, &[-1.2, 1.0], 300, valley);
    assert!((best[0] - 1.0).abs() < 0.1 && (best[1] - 1.0).abs() < 0.2, "{best:?}");
}

#[test]
fn a_bottom_beyond_the_range_is_its_face() {
    // Least at (0.3, 0.02), and y may not go below 0.1.
    let space = Space(vec![LOG, Axis { low: 0.1, ..LOG }]);
    for strategy in [Strategy::Es, Strategy::NelderMead] {
        let (best, _) = search(strategy, &space, &[5.0, 5.0], 200, bowl);
        assert!((best[0] / 0.3 - 1.0).abs() < 0.1 && best[1] < 0.11, "{strategy:?}: {best:?}");
    }
}

#[test]
fn one_parameter_is_enough() {
    let space = Space(vec![LOG]);
    let f = |point: &[f64]| 1.0 + libm::log(point[0] / 0.5) * libm::log(point[0] / 0.5);
    for strategy in [Strategy::Es, Strategy::NelderMead] {
        let (best, _) = search(strategy, &space, &[9.0], 100, f);
        assert!((best[0] / 0.5 - 1.0).abs() < 0.05, "{strategy:?}: {best:?}");
    }
}

#[test]
fn nothing_is_run_twice_and_no_more_than_the_budget() {
    let space = Space(vec![LOG, LOG]);
    for (_, strategy) in Strategy::ALL {
        let (_, asked) = search(strategy, &space, &[0.3, 0.02], 40, bowl);
        assert!(asked.len() <= 39, "{strategy:?}: {}", asked.len());
        let mut once: Vec<Vec<u64>> = asked.iter().map(|point| bits(point)).collect();
        once.sort();
        once.dedup();
        assert_eq!(once.len(), asked.len(), "{strategy:?}");
        for point in &asked {
            assert!(point.iter().all(|value| (0.001..=10.0).contains(value)), "{point:?}");
        }
        let (_, again) = search(strategy, &space, &[0.3, 0.02], 40, bowl);
        assert_eq!(asked, again, "{strategy:?} goes the same way again");
    }
}

#[test]
fn where_nothing_is_better_the_start_is_best() {
    let space = Space(vec![LOG, LOG]);
    let (best, _) = search(Strategy::Random, &space, &[0.3, 0.02], 30, bowl);
    assert_eq!(best, [0.3, 0.02]);
}

#[test]
fn what_fails_is_worst_and_the_others_go_on() {
    let objective = objective();
    let mut search = Search::new(&objective, vec![1.0], Means::from([("f".to_owned(), 2.0)]));
    let mut run = |points: &[Vec<f64>]| -> Result<Vec<Measured>, ()> {
        let one = |point: &Vec<f64>| {
            if point[0] < 1.0 { Err("no world".to_owned()) } else { Ok(Means::from([("f".to_owned(), 1.0)])) }
        };
        Ok(points.iter().map(one).collect())
    };
    let points = [vec![0.5], vec![2.0], vec![1.0]];
    let scores = search.try_all(Phase::Search, &points, &mut run).unwrap();
    assert_eq!(scores, [f64::INFINITY, 0.5, 1.0]);
    assert_eq!((search.best().number, search.candidates()[1].error.as_deref()), (2, Some("no world")));
}
