//! Takes every request's story as it ends: streams it on where a file wants it, and keeps what percentiles need.

use super::book::{Book, Entry};
use crate::observe::{Observation, Observer, RequestRow};
use crate::time::SimTime;

/// Where rows go as requests end. Errors are kept by the writer and told at its finish: an observer cannot fail.
pub trait RowWriter: Send {
    /// Takes the next row, in the order in which requests end.
    fn row(&mut self, row: &RequestRow);
}

/// Keeps whole rows, for those who need them all at once.
impl RowWriter for Vec<RequestRow> {
    fn row(&mut self, row: &RequestRow) {
        self.push(*row);
    }
}
impl<A: RowWriter, B: RowWriter> RowWriter for (A, B) {
    fn row(&mut self, row: &RequestRow) {
        self.0.row(row);
        self.1.row(row);
    }
}
impl<W: RowWriter> RowWriter for Option<W> {
    fn row(&mut self, row: &RequestRow) {
        if let Some(writer) = self {
            writer.row(row);
        }
    }
}
impl<W: RowWriter> RowWriter for &mut W {
    fn row(&mut self, row: &RequestRow) {
        (**self).row(row);
    }
}

/// Writes every row into the book; hands each to a writer as it comes, where there is one.
#[derive(Default)]
pub struct RowSink<'w> {
    book: Book,
    writer: Option<&'w mut dyn RowWriter>,
}

impl<'w> RowSink<'w> {
    /// A sink that keeps the book only.
    pub fn new() -> Self {
        RowSink::default()
    }
    /// A sink that also streams.
    pub fn streaming(writer: &'w mut dyn RowWriter) -> Self {
        RowSink { book: Book::default(), writer: Some(writer) }
    }
    /// The book.
    pub fn finish(self) -> Book {
        self.book
    }
}

impl Observer for RowSink<'_> {
    fn observe(&mut self, _: SimTime, observation: &Observation<'_>) {
        if let Observation::Ended(row) = observation {
            if let Some(writer) = &mut self.writer {
                writer.row(row);
            }
            self.book.push(&Entry::of(row));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::RequestId;

    #[test]
    fn rows_are_streamed_and_kept_in_the_order_of_their_ends() {
        let mut streamed: Vec<RequestRow> = Vec::new();
        let mut sink = RowSink::streaming(&mut streamed);
        for id in [2, 0, 1] {
            let row = RequestRow { id: RequestId(id), key: 7, ..Default::default() };
            sink.observe(SimTime(5), &Observation::Ended(&row));
        }
        let kept: Vec<u32> = sink.finish().entries().map(|entry| entry.id.0).collect();
        assert_eq!(kept, [2, 0, 1]);
        assert_eq!(
            streamed.iter().map(|row| (row.id.0, row.key)).collect::<Vec<_>>(),
            [(2, 7), (0, 7), (1, 7)]
        );
    }
}
