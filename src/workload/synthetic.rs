//! A generated workload as a source: sessions begin on their own, later turns wait for the answers.

use super::arrivals::{Beginning, Beginnings, week};
use super::assign::{Asks, Assigner};
use super::params::{AffinityBy, OriginTable, SyntheticParams, WorkloadParams};
use super::replay::session_id;
use super::request::{Request, Source};
use super::sessions::{Layers, Progress, Sessions, Turn};
use crate::id::{ClassId, DataClassId, Id, TenantId};
use crate::observe::Outcome;
use crate::rng::{Key, hash_name, mix2};
use crate::time::{MAX_TIME, SimTime};
use rustc_hash::FxHashMap;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A turn to come: its session, its number, the tokens before it, and how many turns the session may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Next {
    at: SimTime,
    session: u64,
    progress: Progress,
    turns: u32,
    /// When the session began.
    begins: SimTime,
}

pub(super) struct Synthetic {
    sessions: Sessions,
    beginnings: Beginnings,
    beginning: Option<Beginning>,
    ready: BinaryHeap<Reverse<Next>>,
    /// Per request under way that has a turn after it: that turn (its `at` is the time to think).
    waiting: FxHashMap<u64, Next>,
    assigner: Assigner,
    by: AffinityBy,
    block_tokens: u32,
    layers: Layers,
    name_hash: u64,
    class: ClassId,
    data_class: Option<DataClassId>,
    priority: u8,
    origin_data_class: Vec<DataClassId>,
}

impl Synthetic {
    pub(super) fn new(
        workload: &WorkloadParams,
        params: &SyntheticParams,
        table: &OriginTable,
        block_tokens: u32,
        key: Key,
    ) -> Synthetic {
        let sessions = Sessions::new(params, key);
        let mut beginnings = Beginnings::new(params, &week(workload, table), key);
        let beginning = beginnings.next(&sessions);
        Synthetic {
            sessions,
            beginnings,
            beginning,
            ready: BinaryHeap::new(),
            waiting: FxHashMap::default(),
            assigner: Assigner::new(workload, table, key.named("origin")),
            by: workload.origins.by(),
            block_tokens,
            layers: Layers::new(params, &workload.name),
            name_hash: hash_name(&workload.name),
            class: workload.class,
            data_class: workload.data_class,
            priority: workload.priority,
            origin_data_class: table.origins.iter().map(|origin| origin.data_class).collect(),
        }
    }
    fn head(&self) -> Option<Next> {
        let ready = self.ready.peek().map(|Reverse(next)| *next);
        let first = self.beginning.map(|beginning| Next {
            at: SimTime(beginning.at_ns),
            session: beginning.session,
            progress: Progress::default(),
            turns: beginning.turns,
            begins: SimTime(beginning.at_ns),
        });
        match (ready, first) {
            (Some(ready), Some(first)) => Some(ready.min(first)),
            (ready, first) => ready.or(first),
        }
    }
}

impl Source for Synthetic {
    fn peek(&mut self) -> Option<SimTime> {
        self.head().map(|next| next.at)
    }

    fn pull(&mut self, request: &mut Request) {
        let now = self.head().expect("pull after peek gave a time");
        if now.progress.turn == 0 {
            self.beginning = self.beginnings.next(&self.sessions);
        } else {
            self.ready.pop();
        }
        let head = self.sessions.head(now.session);
        let turn = self.sessions.turn(now.session, &head, now.progress);
        // A later turn was drawn before it was put in line, and every session has a first.
        let turn = turn.expect("a turn in line exists");
        let Turn { prompt, output, epoch, .. } = turn;
        request.at = now.at;
        request.session = session_id(self.name_hash, now.session + 1);
        request.turn = now.progress.turn;
        request.key = mix2(request.session, now.progress.turn as u64);
        request.tenant = TenantId(head.tenant);
        let group = head.group(self.by);
        request.origin =
            self.assigner.origin(None, Asks { identity: request.session, group, begins: now.begins });
        request.class = self.class;
        let of_origin = || self.origin_data_class.get(request.origin.index()).copied();
        request.data_class = self.data_class.or_else(of_origin).unwrap_or_default();
        request.allowed = None;
        request.priority = self.priority;
        request.prompt_tokens = prompt;
        request.output_tokens = output;
        let layers = Some(&self.layers);
        let total = prompt + output;
        self.sessions.chain(now.session, epoch, &head, total, self.block_tokens, layers, &mut request.chain);
        let progress = turn.after(now.progress.turn);
        if progress.turn < now.turns
            && let Some(next) = self.sessions.turn(now.session, &head, progress)
        {
            let at = SimTime(next.think.0);
            self.waiting.insert(request.key, Next { at, progress, ..now });
        }
    }

    fn ended(&mut self, request: &Request, at: SimTime, outcome: Outcome) -> bool {
        let Some(mut next) = self.waiting.remove(&request.key) else { return false };
        if outcome != Outcome::Completed {
            return false;
        }
        let before = self.head();
        next.at = SimTime(at.0.saturating_add(next.at.0)).min(MAX_TIME).max(at);
        self.ready.push(Reverse(next));
        self.head() != before
    }
}
