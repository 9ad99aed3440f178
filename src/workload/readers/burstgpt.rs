//! Reader of BurstGPT (HPMLL/BurstGPT at e92f533b), by the names of its columns: versions 1 and 2 have `Timestamp`
//! (seconds), `Model`, `Request tokens`, `Response tokens`, `Total tokens`, `Log Type`; version 3 puts `Session ID`
//! and `Elapsed time` between the first two. A row without response tokens is a failure.

use super::{Beginning, Reader};
use crate::workload::data::{Start, TraceData, TraceRow, UNUSED_BLOCK};
use crate::workload::each_line::each_line;
use crate::workload::error::TraceErrors;
use crate::workload::fields::{decimal_ns, tokens};
use crate::workload::names::Numbers;
use crate::workload::open_file::Lines;
use crate::workload::options::{ReadOptions, TraceFormat};
use crate::workload::table::Table;

pub(super) const READER: Reader = Reader {
    format: TraceFormat::BurstGpt,
    name: "burstgpt",
    about: "BurstGPT CSV, versions 1 to 3",
    looks_for: "CSV with the columns Timestamp, Request tokens and Response tokens",
    page: "docs/formats/burstgpt.md",
    detect: |begin: &Beginning| begin.has_columns(&["timestamp", "request tokens", "response tokens"]),
    read,
};

fn read(lines: &mut Lines, options: &ReadOptions, errors: &mut TraceErrors) -> TraceData {
    let mut data = TraceData { format: "burstgpt", block_tokens: UNUSED_BLOCK, ..TraceData::default() };
    let names = ["Timestamp", "Request tokens", "Response tokens"];
    let Some((mut table, [time, input, output])) = Table::open(lines, names, errors) else { return data };
    let (session_at, elapsed_at) = (table.find("session id"), table.find("elapsed time"));
    let header = lines.number();
    let mut sessions = Numbers::default();
    let mut turns: Vec<u32> = Vec::new();
    let (mut failed, mut later) = (0u64, 0u64);
    each_line(lines, options, errors, |number, text| {
        if number == header {
            return Ok(());
        }
        table.split(number, text)?;
        let at = decimal_ns(number, "Timestamp", table.number(number, "Timestamp", time)?, 1_000_000_000)?;
        let input = table.integer(number, "Request tokens", input)?;
        let output = table.integer(number, "Response tokens", output)?;
        if output == 0 {
            failed += 1;
            return Ok(());
        }
        let (input, output) =
            (tokens(number, "Request tokens", input)?, tokens(number, "Response tokens", output)?);
        let e2e = match elapsed_at.filter(|&at| !table.text(at).is_empty()) {
            None => None,
            Some(at) => {
                let elapsed = table.number(number, "Elapsed time", at)?;
                Some(decimal_ns(number, "Elapsed time", elapsed, 1_000_000_000)?)
            }
        };
        let session = match session_at.map(|at| table.text(at)) {
            None | Some("") => 0,
            Some(name) => sessions.number(name),
        };
        turns.resize(turns.len().max(session as usize + 1), 0);
        let turn = if session == 0 { 0 } else { turns[session as usize] };
        turns[session as usize] += 1;
        later += u64::from(turn > 0);
        data.measured.set(data.rows.len(), None, e2e);
        data.rows.push(TraceRow { start: Start::At(at), input, output, session, turn, ..TraceRow::EMPTY });
        Ok(())
    });
    if failed > 0 {
        data.notices.push(format!(
            "{failed} rows without response tokens are failures of the recorded service: left out"
        ));
    }
    if later > 0 {
        data.notices.push(format!(
            "{later} later turns are sent at their recorded time, whether the answer before has come or not"
        ));
    }
    data.notices.push("the format has no block ids: requests share no prefix".to_owned());
    data
}
