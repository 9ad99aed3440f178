//! Generated workloads as native traces. Knows sessions and the writer; must not know a world: later turns are
//! written with `think_ns`, so that a replay closes the loop.

use super::Chain;
use super::arrivals::{Beginnings, week};
use super::assign::{Asks, Assigner};
use super::data::{Blocks, Start, TraceNames, TraceRow};
use super::params::{OriginRow, OriginTable, SyntheticParams, WorkloadKind, WorkloadParams};
use super::readers::native::{Header, VERSION};
use super::replay::session_id;
use super::request::Request;
use super::sessions::{Progress, Sessions};
use super::write::{Beside, header, write_header, write_line, write_row};
use crate::id::Id;
use crate::rng::{Key, hash_name};
use crate::time::SimTime;
use std::io::{self, Write};

/// The key of a workload in a run: what [`super::open`] wants to be given.
pub const fn workload_key(seed: u64, name: &str) -> Key {
    Key::root(seed).named("workload").named(name)
}

/// What [`generate_trace`] has written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Generated {
    /// Requests.
    pub requests: u64,
    /// Sessions.
    pub sessions: u64,
}

/// Writes the sessions of `params`, all turns of one after the other, as a native trace. A replay of it in a
/// workload called `name` is request by request what the generator itself would send under the same seed.
/// `origins` are names and weights; without any, rows name none.
pub fn generate_trace(
    params: &SyntheticParams,
    name: &str,
    origins: &[(&str, f64)],
    block_tokens: u32,
    seed: u64,
    to: &mut dyn Write,
) -> io::Result<Generated> {
    let rows = origins.iter().map(|&(name, weight)| OriginRow {
        name: name.to_owned(),
        weight,
        ..OriginRow::default()
    });
    let table = OriginTable { origins: rows.collect(), ..OriginTable::default() };
    let workload = WorkloadParams::new(name, WorkloadKind::Synthetic(params.clone()));
    generate_workload(&workload, params, &table, block_tokens, seed, to)
}

/// The same for `workload`, whose generator `params` is, with all that is said about its origins: day curves, affinity.
/// An empty table of origins leaves them out.
pub fn generate_workload(
    workload: &WorkloadParams,
    params: &SyntheticParams,
    table: &OriginTable,
    block_tokens: u32,
    seed: u64,
    to: &mut dyn Write,
) -> io::Result<Generated> {
    if params.clients.is_some() {
        let why =
            "clients in a closed loop send when they are answered: such a workload has no times to write";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    let name = workload.name.as_str();
    let key = workload_key(seed, name);
    let assigner = Assigner::new(workload, table, key.named("origin"));
    let names = TraceNames {
        origins: table.origins.iter().map(|origin| origin.name.clone()).collect(),
        ..TraceNames::default()
    };
    let source = format!("regionsim trace generate, seed {seed}");
    write_header(to, block_tokens, name, &source)?;
    let sessions = Sessions::new(params, key);
    let mut beginnings = Beginnings::new(params, &week(workload, table), key);
    let by = workload.origins.by();
    let mut chain = Chain::new();
    let mut written = Generated::default();
    while let Some(beginning) = beginnings.next(&sessions) {
        let session = beginning.session;
        let head = sessions.head(session);
        let identity = session_id(hash_name(name), session + 1);
        let begins = SimTime(beginning.at_ns);
        let origin = assigner.origin(None, Asks { identity, group: head.group(by), begins }).index() as u32;
        let mut progress = Progress::default();
        while progress.turn < beginning.turns
            && let Some(drawn) = sessions.turn(session, &head, progress)
        {
            let turn = progress.turn;
            progress = drawn.after(turn);
            sessions.chain(session, drawn.epoch, &head, progress.history, block_tokens, None, &mut chain);
            let at = (begins + workload.setting.shift).0;
            let row = TraceRow {
                start: if turn == 0 { Start::At(at) } else { Start::After(drawn.think.0) },
                input: drawn.prompt,
                output: drawn.output,
                blocks: Blocks::Runs { from: 0, to: chain.runs().len() },
                session: session + 1,
                turn,
                tenant: head.tenant,
                origin: (!table.origins.is_empty()).then_some(origin),
                ..TraceRow::EMPTY
            };
            write_row(to, &row, &names, &[], chain.runs())?;
            written.requests += 1;
        }
        written.sessions += 1;
    }
    Ok(written)
}

/// Writes what the clients of a pool send, in order of time, as a native trace `as_run`: a replay of it in a workload with
/// the same setting sends the same requests, whatever it is called. Each request is of its own; nothing waits.
pub fn generate_pool(
    workload: &WorkloadParams,
    table: &OriginTable,
    block_tokens: u32,
    seed: u64,
    to: &mut dyn Write,
) -> io::Result<Generated> {
    let source = format!("regionsim trace generate, seed {seed}");
    let head = Header { regionsim_trace: VERSION, block_tokens, source, as_run: true, ..Header::default() };
    header(to, &head)?;
    let names = TraceNames {
        origins: table.origins.iter().map(|origin| origin.name.clone()).collect(),
        ..TraceNames::default()
    };
    let mut clients = super::open(workload, table, block_tokens, workload_key(seed, &workload.name));
    let mut request = Request::default();
    let mut written = Generated::default();
    while clients.peek().is_some() {
        clients.pull(&mut request);
        let row = TraceRow {
            // The shift is the workload's setting, which a replay has too.
            start: Start::At(request.at.since(SimTime::ZERO).saturating_sub(workload.setting.shift).0),
            input: request.prompt_tokens,
            output: request.output_tokens,
            blocks: Blocks::Runs { from: 0, to: request.chain.runs().len() },
            tenant: request.tenant.0,
            origin: (!table.origins.is_empty()).then_some(request.origin.index() as u32),
            ..TraceRow::EMPTY
        };
        let beside = Beside { key: Some(request.key), ..Beside::default() };
        write_line(to, &row, &names, &[], request.chain.runs(), beside)?;
        written.requests += 1;
    }
    Ok(written)
}
