//! A workload that starts later than the run. Knows a source and a shift; must not know what is sent.

use super::request::{Request, Source};
use crate::observe::Outcome;
use crate::time::{MAX_TIME, SimTime, Span};

/// A source whose clock begins at `shift`.
pub(super) struct Shifted {
    pub source: Box<dyn Source>,
    pub shift: Span,
}

impl Source for Shifted {
    fn peek(&mut self) -> Option<SimTime> {
        self.source.peek().map(|at| (at + self.shift).min(MAX_TIME))
    }
    fn pull(&mut self, request: &mut Request) {
        self.source.pull(request);
        request.at = (request.at + self.shift).min(MAX_TIME);
    }
    fn ended(&mut self, request: &Request, at: SimTime, outcome: Outcome) -> bool {
        self.source.ended(request, SimTime(at.0.saturating_sub(self.shift.0)), outcome)
    }
}
