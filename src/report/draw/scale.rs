//! Axes: their range, their ticks, how numbers are written at them. Knows numbers; must not know pixels.

/// An axis. Positions are values, or their decimal logarithms on a logarithmic one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Axis {
    /// What it measures, with its unit.
    pub title: String,
    /// Whether positions are logarithms.
    pub log: bool,
    /// The least and the greatest position.
    pub range: (f64, f64),
    /// Positions and what is written there.
    pub ticks: Vec<(f64, String)>,
}

/// A number as short as it can be said: 0.05, 7.5, 300, 1,200, 45k, 2.5M.
pub(crate) fn short(value: f64) -> String {
    let size = value.abs();
    let (scaled, unit) = match size {
        _ if size >= 999_999_500.0 => (value / 1e9, "G"),
        _ if size >= 999_950.0 => (value / 1e6, "M"),
        _ if size >= 10_000.0 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    let size = scaled.abs();
    let digits = match size {
        _ if size >= 99.95 => 0,
        _ if size >= 9.995 => 1,
        _ if size >= 0.9995 => 2,
        _ if size >= 0.0995 => 3,
        _ if size >= 0.000_99 => 5,
        _ => 8,
    };
    let mut text = format!("{scaled:.digits$}");
    if text.contains('.') {
        text = text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    if text == "-0" || text.is_empty() {
        text = "0".to_owned();
    }
    if unit.is_empty() && size >= 999.5 {
        text.insert(text.len() - 3, ',');
    }
    text + unit
}

/// A share as per cent: 7.5 %, 42 %, 99.95 %.
pub(crate) fn percent(share: f64) -> String {
    format!("{} %", short((share * 1e6).round() / 1e4))
}

/// Values that can be drawn.
fn real(values: impl IntoIterator<Item = f64>) -> Vec<f64> {
    values.into_iter().filter(|value| value.is_finite()).collect()
}

impl Axis {
    /// From 0, or the least negative value, to the greatest; at most about `most` ticks.
    pub(crate) fn linear(title: &str, values: impl IntoIterator<Item = f64>, most: usize) -> Axis {
        let values = real(values);
        let low = values.iter().copied().fold(0.0f64, f64::min);
        let high = values.iter().copied().fold(0.0f64, f64::max);
        let high = if high > low { high } else { low + 1.0 };
        let step = step((high - low) / most.max(1) as f64);
        let (first, last) = ((low / step).floor() as i64, (high / step - 1e-9).ceil() as i64);
        let ticks = (first..=last).map(|i| i as f64 * step).map(|value| (value, short(value)));
        Axis {
            title: title.to_owned(),
            log: false,
            range: (first as f64 * step, last as f64 * step),
            ticks: ticks.collect(),
        }
    }
    /// From `low` to `high` as they are.
    pub(crate) fn between(title: &str, (low, high): (f64, f64), most: usize) -> Axis {
        let high = if high > low { high } else { low + 1.0 };
        let step = step((high - low) / most.max(1) as f64);
        let (first, last) = ((low / step - 1e-9).ceil() as i64, (high / step + 1e-9).floor() as i64);
        let ticks = (first..=last).map(|i| i as f64 * step).map(|value| (value, short(value))).collect();
        Axis { title: title.to_owned(), log: false, range: (low, high), ticks }
    }
    /// Shares from 0 to 100 %.
    pub(crate) fn shares(title: &str, most: usize) -> Axis {
        let mut axis = Axis::linear(title, [1.0], most);
        axis.ticks.iter_mut().for_each(|(value, text)| *text = percent(*value));
        axis
    }
    /// Logarithmic over the positive values, a little room at both ends; at most about `most` ticks.
    pub(crate) fn log(title: &str, values: impl IntoIterator<Item = f64>, most: usize) -> Axis {
        let values: Vec<f64> = real(values).into_iter().filter(|&value| value > 0.0).collect();
        let low = values.iter().copied().fold(f64::MAX, f64::min);
        let high = values.iter().copied().fold(0.0f64, f64::max);
        let (low, high) = if values.is_empty() { (1.0, 10.0) } else { (low.max(1e-12), high.max(1e-12)) };
        let (mut from, mut to) = (libm::log10(low), libm::log10(high));
        // Nothing wider than a few per cent would be all noise.
        if to - from < 0.3 {
            let middle = f64::midpoint(from, to);
            (from, to) = (middle - 0.15, middle + 0.15);
        }
        let room = (to - from) * 0.03;
        (from, to) = (from - room, to + room);
        let span = to - from;
        let within = |steps: &[f64], every: i32| {
            let decades = (from.floor() as i32..=to.ceil() as i32).filter(move |k| k.rem_euclid(every) == 0);
            let all = decades.flat_map(|k| steps.iter().map(move |m| m * libm::pow(10.0, f64::from(k))));
            let all = all.map(|value| (libm::log10(value), short(value)));
            all.filter(|&(at, _)| at >= from - 1e-9 && at <= to + 1e-9).collect::<Vec<_>>()
        };
        let fine: Vec<f64> = (4..40).map(|i| f64::from(i) * 0.25).collect();
        let tries: [(&[f64], i32); 7] = [
            (&fine, 1),
            (&[1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0], 1),
            (&[1.0, 2.0, 3.0, 5.0, 7.0], 1),
            (&[1.0, 2.0, 5.0], 1),
            (&[1.0, 3.0], 1),
            (&[1.0], 1),
            (&[1.0], 2),
        ];
        // The finest that has room; with a tick at every other decade there may be any number.
        let start = usize::from(span > 0.35);
        let found = tries[start..].iter().map(|&(steps, every)| within(steps, every));
        let ticks = found.clone().find(|ticks| ticks.len() <= most.max(2)).or_else(|| found.last());
        Axis { title: title.to_owned(), log: true, range: (from, to), ticks: ticks.unwrap_or_default() }
    }
    /// Seconds of simulated time, in the unit that suits.
    pub(crate) fn time(title: &str, (from, to): (f64, f64), most: usize) -> Axis {
        let (unit, name) = match to {
            _ if to < 300.0 => (1.0, "s"),
            _ if to < 4.0 * 3_600.0 => (60.0, "min"),
            _ => (3_600.0, "h"),
        };
        let mut axis = Axis::between(&format!("{title}{name}"), (from / unit, to / unit), most);
        axis.range = (from, to.max(from + 1e-9));
        axis.ticks.iter_mut().for_each(|(at, _)| *at *= unit);
        axis
    }
    /// Where a value is: what lies outside is at the end.
    pub(crate) fn position(&self, value: f64) -> f64 {
        let at = if !self.log {
            value
        } else if value > 0.0 {
            libm::log10(value)
        } else {
            self.range.0
        };
        if at.is_nan() { self.range.0 } else { at.clamp(self.range.0, self.range.1) }
    }
}

/// The smallest of 1, 2, 2.5 and 5 times a power of ten that is at least this.
fn step(least: f64) -> f64 {
    if !(least.is_finite() && least > 0.0) {
        return 1.0;
    }
    let power = libm::pow(10.0, libm::floor(libm::log10(least)));
    [1.0, 2.0, 2.5, 5.0, 10.0]
        .into_iter()
        .map(|m| m * power)
        .find(|&step| step >= least * (1.0 - 1e-9))
        .unwrap_or(power * 10.0)
}
