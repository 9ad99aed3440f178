//! A workload set into the scenario: later than the run, for some regions alone. Knows a source and what is said about
//! all of its requests; must not know what is sent.

use super::params::Setting;
use super::request::{Request, Source};
use crate::id::RegionSet;
use crate::observe::Outcome;
use crate::time::{MAX_TIME, SimTime, Span};

/// A source whose clock begins at `shift` and whose requests may go to `allowed` alone.
struct Set {
    source: Box<dyn Source>,
    shift: Span,
    allowed: Option<RegionSet>,
}

/// The source as its setting has it.
pub(super) fn set(source: Box<dyn Source>, setting: &Setting) -> Box<dyn Source> {
    let Setting { shift, allowed, .. } = *setting;
    if shift == Span::ZERO && allowed.is_none() {
        return source;
    }
    Box::new(Set { source, shift, allowed })
}

impl Source for Set {
    fn peek(&mut self) -> Option<SimTime> {
        self.source.peek().map(|at| (at + self.shift).min(MAX_TIME))
    }
    fn pull(&mut self, request: &mut Request) {
        self.source.pull(request);
        request.at = (request.at + self.shift).min(MAX_TIME);
        request.allowed = match (request.allowed, self.allowed) {
            (Some(own), Some(all)) => Some(own.and(all)),
            (own, all) => own.or(all),
        };
    }
    fn ended(&mut self, key: u64, at: SimTime, outcome: Outcome) -> bool {
        self.source.ended(key, SimTime(at.0.saturating_sub(self.shift.0)), outcome)
    }
}
