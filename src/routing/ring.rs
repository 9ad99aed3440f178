//! A consistent hash ring. Knows names and points; must not know loads or requests. A target's points depend on its
//! name and their number alone, so that a target that comes or goes moves no key between two others
//! (Karger et al., 1997).

use super::TargetId;
use crate::rng::{hash_name, mix2};

/// Points of targets around the circle of 64-bit words.
#[derive(Clone, Debug)]
pub struct Ring {
    points: Vec<(u64, TargetId)>,
    /// By the leading bits of a hash: the first point that is not before the part of the circle they name. There are
    /// about as many parts as points, so a search begins next to its end.
    parts: Vec<u32>,
    shift: u32,
}

impl Ring {
    /// A ring of `vnodes` points for each named target.
    pub fn new<'a>(names: impl IntoIterator<Item = (TargetId, &'a str)>, vnodes: u32) -> Ring {
        let mut points = Vec::new();
        for (target, name) in names {
            let hash = hash_name(name);
            points.extend((0..vnodes).map(|vnode| (mix2(hash, vnode as u64), target)));
        }
        points.sort_unstable();
        // From 1 part to 2^31: a shift of 64 would be none.
        let bits = points.len().next_power_of_two().ilog2().clamp(1, 31);
        let shift = 64 - bits;
        let mut parts = Vec::with_capacity(1 << bits);
        for (index, point) in points.iter().enumerate() {
            parts.resize((point.0 >> shift) as usize + 1, index as u32);
        }
        parts.resize(1 << bits, points.len() as u32);
        Ring { points, parts, shift }
    }
    /// The target of `hash`: whose point is the first at or after it, around the end. `None` on an empty ring.
    pub fn owner(&self, hash: u64) -> Option<TargetId> {
        self.walk(hash).next()
    }
    /// The targets of all points from `hash` on, once around; a target comes up once for each of its points.
    pub fn walk(&self, hash: u64) -> impl Iterator<Item = TargetId> + '_ {
        let start = self.first_from(hash);
        self.points[start..].iter().chain(&self.points[..start]).map(|point| point.1)
    }
    /// The first point at or after `hash`, or their number where there is none.
    fn first_from(&self, hash: u64) -> usize {
        let mut at = self.parts[(hash >> self.shift) as usize] as usize;
        while self.points.get(at).is_some_and(|point| point.0 < hash) {
            at += 1;
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::mix64;

    const KEYS: u64 = 20_000;

    fn ring(targets: &[u32], vnodes: u32) -> Ring {
        let names: Vec<String> = targets.iter().map(|target| format!("eu/main/{target}")).collect();
        Ring::new(targets.iter().zip(&names).map(|(&target, name)| (TargetId(target), name.as_str())), vnodes)
    }

    #[test]
    fn a_target_that_goes_moves_its_own_keys_alone_and_one_that_comes_takes_all_it_gets() {
        let five = ring(&[0, 1, 2, 3, 4], 64);
        let four = ring(&[0, 1, 3, 4], 64);
        let mut moved = 0;
        for hash in (0..KEYS).map(mix64) {
            let (with, without) = (five.owner(hash).unwrap(), four.owner(hash).unwrap());
            if with == TargetId(2) {
                moved += 1;
                // It goes where a clockwise walk of the full ring would have gone next.
                assert_eq!(five.walk(hash).find(|&target| target != TargetId(2)), Some(without));
            } else {
                assert_eq!(with, without);
            }
        }
        // A fifth of the keys, give or take: a share has mean 1/5 and relative deviation sqrt((n-1)/n/V) = 0.11 with
        // 64 points; four deviations either way.
        let share = moved as f64 / KEYS as f64;
        assert!((0.2 * 0.56..0.2 * 1.44).contains(&share), "share {share}");
    }

    #[test]
    fn shares_deviate_by_one_over_the_root_of_the_points() {
        // The share of a target with V of nV uniform points is Beta(V, (n-1)V): mean 1/n, variance
        // (n-1)/(n²(nV+1)), so its relative standard deviation is sqrt((n-1)/(nV+1)), about 1/sqrt(V). Over n = 200
        // targets the sample deviation itself is off by about 1/sqrt(2·200) = 5 %; we allow 20 %.
        let n = 200u32;
        for vnodes in [16u32, 256] {
            let ring = ring(&(0..n).collect::<Vec<_>>(), vnodes);
            let mut arcs = vec![0f64; n as usize];
            let mut last = ring.points.last().unwrap().0;
            for &(point, target) in &ring.points {
                arcs[target.0 as usize] += point.wrapping_sub(last) as f64 / 2f64.powi(64);
                last = point;
            }
            let mean = 1.0 / n as f64;
            let variance = arcs.iter().map(|arc| (arc - mean) * (arc - mean)).sum::<f64>() / n as f64;
            let expected = ((n - 1) as f64 / (n * vnodes + 1) as f64).sqrt();
            let found = variance.sqrt() / mean;
            assert!((0.8..1.2).contains(&(found / expected)), "V {vnodes}: {found} against {expected}");
        }
    }

    #[test]
    fn a_search_finds_what_bisection_finds() {
        for (targets, vnodes) in [(0, 5), (1, 1), (1, 2), (1, 3), (2, 1), (3, 5), (7, 64), (40, 256)] {
            let ring = ring(&(0..targets).collect::<Vec<_>>(), vnodes);
            let on_points = ring
                .points
                .iter()
                .flat_map(|&(point, _)| [point.wrapping_sub(1), point, point.wrapping_add(1)]);
            for hash in on_points.chain([0, 1, u64::MAX / 2, u64::MAX]).chain((0..2_000).map(mix64)) {
                assert_eq!(ring.first_from(hash), ring.points.partition_point(|point| point.0 < hash));
            }
        }
    }

    #[test]
    fn the_ring_depends_on_names_not_on_numbers() {
        let names = ["a", "b", "c"];
        let one = Ring::new((0..3).map(|i| (TargetId(i), names[i as usize])), 32);
        let other = Ring::new((0..3).map(|i| (TargetId(2 - i), names[i as usize])), 32);
        for hash in (0..500).map(mix64) {
            assert_eq!(one.owner(hash).unwrap().0, 2 - other.owner(hash).unwrap().0);
        }
        assert_eq!(Ring::new([], 32).owner(1), None);
    }
}
