//! The requests of a run as they were sent, as a trace. Knows a workload and when its requests were sent and ended;
//! must not know a world. The source is asked again for what it sent, and told of every end at the time it came, so
//! lengths, blocks and sessions are its own.

use super::data::{Blocks, Start, TraceData, TraceNames, TraceRow};
use super::params::{OriginTable, WorkloadParams};
use super::request::Request;
use crate::id::{DataClassId, Id, RegionId};
use crate::observe::Outcome;
use crate::rng::Key;
use crate::time::{SimTime, Span};
use rustc_hash::FxHashMap;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// What a run tells of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Its place among all requests of the run, by time of sending.
    pub place: u32,
    /// Its key.
    pub key: u64,
    /// When its client sent it.
    pub at: SimTime,
    /// When it ended for its client.
    pub ended_at: SimTime,
    /// How it ended.
    pub outcome: Outcome,
}

/// The requests of `workload` that a run has sent, in the order in which it sent them, each at its time: an open loop.
/// A replay of the trace in a run that is otherwise the same gives the same outcomes. What a workload says of all its
/// requests (shift, allowed regions, timeout) is not in the rows: the replay's workload says it. A row has allowed
/// regions where its own are fewer.
///
/// Where the run drew origins, the trace carries their label, with the seed `seed`.
///
/// `key` and the rest are what [`super::open`] was given. Blocks, sessions and keys are those of the run itself
/// ([`TraceData::as_run`]).
pub fn record(
    workload: &WorkloadParams,
    table: &OriginTable,
    block_tokens: u32,
    key: Key,
    seed: u64,
    sent: &[Sent],
) -> TraceData {
    let by_key: FxHashMap<u64, usize> =
        sent.iter().enumerate().map(|(index, sent)| (sent.key, index)).collect();
    let mut data = TraceData {
        path: workload.name.clone(),
        format: "native",
        block_tokens,
        as_run: true,
        origin_label: super::geography::origin_label(workload, table, &seed.to_string()).unwrap_or_default(),
        names: names(table),
        ..TraceData::default()
    };
    // The workload's shift is its setting, which a replay has too.
    let shift = workload.setting.shift;
    let mut source = super::open(workload, table, block_tokens, key);
    let mut under_way: BinaryHeap<Reverse<(SimTime, u32, usize)>> = BinaryHeap::new();
    let mut requests: Vec<Option<Request>> = Vec::new();
    let mut free: Vec<usize> = Vec::new();
    let mut rows: Vec<(u32, TraceRow, u64)> = Vec::with_capacity(sent.len());
    loop {
        let next = source.peek();
        if let Some(&Reverse((ended_at, _, slot))) = under_way.peek()
            && next.is_none_or(|next| ended_at <= next)
        {
            under_way.pop();
            if let Some(request) = requests[slot].take() {
                let outcome = sent[by_key[&request.key]].outcome;
                source.ended(request.key, ended_at, outcome);
            }
            free.push(slot);
            continue;
        }
        if next.is_none() {
            break;
        }
        let mut request = Request::default();
        source.pull(&mut request);
        let Some(&index) = by_key.get(&request.key) else {
            // The run ended before it was sent. Sources without end stop at the last request that was.
            if rows.len() == sent.len() {
                break;
            }
            continue;
        };
        let told = sent[index];
        rows.push((
            told.place,
            row(&mut data, workload, &request, told.at.since(SimTime::ZERO).saturating_sub(shift)),
            request.key,
        ));
        if told.outcome != Outcome::InFlight {
            let slot = free.pop().unwrap_or_else(|| {
                requests.push(None);
                requests.len() - 1
            });
            requests[slot] = Some(request);
            under_way.push(Reverse((told.ended_at, told.place, slot)));
        }
    }
    rows.sort_unstable_by_key(|&(place, ..)| place);
    for (_, row, key) in rows {
        data.rows.push(row);
        data.keys.push(key);
    }
    data
}

fn names(table: &OriginTable) -> TraceNames {
    TraceNames {
        origins: table.origins.iter().map(|origin| origin.name.clone()).collect(),
        classes: table.classes.clone(),
        data_classes: table.data_classes.clone(),
        regions: table.regions.clone(),
        ..TraceNames::default()
    }
}

fn row(data: &mut TraceData, workload: &WorkloadParams, request: &Request, at: Span) -> TraceRow {
    let known = |index: usize, names: &[String]| (index < names.len()).then_some(index as u32);
    let from = data.runs.len();
    data.runs.extend_from_slice(request.chain.runs());
    let own = request.allowed.filter(|_| request.allowed != workload.setting.allowed);
    let allowed = own.and_then(|own| {
        let regions = 0..data.names.regions.len();
        data.intern_allowed(
            regions.filter(|&index| own.contains(RegionId::new(index))).map(|i| i as u32).collect(),
        )
    });
    TraceRow {
        start: Start::At(at.0),
        input: request.prompt_tokens,
        output: request.output_tokens,
        blocks: Blocks::Runs { from, to: data.runs.len() },
        session: request.session,
        turn: request.turn,
        tenant: request.tenant.0,
        origin: known(request.origin.index(), &data.names.origins),
        class: known(request.class.index(), &data.names.classes),
        data_class: (request.data_class != DataClassId::default())
            .then(|| known(request.data_class.index(), &data.names.data_classes))
            .flatten(),
        priority: Some(request.priority),
        allowed,
        ..TraceRow::EMPTY
    }
}
