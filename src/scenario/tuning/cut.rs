//! Stretches of a trace's time, as they are written. Knows times; must not know traces.

use crate::time::Span;
use crate::units::parse_duration;
use crate::workload::Window;
use std::fmt;

/// A stretch of a trace's time, in equal parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Where it begins.
    pub from: Span,
    /// Where it ends.
    pub to: Span,
    /// In how many parts.
    pub parts: u32,
}

/// Why a stretch was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct WindowError(pub String);

/// The most parts: our choice, far more than an interval needs.
const MOST: u32 = 1000;

impl Cut {
    /// Reads `FROM..TO` or `FROM..TO/PARTS`.
    ///
    /// # Errors
    /// When it is not so written.
    pub fn parse(text: &str) -> Result<Cut, WindowError> {
        let refused = || {
            WindowError(format!(
                "`{text}` is no part of a trace; write 0..10m, or 10m..30m/4 for four parts of it"
            ))
        };
        let (stretch, parts) = match text.split_once('/') {
            None => (text, 1),
            Some((stretch, parts)) => (stretch, parts.trim().parse().map_err(|_| refused())?),
        };
        let time = |text: &str| match text.trim() {
            "0" => Ok(Span::ZERO),
            text => parse_duration(text).map_err(|_| refused()),
        };
        let (from, to) = stretch.split_once("..").ok_or_else(refused)?;
        let cut = Cut { from: time(from)?, to: time(to)?, parts };
        if cut.from >= cut.to || !(1..=MOST).contains(&parts) {
            return Err(refused());
        }
        Ok(cut)
    }
    /// Its parts.
    pub fn windows(&self) -> Vec<Window> {
        let length = self.to.0 - self.from.0;
        let at = |part: u64| {
            let share = u128::from(length) * u128::from(part) / u128::from(self.parts);
            self.from.0 + share as u64
        };
        let window = |part: u64| Window { from: Span(at(part)), lasts: Span(at(part + 1) - at(part)) };
        (0..u64::from(self.parts)).map(window).collect()
    }
    /// Whether the two have time in common.
    pub fn overlaps(&self, other: &Cut) -> bool {
        self.from < other.to && other.from < self.to
    }
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} s to {} s", self.from.as_secs_f64(), self.to.as_secs_f64())?;
        if self.parts > 1 { write!(f, " in {} parts", self.parts) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_is_cut_without_gap_or_overlap() {
        let cut = Cut::parse("10m..30m/3").unwrap();
        let windows = cut.windows();
        assert_eq!(windows.len(), 3);
        assert_eq!(windows[0].from, Span::from_secs(600));
        for pair in windows.windows(2) {
            assert_eq!(pair[0].from.0 + pair[0].lasts.0, pair[1].from.0);
        }
        assert_eq!(windows[2].from.0 + windows[2].lasts.0, Span::from_secs(1800).0);
        assert_eq!(
            Cut::parse("0..90s").unwrap(),
            Cut { from: Span::ZERO, to: Span::from_secs(90), parts: 1 }
        );
        assert!(
            cut.overlaps(&Cut::parse("20m..40m").unwrap()) && !cut.overlaps(&Cut::parse("0..10m").unwrap())
        );
        for wrong in ["10m", "10m..5m", "0..10m/0", "0..10m/x", "0..10", "5m..5m"] {
            assert!(Cut::parse(wrong).is_err(), "{wrong}");
        }
    }
}
