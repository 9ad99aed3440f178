//! Counts and distributions of all requests that count, and of their groups, in as few passes over the book as it
//! takes: one for everything, one more for each kind of group that has more than one. Percentiles are exact.

use super::numbers::{PERCENTILES, ms, ratio};
use super::summary::{Distribution, Group, LegSummary, NamedGroup, Percentile};
use crate::id::{ClassId, IdVec, RequestId};
use crate::observe::{Leg, Legs};
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

/// How many requests that share a TTFT at the end of a window are kept aside at most (our choice: some 100 kB); where there
/// are more, a pass over the book of its own finds out which of them count.
const ASIDE: usize = 1_024;

/// The mean of each leg over all of `ttfts` (sorted), and over those within half a percent of the ranks of the
/// median and of p99. Equal TTFTs rank by request. Every such request, with its TTFT, is shown to `also` on the way.
pub(super) fn legs(result: &RunResult, ttfts: &[u64], also: impl FnMut(u64, &Entry)) -> Vec<LegSummary> {
    legs_aside(result, ttfts, ASIDE, also)
}

/// A request among those that completed: its TTFT and its number.
type Place = (u64, RequestId);

fn legs_aside(
    result: &RunResult,
    ttfts: &[u64],
    aside: usize,
    mut also: impl FnMut(u64, &Entry),
) -> Vec<LegSummary> {
    let Some(last) = ttfts.len().checked_sub(1) else { return Vec::new() };
    let rank = |p: f64| (last as f64 * p.clamp(0.0, 1.0)).round() as usize;
    let ranks = [0.50, 0.99].map(|p| (rank(p - 0.005), rank(p + 0.005)));
    let completed = || result.measured().filter_map(|e| Some((e.completed().then_some(e.ttft?.0)?, e)));
    let ends = ranks.map(|(from, to)| [ttfts[from], ttfts[to]]);
    let is_end = |ttft: u64| ends.as_flattened().contains(&ttft);
    let first = |ttft: u64| ttfts.partition_point(|&other| other < ttft);
    let sharers =
        ends.as_flattened().iter().map(|&ttft| ttfts[first(ttft)..].partition_point(|&t| t <= ttft));
    let sharers = sharers.max().unwrap_or_default();
    // The windows by the places of their ends: of those that share a TTFT there, in order, the ones of those ranks.
    let windows_of = |ties: &[Place]| {
        let at =
            |rank: usize| ties[ties.partition_point(|tie| tie.0 < ttfts[rank]) + rank - first(ttfts[rank])];
        ranks.map(|(from, to)| (at(from), at(to)))
    };
    let keeps_aside = (2..=aside).contains(&sharers);
    let mut windows = ends.map(|[from, to]| ((from, RequestId(0)), (to, RequestId(u32::MAX))));
    if sharers > aside.max(1) {
        let ties = completed().filter(|&(ttft, _)| is_end(ttft)).map(|(ttft, entry)| (ttft, entry.id));
        let mut ties: Vec<Place> = ties.collect();
        ties.sort_unstable();
        windows = windows_of(&ties);
    }
    let mut sums = Sums::default();
    let mut kept: Vec<(Place, Legs)> = Vec::new();
    for (ttft, entry) in completed() {
        also(ttft, &entry);
        let place = (ttft, entry.id);
        if keeps_aside && is_end(ttft) {
            kept.push((place, entry.legs));
        } else {
            sums.add(place, &entry.legs, &windows);
        }
    }
    if keeps_aside {
        kept.sort_unstable_by_key(|(place, _)| *place);
        windows = windows_of(&kept.iter().map(|(place, _)| *place).collect::<Vec<_>>());
        kept.iter().for_each(|(place, legs)| sums.add(*place, legs, &windows));
    }
    let mean = |sum: u128, n: usize| ms(sum as f64 / n as f64);
    let size = |(from, to): (usize, usize)| to - from + 1;
    let each = Leg::ALL.iter().enumerate().map(|(i, &leg)| LegSummary {
        leg: leg.name().to_string(),
        mean_ms: mean(sums.all[i], ttfts.len()),
        near_p50_ms: mean(sums.within[0][i], size(ranks[0])),
        near_p99_ms: mean(sums.within[1][i], size(ranks[1])),
    });
    each.collect()
}

/// Nanoseconds in each leg: of all, and of those within each window.
#[derive(Default)]
struct Sums {
    all: [u128; Leg::ALL.len()],
    within: [[u128; Leg::ALL.len()]; 2],
}

impl Sums {
    #[inline]
    fn add(&mut self, place: Place, legs: &Legs, windows: &[(Place, Place); 2]) {
        let add = |sums: &mut [u128; Leg::ALL.len()]| {
            for (index, &leg) in Leg::ALL.iter().enumerate() {
                sums[index] += u128::from(legs.get(leg).0);
            }
        };
        add(&mut self.all);
        for (index, (from, to)) in windows.iter().enumerate() {
            if *from <= place && place <= *to {
                add(&mut self.within[index]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;
    use crate::run::Book;

    /// Few TTFTs, so that many requests share those at the ends of the windows.
    #[test]
    fn who_counts_among_equals_is_the_same_aside_and_by_a_pass_of_its_own() {
        for kinds in [1, 2, 7, 40] {
            let mut result = sample::cell("a", 1, 1);
            let rows = sample::rows(1);
            result.book = (0..4_000u32)
                .map(|number| {
                    let mut row = rows[0];
                    row.id = RequestId(crate::rng::mix64(u64::from(number)) as u32);
                    row.legs = Legs::default();
                    let ttft = 1_000_000 * u64::from(1 + number % kinds);
                    // Whose parts are counted shows in their mean.
                    row.legs.add(Leg::Queue, Span(u64::from(row.id.0) % ttft));
                    row.legs.add(Leg::Prefill, Span(ttft - u64::from(row.id.0) % ttft));
                    row.first_token_at = Some(row.sent_at + Span(ttft));
                    row
                })
                .collect::<Vec<_>>()
                .iter()
                .collect::<Book>();
            let mut ttfts: Vec<u64> = result.measured().filter_map(|entry| Some(entry.ttft?.0)).collect();
            ttfts.sort_unstable();
            assert_eq!(ttfts.len(), 4_000);
            let of = |aside: usize| {
                let mut seen = 0;
                let legs = legs_aside(&result, &ttfts, aside, |_, _| seen += 1);
                assert_eq!(seen, 4_000);
                serde_json::to_string(&legs).unwrap()
            };
            assert_eq!(of(usize::MAX), of(0), "{kinds}");
            // By hand: the entries in order of TTFT and number, from rank to rank.
            let mut entries: Vec<Entry> = result.measured().collect();
            entries.sort_unstable_by_key(|entry| (entry.ttft, entry.id));
            let near_p50 = &entries[1_980..=2_019];
            let queue: u64 = near_p50.iter().map(|entry| entry.legs.get(Leg::Queue).0).sum();
            let legs = legs(&result, &ttfts, |_, _| {});
            let found = legs.iter().find(|leg| leg.leg == Leg::Queue.name()).unwrap().near_p50_ms;
            assert_eq!(found, ms(queue as f64 / 40.0), "{kinds}");
        }
    }
}
