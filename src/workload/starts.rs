//! When sessions start that do not say so. Knows a rate; must not know sessions. The gaps are exponential, drawn from
//! a key of their own that no seed moves: the trace is the same trace in every run.

use super::options::SESSION_RATE;
use crate::rng::{Key, Stream};
use crate::time::MAX_TIME;

pub(super) struct Starts {
    rate: f64,
    stream: Stream,
    at_s: f64,
    count: u64,
}

impl Starts {
    /// `rate` in sessions a second.
    pub(super) fn new(rate: Option<f64>) -> Starts {
        let rate = rate.unwrap_or(SESSION_RATE).clamp(1e-6, 1e6);
        Starts { rate, stream: Key::root(0).named("trace/session-starts").stream(), at_s: 0.0, count: 0 }
    }
    /// The next session's start in nanoseconds; the first is 0.
    pub(super) fn draw(&mut self) -> u64 {
        if self.count > 0 {
            self.at_s -= libm::log(self.stream.unit_open()) / self.rate;
        }
        self.count += 1;
        ((self.at_s * 1e9).round() as u64).min(MAX_TIME.0)
    }
    /// What the user should know, if any start was drawn.
    pub(super) fn notice(&self) -> Option<String> {
        (self.count > 0).then(|| {
            format!(
                "the trace does not say when its {} sessions start: they start at random, {} a second on average \
                 (set session_rate for another)",
                self.count, self.rate
            )
        })
    }
}
