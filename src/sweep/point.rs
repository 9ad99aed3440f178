//! The points of a sweep: what each sets. Knows axes; must not know the scenario they are set in.

use super::axis::{Axis, AxisError};
use crate::rng::Key;

/// The most points of one sweep: our choice; more is a slip, and would take days to run.
pub const MOST_POINTS: usize = 100_000;

/// One point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// Its number, from 0.
    pub number: usize,
    /// What it sets, path and value, in the order of the axes.
    pub settings: Vec<(String, String)>,
}

impl Point {
    /// What `--set` takes.
    pub fn overrides(&self) -> impl Iterator<Item = String> + '_ {
        self.settings.iter().map(|(path, value)| format!("{path}={value}"))
    }
    /// In words.
    pub fn name(&self) -> String {
        if self.settings.is_empty() {
            return format!("point {}", self.number);
        }
        format!("point {} ({})", self.number, self.overrides().collect::<Vec<_>>().join(", "))
    }
}

/// Every combination; the last axis changes fastest. One point that sets nothing where there is no axis.
pub fn grid(axes: &[Axis]) -> Result<Vec<Point>, AxisError> {
    let lists = axes.iter().map(Axis::listed).collect::<Result<Vec<_>, _>>()?;
    let count = lists.iter().try_fold(1usize, |count, list| count.checked_mul(list.len()));
    let Some(count) = count.filter(|&count| count <= MOST_POINTS) else {
        return Err(AxisError {
            axis: axes.iter().map(|axis| axis.path.as_str()).collect::<Vec<_>>().join(" × "),
            rule: format!("more than {MOST_POINTS} points"),
            next: "take larger steps, or --random N of them".into(),
        });
    };
    let point = |number: usize| {
        let mut rest = number;
        let mut settings: Vec<(String, String)> = Vec::with_capacity(axes.len());
        for (axis, list) in axes.iter().zip(&lists).rev() {
            settings.push((axis.path.clone(), list[rest % list.len()].clone()));
            rest /= list.len();
        }
        settings.reverse();
        Point { number, settings }
    };
    Ok((0..count).map(point).collect())
}

/// So many random points: each is drawn by its own number, so that more of them change none.
pub fn random(axes: &[Axis], count: usize, seed: u64) -> Vec<Point> {
    let key = Key::root(seed).named("sweep");
    let point = |number: usize| Point {
        number,
        settings: axes.iter().map(|axis| (axis.path.clone(), axis.drawn(key.at(number as u64)))).collect(),
    };
    (0..count).map(point).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axes(texts: &[&str]) -> Vec<Axis> {
        texts.iter().map(|text| Axis::parse(text).unwrap()).collect()
    }

    #[test]
    fn lists_multiply_and_the_last_axis_is_fastest() {
        let points = grid(&axes(&["a=1,2", "b=x,y,z"])).unwrap();
        let shown: Vec<String> =
            points.iter().map(|point| point.overrides().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(shown, ["a=1 b=x", "a=1 b=y", "a=1 b=z", "a=2 b=x", "a=2 b=y", "a=2 b=z"]);
        assert_eq!(grid(&[]).unwrap().len(), 1);
        assert!(grid(&axes(&["a=0..999:1", "b=0..999:1"])).is_err(), "a million points");
    }

    #[test]
    fn more_random_points_change_none() {
        let axes = axes(&["a=0..1", "b=log 0.1..10"]);
        assert_eq!(random(&axes, 5, 1), random(&axes, 50, 1)[..5]);
        assert_ne!(random(&axes, 5, 1), random(&axes, 5, 2));
    }
}
