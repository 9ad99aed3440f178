//! Numbers of a table's column: how many digits, which is best, what stands on too little. Knows values and units; must not
//! know what is measured.

use super::model::Cell;
use crate::report::measures::Better;
use crate::report::numbers::rounded;
use crate::report::summary::CellSummary;
use crate::stats::Moments;

/// A mean over seeds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Value {
    /// The mean.
    pub mean: f64,
    /// Half of Student's 95 % interval, with two seeds or more.
    pub half: Option<f64>,
    /// Whether every seed has enough samples.
    pub reliable: bool,
}

/// The mean over cells of what they have; `None` where none has it.
pub(super) fn over<'c>(
    cells: &'c [CellSummary],
    of: impl Fn(&'c CellSummary) -> Option<f64>,
) -> Option<Value> {
    over_sure(cells, |cell| of(cell).map(|value| (value, true)))
}

/// The same of values that may stand on too few samples.
pub(super) fn over_sure<'c>(
    cells: &'c [CellSummary],
    of: impl Fn(&'c CellSummary) -> Option<(f64, bool)>,
) -> Option<Value> {
    let values: Vec<(f64, bool)> = cells.iter().filter_map(of).collect();
    let moments = Moments::of(values.iter().map(|value| value.0));
    Some(Value {
        mean: moments.mean().map(rounded)?,
        half: moments.half_width(0.95).map(rounded),
        reliable: values.iter().all(|value| value.1),
    })
}

/// How much of the largest value a column must spread over for its best to be marked, as in the terminal's table.
pub(super) const WORTH_MARKING: f64 = 0.01;

/// The numbers of a column as cells. `unit` is that of `measures`: shares are shown in per cent.
pub(super) fn column(values: &[Option<Value>], unit: &str, better: Better) -> Vec<Cell> {
    let scale = scale(unit);
    let means = || values.iter().flatten().map(|value| value.mean * scale);
    let largest = means().fold(0.0, |largest: f64, mean| largest.max(mean.abs()));
    let decimals = decimals(largest, unit);
    let (low, high) = means().fold((f64::MAX, f64::MIN), |(low, high), mean| (low.min(mean), high.max(mean)));
    let clear = high > low && high - low >= WORTH_MARKING * high.abs();
    let best = match better {
        Better::Lower if clear => Some(fixed(low, decimals)),
        Better::Higher if clear => Some(fixed(high, decimals)),
        _ => None,
    };
    let each = values.iter().map(|value| {
        let Some(value) = value else { return Cell { text: "–".to_owned(), ..Cell::default() } };
        let text = fixed(value.mean * scale, decimals);
        Cell {
            half: value.half.map(|half| fixed(half * scale, decimals)),
            best: best.as_ref() == Some(&text),
            unsure: !value.reliable,
            text,
            ..Cell::default()
        }
    });
    each.collect()
}

/// Bars in the cells of a column, of the largest value's length.
pub(super) fn bars(cells: &mut [Cell], values: &[Option<Value>]) {
    let largest = values.iter().flatten().fold(0.0, |largest: f64, value| largest.max(value.mean));
    for (cell, value) in cells.iter_mut().zip(values) {
        cell.bar = value.filter(|_| largest > 0.0).map(|value| per_cent(value.mean / largest));
    }
}

/// Tints by size, over all cells of a matrix.
pub(super) fn tints<'c>(cells: impl Iterator<Item = (&'c mut Cell, Option<f64>)>) {
    let cells: Vec<_> = cells.collect();
    let values = || cells.iter().filter_map(|cell| cell.1);
    let (low, high) =
        values().fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)));
    for (cell, value) in cells {
        cell.tint = value.filter(|_| high > low).map(|value| per_cent((value - low) / (high - low)));
    }
}

fn per_cent(share: f64) -> u8 {
    (share * 100.0).round().clamp(0.0, 100.0) as u8
}

/// Shares are shown in per cent.
pub(super) fn scale(unit: &str) -> f64 {
    if unit == "share" { 100.0 } else { 1.0 }
}

/// A measure's unit as a page writes it.
pub(super) fn shown_unit(unit: &str) -> &str {
    match unit {
        "share" => "%",
        "1/s" => "per s",
        "1/request" => "per request",
        "USD" => "US$",
        "USD/h" => "US$/h",
        other => other,
    }
}

/// Decimals for a column, by its largest value: three or four digits that mean something. Dollars for one request are
/// thousandths: three digits of them.
pub(super) fn decimals(largest: f64, unit: &str) -> usize {
    match largest {
        _ if unit.starts_with("USD") && 0.0 < largest && largest < 0.1 => {
            (3..12).find(|&decimals| largest * 10f64.powi(decimals) >= 100.0).unwrap_or(12) as usize
        }
        _ if largest < 10.0 => 2,
        _ if largest < 1_000.0 => 1,
        _ => 0,
    }
}

/// A number with so many decimals, its thousands apart.
pub(super) fn fixed(value: f64, decimals: usize) -> String {
    let text = format!("{:.decimals$}", value.abs());
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let sign =
        if value < 0.0 && text.bytes().any(|digit| (b'1'..=b'9').contains(&digit)) { "−" } else { "" };
    format!("{sign}{}{rest}", thousands(whole))
}

/// A count, its thousands apart.
pub(super) fn count(value: u64) -> String {
    thousands(&value.to_string())
}

fn thousands(digits: &str) -> String {
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number in a sentence: three or four digits that mean something.
pub(super) fn told(value: f64, unit: &str) -> String {
    let value = value * scale(unit);
    let text = fixed(value, decimals(value.abs(), unit));
    match unit {
        "share" => format!("{text} %"),
        "USD" => format!("${text}"),
        "USD/h" => format!("${text} an hour"),
        other => format!("{text} {other}"),
    }
}

/// A length of time in a sentence.
pub(super) fn seconds(seconds: f64) -> String {
    match seconds {
        _ if seconds < 600.0 => format!("{} s", fixed(seconds, usize::from(seconds.fract() != 0.0))),
        _ if seconds < 36_000.0 => format!("{} min", fixed(seconds / 60.0, 1)),
        _ => format!("{} h", fixed(seconds / 3600.0, 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(mean: f64) -> Value {
        Value { mean, half: None, reliable: true }
    }

    #[test]
    fn numbers_have_digits_that_mean_something() {
        assert_eq!(fixed(1_234_567.89, 1), "1,234,567.9");
        assert_eq!(fixed(-1234.0, 0), "−1,234");
        assert_eq!(fixed(-0.001, 2), "0.00");
        assert_eq!(fixed(999.0, 0), "999");
        assert_eq!(told(0.95, "share"), "95.0 %");
        assert_eq!(told(489.52, "ms"), "489.5 ms");
        assert_eq!(told(0.00123, "USD"), "$0.00123");
        assert_eq!((seconds(120.0), seconds(1325.4)), ("120 s".to_owned(), "22.1 min".to_owned()));
    }

    #[test]
    fn the_best_is_marked_where_values_differ_by_a_hundredth() {
        let best = |values: &[f64], better| {
            let values: Vec<_> = values.iter().map(|&mean| Some(value(mean))).collect();
            column(&values, "ms", better).iter().map(|cell| cell.best).collect::<Vec<_>>()
        };
        assert_eq!(best(&[100.0, 120.0], Better::Lower), [true, false]);
        assert_eq!(best(&[100.0, 120.0], Better::Higher), [false, true]);
        assert_eq!(best(&[100.0, 120.0], Better::Neither), [false, false]);
        assert_eq!(best(&[100.0, 100.9], Better::Lower), [false, false]);
        assert_eq!(column(&[None], "ms", Better::Lower)[0].text, "–");
    }
}
