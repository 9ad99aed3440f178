//! Requests of workloads that ask for more than percentiles over all: ladders of rates, traces that tell what was
//! measured where they were recorded. Knows workloads and rows; must not know how either is shown. Nothing is kept of
//! other workloads.

use crate::id::Id;
use crate::observe::{Observation, Observer, RequestRow};
use crate::time::{SimTime, Span};
use crate::workload::rungs::{Rung, rungs};
use crate::workload::{Measured, WorkloadKind, WorkloadParams};
use rustc_hash::FxHashMap;

/// A request of a ladder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Climbed {
    /// When its client sent it.
    pub sent_at: SimTime,
    /// When it completed, if it did.
    pub completed_at: Option<SimTime>,
    /// Its time to first token, if it completed.
    pub ttft: Option<Span>,
}

/// A completed request beside what was measured of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// When its client sent it.
    pub sent_at: SimTime,
    /// What was measured where it was recorded.
    pub measured: Measured,
    /// What the run says.
    pub modelled: Measured,
}

/// What is kept of one workload.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Followed {
    /// The workload.
    pub workload: String,
    /// Its rungs; none where it is no ladder.
    pub rungs: Vec<Rung>,
    /// The requests of a ladder, in the order in which they ended.
    pub climbed: Vec<Climbed>,
    /// The completed requests of which something was measured, in the order in which they ended.
    pub pairs: Vec<Pair>,
}

/// Keeps these requests as they end.
#[derive(Debug, Default)]
pub struct FollowSink {
    /// By source; `None` where nothing is kept.
    sources: Vec<Option<(Followed, FxHashMap<u64, Measured>)>>,
    /// Whether anything is kept.
    wanted: bool,
}

impl FollowSink {
    /// A sink for the requests of `workloads`, by source.
    pub fn new<'w>(workloads: impl Iterator<Item = &'w WorkloadParams>) -> FollowSink {
        let one = |workload: &WorkloadParams| {
            let rungs = rungs(workload);
            let measured = measured(workload);
            let wanted = !rungs.is_empty() || !measured.is_empty();
            wanted.then(|| {
                (Followed { workload: workload.name.clone(), rungs, ..Followed::default() }, measured)
            })
        };
        let sources: Vec<_> = workloads.map(one).collect();
        FollowSink { wanted: sources.iter().any(Option::is_some), sources }
    }
    /// What was kept, by workload; those without anything to keep are left out.
    pub fn finish(self) -> Vec<Followed> {
        self.sources.into_iter().flatten().map(|(followed, _)| followed).collect()
    }
}

/// What was measured of a workload's requests, by their keys.
fn measured(workload: &WorkloadParams) -> FxHashMap<u64, Measured> {
    let WorkloadKind::Trace(params) = &workload.kind else { return FxHashMap::default() };
    if !params.trace.has_measured() {
        return FxHashMap::default();
    }
    let keys = params.request_keys(&workload.name).zip(0u32..);
    keys.map(|(key, row)| (key, params.trace.measured(row)))
        .filter(|(_, measured)| *measured != Measured::default())
        .collect()
}

impl Observer for FollowSink {
    #[inline]
    fn observe(&mut self, _: SimTime, observation: &Observation<'_>) {
        if let Observation::Ended(row) = observation
            && self.wanted
        {
            self.ended(row);
        }
    }
}

impl FollowSink {
    #[inline(never)]
    fn ended(&mut self, row: &RequestRow) {
        let Some(Some((followed, measured))) = self.sources.get_mut(row.source.index()) else { return };
        let completed = row.outcome == crate::observe::Outcome::Completed;
        let ttft = row.ttft().filter(|_| completed);
        if !followed.rungs.is_empty() {
            let completed_at = completed.then_some(row.ended_at);
            followed.climbed.push(Climbed { sent_at: row.sent_at, completed_at, ttft });
        }
        if let Some(&measured) = measured.get(&row.key)
            && completed
        {
            let e2e = Some(row.ended_at - row.sent_at);
            followed.pairs.push(Pair { sent_at: row.sent_at, measured, modelled: Measured { ttft, e2e } });
        }
    }
}
