//! What each replica had done when the warm-up ended: what is taken off its totals.

use crate::id::{Id, IdVec, ReplicaId};
use crate::observe::{Observation, Observer, Work};
use crate::time::{SimTime, Span};

/// Keeps each replica's last sample at or before the end of the warm-up.
#[derive(Debug)]
pub struct Totals {
    warmup: Span,
    samples: IdVec<ReplicaId, (SimTime, Work)>,
}

impl Totals {
    /// For a warm-up of this length.
    pub fn new(warmup: Span) -> Self {
        Totals { warmup, samples: IdVec::new() }
    }
    /// The sample, and when it was taken; zero at time zero where there was none.
    pub fn at_warmup(&self, replica: ReplicaId) -> (SimTime, Work) {
        self.samples.get(replica).copied().unwrap_or_default()
    }
}

impl Observer for Totals {
    fn observe(&mut self, now: SimTime, observation: &Observation<'_>) {
        if let Observation::Sampled(sample) = observation
            && now.0 <= self.warmup.0
        {
            while self.samples.len() <= sample.replica.index() {
                self.samples.push((SimTime::ZERO, Work::default()));
            }
            self.samples[sample.replica] = (now, sample.work);
        }
    }
}
