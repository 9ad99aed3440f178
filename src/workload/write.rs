//! Writer of native traces. Knows the schema that `native` reads; must not know where rows come from.

use super::Run;
use super::data::{Blocks, Start, TraceData, TraceNames, TraceRow};
use super::native::{Header, Line, VERSION};
use std::borrow::Cow;
use std::io::{self, Write};

/// Writes the header line.
pub fn write_header(to: &mut dyn Write, block_tokens: u32, id_scope: &str, source: &str) -> io::Result<()> {
    let header = Header {
        regionsim_trace: VERSION,
        block_tokens,
        id_scope: id_scope.to_owned(),
        source: source.to_owned(),
        as_run: false,
    };
    line(to, &header)
}

fn line(to: &mut dyn Write, line: &impl serde::Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *to, line)?;
    to.write_all(b"\n")
}

/// Writes one request; `ids` and `runs` are its blocks, of which one at most has any.
pub fn write_row(
    to: &mut dyn Write,
    row: &TraceRow,
    names: &TraceNames,
    ids: &[u64],
    runs: &[Run],
) -> io::Result<()> {
    write_keyed(to, row, names, ids, runs, None)
}

fn write_keyed(
    to: &mut dyn Write,
    row: &TraceRow,
    names: &TraceNames,
    ids: &[u64],
    runs: &[Run],
    key: Option<u64>,
) -> io::Result<()> {
    let name = |names: &'_ [String], index: Option<u32>| {
        index.map(|index| Cow::Owned(names[index as usize].clone()))
    };
    let (t_ns, think_ns) = match row.start {
        Start::At(ns) => (Some(ns), None),
        Start::After(ns) => (None, Some(ns)),
    };
    let in_session = row.session != 0;
    let line = Line {
        t_ns,
        input: row.input as u64,
        output: row.output as u64,
        ids: matches!(row.blocks, Blocks::Ids { .. }).then(|| ids.to_vec()),
        runs: matches!(row.blocks, Blocks::Runs { .. })
            .then(|| runs.iter().map(|run| (run.key, run.start, run.len)).collect()),
        key,
        session: in_session.then_some(row.session),
        turn: in_session.then_some(row.turn),
        think_ns,
        origin: name(&names.origins, row.origin),
        tenant: (row.tenant != 0).then_some(row.tenant),
        class: name(&names.classes, row.class),
        data_class: name(&names.data_classes, row.data_class),
        priority: row.priority,
    };
    self::line(to, &line)
}

/// Writes a whole trace in the native format: what `trace convert` does.
pub fn write_native(data: &TraceData, source: &str, to: &mut dyn Write) -> io::Result<()> {
    let header = Header {
        regionsim_trace: VERSION,
        block_tokens: data.block_tokens,
        id_scope: data.id_scope.clone(),
        source: source.to_owned(),
        as_run: data.as_run,
    };
    line(to, &header)?;
    for (index, row) in data.rows.iter().enumerate() {
        let (ids, runs): (&[u64], &[Run]) = match row.blocks {
            Blocks::Unknown => (&[], &[]),
            Blocks::Ids { from, to } => (&data.ids[from..to], &[]),
            Blocks::Runs { from, to } => (&[], &data.runs[from..to]),
        };
        write_keyed(to, row, &data.names, ids, runs, data.keys.get(index).copied())?;
    }
    Ok(())
}
