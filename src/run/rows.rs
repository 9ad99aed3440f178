//! Keeps the story of every request, and streams it on where a file wants it.

use crate::digest::Digest;
use crate::observe::{Leg, Observation, Observer, RequestRow};
use crate::time::SimTime;

/// Where rows go as requests end. Errors are kept by the writer and told at its finish: an observer cannot fail.
pub trait RowWriter: Send {
    /// Takes the next row, in the order in which requests end.
    fn row(&mut self, row: &RequestRow);
}

/// Keeps every row; hands each to a writer as it comes, where there is one.
#[derive(Default)]
pub struct RowSink<'w> {
    rows: Vec<RequestRow>,
    writer: Option<&'w mut dyn RowWriter>,
}

impl<'w> RowSink<'w> {
    /// A sink that keeps rows only.
    pub fn new() -> Self {
        RowSink::default()
    }
    /// A sink that also streams.
    pub fn streaming(writer: &'w mut dyn RowWriter) -> Self {
        RowSink { rows: Vec::new(), writer: Some(writer) }
    }
    /// The rows by id.
    pub fn finish(self) -> Vec<RequestRow> {
        let mut rows = self.rows;
        rows.sort_unstable_by_key(|row| row.id);
        rows
    }
}

impl Observer for RowSink<'_> {
    fn observe(&mut self, _: SimTime, observation: &Observation<'_>) {
        if let Observation::Ended(row) = observation {
            if let Some(writer) = &mut self.writer {
                writer.row(row);
            }
            self.rows.push(**row);
        }
    }
}

/// The outcome digest: every request's canonical outcome in id order, then the digest of the cache change log.
/// A request's words are its id, key, outcome, region, replica, instants, token counts, preemptions and legs.
pub fn outcome_digest(rows: &[RequestRow], cache_log: u64) -> u64 {
    let mut digest = Digest::new();
    let optional = |index: Option<u32>| index.map_or(u64::MAX, u64::from);
    digest.word(rows.len() as u64);
    for row in rows {
        digest.word(row.id.0 as u64);
        digest.word(row.key);
        digest.word(row.outcome as u64);
        digest.word(optional(row.region.map(|id| id.0)));
        digest.word(optional(row.replica.map(|id| id.0)));
        digest.word(row.sent_at.0);
        digest.word(row.first_token_at.map_or(u64::MAX, |at| at.0));
        digest.word(row.ended_at.0);
        digest.word((row.prompt_tokens as u64) << 32 | row.output_tokens as u64);
        digest.word((row.cached_tokens as u64) << 32 | row.fetched_tokens as u64);
        digest.word((row.computed_tokens as u64) << 32 | row.recomputed_tokens as u64);
        digest.word((row.preemptions as u64) << 32 | row.attempts as u64);
        Leg::ALL.iter().for_each(|&leg| digest.word(row.legs.get(leg).0));
    }
    digest.word(cache_log);
    digest.value()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::RequestId;

    #[test]
    fn rows_come_back_by_id_and_the_digest_sees_every_nanosecond() {
        let mut sink = RowSink::new();
        for id in [2, 0, 1] {
            let row = RequestRow { id: RequestId(id), ..Default::default() };
            sink.observe(SimTime(5), &Observation::Ended(&row));
        }
        let mut rows = sink.finish();
        assert_eq!(rows.iter().map(|row| row.id.0).collect::<Vec<_>>(), [0, 1, 2]);
        let before = outcome_digest(&rows, 0);
        assert_ne!(before, outcome_digest(&rows, 1));
        rows[1].ended_at = SimTime(1);
        assert_ne!(before, outcome_digest(&rows, 0));
    }
}
