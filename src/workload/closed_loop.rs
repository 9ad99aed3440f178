//! Clients in a closed loop: so many of them, each of which holds one session after another and sends its next request
//! when the last has ended. Knows sessions and pauses; must not know how they are served. What a client's `k`-th session
//! is depends on client and `k` alone, so two policies are asked the same questions by the same clients, only at other
//! times.

use super::params::{Clients, OriginTable, SyntheticParams, Until, WorkloadParams};
use super::request::{Request, Source};
use super::sessions::Progress;
use super::writer::{Due, Writer};
use crate::observe::Outcome;
use crate::rng::Key;
use crate::time::{MAX_TIME, SimTime, Span};
use rustc_hash::FxHashMap;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A client whose request did not complete begins its next session no sooner (our choice: what is refused at once and
/// sent again at once would go on for ever within one instant).
pub const AFTER_FAILURE: Span = Span::from_secs(1);

/// The least time from a client's request to its next: what no client on earth undercuts.
const LEAST_CYCLE: Span = Span::from_us(1);

pub(super) struct ClosedLoop {
    writer: Writer,
    clients: Clients,
    until: Until,
    sent: u64,
    pauses: Key,
    ready: BinaryHeap<Reverse<Due>>,
    /// Per request under way: when it was sent, and what its client does next (its `at` is the time until then).
    waiting: FxHashMap<u64, (SimTime, Due)>,
}

impl ClosedLoop {
    pub(super) fn new(
        workload: &WorkloadParams,
        params: &SyntheticParams,
        clients: &Clients,
        table: &OriginTable,
        block_tokens: u32,
        key: Key,
    ) -> ClosedLoop {
        let start = |client: u64| {
            let part = clients.ramp.0 as u128 * client as u128 / clients.count.max(1) as u128;
            let at = SimTime(part as u64);
            Reverse(Due { at, session: client, progress: Progress::default(), begins: at })
        };
        ClosedLoop {
            writer: Writer::new(workload, params, table, block_tokens, key),
            until: params.until,
            sent: 0,
            pauses: key.named("pause"),
            ready: (0..clients.count as u64).map(start).collect(),
            waiting: FxHashMap::default(),
            clients: clients.clone(),
        }
    }
    fn head(&self) -> Option<SimTime> {
        if let Until::Requests(count) = self.until
            && self.sent >= count
        {
            return None;
        }
        self.ready.peek().map(|Reverse(due)| due.at)
    }
    /// The client's next session, and the pause before it.
    fn next_session(&self, due: &Due) -> Due {
        let session = due.session + self.clients.count as u64;
        let pause = self.clients.pause_s.sample(&mut self.pauses.at(session).stream());
        let at = SimTime((pause * 1e6).round() as u64 * 1_000);
        Due { at, session, progress: Progress::default(), begins: at }
    }
}

impl Source for ClosedLoop {
    fn peek(&mut self) -> Option<SimTime> {
        self.head()
    }

    fn pull(&mut self, request: &mut Request) {
        let Reverse(due) = self.ready.pop().expect("pull after peek gave a time");
        self.sent += 1;
        let next = match self.writer.write(&due, request) {
            Some((progress, next)) => Due { at: SimTime(next.think.0), progress, ..due },
            None => self.next_session(&due),
        };
        self.waiting.insert(request.key, (due.at, next));
    }

    fn ended(&mut self, key: u64, at: SimTime, outcome: Outcome) -> bool {
        let Some((sent, mut next)) = self.waiting.remove(&key) else { return false };
        if outcome == Outcome::InFlight {
            return false;
        }
        if outcome != Outcome::Completed {
            if next.progress.turn > 0 {
                next = self.next_session(&next);
            }
            next.at = next.at.max(SimTime(AFTER_FAILURE.0));
        }
        let before = self.head();
        // A cycle that takes no time at all would never let time go on.
        let soonest = at.max(SimTime(sent.0.saturating_add(LEAST_CYCLE.0)));
        next.at = SimTime(at.0.saturating_add(next.at.0)).min(MAX_TIME).max(soonest);
        if next.progress.turn == 0 {
            next.begins = next.at;
            if matches!(self.until, Until::Duration(span) if next.at.0 > span.0) {
                return false;
            }
        }
        self.ready.push(Reverse(next));
        self.head() != before
    }
}
