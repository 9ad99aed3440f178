//! Replays a compiled trace: rows with a time in order of time, turns that wait for an answer when it has come.

use super::Run;
use super::assign::{Asks, Assigner};
use super::copies::{self, Copies};
use super::data::Start;
use super::params::{AffinityBy, Apart, CopiesShare, OriginTable, TraceParams, WorkloadParams};
use super::part::{Part, root_of};
use super::request::{Request, Source};
use super::spread;
pub(super) use super::trace::session_id;
use super::trace::{CompiledTrace, request_key};
use super::{allowed, geography, groups};
use crate::id::{ClassId, DataClassId, Id, OriginId, RegionSet, TenantId};
use crate::observe::Outcome;
use crate::rng::{Key, hash_name, mix2};
use crate::time::{MAX_TIME, SimTime};
use rustc_hash::FxHashMap;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

pub(super) struct Replay {
    trace: Arc<CompiledTrace>,
    limit: u64,
    /// Rows of the trace: row `r` of copy `c` is number `c · rows + r`.
    rows: u32,
    /// Rows with a time of their own, and that time.
    arrivals: Vec<(SimTime, u32)>,
    next: usize,
    /// Rows whose time is known since the last answer they waited for came.
    ready: BinaryHeap<Reverse<(SimTime, u32)>>,
    /// Per request under way that others wait for: its row.
    waited_for: FxHashMap<u64, u32>,
    /// Per row, how many rows it still waits for.
    pending: Vec<u32>,
    names: Resolved,
    assigner: Assigner,
    /// What shares a home, by row; empty where that is the tenant.
    groups: Vec<u64>,
    /// When each session begins; empty where nobody asks.
    begins: FxHashMap<(u32, u64), SimTime>,
    /// Per row, how many of its first blocks its copies share; empty for none.
    shared_heads: Vec<u32>,
    apart: Option<Apart>,
    /// A chain's runs on their way to a request.
    own: Vec<Run>,
    name_hash: u64,
    class: ClassId,
    data_class: Option<DataClassId>,
    priority: u8,
    origin_data_class: Vec<DataClassId>,
}

/// The trace's names as the run's ids.
struct Resolved {
    origins: Vec<Option<OriginId>>,
    classes: Vec<Option<ClassId>>,
    data_classes: Vec<Option<DataClassId>>,
    allowed: Vec<RegionSet>,
}

fn find<I: Id>(names: &[String], known: &[String]) -> Vec<Option<I>> {
    names.iter().map(|name| known.iter().position(|other| other == name).map(I::new)).collect()
}

impl Replay {
    pub(super) fn new(
        workload: &WorkloadParams,
        params: &TraceParams,
        table: &OriginTable,
        key: Key,
    ) -> Replay {
        let trace = params.trace.clone();
        let limit = params.limit.unwrap_or(u64::MAX);
        let rows = trace.arrivals();
        let at = |&index: &u32| match trace.row(index).row.start {
            Start::At(ns) => ns,
            Start::After(_) => 0,
        };
        let mut times: Vec<u64> = rows.iter().map(at).collect();
        if trace.summary().grid_ns.is_some() && !params.raw_times {
            spread::spread(&mut times, key.named("spread"));
        }
        let from = params.window.map_or(0, |window| window.from.0);
        let scaled = |ns: u64| match (ns.saturating_sub(from), params.speed) {
            (ns, 1.0) => SimTime(ns).min(MAX_TIME),
            (ns, speed) => SimTime((ns as f64 / speed).round() as u64).min(MAX_TIME),
        };
        let part = Part::new(params, &trace, &times, key.named("sample"));
        let timed = times.iter().zip(rows).map(|(&ns, &row)| (ns, row));
        let timed = timed.filter(|&(ns, row)| part.keeps(ns, &trace.row(row).row) && (row as u64) < limit);
        let kept: Vec<(u64, u32)> = timed.collect();
        let mut arrivals: Vec<(SimTime, u32)> = kept.iter().map(|&(ns, row)| (scaled(ns), row)).collect();
        let count = trace.summary().requests as u32;
        let copies = Copies::new(params.sample, key.named("copies"));
        if copies.count() > 1 {
            let copied = copies.times(&trace, &kept);
            arrivals.extend(copied.into_iter().map(|(ns, copy, row)| (scaled(ns), copy * count + row)));
            arrivals.sort_unstable();
        }
        let shared_heads = match params.copies_share {
            CopiesShare::Universal if copies.count() > 1 => copies::universal_heads(&trace),
            _ => Vec::new(),
        };
        let assigner = Assigner::new(workload, table, key.named("origin"));
        let groups = match workload.origins.by() {
            AffinityBy::Tenant => Vec::new(),
            AffinityBy::Prefix => groups::of_rows(&trace),
        };
        let mut begins = FxHashMap::default();
        if assigner.reads_time() {
            for &(at, row) in &arrivals {
                let (copy, row) = (row / count, row % count);
                let first = begins.entry((copy, trace.row(row).row.session)).or_insert(at);
                *first = at.min(*first);
            }
        }
        let origins = trace.names().origins.iter();
        let names = Resolved {
            origins: origins.map(|name| geography::origin_of(name, table)).collect(),
            classes: find(&trace.names().classes, &table.classes),
            data_classes: find(&trace.names().data_classes, &table.data_classes),
            allowed: allowed::sets(trace.names(), table),
        };
        Replay {
            limit,
            rows: count,
            arrivals,
            next: 0,
            ready: BinaryHeap::new(),
            waited_for: FxHashMap::default(),
            pending: trace.waits().repeat(copies.count() as usize),
            names,
            assigner,
            groups,
            begins,
            shared_heads,
            apart: params.apart,
            own: Vec::new(),
            name_hash: hash_name(&workload.name),
            class: workload.class,
            data_class: workload.data_class,
            priority: workload.priority,
            origin_data_class: table.origins.iter().map(|origin| origin.data_class).collect(),
            trace,
        }
    }
    fn head(&self) -> Option<(SimTime, u32)> {
        let ready = self.ready.peek().map(|Reverse(entry)| *entry);
        let arrival = self.arrivals.get(self.next).copied();
        match (ready, arrival) {
            (Some(ready), Some(arrival)) => Some(ready.min(arrival)),
            (ready, arrival) => ready.or(arrival),
        }
    }
}

impl Source for Replay {
    fn peek(&mut self) -> Option<SimTime> {
        self.head().map(|(at, _)| at)
    }

    fn pull(&mut self, request: &mut Request) {
        let (at, index) = self.head().expect("pull after peek gave a time");
        if self.ready.peek().is_some_and(|Reverse(entry)| *entry == (at, index)) {
            self.ready.pop();
        } else {
            self.next += 1;
        }
        let (copy, number) = (index / self.rows, index % self.rows);
        let name_hash = copies::name_of(self.name_hash, copy);
        let compiled = self.trace.row(number);
        let row = &compiled.row;
        let named = |index: Option<u32>| index.map(|index| index as usize);
        request.at = at;
        let as_run = self.trace.key_as_run(number);
        // Names of a run are its own; a copy, or a second replay in one scenario, is not that run.
        let taken = |name: u64| match (copy, self.apart) {
            (0, None) => name,
            _ => mix2(name, name_hash),
        };
        request.session = match row.session {
            0 => 0,
            session if as_run.is_some() => taken(session).max(1),
            session => session_id(name_hash, session),
        };
        request.turn = row.turn;
        request.key = as_run.map_or_else(|| request_key(name_hash, row, number), taken);
        request.tenant = TenantId(row.tenant);
        let identity = match (row.parent, request.session) {
            (0, 0) if copy == 0 => root_of(row),
            (0, 0) => mix2(root_of(row), name_hash),
            (0, session) => session,
            (parent, _) => session_id(name_hash, parent),
        };
        let origin = named(row.origin).and_then(|origin| self.names.origins[origin]);
        let group = self.groups.get(number as usize).copied().unwrap_or(row.tenant as u64);
        let begins = match row.session {
            0 => at,
            session => self.begins.get(&(copy, session)).copied().unwrap_or(at),
        };
        request.origin = self.assigner.origin(origin, Asks { identity, group, begins });
        request.class = named(row.class).and_then(|class| self.names.classes[class]).unwrap_or(self.class);
        let data_class = named(row.data_class).and_then(|class| self.names.data_classes[class]);
        let of_origin = || self.origin_data_class.get(request.origin.index()).copied();
        request.data_class = data_class.or(self.data_class).or_else(of_origin).unwrap_or_default();
        request.allowed = named(row.allowed).map(|list| self.names.allowed[list]);
        request.priority = row.priority.unwrap_or(self.priority);
        request.prompt_tokens = row.input;
        request.output_tokens = row.output;
        request.chain.clear();
        let runs = self.trace.runs_of(compiled);
        if copy == 0 && self.apart.is_none() {
            runs.iter().for_each(|&run| request.chain.push(run));
        } else {
            let shared = self.shared_heads.get(number as usize).copied().unwrap_or(0);
            let last = runs.len().wrapping_sub(1);
            self.own.clear();
            self.own.extend(runs.iter().enumerate().map(|(at, &run)| match self.apart {
                Some(apart) if !apart.shares || (compiled.tail && at == last) => {
                    Run { key: mix2(run.key, apart.salt), ..run }
                }
                _ => run,
            }));
            match copy {
                0 => self.own.iter().for_each(|&run| request.chain.push(run)),
                _ => copies::write_chain(&self.own, shared, name_hash, &mut request.chain),
            }
        }
        if self.trace.followers(number).first().is_some_and(|&first| (first as u64) < self.limit) {
            self.waited_for.insert(request.key, index);
        }
    }

    fn ended(&mut self, key: u64, at: SimTime, outcome: Outcome) -> bool {
        let Some(row) = self.waited_for.remove(&key) else { return false };
        // What waits for a request that failed is never sent: its session ends.
        if outcome != Outcome::Completed {
            return false;
        }
        let before = self.head();
        let first = row - row % self.rows;
        for &follower in self.trace.followers(row % self.rows) {
            if follower as u64 >= self.limit {
                break;
            }
            // Ends come in order of time, so the one that brings the count to 0 is the last.
            let pending = &mut self.pending[(first + follower) as usize];
            *pending -= 1;
            if let (0, Start::After(think_ns)) = (*pending, self.trace.row(follower).row.start) {
                let send = SimTime(at.0.saturating_add(think_ns)).min(MAX_TIME).max(at);
                self.ready.push(Reverse((send, first + follower)));
            }
        }
        self.head() != before
    }
}
