//! Counts and distributions of all requests that count, and of their groups, in as few passes over the book as it
//! takes: one for everything, one more for each kind of group that has more than one. Percentiles are exact.

use super::numbers::{PERCENTILES, ms, ratio};
use super::summary::{Distribution, Group, LegSummary, NamedGroup, Percentile};
use crate::id::{ClassId, IdVec, RequestId};
use crate::observe::Leg;
use crate::run::{Entry, RunResult, met};
use crate::stats;
use crate::time::Span;
use crate::world::SloParams;

/// What is gathered of a group: counts, and every value of the four measures in nanoseconds.
#[derive(Debug, Default)]
pub(super) struct Tally {
    arrivals: u64,
    met_slo: u64,
    completed: u64,
    prompt_tokens: u64,
    cached_tokens: u64,
    output_tokens: u64,
    pub(super) ttft: Vec<u64>,
    server_ttft: Vec<u64>,
    tpot: Vec<u64>,
    e2e: Vec<u64>,
}

impl Tally {
    fn with_room(rows: usize) -> Tally {
        let room = || Vec::with_capacity(rows);
        Tally { ttft: room(), server_ttft: room(), tpot: room(), e2e: room(), ..Tally::default() }
    }
    fn add(&mut self, entry: &Entry, slos: &IdVec<ClassId, SloParams>) {
        self.arrivals += 1;
        self.met_slo += u64::from(slos.get(entry.class).is_none_or(|slo| met(slo, entry)));
        if !entry.completed() {
            return;
        }
        self.completed += 1;
        self.prompt_tokens += u64::from(entry.prompt_tokens);
        self.cached_tokens += u64::from(entry.cached_tokens);
        self.output_tokens += u64::from(entry.output_tokens);
        let mut keep = |to: fn(&mut Tally) -> &mut Vec<u64>, value: Option<Span>| {
            to(self).extend(value.map(|span| span.0));
        };
        keep(|tally| &mut tally.ttft, entry.ttft);
        keep(|tally| &mut tally.server_ttft, entry.server_ttft);
        keep(|tally| &mut tally.tpot, entry.tpot());
        keep(|tally| &mut tally.e2e, entry.e2e());
    }
    /// The group; its values are reordered.
    pub(super) fn group(&mut self) -> Group {
        Group {
            arrivals: self.arrivals,
            completed: self.completed,
            met_slo: self.met_slo,
            attainment: ratio(self.met_slo, self.arrivals),
            ttft: distribution(&mut self.ttft),
            server_ttft: distribution(&mut self.server_ttft),
            tpot: distribution(&mut self.tpot),
            e2e: distribution(&mut self.e2e),
            prompt_tokens: self.prompt_tokens,
            cached_tokens: self.cached_tokens,
            hit_rate: ratio(self.cached_tokens, self.prompt_tokens),
            output_tokens: self.output_tokens,
        }
    }
}

pub(super) fn distribution(ns: &mut [u64]) -> Distribution {
    let n = ns.len() as u64;
    let sum: u128 = ns.iter().map(|&ns| u128::from(ns)).sum();
    let max = ns.iter().copied().max();
    let values = stats::ascending_quantiles(ns, PERCENTILES.map(|p| p / 100.0));
    let percentiles = PERCENTILES.iter().zip(values).filter_map(|(&p, value)| {
        Some(Percentile { p, ms: ms(value?), n, reliable: stats::reliable(n, p / 100.0) })
    });
    Distribution {
        n,
        mean_ms: (n > 0).then(|| ms(sum as f64 / n as f64)),
        max_ms: max.map(|max| ms(max as f64)),
        percentiles: percentiles.collect(),
    }
}

/// The requests that count. Every request, and whether it counts, is shown to `also` on the way.
pub(super) fn all(result: &RunResult, mut also: impl FnMut(&Entry, bool)) -> Tally {
    let mut tally = Tally::with_room(result.book.len() as usize);
    for entry in result.book.entries() {
        let counts = result.counts(&entry);
        if counts {
            tally.add(&entry, &result.slos);
        }
        also(&entry, counts);
    }
    tally
}

/// How many of the requests that count are in each group of a kind.
#[derive(Debug, Default)]
pub(super) struct Sizes(Vec<u64>);

impl Sizes {
    pub(super) fn of(names: &[String]) -> Sizes {
        Sizes(vec![0; names.len()])
    }
    pub(super) fn add(&mut self, key: Option<usize>) {
        if let Some(size) = key.and_then(|index| self.0.get_mut(index)) {
            *size += 1;
        }
    }
    /// Every named id has its group, also where it is empty. A group that is everything is `all`.
    pub(super) fn groups(
        &self,
        result: &RunResult,
        all: &Group,
        names: &[String],
        key: impl Fn(&Entry) -> Option<usize>,
    ) -> Vec<NamedGroup> {
        let whole = |size: u64| size == all.arrivals;
        let mut tallies: Vec<Tally> = Vec::new();
        if !self.0.iter().copied().any(whole) {
            tallies.extend(self.0.iter().map(|&size| Tally::with_room(size as usize)));
            for entry in result.measured() {
                if let Some(tally) = key(&entry).and_then(|index| tallies.get_mut(index)) {
                    tally.add(&entry, &result.slos);
                }
            }
        }
        let groups = self.0.iter().enumerate().map(|(index, &size)| match tallies.get_mut(index) {
            Some(tally) => tally.group(),
            None if whole(size) => all.clone(),
            None => Tally::default().group(),
        });
        names.iter().zip(groups).map(|(name, group)| NamedGroup { name: name.clone(), group }).collect()
    }
}

/// The mean of each leg over all of `ttfts` (sorted), and over those within half a percent of the ranks of the
/// median and of p99. Equal TTFTs rank by request. Every such request, with its TTFT, is shown to `also` on the way.
pub(super) fn legs(result: &RunResult, ttfts: &[u64], mut also: impl FnMut(u64, &Entry)) -> Vec<LegSummary> {
    let Some(last) = ttfts.len().checked_sub(1) else { return Vec::new() };
    let rank = |p: f64| (last as f64 * p.clamp(0.0, 1.0)).round() as usize;
    let ranks = [0.50, 0.99].map(|p| (rank(p - 0.005), rank(p + 0.005)));
    let completed = || result.measured().filter_map(|e| Some((e.completed().then_some(e.ttft?.0)?, e)));
    // The requests at the ends of both windows, as (TTFT, id): of those that share the TTFT, the one of that rank.
    let mut ties: Vec<(u64, RequestId)> = Vec::new();
    let ends = ranks.map(|(from, to)| [ttfts[from], ttfts[to]]);
    let shared = |&ttft: &u64| {
        let first = ttfts.partition_point(|&other| other < ttft);
        ttfts.get(first + 1) == Some(&ttft)
    };
    // Where nobody shares them, and so mostly, the ends need no pass of their own.
    let windows = if ends.as_flattened().iter().any(shared) {
        for (ttft, entry) in completed() {
            if ends.as_flattened().contains(&ttft) {
                ties.push((ttft, entry.id));
            }
        }
        ties.sort_unstable();
        let at = |rank: usize| {
            let ttft = ttfts[rank];
            let before = ttfts.partition_point(|&other| other < ttft);
            ties[ties.partition_point(|tie| tie.0 < ttft) + rank - before]
        };
        ranks.map(|(from, to)| (at(from), at(to)))
    } else {
        ends.map(|[from, to]| ((from, RequestId(0)), (to, RequestId(u32::MAX))))
    };
    let mut sums = [[0u128; Leg::ALL.len()]; 3];
    for (ttft, entry) in completed() {
        also(ttft, &entry);
        let place = (ttft, entry.id);
        let within = |(from, to): ((u64, RequestId), (u64, RequestId))| from <= place && place <= to;
        for (sums, counts) in sums.iter_mut().zip([true, within(windows[0]), within(windows[1])]) {
            if counts {
                for (sum, &leg) in sums.iter_mut().zip(&Leg::ALL) {
                    *sum += u128::from(entry.legs.get(leg).0);
                }
            }
        }
    }
    let mean = |sum: u128, n: usize| ms(sum as f64 / n as f64);
    let size = |(from, to): (usize, usize)| to - from + 1;
    let each = Leg::ALL.iter().enumerate().map(|(i, &leg)| LegSummary {
        leg: leg.name().to_string(),
        mean_ms: mean(sums[0][i], ttfts.len()),
        near_p50_ms: mean(sums[1][i], size(ranks[0])),
        near_p99_ms: mean(sums[2][i], size(ranks[1])),
    });
    each.collect()
}
