//! Writer of Mooncake's JSON lines, with AIPerf's `session_id` and `delay` where there are sessions. Says what that format cannot hold before a line is written.

use super::data::{Blocks, Measured, Start, TraceData, TraceRow};
use super::readers::mooncake::BLOCK_TOKENS;
use rustc_hash::FxHashMap;
use serde::Serialize;
use std::io::{self, Write};

/// What is lost on the way to a format.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// What a replay would not notice.
    pub harmless: Vec<String>,
    /// What makes it another workload.
    pub meaning: Vec<String>,
}

#[derive(Serialize)]
struct Line<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<u64>,
    input_length: u32,
    output_length: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    hash_ids: Option<&'a [u64]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delay: Option<u64>,
}

const MS: u64 = 1_000_000;

fn count(data: &TraceData, of: impl Fn(&TraceRow) -> bool) -> usize {
    data.rows.iter().filter(|row| of(row)).count()
}

/// What Mooncake's format cannot hold of a trace.
pub fn mooncake_losses(data: &TraceData) -> Losses {
    let mut losses = Losses::default();
    let mut lost = |harmless: bool, rows: usize, what: &str| {
        if rows > 0 {
            let list = if harmless { &mut losses.harmless } else { &mut losses.meaning };
            list.push(format!("{rows} of {} requests {what}", data.rows.len()));
        }
    };
    let off_ms = |row: &TraceRow| match row.start {
        Start::At(ns) | Start::After(ns) => !ns.is_multiple_of(MS),
    };
    lost(true, count(data, off_ms), "have times between whole milliseconds: they are rounded");
    let answers = |row: &TraceRow| matches!(row.blocks, Blocks::Runs { .. });
    lost(
        true,
        count(data, answers),
        "tell the blocks of their answers: those of prompts are written, and a block that an answer begins in is its own",
    );
    let part = |row: &TraceRow| match row.blocks {
        Blocks::Prompt { from, to } => {
            let named: u64 = data.runs[from..to].iter().map(|run| run.len as u64).sum();
            named < row.input.div_ceil(data.block_tokens.max(1)) as u64
        }
        Blocks::Ids { from, to } => to - from < row.input.div_ceil(data.block_tokens.max(1)) as usize,
        _ => false,
    };
    lost(true, count(data, part), "do not tell their partial last block: it is written as one of its own");
    let mut waiting: Vec<u32> = data.after.iter().map(|&(row, _)| row).collect();
    waiting.dedup();
    lost(false, waiting.len(), "wait for other requests than the turn before");
    lost(false, count(data, |row| row.parent != 0), "belong to a session that another one started");
    lost(false, data.keys.len(), "have the keys of a run");
    let measured = (0..data.rows.len()).filter(|&row| data.measured.get(row) != Measured::default());
    lost(true, measured.count(), "tell a measured time");
    lost(false, count(data, |row| row.tenant != 0), "name a tenant");
    lost(false, count(data, |row| row.origin.is_some()), "name an origin");
    lost(false, count(data, |row| row.class.is_some()), "name an SLO class");
    lost(false, count(data, |row| row.data_class.is_some()), "name a data class");
    lost(false, count(data, |row| row.priority.is_some()), "have a priority");
    lost(false, count(data, |row| row.allowed.is_some()), "may go to some regions alone");
    if !data.origin_label.is_empty() {
        losses.harmless.push(format!("the label of drawn origins, {}, is not written", data.origin_label));
    }
    if !data.id_scope.is_empty() {
        let scope = &data.id_scope;
        losses.harmless.push(format!("blocks are no longer shared with other traces of the scope `{scope}`"));
    }
    if data.block_tokens != BLOCK_TOKENS && data.rows.iter().any(|row| row.blocks != Blocks::Unknown) {
        let block = data.block_tokens;
        losses.harmless.push(format!(
            "the file does not say that its blocks have {block} tokens: say so to whoever reads it"
        ));
    }
    losses
}

/// Writes a trace as Mooncake lines: in order of time, or of the file where requests wait for answers.
///
/// Ids are kept where the trace has ids; blocks of runs are numbered by appearance.
pub fn write_mooncake(data: &TraceData, to: &mut dyn Write) -> io::Result<()> {
    let mut order: Vec<usize> = (0..data.rows.len()).collect();
    let at = |row: &TraceRow| match row.start {
        Start::At(ns) => Some(ns),
        Start::After(_) => None,
    };
    if data.rows.iter().all(|row| at(row).is_some()) {
        order.sort_by_key(|&row| at(&data.rows[row]));
    }
    let ms = |ns: u64| (ns + MS / 2) / MS;
    let mut numbers = Numbers::beside(data);
    let mut ids: Vec<u64> = Vec::new();
    for row in order {
        let row = &data.rows[row];
        let whole = row.input.div_ceil(data.block_tokens.max(1)) as usize;
        ids.clear();
        match row.blocks {
            Blocks::Unknown => {}
            Blocks::Ids { from, to } => ids.extend_from_slice(&data.ids[from..to]),
            Blocks::Runs { from, to } | Blocks::Prompt { from, to } => {
                // A partial block of a prompt is a block; one that holds an answer too is not the prompt's.
                let prompt = matches!(row.blocks, Blocks::Prompt { .. });
                let full = if prompt { whole } else { (row.input / data.block_tokens.max(1)) as usize };
                let blocks = data.runs[from..to].iter();
                let blocks = blocks.flat_map(|run| (0..run.len).map(|j| (run.key, run.start + j)));
                ids.extend(blocks.take(full).map(|block| numbers.of(block)));
            }
        }
        // The partial last block, where the trace does not tell it, is like no other.
        if row.blocks != Blocks::Unknown && ids.len() < whole {
            ids.push(numbers.fresh());
        }
        let line = Line {
            timestamp: at(row).map(ms),
            input_length: row.input,
            output_length: row.output,
            hash_ids: (row.blocks != Blocks::Unknown).then_some(ids.as_slice()),
            session_id: (row.session != 0).then_some(row.session),
            delay: if let Start::After(ns) = row.start { Some(ms(ns)) } else { None },
        };
        serde_json::to_writer(&mut *to, &line)?;
        to.write_all(b"\n")?;
    }
    Ok(())
}

/// Numbers for blocks that have none.
struct Numbers {
    known: FxHashMap<(u64, u32), u64>,
    next: u64,
    /// Ids of the trace, ascending.
    taken: Vec<u64>,
}

impl Numbers {
    /// From the number after the largest id on, so that numbers are short where ids are.
    fn beside(data: &TraceData) -> Numbers {
        let mut taken = data.ids.clone();
        taken.sort_unstable();
        taken.dedup();
        let next = taken.last().map_or(0, |&last| last.wrapping_add(1));
        Numbers { known: FxHashMap::default(), next, taken }
    }
    fn of(&mut self, block: (u64, u32)) -> u64 {
        if let Some(&number) = self.known.get(&block) {
            return number;
        }
        let number = self.fresh();
        self.known.insert(block, number);
        number
    }
    fn fresh(&mut self) -> u64 {
        while self.taken.binary_search(&self.next).is_ok() {
            self.next = self.next.wrapping_add(1);
        }
        self.next = self.next.wrapping_add(1);
        self.next.wrapping_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::super::open_file::Lines;
    use super::super::read::read_lines;
    use super::super::write::write_native;
    use super::super::{ReadOptions, Run, TraceFormat};
    use super::*;
    use std::io::Cursor;
    use std::path::Path;

    fn read(text: Vec<u8>, block: Option<u32>) -> TraceData {
        let lines = Lines::from_reader(Cursor::new(text)).unwrap();
        let options =
            ReadOptions { trace_block_tokens: block, format: TraceFormat::Auto, ..Default::default() };
        read_lines(lines, Path::new("t"), &options).unwrap()
    }

    fn mooncake(data: &TraceData) -> Vec<u8> {
        let mut text = Vec::new();
        write_mooncake(data, &mut text).unwrap();
        text
    }

    fn native(data: &TraceData) -> Vec<u8> {
        let mut text = Vec::new();
        write_native(data, "a test", &mut text).unwrap();
        text
    }

    fn holds(rows: usize) -> TraceData {
        let mut data = TraceData { block_tokens: 16, format: "native", ..TraceData::default() };
        for row in 0..rows as u64 {
            let from = data.ids.len();
            data.ids.extend([7, u64::MAX, 100 + row]);
            let blocks = if row % 5 == 4 { Blocks::Unknown } else { Blocks::Ids { from, to: from + 3 } };
            let (session, turn) = if row < 12 { (1 + row / 4, (row % 4) as u32) } else { (0, 0) };
            let start = if turn > 0 { Start::After(row * 7 * MS) } else { Start::At(row / 2 * MS) };
            let input = 33 + row as u32 % 16;
            data.rows.push(TraceRow { start, input, output: 9, blocks, session, turn, ..TraceRow::EMPTY });
        }
        data
    }

    #[test]
    fn what_the_format_can_hold_comes_back_as_it_was() {
        let data = holds(40);
        assert_eq!(mooncake_losses(&data).meaning, [""; 0]);
        let there = read(mooncake(&data), Some(16));
        assert_eq!((there.format, there.content_hash()), ("mooncake", data.content_hash()));
        let back = read(native(&there), None);
        assert_eq!((back.format, back.content_hash()), ("native", data.content_hash()));
    }

    #[test]
    fn runs_become_ids_that_share_as_they_did() {
        // Forty prompt tokens and eight of the answer; the next turn's prompt holds both.
        let mut data = TraceData { block_tokens: 16, ..TraceData::default() };
        for (input, len) in [(40, 3), (70, 5)] {
            let from = data.runs.len();
            data.runs.push(Run { key: 3, start: 0, len });
            let blocks = Blocks::Runs { from, to: from + 1 };
            data.rows.push(TraceRow { input, output: len * 16 - input + 3, blocks, ..TraceRow::EMPTY });
        }
        data.rows[1].start = Start::At(1_600_000);
        let losses = mooncake_losses(&data);
        assert_eq!(losses.meaning, [""; 0]);
        assert_eq!(losses.harmless.len(), 3, "{losses:?}");
        let text = String::from_utf8(mooncake(&data)).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        // Two full blocks and a partial one of its own; then four full ones of which two are known.
        assert_eq!(lines[0], r#"{"timestamp":0,"input_length":40,"output_length":11,"hash_ids":[0,1,2]}"#);
        assert_eq!(
            lines[1],
            r#"{"timestamp":2,"input_length":70,"output_length":13,"hash_ids":[0,1,3,4,5]}"#
        );
    }

    #[test]
    fn what_is_lost_is_said() {
        let mut data = holds(10);
        data.id_scope = "chat".into();
        data.names.origins = vec!["eu".into()];
        data.after.push((3, 1));
        data.rows[3] = TraceRow {
            start: Start::After(5),
            parent: 4,
            tenant: 2,
            origin: Some(0),
            priority: Some(1),
            ..data.rows[3]
        };
        data.rows[0].start = Start::At(100);
        let losses = mooncake_losses(&data);
        assert_eq!(losses.meaning.len(), 5, "{losses:?}");
        assert!(losses.meaning.iter().all(|loss| loss.starts_with("1 of 10 requests ")), "{losses:?}");
        assert_eq!(losses.harmless.len(), 3, "{losses:?}");
    }

    #[test]
    fn a_fresh_number_is_nobody_elses() {
        let data = TraceData { ids: vec![u64::MAX, 0, 1, 3, 0], ..TraceData::default() };
        let mut numbers = Numbers::beside(&data);
        assert_eq!([numbers.fresh(), numbers.of((9, 9)), numbers.of((9, 9)), numbers.fresh()], [2, 4, 4, 5]);
    }
}
