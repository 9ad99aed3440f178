//! Tests of `table`.

use super::*;
use crate::timing::IngressParams;
use proptest::prelude::*;

fn table(rows: &[(u32, u64, f64)]) -> Result<Table, TimingError> {
    let rows =
        rows.iter().map(|&(tokens, context_tokens, step_us)| TableRow { tokens, context_tokens, step_us });
    Table::new(&TableParams { rows: rows.collect(), ingress: IngressParams::NONE })
}
fn shape(tokens: u32, context_tokens: u64) -> BatchShape {
    BatchShape { tokens, sequences: tokens, prefills: 0, prefill_pairs2: 0, context_tokens }
}
/// 10 µs + 1 µs a token, and for each context token 1 ns up to 1,000, 3 ns after.
const GRID: [(u32, u64, f64); 6] =
    [(8, 3_000, 25.0), (8, 0, 18.0), (8, 1_000, 19.0), (16, 0, 26.0), (16, 1_000, 27.0), (16, 3_000, 33.0)];

#[test]
fn it_meets_its_rows_and_lies_between_them() {
    let table = table(&GRID).unwrap();
    for (tokens, context, us) in GRID {
        assert_eq!(table.step(&shape(tokens, context)).0, (us * 1e6) as u64);
    }
    // Half way: 10 + 12 + 0.5 = 22.5 µs, and 10 + 12 + 1 + 3 = 26 µs.
    assert_eq!(table.step(&shape(12, 500)).0, 22_500_000);
    assert_eq!(table.step(&shape(12, 2_000)).0, 26_000_000);
}

#[test]
fn lines_end_at_the_knots() {
    let table = table(&GRID).unwrap();
    let first = Line { base_ps: 22_000_000, slope_ps: 1_000, until_context: 1_000 };
    assert_eq!(table.line(&shape(12, 0)), first);
    assert_eq!(table.line(&shape(12, 1_000)), first, "up to and including the knot");
    let last = Line { base_ps: 20_000_000, slope_ps: 3_000, until_context: u64::MAX };
    assert_eq!(table.line(&shape(12, 1_001)), last);
}

#[test]
fn beyond_the_grid_the_last_segment_goes_on_with_a_warning() {
    let table = table(&GRID).unwrap();
    assert_eq!(table.step(&shape(24, 5_000)).0, (10 + 24 + 1 + 12) * 1_000_000);
    assert!(table.extrapolates(&shape(24, 100)) && table.extrapolates(&shape(4, 100)));
    assert!(table.extrapolates(&shape(12, 3_001)));
    assert!(!table.extrapolates(&shape(8, 0)) && !table.extrapolates(&shape(16, 3_000)));
}

#[test]
fn holes_duplicates_and_bad_times_are_refused() {
    assert_eq!(table(&GRID[..5]).unwrap_err(), TimingError::MissingRow { tokens: 16, context_tokens: 3_000 });
    let twice = [GRID.as_slice(), &GRID[..1]].concat();
    assert_eq!(table(&twice).unwrap_err(), TimingError::DuplicateRow { tokens: 8, context_tokens: 3_000 });
    assert_eq!(table(&[(1, 0, 5.0)]).unwrap_err(), TimingError::TooFewRows { contexts: 1, tokens: 1 });
    assert_eq!(table(&[]).unwrap_err(), TimingError::TooFewRows { contexts: 0, tokens: 0 });
    for us in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(table(&[(1, 0, us), (1, 9, 5.0)]).unwrap_err().to_string().contains("step_us"));
    }
}

#[test]
fn absurd_slopes_are_refused_and_extrapolation_never_overflows() {
    // 100 us for each token of context is the first that is refused.
    assert!(table(&[(1, 0, 1.0), (1, 10, 1_001.0)]).unwrap_err().to_string().contains("100 us"));
    let steep = table(&[(1, 0, 1.0), (1, 10, 1_000.0), (2, 0, 1.0), (2, 10, 500.0)]).unwrap();
    for tokens in [0, 1, u32::MAX] {
        for context in [0, 5, 10_000_000_000] {
            assert!(steep.step(&shape(tokens, context)).0 >= 1);
        }
    }
}

#[test]
fn csv_errors_name_the_line() {
    let text = "# vLLM, H100\nstep_us, tokens, context_tokens\n18.5,8,0\n\n19,8,1000\n";
    let rows = Table::parse_csv(text).unwrap();
    assert_eq!(rows[1], TableRow { tokens: 8, context_tokens: 1_000, step_us: 19.0 });
    assert_eq!(rows[0].step_us, 18.5);
    for (text, at) in [
        ("", "line 1"),
        ("tokens,context,step_us\n", "line 1"),
        ("tokens,context_tokens,step_us\n1,2\n", "line 2: 2 cells"),
        ("tokens,context_tokens,step_us\n\n1,0,5\n1,9,-5\n", "line 4: step_us is \"-5\""),
        ("tokens,context_tokens,step_us\n1.5,0,5\n", "line 2: tokens is \"1.5\""),
    ] {
        let error = Table::parse_csv(text).unwrap_err().to_string();
        assert!(error.contains(at), "{text:?}: {error}");
    }
}

proptest! {
    #[test]
    fn a_growing_table_stays_growing(
        mut times in prop::collection::vec(1u64..100_000, 4),
        gap in 1_001u64..100_000, // no slope reaches the 100 us a token that are refused
        a in 0u64..400_000,
        b in 0u64..400_000,
    ) {
        times.sort_unstable();
        let rows: Vec<_> = times.iter().zip(0u64..).map(|(&us, i)| (1, i * gap, us as f64)).collect();
        let table = table(&rows).unwrap();
        let (low, high) = (a.min(b), a.max(b));
        prop_assert!(table.step(&shape(1, low)) <= table.step(&shape(1, high)));
        // The line at one context holds up to its end.
        let line = table.line(&shape(1, low));
        let until = line.until_context.min(high).max(low);
        prop_assert_eq!(line.at(until), table.step(&shape(1, until)));
    }
}
