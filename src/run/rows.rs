//! Keeps the story of every request, and streams it on where a file wants it.

use crate::observe::{Observation, Observer, RequestRow};
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::RequestId;

    #[test]
    fn rows_come_back_by_id() {
        let mut sink = RowSink::new();
        for id in [2, 0, 1] {
            let row = RequestRow { id: RequestId(id), ..Default::default() };
            sink.observe(SimTime(5), &Observation::Ended(&row));
        }
        let rows = sink.finish();
        assert_eq!(rows.iter().map(|row| row.id.0).collect::<Vec<_>>(), [0, 1, 2]);
    }
}
