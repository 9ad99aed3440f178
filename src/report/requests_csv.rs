//! requests.csv: one row a request, written as requests end. Times are integer nanoseconds; a field that does not
//! apply is empty.

use crate::id::Id;
use crate::observe::{Leg, RequestRow};
use crate::run::result::name_of;
use crate::run::{Labels, RowWriter, met};
use crate::time::{SimTime, Span};
use crate::world::SloParams;
use std::io::{self, Write};
use std::sync::Arc;

/// The columns before the legs.
const BEFORE: [&str; 22] = [
    "id",
    "key",
    "workload",
    "origin",
    "class",
    "data_class",
    "tenant",
    "session",
    "turn",
    "gateway",
    "region",
    "replica",
    "outcome",
    "met_slo",
    "attempts",
    "prompt_tokens",
    "cached_tokens",
    "fetched_tokens",
    "computed_tokens",
    "recomputed_tokens",
    "output_tokens",
    "preemptions",
];
/// The columns after the legs.
const AFTER: [&str; 7] =
    ["sent_at_ns", "first_token_at_ns", "ended_at_ns", "ttft_ns", "server_ttft_ns", "tpot_ns", "e2e_ns"];

/// The columns, in order.
pub fn columns() -> Vec<String> {
    let legs = Leg::ALL.iter().map(|leg| format!("{}_ns", leg.name()));
    BEFORE.iter().map(ToString::to_string).chain(legs).chain(AFTER.map(String::from)).collect()
}

/// Writes requests.csv.
pub struct RequestsCsv<W: Write> {
    writer: csv::Writer<W>,
    labels: Arc<Labels>,
    slos: Vec<SloParams>,
    error: Option<csv::Error>,
}

impl<W: Write> RequestsCsv<W> {
    /// Writes the head.
    pub fn new(out: W, labels: Arc<Labels>, slos: Vec<SloParams>) -> io::Result<Self> {
        let mut writer = csv::Writer::from_writer(out);
        writer.write_record(columns())?;
        Ok(RequestsCsv { writer, labels, slos, error: None })
    }
    /// Ends the file: the writer, or the first error.
    pub fn finish(self) -> io::Result<W> {
        if let Some(error) = self.error {
            return Err(error.into());
        }
        self.writer.into_inner().map_err(csv::IntoInnerError::into_error)
    }
    fn write(&mut self, row: &RequestRow) -> csv::Result<()> {
        let labels = &self.labels;
        let optional = |value: Option<u64>| value.map(|value| value.to_string()).unwrap_or_default();
        let span = |value: Option<Span>| optional(value.map(|span| span.0));
        let time = |value: Option<SimTime>| optional(value.map(|at| at.0));
        let met = self.slos.get(row.class.index()).is_none_or(|slo| met(slo, row));
        let out = &mut self.writer;
        out.write_field(row.id.0.to_string())?;
        out.write_field(format!("{:016x}", row.key))?;
        out.write_field(name_of(&labels.sources, row.source.index()))?;
        out.write_field(labels.origin(row.origin))?;
        out.write_field(labels.class(row.class))?;
        out.write_field(name_of(&labels.data_classes, row.data_class.index()))?;
        out.write_field(row.tenant.0.to_string())?;
        out.write_field(row.session.to_string())?;
        out.write_field(row.turn.to_string())?;
        out.write_field(row.gateway.map(|id| name_of(&labels.gateways, id.index())).unwrap_or_default())?;
        out.write_field(row.region.map(|id| labels.region(id)).unwrap_or_default())?;
        out.write_field(row.replica.map(|id| labels.replica(id)).unwrap_or_default())?;
        out.write_field(row.outcome.name())?;
        out.write_field(if met { "true" } else { "false" })?;
        for count in [
            row.attempts,
            row.prompt_tokens,
            row.cached_tokens,
            row.fetched_tokens,
            row.computed_tokens,
            row.recomputed_tokens,
            row.output_tokens,
            row.preemptions,
        ] {
            out.write_field(count.to_string())?;
        }
        for leg in Leg::ALL {
            out.write_field(row.legs.get(leg).0.to_string())?;
        }
        out.write_field(row.sent_at.0.to_string())?;
        out.write_field(time(row.first_token_at))?;
        out.write_field(row.ended_at.0.to_string())?;
        for value in [row.ttft(), row.server_ttft, row.tpot(), row.e2e()] {
            out.write_field(span(value))?;
        }
        out.write_record(None::<&[u8]>)
    }
}

impl<W: Write + Send> RowWriter for RequestsCsv<W> {
    fn row(&mut self, row: &RequestRow) {
        if self.error.is_none() {
            self.error = self.write(row).err();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn rows_are_as_long_as_the_head_and_legs_add_up() {
        let result = sample::cell("a", 1, 1);
        let slos = result.slos.as_slice().to_vec();
        let mut csv = RequestsCsv::new(Vec::new(), result.labels.clone(), slos).unwrap();
        result.rows.iter().for_each(|row| csv.row(row));
        let bytes = csv.finish().unwrap();
        let mut reader = csv::Reader::from_reader(bytes.as_slice());
        let head = reader.headers().unwrap().clone();
        let column = |name: &str| head.iter().position(|head| head == name).unwrap();
        let rows: Vec<_> =
            reader.records().map(|row| row.expect("every row is as long as the head")).collect();
        assert_eq!(rows.len(), 100);
        let number = |row: usize, name: &str| rows[row][column(name)].parse::<u64>().unwrap();
        assert_eq!(number(4, "ttft_ns"), 5_000_000);
        let legs: u64 = Leg::ALL.iter().map(|leg| number(4, &format!("{}_ns", leg.name()))).sum();
        assert_eq!(legs, 5_000_000);
        assert_eq!(&rows[4][column("region")], "us");
        assert_eq!(&rows[4][column("met_slo")], "true");
        assert_eq!((&rows[95][column("outcome")], &rows[95][column("ttft_ns")]), ("shed", ""));
    }
}
