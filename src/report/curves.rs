//! What figures need of a cell beyond percentiles: the curve of TTFT, its legs by rank, which region served whom. Sums and
//! exact percentiles, a few kilobytes a cell however many requests there were, gathered in a pass over the rows that another
//! needs too.

use super::numbers::ms;
use super::summary::{Flows, LegBand};
use crate::id::Id;
use crate::observe::Leg;
use crate::run::{Entry, RunResult};
use crate::stats;

/// The percentiles that the bands of `LegBand` begin and end at. Our choice: the usual half of users, those a bit worse
/// off, and the two tails that promises are made about.
const BANDS: [f64; 5] = [0.0, 50.0, 90.0, 99.0, 100.0];

/// Legs that are a way over a network.
const NETWORK: [Leg; 4] = [Leg::LastMile, Leg::Connect, Leg::Hop, Leg::Return];

/// Shares of requests at the points of a curve of `n` samples: those that are at most the point's value. The same points
/// as `CellSummary::ttft_curve_ms`.
pub(super) fn shares(n: u64) -> Vec<f64> {
    if n == 0 {
        return Vec::new();
    }
    let body = (0..100).map(|i| f64::from(i) / 100.0);
    // Ten points a decade: as fine as a logarithmic axis shows.
    let tail = (1..).map(|k| libm::pow(10.0, -2.0 - f64::from(k) / 10.0));
    let tail = tail.take_while(|beyond| beyond * n as f64 >= 1.0).map(|beyond| 1.0 - beyond);
    body.chain(tail).chain([1.0]).collect()
}

/// The curve of sorted TTFTs.
pub(super) fn ttft(sorted: &[u64]) -> Vec<f64> {
    let points = shares(sorted.len() as u64);
    points.into_iter().filter_map(|share| stats::sorted_quantile_of(sorted, share).map(ms)).collect()
}

#[derive(Clone, Copy, Default)]
struct Sum {
    requests: u64,
    network_bound: u64,
    legs: [u64; Leg::ALL.len()],
}

impl Sum {
    #[inline]
    fn add(&mut self, ttft: u64, entry: &Entry) {
        self.requests += 1;
        for (sum, &leg) in self.legs.iter_mut().zip(&Leg::ALL) {
            *sum = sum.saturating_add(entry.legs.get(leg).0);
        }
        let network: u64 = NETWORK.iter().map(|&leg| entry.legs.get(leg).0).sum();
        self.network_bound += u64::from(network > ttft / 2);
    }
}

/// The legs by band of rank, and who was served where.
pub(super) struct Curves {
    /// The TTFTs of the ranks at which bands end.
    limits: [u64; BANDS.len() - 2],
    bands: [Sum; BANDS.len() - 1],
    /// By origin and region: how many, and the sum of their TTFTs.
    flows: Vec<Vec<(u64, u64)>>,
}

impl Curves {
    /// Of nobody yet, by rank among these sorted TTFTs.
    pub(super) fn new(result: &RunResult, sorted: &[u64]) -> Curves {
        let last = sorted.len().saturating_sub(1) as f64;
        let limit = |i: usize| sorted.get((last * BANDS[i] / 100.0) as usize).copied().unwrap_or_default();
        let (rows, columns) = (result.labels.origins.len(), result.labels.regions.len());
        Curves {
            limits: [1, 2, 3].map(limit),
            bands: [Sum::default(); BANDS.len() - 1],
            flows: vec![vec![(0, 0); columns]; rows],
        }
    }
    /// A request that was completed and counts.
    #[inline]
    pub(super) fn add(&mut self, ttft: u64, entry: &Entry) {
        self.bands[self.limits.iter().filter(|&&limit| limit < ttft).count()].add(ttft, entry);
        let row = self.flows.get_mut(entry.origin.index());
        if let Some(sum) = entry.region.and_then(|region| row?.get_mut(region.index())) {
            *sum = (sum.0 + 1, sum.1.saturating_add(ttft));
        }
    }
    /// Bands without a request are left out.
    pub(super) fn finish(self) -> (Vec<LegBand>, Flows) {
        let bands = self.bands.iter().zip(BANDS.windows(2)).filter(|(sum, _)| sum.requests > 0);
        let band = |(sum, ends): (&Sum, &[f64])| LegBand {
            from: ends[0],
            to: ends[1],
            requests: sum.requests,
            network_bound: sum.network_bound,
            legs_ms: sum.legs.iter().map(|&ns| ms(ns as f64 / sum.requests as f64)).collect(),
        };
        let mean = |&(n, ns): &(u64, u64)| (n > 0).then(|| ms(ns as f64 / n as f64));
        let flows = Flows {
            requests: self.flows.iter().map(|row| row.iter().map(|sum| sum.0).collect()).collect(),
            ttft_mean_ms: self.flows.iter().map(|row| row.iter().map(mean).collect()).collect(),
        };
        (bands.map(band).collect(), flows)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{groups, sample};
    use super::*;

    fn found() -> (Vec<LegBand>, Flows) {
        // TTFTs 1 … 90 ms, half queue, half prefill, no network.
        let (result, sorted) =
            (sample::cell("a", 1, 1), (1..=90).map(|i| i * 1_000_000).collect::<Vec<u64>>());
        let mut curves = Curves::new(&result, &sorted);
        groups::legs(&result, &sorted, |ttft, entry| curves.add(ttft, entry));
        curves.finish()
    }

    #[test]
    fn a_curve_has_a_point_a_per_cent_and_ten_a_decade_beyond() {
        // Beyond 1 %: 10^-2.1 … of 1,000 at least one is beyond 10^-3.0 and none beyond 10^-3.1.
        let points = shares(1_000);
        assert_eq!(points.len(), 100 + 10 + 1);
        assert!(points.windows(2).all(|pair| pair[0] < pair[1]), "{points:?}");
        assert_eq!((points[50], points[110]), (0.5, 1.0));
        assert_eq!((shares(0).len(), shares(1).len(), shares(100).len()), (0, 101, 101));
        let sorted: Vec<u64> = (0..=100).map(|i| i * 1_000_000).collect();
        let curve = ttft(&sorted);
        assert_eq!((curve[0], curve[50], curve[99], curve[100]), (0.0, 50.0, 99.0, 100.0));
        assert_eq!(ttft(&[7_000_000]), vec![7.0; 101]);
    }

    #[test]
    fn bands_hold_every_completed_request_once_and_their_legs_add_up() {
        let found = found().0;
        // Ranks 44, 80, 88 of 0 … 89: the limits are 45, 81, 89 ms.
        let sizes: Vec<u64> = found.iter().map(|band| band.requests).collect();
        assert_eq!(sizes, [45, 36, 8, 1]);
        // 1 … 45 ms: 23; 90 ms alone.
        let sums: Vec<f64> = found.iter().map(|band| band.legs_ms.iter().sum()).collect();
        assert_eq!(sums, [23.0, 63.5, 85.5, 90.0]);
        assert!(found.iter().all(|band| band.network_bound == 0));
    }

    #[test]
    fn flows_are_by_origin_and_region() {
        // Even requests from `americas`: 1, 3, … 89 ms; odd ones from `europe`: 2, 4, … 90 ms; all in `us`.
        let found = found().1;
        assert_eq!(found.requests, [[45, 0], [45, 0]]);
        assert_eq!(found.ttft_mean_ms, [[Some(45.0), None], [Some(46.0), None]]);
    }
}
