//! Clock grids. Knows timestamps in order; must not know what happens at them. Some recorders stamp requests with
//! a clock that ticks every three seconds (Mooncake's conversation trace: 90 % of the gaps between its 12,031
//! requests are zero). Replayed as they stand, ten requests arrive at once where the service saw a stream.

use crate::rng::Key;
use crate::time::Span;

/// The grid that is looked for (the period of Mooncake's published traces).
pub const GRID: Span = Span::from_secs(3);
/// How far from the grid a timestamp may lie (the real trace: from -1 to +3 ms).
pub const TOLERANCE: Span = Span::from_ms(5);
/// Fewer requests show no grid: three hand-written rows at 0, 3 and 6 s are meant (our choice).
pub const LEAST_REQUESTS: usize = 32;
/// Fewer ticks show no grid: a few bursts are meant (our choice).
pub const LEAST_TICKS: usize = 8;

fn cell(ns: u64) -> u64 {
    (ns + GRID.0 / 2) / GRID.0
}

/// The grid that `times` (in order) sit on: all within the tolerance, and at least two a tick on average.
pub(super) fn grid(times: &[u64]) -> Option<u64> {
    let on_grid = |ns: u64| ns.abs_diff(cell(ns) * GRID.0) <= TOLERANCE.0;
    if times.len() < LEAST_REQUESTS || !times.iter().all(|&ns| on_grid(ns)) {
        return None;
    }
    let ticks = 1 + times.windows(2).filter(|pair| cell(pair[0]) != cell(pair[1])).count();
    (ticks >= LEAST_TICKS && 2 * ticks <= times.len()).then_some(GRID.0)
}

/// Spreads the requests of each tick uniformly over the three seconds that begin with it. The tick's own key draws
/// as many times as it has requests, and they are given out in order: order stays, other ticks' draws stay when
/// one gains a request, and equal rows may change places.
pub(super) fn spread(times: &mut [u64], key: Key) {
    let mut from = 0;
    while from < times.len() {
        let tick = cell(times[from]);
        let count = times[from..].iter().take_while(|&&ns| cell(ns) == tick).count();
        let mut stream = key.at(tick).stream();
        let crowd = &mut times[from..from + count];
        for ns in crowd.iter_mut() {
            *ns = tick * GRID.0 + (stream.unit() * GRID.0 as f64) as u64;
        }
        crowd.sort_unstable();
        from += count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `count` ticks of `each` requests.
    fn ticks(count: u64, each: usize, off_ns: u64) -> Vec<u64> {
        (0..count).flat_map(|tick| std::iter::repeat_n(tick * GRID.0 + off_ns, each)).collect()
    }

    #[test]
    fn a_grid_is_found_and_nothing_else_taken_for_one() {
        assert_eq!(grid(&ticks(20, 5, 0)), Some(GRID.0));
        assert_eq!(grid(&ticks(20, 5, 3_000_000)), Some(GRID.0), "3 ms late, as in the real trace");
        assert_eq!(grid(&ticks(20, 5, 6_000_000)), None);
        assert_eq!(grid(&ticks(100, 1, 0)), None, "one request a tick is a schedule, not a coarse clock");
        assert_eq!(grid(&ticks(5, 6, 0)), None, "30 requests are too few to tell");
        assert_eq!(grid(&ticks(1, 500, 0)), None, "a burst at the start is meant");
        assert_eq!(grid(&ticks(7, 50, 0)), None);
        assert_eq!(grid(&[]), None);
        let mut one_off = ticks(20, 5, 0);
        one_off[50] += 1_500_000_000;
        assert_eq!(grid(&one_off), None);
    }

    #[test]
    fn requests_stay_in_their_cell_and_in_order_and_fill_it_evenly() {
        let mut times = ticks(500, 10, 0);
        spread(&mut times, Key::root(3));
        assert!(times.is_sorted());
        for (tick, crowd) in times.chunks(10).enumerate() {
            assert!(crowd.iter().all(|ns| cell_of(*ns) == tick as u64));
        }
        // Places in the cell are uniform: mean 1.5 s, standard error 3/sqrt(12·5000) = 0.0122 s; five of them.
        let mean = times.iter().map(|ns| (ns % GRID.0) as f64 / 1e9).sum::<f64>() / 5000.0;
        assert!((mean - 1.5).abs() < 0.061, "{mean}");
        let same_cell_zero_gaps = times.windows(2).filter(|pair| pair[0] == pair[1]).count();
        assert_eq!(same_cell_zero_gaps, 0);
    }

    fn cell_of(ns: u64) -> u64 {
        ns / GRID.0
    }

    #[test]
    fn a_cell_draws_for_itself() {
        let (mut alone, mut with_more) = (ticks(4, 3, 0), ticks(4, 3, 0));
        with_more.insert(3, GRID.0);
        spread(&mut alone, Key::root(3));
        spread(&mut with_more, Key::root(3));
        assert_eq!(alone[..3], with_more[..3]);
        assert_eq!(alone[6..], with_more[7..]);
        assert!(alone[3..6].iter().all(|ns| with_more[3..7].contains(ns)), "one more draw moves no other");
        let mut other_seed = ticks(4, 3, 0);
        spread(&mut other_seed, Key::root(4));
        assert_ne!(alone, other_seed);
    }
}
