//! When requests are sent: rate, burstiness, peaks. Knows the rows that have a time of their own; a row that waits for
//! an answer is sent when a fleet lets it, which a trace does not know.

use super::super::data::{Start, TraceData};
use serde::Serialize;

/// The windows in which the index of dispersion is told, in seconds.
pub const WINDOWS_S: [u64; 3] = [1, 10, 60];

const SECOND: u64 = 1_000_000_000;

/// Arrivals.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ArrivalStats {
    /// Requests that have a time of their own.
    pub timed: u64,
    /// From the first to the last of them, in seconds.
    pub span_s: f64,
    /// Requests over span, per second.
    pub mean_rate_per_s: f64,
    /// Coefficient of variation of the gaps between them (1 for a Poisson process); absent where all gaps are 0.
    pub gap_cv: Option<f64>,
    /// Share of gaps that are 0: large where a clock ticks slowly.
    pub zero_gap_share: f64,
    /// The longest gap, in seconds.
    pub longest_gap_s: f64,
    /// Variance over mean of the counts in whole windows from the first request on (1 for a Poisson process).
    pub dispersion: Vec<Dispersion>,
    /// Requests of the fullest whole minute; absent with less than two whole minutes.
    pub peak_minute: Option<u64>,
    /// The fullest minute over the mean minute.
    pub peak_to_mean_minute: Option<f64>,
}

/// The index of dispersion in windows of one length.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Dispersion {
    /// The window, in seconds.
    pub window_s: u64,
    /// Variance (over n) of the counts divided by their mean; absent with fewer than two whole windows.
    pub index: Option<f64>,
}

/// Counts in the whole windows of `window` nanoseconds: how many windows, the sum, the sum of squares, the largest.
fn counts(times: &[u64], window: u64) -> (u64, u64, u128, u64) {
    let (first, last) = (times[0], times[times.len() - 1]);
    let windows = (last - first) / window;
    let (mut sum, mut squares, mut most) = (0u64, 0u128, 0u64);
    let (mut current, mut count) = (0, 0u64);
    let mut close = |count: u64| {
        sum += count;
        squares += count as u128 * count as u128;
        most = most.max(count);
    };
    for &time in times {
        let index = (time - first) / window;
        if index >= windows {
            break;
        }
        if index != current {
            close(count);
            (current, count) = (index, 0);
        }
        count += 1;
    }
    close(count);
    (windows, sum, squares, most)
}

/// About how many points the rate's line has (our choice: what a plot can show).
const POINTS: u64 = 120;

/// Windows for the rate's line, in seconds: what people think in.
const NICE_S: [u64; 12] = [1, 2, 5, 10, 30, 60, 300, 600, 1_800, 3_600, 21_600, 86_400];

pub(super) fn of(data: &TraceData) -> (Option<ArrivalStats>, Vec<(f64, f64)>, f64) {
    let at = |start: Start| match start {
        Start::At(ns) => Some(ns),
        Start::After(_) => None,
    };
    let mut times: Vec<u64> = data.rows.iter().filter_map(|row| at(row.start)).collect();
    times.sort_unstable();
    if times.len() < 2 {
        return (None, Vec::new(), 0.0);
    }
    let span = times[times.len() - 1] - times[0];
    let gaps = times.len() as u64 - 1;
    let (mut squares, mut zero, mut longest) = (0u128, 0u64, 0u64);
    for pair in times.windows(2) {
        let gap = pair[1] - pair[0];
        squares += gap as u128 * gap as u128;
        zero += u64::from(gap == 0);
        longest = longest.max(gap);
    }
    let mean_gap = span as f64 / gaps as f64;
    let variance = (squares as f64 / gaps as f64 - mean_gap * mean_gap).max(0.0);
    let dispersion = WINDOWS_S.map(|window_s| {
        let (windows, sum, squares, _) = counts(&times, window_s * SECOND);
        let mean = sum as f64 / windows as f64;
        let index = (squares as f64 / windows as f64 - mean * mean) / mean;
        Dispersion { window_s, index: (windows >= 2 && sum > 0).then_some(index) }
    });
    let (minutes, in_minutes, _, peak) = counts(&times, 60 * SECOND);
    let several = minutes >= 2;
    let seconds = |ns: u64| ns as f64 / SECOND as f64;
    let stats = ArrivalStats {
        timed: times.len() as u64,
        span_s: seconds(span),
        mean_rate_per_s: if span == 0 { 0.0 } else { times.len() as f64 / seconds(span) },
        gap_cv: (span > 0).then(|| variance.sqrt() / mean_gap),
        zero_gap_share: zero as f64 / gaps as f64,
        longest_gap_s: seconds(longest),
        dispersion: dispersion.to_vec(),
        peak_minute: several.then_some(peak),
        peak_to_mean_minute: several.then(|| peak as f64 * minutes as f64 / in_minutes as f64),
    };
    let (rate, window) = rate(&times, span);
    (Some(stats), rate, window)
}

fn rate(times: &[u64], span: u64) -> (Vec<(f64, f64)>, f64) {
    let wanted = span / SECOND / POINTS;
    let window_s = NICE_S.into_iter().find(|&nice| nice >= wanted).unwrap_or(86_400);
    let window = window_s * SECOND;
    let mut line = vec![0u64; (span / window) as usize + 1];
    times.iter().for_each(|&time| line[((time - times[0]) / window) as usize] += 1);
    // The last window is not whole: its count would read as a fall.
    if line.len() > 1 {
        line.pop();
    }
    let point =
        |(index, &count): (usize, &u64)| ((index as u64 * window_s) as f64, count as f64 / window_s as f64);
    (line.iter().enumerate().map(point).collect(), window_s as f64)
}
