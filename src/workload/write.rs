//! Writer of native traces. Knows the schema that `native` reads; must not know where rows come from.

use super::Run;
use super::data::{Blocks, Measured, Start, TraceData, TraceNames, TraceRow};
use super::readers::native::{Header, Line, VERSION};
use std::borrow::Cow;
use std::io::{self, Write};

/// Writes the header line.
pub fn write_header(to: &mut dyn Write, block_tokens: u32, id_scope: &str, source: &str) -> io::Result<()> {
    let (id_scope, source) = (id_scope.to_owned(), source.to_owned());
    header(to, &Header { regionsim_trace: VERSION, block_tokens, id_scope, source, ..Header::default() })
}

/// Writes a whole header.
pub(super) fn header(to: &mut dyn Write, header: &Header) -> io::Result<()> {
    serde_json::to_writer(&mut *to, header)?;
    to.write_all(b"\n")
}

/// What a line says beside its row.
#[derive(Clone, Copy, Debug, Default)]
pub struct Beside<'a> {
    /// The name by which later lines wait for it.
    pub id: Option<u64>,
    /// What it waits for, by their `id`; empty: for the turn before, if it waits at all.
    pub after: &'a [u64],
    /// What was measured of it.
    pub measured: Measured,
    /// Its key, in a trace whose header says `as_run`.
    pub key: Option<u64>,
}

/// Writes one request; `ids` and `runs` are its blocks, of which one at most has any.
pub fn write_row(
    to: &mut dyn Write,
    row: &TraceRow,
    names: &TraceNames,
    ids: &[u64],
    runs: &[Run],
) -> io::Result<()> {
    write_line(to, row, names, ids, runs, Beside::default())
}

/// Writes one request, with what stands beside its row.
pub fn write_line(
    to: &mut dyn Write,
    row: &TraceRow,
    names: &TraceNames,
    ids: &[u64],
    runs: &[Run],
    beside: Beside<'_>,
) -> io::Result<()> {
    let name = |names: &'_ [String], index: Option<u32>| {
        index.map(|index| Cow::Owned(names[index as usize].clone()))
    };
    let (t_ns, think_ns) = match row.start {
        Start::At(ns) => (Some(ns), None),
        Start::After(ns) => (None, Some(ns)),
    };
    let in_session = row.session != 0;
    let triples = || runs.iter().map(|run| (run.key, run.start, run.len)).collect();
    let line = Line {
        id: beside.id,
        t_ns,
        input: row.input as u64,
        output: row.output as u64,
        ids: matches!(row.blocks, Blocks::Ids { .. }).then(|| ids.to_vec()),
        runs: matches!(row.blocks, Blocks::Runs { .. }).then(triples),
        prompt_runs: matches!(row.blocks, Blocks::Prompt { .. }).then(triples),
        key: beside.key,
        session: in_session.then_some(row.session),
        turn: in_session.then_some(row.turn),
        parent: (row.parent != 0).then_some(row.parent),
        think_ns,
        after: (!beside.after.is_empty()).then(|| beside.after.to_vec()),
        origin: name(&names.origins, row.origin),
        tenant: (row.tenant != 0).then_some(row.tenant),
        class: name(&names.classes, row.class),
        data_class: name(&names.data_classes, row.data_class),
        priority: row.priority,
        allowed_regions: row.allowed.map(|list| {
            let name = |&region: &u32| Cow::Owned(names.regions[region as usize].clone());
            names.allowed[list as usize].iter().map(name).collect()
        }),
        ttft_ns: beside.measured.ttft.map(|span| span.0),
        e2e_ns: beside.measured.e2e.map(|span| span.0),
    };
    serde_json::to_writer(&mut *to, &line)?;
    to.write_all(b"\n")
}

/// Writes a whole trace in the native format: what `trace convert` does. Rows that others wait for are named by
/// their number, from 1.
pub fn write_native(data: &TraceData, source: &str, to: &mut dyn Write) -> io::Result<()> {
    header(
        to,
        &Header {
            regionsim_trace: VERSION,
            block_tokens: data.block_tokens,
            id_scope: data.id_scope.clone(),
            source: source.to_owned(),
            utc_start: data.utc_start.map_or(String::new(), |start| start.to_string()),
            as_run: data.as_run,
            origin: data.origin_label.clone(),
        },
    )?;
    let mut named: Vec<u32> = data.after.iter().map(|&(_, waits_for)| waits_for).collect();
    named.sort_unstable();
    named.dedup();
    let mut edges = data.after.as_slice();
    for (index, row) in data.rows.iter().enumerate() {
        let (ids, runs): (&[u64], &[Run]) = match row.blocks {
            Blocks::Unknown => (&[], &[]),
            Blocks::Ids { from, to } => (&data.ids[from..to], &[]),
            Blocks::Runs { from, to } | Blocks::Prompt { from, to } => (&[], &data.runs[from..to]),
        };
        let own = edges.iter().take_while(|edge| edge.0 as usize == index).count();
        let after: Vec<u64> = edges[..own].iter().map(|&(_, waits_for)| waits_for as u64 + 1).collect();
        edges = &edges[own..];
        let id = named.binary_search(&(index as u32)).is_ok().then_some(index as u64 + 1);
        let beside = Beside {
            id,
            after: &after,
            measured: data.measured.get(index),
            key: data.keys.get(index).copied(),
        };
        write_line(to, row, &data.names, ids, runs, beside)?;
    }
    Ok(())
}
