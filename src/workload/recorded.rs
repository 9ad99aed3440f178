//! What readers of telemetry share: requests as a service recorded them, put in order of time and made rows. Knows
//! absolute times and measured durations; must not know where they were written.

use super::clock::UtcStart;
use super::data::{Blocks, MAX_NAMES, Start, TraceData, TraceRow, UNUSED_BLOCK};
use super::each_line::bad_line;
use super::error::{TraceErrors, TraceFinding};
use super::fields::nanoseconds;
use super::options::ReadOptions;

/// Times from here on are of the wall's clock (2001-09-09), in nanoseconds; smaller ones count from a trace's own
/// start.
pub(super) const WALL_NS: i64 = 1_000_000_000_000_000_000;

/// A request as it was recorded.
#[derive(Clone, Copy, Default)]
pub(super) struct Recorded {
    pub line: u64,
    /// When it was sent, in nanoseconds.
    pub at_ns: i64,
    pub input: u32,
    pub output: u32,
    /// From 1; 0 is none.
    pub session: u64,
    pub tenant: u32,
    pub origin: Option<u32>,
    pub class: Option<u32>,
    pub data_class: Option<u32>,
    pub priority: Option<u8>,
    pub ttft_ns: Option<u64>,
    pub e2e_ns: Option<u64>,
    /// Chain ids of its prompt's blocks in the trace's ids, if they are known: first, one past the last.
    pub ids: Option<(usize, usize)>,
}

/// A name among the trace's origins (0), classes (1) or data classes (2).
pub(super) fn name(
    number: u64,
    field: &str,
    kind: usize,
    data: &mut TraceData,
    name: &str,
) -> Result<Option<u32>, TraceFinding> {
    if name.is_empty() {
        return Ok(None);
    }
    data.intern(kind, name, number).map(Some).ok_or_else(|| {
        let rule = format!("a trace may name at most {MAX_NAMES} different ones");
        let next = "Map what is many to `tenant` or `session`";
        TraceFinding::new(number, field, format!("\"{name}\""), rule, next)
    })
}

/// Turns what was recorded into rows. A later turn of a session waits for the answer before where the file tells
/// when that came; otherwise it is sent at its recorded time.
pub(super) fn finish(
    mut recorded: Vec<Recorded>,
    naive: bool,
    failed: u64,
    data: &mut TraceData,
    options: &ReadOptions,
    errors: &mut TraceErrors,
) {
    let blockless = recorded.iter().all(|row| row.ids.is_none());
    if blockless {
        data.block_tokens = UNUSED_BLOCK;
    }
    recorded.sort_by_key(|row| row.at_ns);
    let Some(first) = recorded.first() else {
        if failed > 0 && errors.is_empty() {
            let rule = "no request has output tokens";
            let next = "Check which column is the output";
            errors.push(TraceFinding::new(0, "file", format!("{failed} failed requests"), rule, next));
        }
        return;
    };
    let wall = first.at_ns >= WALL_NS;
    let begin_ns = if wall { first.at_ns } else { 0 };
    if wall {
        data.utc_start = Some(UtcStart { unix_ns: first.at_ns, naive });
    }
    // Per session, its turns so far and when its last answer came.
    let mut sessions: Vec<(u32, Option<i64>)> = Vec::new();
    let mut timed_turns = 0u64;
    for row in &recorded {
        let since = match u64::try_from(row.at_ns - begin_ns) {
            Ok(since) => nanoseconds(row.line, "time", since, 1),
            Err(_) => {
                let next = "Count time forwards, from the trace's own start";
                Err(TraceFinding::new(row.line, "time", row.at_ns, "must not be negative", next))
            }
        };
        let since = match since {
            Ok(since) => since,
            Err(finding) => {
                bad_line(options, errors, finding);
                continue;
            }
        };
        let (mut turn, mut start) = (0, Start::At(since));
        if row.session > 0 {
            sessions.resize(sessions.len().max(row.session as usize), (0, None));
            let session = &mut sessions[row.session as usize - 1];
            turn = session.0;
            match session.1 {
                Some(answered) if row.at_ns >= answered => {
                    start = Start::After((row.at_ns - answered) as u64)
                }
                _ => timed_turns += u64::from(turn > 0),
            }
            *session = (turn + 1, row.e2e_ns.map(|e2e| row.at_ns.saturating_add(e2e as i64)));
        }
        data.measured.set(data.rows.len(), row.ttft_ns, row.e2e_ns);
        data.rows.push(TraceRow {
            start,
            input: row.input,
            output: row.output,
            blocks: row.ids.map_or(Blocks::Unknown, |(from, to)| Blocks::Ids { from, to }),
            session: row.session,
            turn,
            tenant: row.tenant,
            origin: row.origin,
            class: row.class,
            data_class: row.data_class,
            priority: row.priority,
            ..TraceRow::EMPTY
        });
    }
    if wall && naive {
        data.notices.push(format!(
            "times are counted from {}; the file says no zone",
            UtcStart { unix_ns: begin_ns, naive }
        ));
    }
    if failed > 0 {
        data.notices
            .push(format!("{failed} requests without output are failures of the recorded service: left out"));
    }
    if timed_turns > 0 {
        data.notices.push(format!(
            "{timed_turns} later turns are sent at their recorded time: the file does not say that the answer before \
             had come by then"
        ));
    }
    if blockless {
        data.notices.push("the file has no block ids: requests share no prefix".to_owned());
    }
}
