//! Simulated time. Knows integer nanoseconds and picoseconds; must not know a wall clock. No floating point
//! ever orders two events: a value is rounded once, where it enters (a sample, a file), and is an integer after.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::{Add, AddAssign, Sub, SubAssign};

/// Nanoseconds in a second.
pub const NS_PER_SEC: u64 = 1_000_000_000;
/// Picoseconds in a nanosecond.
pub const PS_PER_NS: u64 = 1_000;
/// The longest simulated time, 200 days: the replica's picosecond clock is a `u64` and holds 213 days.
pub const MAX_TIME: SimTime = SimTime(200 * 86_400 * NS_PER_SEC);

/// An instant: nanoseconds since the start of the simulation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SimTime(pub u64);

/// A length of time in nanoseconds, never negative.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(transparent)]
pub struct Span(pub u64);

/// A length of time in picoseconds: what one engine step takes, before it is rounded for the outside.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Picos(pub u64);

impl SimTime {
    /// The start of the simulation.
    pub const ZERO: SimTime = SimTime(0);
    /// Later than anything that happens.
    pub const NEVER: SimTime = SimTime(u64::MAX);

    /// The time from `earlier` to `self`; zero when `earlier` is later.
    pub fn since(self, earlier: SimTime) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
    /// Seconds, for reports.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }
    /// Milliseconds, for reports.
    pub fn as_ms_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }
    /// From seconds, rounded to the nearest nanosecond; negative and NaN become zero.
    pub fn from_secs_f64(secs: f64) -> SimTime {
        SimTime(Span::from_secs_f64(secs).0)
    }
}

impl Span {
    /// No time at all.
    pub const ZERO: Span = Span(0);
    /// Longer than any simulation.
    pub const FOREVER: Span = Span(u64::MAX);

    /// From whole microseconds.
    pub const fn from_us(us: u64) -> Span {
        Span(us * 1_000)
    }
    /// From whole milliseconds.
    pub const fn from_ms(ms: u64) -> Span {
        Span(ms * 1_000_000)
    }
    /// From whole seconds.
    pub const fn from_secs(secs: u64) -> Span {
        Span(secs * NS_PER_SEC)
    }
    /// From seconds, rounded to the nearest nanosecond; negative and NaN become zero, too large saturates.
    pub fn from_secs_f64(secs: f64) -> Span {
        Span((secs * 1e9).round() as u64)
    }
    /// From milliseconds, rounded to the nearest nanosecond.
    pub fn from_ms_f64(ms: f64) -> Span {
        Span((ms * 1e6).round() as u64)
    }
    /// Seconds, for reports.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }
    /// Milliseconds, for reports.
    pub fn as_ms_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }
    /// `self - other`, zero when that would be negative.
    pub fn saturating_sub(self, other: Span) -> Span {
        Span(self.0.saturating_sub(other.0))
    }
}

impl Picos {
    /// From a length in seconds, rounded to the nearest picosecond, at least one: no step takes no time.
    pub fn from_secs_f64(secs: f64) -> Picos {
        Picos(((secs * 1e12).round() as u64).max(1))
    }
    /// Whole nanoseconds, rounded up: what the outside sees.
    pub fn ceil_ns(self) -> u64 {
        self.0.div_ceil(PS_PER_NS)
    }
}

impl Add<Span> for SimTime {
    type Output = SimTime;
    fn add(self, span: Span) -> SimTime {
        SimTime(self.0 + span.0)
    }
}
impl AddAssign<Span> for SimTime {
    fn add_assign(&mut self, span: Span) {
        self.0 += span.0;
    }
}
impl Sub for SimTime {
    type Output = Span;
    fn sub(self, earlier: SimTime) -> Span {
        Span(self.0 - earlier.0)
    }
}
impl Add for Span {
    type Output = Span;
    fn add(self, other: Span) -> Span {
        Span(self.0 + other.0)
    }
}
impl AddAssign for Span {
    fn add_assign(&mut self, other: Span) {
        self.0 += other.0;
    }
}
impl Sub for Span {
    type Output = Span;
    fn sub(self, other: Span) -> Span {
        Span(self.0 - other.0)
    }
}
impl SubAssign for Span {
    fn sub_assign(&mut self, other: Span) {
        self.0 -= other.0;
    }
}
impl std::iter::Sum for Span {
    fn sum<I: Iterator<Item = Span>>(spans: I) -> Span {
        Span(spans.map(|span| span.0).sum())
    }
}

impl fmt::Display for Span {
    /// The shortest exact form with a unit: `1.5s`, `20ms`, `350us`, `12ns`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ns = self.0;
        let (unit_ns, unit) = match ns {
            0 => return f.write_str("0s"),
            _ if ns >= NS_PER_SEC => (NS_PER_SEC, "s"),
            _ if ns >= 1_000_000 => (1_000_000, "ms"),
            _ if ns >= 1_000 => (1_000, "us"),
            _ => (1, "ns"),
        };
        let whole = ns / unit_ns;
        let rest = ns % unit_ns;
        if rest == 0 {
            return write!(f, "{whole}{unit}");
        }
        let width = unit_ns.ilog10() as usize;
        let digits = format!("{rest:0width$}");
        write!(f, "{whole}.{}{unit}", digits.trim_end_matches('0'))
    }
}
impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
impl fmt::Display for SimTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Span(self.0), f)
    }
}
impl fmt::Debug for SimTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "t={self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_print_exactly_in_the_largest_unit_that_fits() {
        let shown =
            [0, 12, 1_000, 350_000, 20_000_000, 1_500_000_000, 90_000_000_001].map(|ns| Span(ns).to_string());
        assert_eq!(shown, ["0s", "12ns", "1us", "350us", "20ms", "1.5s", "90.000000001s"]);
    }

    #[test]
    fn rounding_is_to_the_nearest_and_never_negative() {
        assert_eq!(Span::from_secs_f64(1.4e-9), Span(1));
        assert_eq!(Span::from_secs_f64(-3.0), Span(0));
        assert_eq!(Span::from_secs_f64(f64::NAN), Span(0));
        assert_eq!(Picos::from_secs_f64(0.0), Picos(1));
        assert_eq!(Picos(1_001).ceil_ns(), 2);
    }
}
