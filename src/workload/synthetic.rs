//! A generated workload as a source: sessions begin on their own, later turns wait for the answers.

use super::arrivals::{Beginning, Beginnings, week};
use super::params::{OriginTable, SyntheticParams, WorkloadParams};
use super::request::{Request, Source};
use super::sessions::Progress;
use super::writer::{Due, Writer};
use crate::observe::Outcome;
use crate::rng::Key;
use crate::time::{MAX_TIME, SimTime};
use rustc_hash::FxHashMap;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A turn to come, and how many turns its session may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Next {
    due: Due,
    turns: u32,
}

pub(super) struct Synthetic {
    writer: Writer,
    beginnings: Beginnings,
    beginning: Option<Beginning>,
    ready: BinaryHeap<Reverse<Next>>,
    /// Per request under way that has a turn after it: that turn (its `at` is the time to think).
    waiting: FxHashMap<u64, Next>,
}

impl Synthetic {
    pub(super) fn new(
        workload: &WorkloadParams,
        params: &SyntheticParams,
        table: &OriginTable,
        block_tokens: u32,
        key: Key,
    ) -> Synthetic {
        let writer = Writer::new(workload, params, table, block_tokens, key);
        let mut beginnings = Beginnings::new(params, &week(workload, table), key);
        let beginning = beginnings.next(&writer.sessions);
        Synthetic { writer, beginnings, beginning, ready: BinaryHeap::new(), waiting: FxHashMap::default() }
    }
    fn head(&self) -> Option<Next> {
        let ready = self.ready.peek().map(|Reverse(next)| *next);
        let first = self.beginning.map(|beginning| {
            let at = SimTime(beginning.at_ns);
            let (session, progress) = (beginning.session, Progress::default());
            Next { due: Due { at, session, progress, begins: at }, turns: beginning.turns }
        });
        match (ready, first) {
            (Some(ready), Some(first)) => Some(ready.min(first)),
            (ready, first) => ready.or(first),
        }
    }
}

impl Source for Synthetic {
    fn peek(&mut self) -> Option<SimTime> {
        self.head().map(|next| next.due.at)
    }

    fn pull(&mut self, request: &mut Request) {
        let now = self.head().expect("pull after peek gave a time");
        if now.due.progress.turn == 0 {
            self.beginning = self.beginnings.next(&self.writer.sessions);
        } else {
            self.ready.pop();
        }
        if let Some((progress, next)) = self.writer.write(&now.due, request)
            && progress.turn < now.turns
        {
            let due = Due { at: SimTime(next.think.0), progress, ..now.due };
            self.waiting.insert(request.key, Next { due, ..now });
        }
    }

    fn ended(&mut self, key: u64, at: SimTime, outcome: Outcome) -> bool {
        let Some(mut next) = self.waiting.remove(&key) else { return false };
        if outcome != Outcome::Completed {
            return false;
        }
        let before = self.head();
        next.due.at = SimTime(at.0.saturating_add(next.due.at.0)).min(MAX_TIME).max(at);
        self.ready.push(Reverse(next));
        self.head() != before
    }
}
