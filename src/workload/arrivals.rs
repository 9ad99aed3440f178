//! When sessions begin: a renewal process in the integrated rate, and the end of it. Knows gaps and counts; must not
//! know what is sent.

use super::intensity::{BurstParams, Intensity};
use super::params::{Arrivals, OriginTable, Setting, SyntheticParams, Until, WorkloadParams};
use super::sessions::Sessions;
use super::{assign, curve};
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
    clock: Clock,
    stream: Stream,
    until: Until,
    session: u64,
    planned: u64,
}

/// From gaps to times.
enum Clock {
    /// A rate that never changes: gaps are seconds. Their sum is kept in seconds and rounded per session, so that
    /// rounding does not add up.
    Even { gaps: Dist, now_s: f64 },
    /// Gaps are sessions' worth of the integrated rate, 1 in the mean.
    Changing { gaps: Dist, intensity: Intensity },
}

/// Gaps of this mean.
pub(super) fn gaps(arrivals: Arrivals, mean: f64) -> Dist {
    match arrivals {
        Arrivals::Poisson | Arrivals::OnOff { .. } => Dist::Exponential { mean },
        Arrivals::Gamma { cv } => Dist::Gamma { mean, cv },
        Arrivals::Weibull { shape } => weibull(shape, mean),
    }
}

/// Weibull of this mean: the scale is `mean / Γ(1 + 1/shape)`.
pub(super) fn weibull(shape: f64, mean: f64) -> Dist {
    Dist::Weibull { shape, scale: mean / libm::tgamma(1.0 + 1.0 / shape) }
}

/// The origins' demand together over the week, empty where it is the same at all times.
pub(super) fn week(workload: &WorkloadParams, table: &OriginTable) -> Vec<(u32, f64)> {
    let Setting { utc_start_s, shift, .. } = workload.setting;
    let locals = assign::locals(workload, table);
    if locals.iter().all(|local| local.curve.is_flat()) {
        return Vec::new();
    }
    let start = (u64::from(utc_start_s) + shift.0 / crate::time::NS_PER_SEC) % u64::from(curve::WEEK_S);
    curve::together(&locals, start as u32)
}

impl Beginnings {
    /// `week` as [`week`] gives it.
    pub(super) fn new(params: &SyntheticParams, week: &[(u32, f64)], key: Key) -> Beginnings {
        let bursts = match params.arrivals {
            Arrivals::OnOff { on_fraction, on_rate, mean_on_s } => {
                Some((BurstParams { on_fraction, on_rate, mean_on_s }, key.named("bursts")))
            }
            _ => None,
        };
        let clock = if week.is_empty() && params.stages.is_empty() && bursts.is_none() {
            Clock::Even { gaps: gaps(params.arrivals, 1.0 / params.sessions_per_s), now_s: 0.0 }
        } else {
            let intensity = Intensity::new(params.sessions_per_s, &params.stages, week, bursts);
            Clock::Changing { gaps: gaps(params.arrivals, 1.0), intensity }
        };
        let stream = key.named("arrivals").stream();
        Beginnings { clock, stream, until: params.until, session: 0, planned: 0 }
    }
    pub(super) fn next(&mut self, sessions: &Sessions) -> Option<Beginning> {
        if let Until::Requests(count) = self.until
            && self.planned >= count
        {
            return None;
        }
        let now_s = match &mut self.clock {
            Clock::Even { gaps, now_s } => {
                *now_s += gaps.sample(&mut self.stream);
                *now_s
            }
            Clock::Changing { gaps, intensity } => intensity.advance(gaps.sample(&mut self.stream))?,
        };
        let at_ns = (now_s * 1e6).round() as u64 * 1_000;
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
