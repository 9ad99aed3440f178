//! Rungs of ladders and measured times: what `summary.json` says of them, and the lines under the table.

use super::grid;
use super::numbers::{ms, rounded};
use super::summary::{CellSummary, MeasuredPercentiles, MeasuredSummary, RungSummary, Summary};
use crate::run::{Climbed, Followed, Pair, RunResult};
use crate::stats;
use crate::time::Span;
use crate::workload::Measured;
use crate::workload::rungs::{Accounting, achieved, rung_of};
use std::fmt::Write;

/// What each rung of each ladder achieved.
pub(super) fn rungs(result: &RunResult) -> Vec<RungSummary> {
    result.followed.iter().flat_map(rungs_of).collect()
}

fn rungs_of(followed: &Followed) -> Vec<RungSummary> {
    let Followed { rungs, climbed, .. } = followed;
    let requests = || climbed.iter().map(|request| (request.sent_at, request.completed_at));
    let window = achieved(rungs, Accounting::Window, requests());
    let drained = achieved(rungs, Accounting::Drained, requests());
    let mut ttfts: Vec<Vec<u64>> = vec![Vec::new(); rungs.len()];
    for Climbed { sent_at, ttft, .. } in climbed {
        if let (Some(rung), Some(ttft)) = (rung_of(rungs, *sent_at), ttft) {
            ttfts[rung].push(ttft.0);
        }
    }
    let rate = |count: u64, seconds: f64| (seconds > 0.0).then(|| rounded(count as f64 / seconds));
    let accounts = window.iter().zip(&drained).zip(&mut ttfts);
    let one = |(rung, ((window, drained), ttfts)): (&crate::workload::rungs::Rung, _)| {
        let (window, drained): (&crate::workload::rungs::Achieved, &crate::workload::rungs::Achieved) =
            (window, drained);
        let ttfts: &mut Vec<u64> = ttfts;
        let [p50, p99] = stats::ascending_quantiles(ttfts, [0.5, 0.99]);
        RungSummary {
            workload: followed.workload.clone(),
            rung: rung.number,
            from_s: rung.from.as_secs_f64(),
            to_s: rung.to.as_secs_f64(),
            sessions_per_s: rung.rate,
            sent: window.sent,
            offered_per_s: rate(window.sent, window.seconds),
            window_per_s: rate(window.completed, window.seconds),
            drained_per_s: rate(drained.completed, drained.seconds),
            ttft_p50_ms: p50.map(ms),
            ttft_p99_ms: p99.map(ms),
        }
    };
    rungs.iter().zip(accounts).map(one).collect()
}

/// What was measured beside what the run says.
pub(super) fn measured(result: &RunResult) -> Vec<MeasuredSummary> {
    let one = |followed: &Followed| {
        let pairs = || followed.pairs.iter().filter(|pair| pair.sent_at.0 >= result.warmup.0);
        let ttft = compare(&followed.workload, "ttft", pairs(), |times| times.ttft);
        let e2e = compare(&followed.workload, "e2e", pairs(), |times| times.e2e);
        ttft.into_iter().chain(e2e)
    };
    result.followed.iter().flat_map(one).collect()
}

fn compare<'p>(
    workload: &str,
    measure: &str,
    pairs: impl Iterator<Item = &'p Pair>,
    of: impl Fn(&Measured) -> Option<Span>,
) -> Option<MeasuredSummary> {
    let both = |pair: &Pair| Some((of(&pair.measured)?.0, of(&pair.modelled)?.0));
    let (mut measured, mut modelled): (Vec<u64>, Vec<u64>) = pairs.filter_map(both).unzip();
    let mut errors: Vec<f64> =
        measured.iter().zip(&modelled).map(|(&told, &said)| said as f64 - told as f64).collect();
    let error = stats::quantile(&mut errors, 0.5)?;
    let mut amounts: Vec<f64> = errors.iter().map(|error| error.abs()).collect();
    let percentiles = |ns: &mut Vec<u64>| {
        let [p50, p90, p99] = stats::ascending_quantiles(ns, [0.5, 0.9, 0.99]);
        Some(MeasuredPercentiles { p50_ms: ms(p50?), p90_ms: ms(p90?), p99_ms: ms(p99?) })
    };
    Some(MeasuredSummary {
        workload: workload.to_owned(),
        measure: measure.to_owned(),
        n: errors.len() as u64,
        measured: percentiles(&mut measured)?,
        modelled: percentiles(&mut modelled)?,
        median_error_ms: ms(error),
        median_absolute_error_ms: ms(stats::quantile(&mut amounts, 0.5)?),
    })
}

/// The mean over seeds of what each cell has at one place; `-` where none has it.
fn mean(cells: &[CellSummary], of: impl Fn(&CellSummary) -> Option<f64>) -> String {
    let mean = stats::Moments::of(cells.iter().filter_map(of)).mean();
    mean.map_or_else(|| "-".to_owned(), |mean| format!("{mean:.2}"))
}

/// Writes the rungs and the measured times under the table, where there are any. With several seeds, numbers are means
/// over them.
pub(super) fn render(summary: &Summary, out: &mut String) {
    let (mut ladder, mut compared) = (Vec::new(), Vec::new());
    for policy in &summary.policies {
        let Some(first) = policy.cells.first() else { continue };
        for (at, rung) in first.rungs.iter().enumerate() {
            let of = |of: &dyn Fn(&RungSummary) -> Option<f64>| {
                mean(&policy.cells, |cell| cell.rungs.get(at).and_then(of))
            };
            let (from, to) = rung.sessions_per_s;
            ladder.push(vec![
                policy.policy.clone(),
                rung.workload.clone(),
                rung.rung.to_string(),
                if from == to { format!("{from}") } else { format!("{from} to {to}") },
                of(&|rung| rung.offered_per_s),
                of(&|rung| rung.window_per_s),
                of(&|rung| rung.drained_per_s),
                of(&|rung| rung.ttft_p50_ms),
                of(&|rung| rung.ttft_p99_ms),
            ]);
        }
        for (at, pair) in first.measured.iter().enumerate() {
            let of = |of: &dyn Fn(&MeasuredSummary) -> f64| {
                mean(&policy.cells, |cell| cell.measured.get(at).map(of))
            };
            compared.push(vec![
                policy.policy.clone(),
                pair.workload.clone(),
                pair.measure.clone(),
                pair.n.to_string(),
                of(&|pair| pair.measured.p50_ms),
                of(&|pair| pair.modelled.p50_ms),
                of(&|pair| pair.measured.p90_ms),
                of(&|pair| pair.modelled.p90_ms),
                of(&|pair| pair.measured.p99_ms),
                of(&|pair| pair.modelled.p99_ms),
                of(&|pair| pair.median_error_ms),
            ]);
        }
    }
    if !ladder.is_empty() {
        let head = [
            "policy",
            "workload",
            "rung",
            "sessions/s",
            "sent/s",
            "done/s",
            "drained/s",
            "TTFT p50",
            "TTFT p99",
        ];
        let _ = write!(out, "\n{}", grid::render(&head, &ladder));
    }
    if !compared.is_empty() {
        let head = [
            "policy",
            "workload",
            "measured",
            "n",
            "p50 ms",
            "here",
            "p90 ms",
            "here",
            "p99 ms",
            "here",
            "median error",
        ];
        let _ = write!(out, "\n{}", grid::render(&head, &compared));
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::super::summarise::summarise_cell;
    use super::*;
    use crate::time::SimTime;
    use crate::workload::rungs::Rung;

    fn second(s: u64) -> SimTime {
        SimTime(s * 1_000_000_000)
    }

    /// Two rungs of ten seconds. The first keeps up: ten requests, a TTFT of 1, 2, … 10 ms, half a second each. The
    /// second sends thirty at its begin, done one a second from 11 s on.
    fn ladder() -> Followed {
        let rung = |number: u32, rate| Rung {
            number,
            rate: (rate, rate),
            from: second(10 * u64::from(number)),
            to: second(10 * u64::from(number) + 10),
        };
        let slow = (0..10).map(|i| Climbed {
            sent_at: second(i),
            completed_at: Some(second(i) + Span::from_ms(500)),
            ttft: Some(Span::from_ms(i + 1)),
        });
        let fast = (0..30).map(|i| Climbed {
            sent_at: second(10),
            completed_at: Some(second(11 + i)),
            ttft: Some(Span::from_secs(1 + i)),
        });
        let lost = Climbed { sent_at: second(15), completed_at: None, ttft: None };
        Followed {
            workload: "main".to_owned(),
            rungs: vec![rung(0, 1.0), rung(1, 3.0)],
            climbed: slow.chain(fast).chain([lost]).collect(),
            pairs: Vec::new(),
        }
    }

    /// Measured 10, 20, … 50 ms and modelled 12, 19, 33, 44, 40: errors 2, -1, 3, 4, -10.
    fn pairs() -> Followed {
        let modelled = [12, 19, 33, 44, 40];
        let pair = |(i, &said): (usize, &u64)| Pair {
            sent_at: second(i as u64),
            measured: Measured { ttft: Some(Span::from_ms(10 * (i as u64 + 1))), e2e: None },
            modelled: Measured { ttft: Some(Span::from_ms(said)), e2e: Some(Span::from_secs(1)) },
        };
        Followed {
            workload: "log".to_owned(),
            pairs: modelled.iter().enumerate().map(pair).collect(),
            ..Followed::default()
        }
    }

    #[test]
    fn an_overloaded_rung_shows_in_both_accounts() {
        let rungs = rungs_of(&ladder());
        let rates = |rung: &RungSummary| {
            (rung.sent, rung.offered_per_s, rung.window_per_s, rung.drained_per_s, rung.ttft_p50_ms)
        };
        // TTFT 1 … 10 ms: the median 5.5, the p99 at rank 8.91 is 9.91.
        assert_eq!(rates(&rungs[0]), (10, Some(1.0), Some(1.0), Some(1.0), Some(5.5)));
        assert_eq!(rungs[0].ttft_p99_ms, Some(9.91));
        // 31 in 10 s; nine of the ends at 11 … 40 s lie before 20; thirty in the 30 s until the last.
        assert_eq!(rates(&rungs[1]), (31, Some(3.1), Some(0.9), Some(1.0), Some(15_500.0)));
    }

    #[test]
    fn measured_and_modelled_are_paired() {
        let mut result = sample::cell("a", 1, 1);
        result.followed = vec![pairs()];
        let found = measured(&result);
        assert_eq!(found.len(), 1, "nothing was measured of E2E");
        let one = &found[0];
        assert_eq!((one.n, one.measured.p50_ms, one.modelled.p50_ms), (5, 30.0, 33.0));
        // Measured p90 at rank 3.6 of 10 … 50: 46; modelled sorted 12, 19, 33, 40, 44: 42.4.
        assert_eq!((one.measured.p90_ms, one.modelled.p90_ms), (46.0, 42.4));
        // Errors sorted -10, -1, 2, 3, 4; amounts 1, 2, 3, 4, 10.
        assert_eq!((one.median_error_ms, one.median_absolute_error_ms), (2.0, 3.0));
        result.warmup = Span::from_secs(4);
        assert_eq!(measured(&result)[0].n, 1, "what was sent in the warm-up does not count");
    }

    #[test]
    fn lines_stand_under_the_table() {
        let mut result = sample::cell("a", 1, 1);
        result.followed = vec![ladder(), pairs()];
        assert_eq!(summarise_cell(&result).rungs.len(), 2);
        let mut out = String::new();
        render(&sample::summary(&[("a", vec![result])]), &mut out);
        let lines: Vec<Vec<&str>> = out.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[3], ["a", "main", "1", "3", "3.10", "0.90", "1.00", "15500.00", "29710.00"]);
        let told = ["a", "log", "ttft", "5", "30.00", "33.00", "46.00", "42.40", "49.60", "43.84", "2.00"];
        assert_eq!(lines[6], told);
    }
}
