//! Points drawn without looking at scores: uniformly, or as a Latin hypercube (McKay, Beckman and Conover, "A Comparison of
//! Three Methods for Selecting Values of Input Variables", Technometrics 21(2), 1979), which has one point in each of as many
//! slices of every axis as there are points. The draws of a point are its own: one more point moves none before it, except
//! that the slices of a hypercube are as many as its points.

use super::search::Method;
use super::space::Space;
use crate::rng::Key;

/// The `index`-th of uniform points.
pub fn uniform(space: &Space, index: u64, key: Key) -> Vec<f64> {
    let units: Vec<f64> =
        (0..space.dimensions()).map(|axis| key.named("uniform").at(index).at(axis as u64).unit()).collect();
    space.point(&units)
}

/// A Latin hypercube of `count` points.
pub fn latin_hypercube(space: &Space, count: u32, key: Key) -> Vec<Vec<f64>> {
    let key = key.named("latin_hypercube");
    let slices: Vec<Vec<u32>> = (0..space.dimensions())
        .map(|axis| {
            let mut slices: Vec<u32> = (0..count).collect();
            let mut draws = key.at(axis as u64).stream();
            for last in (1..slices.len()).rev() {
                slices.swap(last, draws.below(last as u32 + 1) as usize);
            }
            slices
        })
        .collect();
    let point = |index: u32| {
        let units: Vec<f64> = (0..space.dimensions())
            .map(|axis| {
                let within = key.named("within").at(u64::from(index)).at(axis as u64).unit();
                (f64::from(slices[axis][index as usize]) + within) / f64::from(count)
            })
            .collect();
        space.point(&units)
    };
    (0..count).map(point).collect()
}

/// Points that are given, some at a time.
#[derive(Debug)]
pub(super) struct Given {
    points: Vec<Vec<f64>>,
    next: usize,
}

/// How many are asked for at once: enough for any number of threads, few enough that rows appear as it goes (our choice).
const AT_ONCE: usize = 16;

impl Given {
    pub(super) fn new(points: Vec<Vec<f64>>) -> Given {
        Given { points, next: 0 }
    }
}

impl Method for Given {
    fn ask(&mut self) -> Vec<Vec<f64>> {
        let end = (self.next + AT_ONCE).min(self.points.len());
        self.points[self.next..end].to_vec()
    }
    fn tell(&mut self, scores: &[f64]) {
        self.next += scores.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::tuning::{Axis, Scale};

    #[test]
    fn a_latin_hypercube_has_one_point_in_each_slice_of_each_axis() {
        let axis = |low, high| Axis { low, high, scale: Scale::Linear, whole: false };
        let space = Space(vec![axis(0.0, 1.0), axis(10.0, 30.0), axis(-1.0, 1.0)]);
        let points = latin_hypercube(&space, 20, Key::root(3));
        for axis in 0..3 {
            let mut slices: Vec<u32> = points
                .iter()
                .map(|point| (space.units(point)[axis] * 20.0).floor().min(19.0) as u32)
                .collect();
            slices.sort_unstable();
            assert_eq!(slices, (0..20).collect::<Vec<u32>>());
        }
        assert_ne!(points, latin_hypercube(&space, 20, Key::root(4)));
    }
}
