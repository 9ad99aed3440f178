//! When sessions begin: a renewal process, and the end of it. Knows gaps and counts; must not know what is sent.

use super::params::{Arrivals, SyntheticParams, Until};
use super::sessions::Sessions;
use crate::dist::Dist;
use crate::rng::{Key, Stream};
use crate::time::MAX_TIME;

/// The beginning of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Beginning {
    /// Its number, from 0.
    pub session: u64,
    /// When, in nanoseconds: whole microseconds.
    pub at_ns: u64,
    /// How many turns it may have at most.
    pub turns: u32,
}

/// The beginnings of all sessions, in order.
pub(super) struct Beginnings {
    gaps: Dist,
    stream: Stream,
    until: Until,
    /// Seconds since the start. The sum is kept in seconds and rounded per session, so that rounding does not add up.
    clock_s: f64,
    session: u64,
    planned: u64,
}

impl Beginnings {
    pub(super) fn new(params: &SyntheticParams, key: Key) -> Beginnings {
        let mean = 1.0 / params.sessions_per_s;
        let gaps = match params.arrivals {
            Arrivals::Poisson => Dist::Exponential { mean },
            Arrivals::Gamma { cv } => Dist::Gamma { mean, cv },
        };
        let stream = key.named("arrivals").stream();
        Beginnings { gaps, stream, until: params.until, clock_s: 0.0, session: 0, planned: 0 }
    }
    pub(super) fn next(&mut self, sessions: &Sessions) -> Option<Beginning> {
        if let Until::Requests(count) = self.until
            && self.planned >= count
        {
            return None;
        }
        self.clock_s += self.gaps.sample(&mut self.stream);
        let at_ns = (self.clock_s * 1e6).round() as u64 * 1_000;
        let session = self.session;
        self.session += 1;
        let turns = match self.until {
            Until::Duration(span) if at_ns > span.0 => return None,
            Until::Duration(_) => u32::MAX,
            Until::Requests(count) => {
                let turns = (sessions.turns(session) as u64).min(count - self.planned);
                self.planned += turns;
                turns as u32
            }
        };
        (at_ns <= MAX_TIME.0).then_some(Beginning { session, at_ns, turns })
    }
}
