//! requests.parquet and series.parquet: the columns of requests.csv and series.csv as Parquet files. Needs the feature `frames`; the lean build says
//! so instead.

use crate::observe::RequestRow;
use crate::run::{Labels, SeriesRow};
use crate::world::SloParams;
use std::io::Write;

/// A Parquet file could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ParquetError {
    /// This build cannot.
    #[error(
        "this build of regionsim writes no Parquet (it was built with --no-default-features): build it with \
         `--features frames`, or leave it out: the CSV files have the same rows"
    )]
    NotBuilt,
    /// The library failed.
    #[error("cannot write Parquet: {0}")]
    Failed(String),
}

/// Whether this build can write Parquet; asked before the work.
pub fn available() -> Result<(), ParquetError> {
    if cfg!(feature = "frames") { Ok(()) } else { Err(ParquetError::NotBuilt) }
}

/// Writes rows by id, whatever order they come in; with the columns that `misses` adds to requests.csv.
#[cfg(not(feature = "frames"))]
pub fn write(
    _: impl Write,
    _: Vec<RequestRow>,
    _: &Labels,
    _: &[SloParams],
    _: bool,
) -> Result<(), ParquetError> {
    Err(ParquetError::NotBuilt)
}

/// Writes the time line: the columns of series.csv.
#[cfg(not(feature = "frames"))]
pub fn write_series(_: impl Write, _: &Labels, _: &[SeriesRow]) -> Result<(), ParquetError> {
    Err(ParquetError::NotBuilt)
}

/// Writes the time line: the columns of series.csv.
#[cfg(feature = "frames")]
pub fn write_series(out: impl Write, labels: &Labels, rows: &[SeriesRow]) -> Result<(), ParquetError> {
    frames::write_series(out, labels, rows).map_err(|error| ParquetError::Failed(error.to_string()))
}

/// Writes rows by id, whatever order they come in; with the columns that `misses` adds to requests.csv.
#[cfg(feature = "frames")]
pub fn write(
    out: impl Write,
    mut rows: Vec<RequestRow>,
    labels: &Labels,
    slos: &[SloParams],
    misses: bool,
) -> Result<(), ParquetError> {
    rows.sort_unstable_by_key(|row| row.id);
    frames::write(out, &rows, labels, slos, misses).map_err(|error| ParquetError::Failed(error.to_string()))
}

#[cfg(feature = "frames")]
mod frames {
    use crate::id::Id;
    use crate::observe::{Leg, Miss, RequestRow};
    use crate::run::result::name_of;
    use crate::run::{Entry, Labels, SeriesRow, met};
    use crate::world::SloParams;
    use polars::prelude::{Column, DataFrame, NamedFrom, PolarsResult, Series};
    use polars_io::prelude::{ParquetCompression, ParquetWriter};
    use std::io::Write;

    /// The rows of one row group: our choice; fixed, so that the bytes do not depend on threads.
    const ROW_GROUP: usize = 1 << 18;

    fn numbers(name: &str, rows: &[RequestRow], of: impl Fn(&RequestRow) -> u64) -> Column {
        let values: Vec<u64> = rows.iter().map(of).collect();
        Column::from(Series::new(name.into(), values))
    }
    fn optional(name: &str, rows: &[RequestRow], of: impl Fn(&RequestRow) -> Option<u64>) -> Column {
        let values: Vec<Option<u64>> = rows.iter().map(of).collect();
        Column::from(Series::new(name.into(), values))
    }
    fn words(name: &str, rows: &[RequestRow], of: impl Fn(&RequestRow) -> Option<String>) -> Column {
        let values: Vec<Option<String>> = rows.iter().map(of).collect();
        Column::from(Series::new(name.into(), values))
    }

    /// Writes a frame: in parts of fixed size, on one thread.
    fn put(out: impl Write, columns: Vec<Column>) -> PolarsResult<()> {
        let mut frame = DataFrame::new_infer_height(columns)?;
        ParquetWriter::new(out)
            .with_compression(ParquetCompression::Zstd(None))
            .with_row_group_size(Some(ROW_GROUP))
            // Cells already run side by side, on as many threads as the user allowed.
            .set_parallel(false)
            .finish(&mut frame)?;
        Ok(())
    }

    pub(super) fn write_series(out: impl Write, labels: &Labels, rows: &[SeriesRow]) -> PolarsResult<()> {
        let counts = |name: &str, of: fn(&SeriesRow) -> u64| {
            Column::from(Series::new(name.into(), rows.iter().map(of).collect::<Vec<u64>>()))
        };
        let values = |name: &str, of: fn(&SeriesRow) -> Option<f64>| {
            Column::from(Series::new(name.into(), rows.iter().map(of).collect::<Vec<Option<f64>>>()))
        };
        let regions: Vec<String> = rows.iter().map(|row| labels.region(row.region)).collect();
        let columns = vec![
            counts("start_ns", |row| row.start.0),
            Column::from(Series::new("region".into(), regions)),
            counts("sent", |row| row.sent),
            counts("completed", |row| row.completed),
            counts("not_completed", |row| row.not_completed),
            values("ttft_p50_ms", |row| row.ttft_p50_ns.map(|ns| ns / 1e6)),
            values("ttft_p99_ms", |row| row.ttft_p99_ns.map(|ns| ns / 1e6)),
            values("hit_rate", |row| row.hit_rate),
            counts("output_tokens", |row| row.output_tokens),
            counts("running", |row| row.running),
            counts("waiting", |row| row.waiting),
            values("kv_use", |row| row.kv_use),
            values("busy", |row| row.busy),
            values("replicas", |row| row.replicas.map(|up| up as f64)),
        ];
        put(out, columns)
    }

    pub(super) fn write(
        out: impl Write,
        rows: &[RequestRow],
        labels: &Labels,
        slos: &[SloParams],
        misses: bool,
    ) -> PolarsResult<()> {
        let meets =
            |row: &RequestRow| slos.get(row.class.index()).is_none_or(|slo| met(slo, &Entry::of(row)));
        let meets: Vec<bool> = rows.iter().map(meets).collect();
        let mut columns = vec![
            numbers("id", rows, |row| u64::from(row.id.0)),
            numbers("key", rows, |row| row.key),
            words("workload", rows, |row| Some(name_of(&labels.sources, row.source.index()))),
            words("origin", rows, |row| Some(labels.origin(row.origin))),
            words("class", rows, |row| Some(labels.class(row.class))),
            words("data_class", rows, |row| Some(name_of(&labels.data_classes, row.data_class.index()))),
            numbers("tenant", rows, |row| u64::from(row.tenant.0)),
            numbers("session", rows, |row| row.session),
            numbers("turn", rows, |row| u64::from(row.turn)),
            words("gateway", rows, |row| row.gateway.map(|id| name_of(&labels.gateways, id.index()))),
            words("region", rows, |row| row.region.map(|id| labels.region(id))),
            words("replica", rows, |row| row.replica.map(|id| labels.replica(id))),
            words("outcome", rows, |row| Some(row.outcome.name().to_string())),
            Column::from(Series::new("met_slo".into(), meets)),
            numbers("attempts", rows, |row| u64::from(row.attempts)),
            numbers("prompt_tokens", rows, |row| u64::from(row.prompt_tokens)),
            numbers("cached_tokens", rows, |row| u64::from(row.cached_tokens)),
            numbers("fetched_tokens", rows, |row| u64::from(row.fetched_tokens)),
            numbers("computed_tokens", rows, |row| u64::from(row.computed_tokens)),
            numbers("recomputed_tokens", rows, |row| u64::from(row.recomputed_tokens)),
            numbers("output_tokens", rows, |row| u64::from(row.output_tokens)),
            numbers("preemptions", rows, |row| u64::from(row.preemptions)),
        ];
        for leg in Leg::ALL {
            columns.push(numbers(&format!("{}_ns", leg.name()), rows, |row| row.legs.get(leg).0));
        }
        columns.extend([
            numbers("sent_at_ns", rows, |row| row.sent_at.0),
            optional("first_token_at_ns", rows, |row| row.first_token_at.map(|at| at.0)),
            numbers("ended_at_ns", rows, |row| row.ended_at.0),
            optional("ttft_ns", rows, |row| row.ttft().map(|span| span.0)),
            optional("server_ttft_ns", rows, |row| row.server_ttft.map(|span| span.0)),
            optional("tpot_ns", rows, |row| row.tpot().map(|span| span.0)),
            optional("e2e_ns", rows, |row| row.e2e().map(|span| span.0)),
        ]);
        if misses {
            for miss in Miss::ALL {
                let tokens = |row: &RequestRow| row.misses.map(|misses| u64::from(misses.get(miss)));
                columns.push(optional(&format!("miss_{}_tokens", miss.name()), rows, tokens));
            }
        }
        put(out, columns)
    }
}

#[cfg(all(test, not(feature = "frames")))]
mod lean_tests {
    use super::super::super::sample;

    #[test]
    fn a_build_without_frames_says_so() {
        let message = super::available().expect_err("this build has none").to_string();
        assert!(message.contains("--features frames") && message.contains("CSV files"), "{message}");
        let cell = sample::cell("a", 1, 1);
        let written = super::write(Vec::new(), sample::rows(1), &cell.labels, cell.slos.as_slice(), false);
        written.expect_err("this build has none");
        super::write_series(Vec::new(), &cell.labels, &cell.series).expect_err("this build has none");
    }
}

#[cfg(all(test, feature = "frames"))]
mod tests {
    use super::super::super::{requests_csv, sample};
    use super::*;
    use polars::prelude::{AnyValue, DataFrame};
    use polars_io::SerReader;
    use polars_io::prelude::ParquetReader;

    fn written(rows: Vec<RequestRow>) -> Vec<u8> {
        with_misses(rows, false)
    }
    fn with_misses(rows: Vec<RequestRow>, misses: bool) -> Vec<u8> {
        let cell = sample::cell("a", 1, 1);
        let mut bytes = Vec::new();
        write(&mut bytes, rows, &cell.labels, cell.slos.as_slice(), misses).unwrap();
        bytes
    }
    fn read(bytes: Vec<u8>) -> DataFrame {
        ParquetReader::new(std::io::Cursor::new(bytes)).finish().unwrap()
    }

    #[test]
    fn the_file_is_parquet_and_equal_cells_give_equal_bytes() {
        available().unwrap();
        let backwards = sample::rows(1).into_iter().rev().collect();
        let (first, second) = (written(sample::rows(1)), written(backwards));
        assert_eq!(&first[..4], b"PAR1");
        assert_eq!(&first[first.len() - 4..], b"PAR1");
        assert_eq!(first, second);
    }

    #[test]
    fn what_is_read_back_is_what_was_written() {
        let frame = read(written(sample::rows(1)));
        assert_eq!(frame.height(), 100);
        let at = |name: &str, row: usize| frame.column(name).unwrap().get(row).unwrap().into_static();
        // Request 9 waits for its first token for 10 ms, half of it in the queue; two more tokens come 10 ms apart.
        for (name, value) in [
            ("id", 9),
            ("prompt_tokens", 100),
            ("cached_tokens", 25),
            ("queue_ns", 5_000_000),
            ("prefill_ns", 5_000_000),
            ("sent_at_ns", 900_000_000),
            ("first_token_at_ns", 910_000_000),
            ("ttft_ns", 10_000_000),
            ("tpot_ns", 10_000_000),
            ("e2e_ns", 30_000_000),
        ] {
            assert_eq!(at(name, 9), AnyValue::UInt64(value), "{name}");
        }
        assert_eq!(at("replica", 9), AnyValue::StringOwned("us/main/0".into()));
        assert_eq!(at("origin", 9), AnyValue::StringOwned("europe".into()));
        assert_eq!(at("met_slo", 9), AnyValue::Boolean(true));
        // A TTFT of 51 ms breaks the promise of 50.
        assert_eq!(at("met_slo", 50), AnyValue::Boolean(false));
        // Request 95 was shed: what it never had is null, not zero.
        assert_eq!(at("outcome", 95), AnyValue::StringOwned("shed".into()));
        for name in ["replica", "region", "first_token_at_ns", "ttft_ns", "tpot_ns"] {
            assert_eq!(at(name, 95), AnyValue::Null, "{name}");
        }
    }

    #[test]
    fn the_columns_are_those_of_requests_csv() {
        // Whether they are there does not hang on what the rows hold.
        for (misses, rows) in [(false, sample::rows(1)), (true, sample::rows(1)), (true, Vec::new())] {
            let frame = read(with_misses(rows, misses));
            let columns: Vec<String> = frame.get_column_names().iter().map(ToString::to_string).collect();
            assert_eq!(columns, requests_csv::columns(misses));
        }
    }

    #[test]
    fn the_time_line_has_the_columns_and_the_values_of_series_csv() {
        let cell = sample::cell("a", 1, 1);
        let mut bytes = Vec::new();
        write_series(&mut bytes, &cell.labels, &cell.series).unwrap();
        let frame = read(bytes);
        let mut text = Vec::new();
        crate::report::series_csv::write(&mut text, &cell.labels, &cell.series).unwrap();
        let mut reader = csv::Reader::from_reader(text.as_slice());
        let columns: Vec<String> = frame.get_column_names().iter().map(ToString::to_string).collect();
        assert_eq!(columns, reader.headers().unwrap().iter().collect::<Vec<_>>());
        let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        assert_eq!((frame.height(), rows.len()), (4, 4), "two windows of two regions");
        for (row, record) in rows.iter().enumerate() {
            let sent = frame.column("sent").unwrap().get(row).unwrap();
            assert_eq!(sent, AnyValue::UInt64(record[2].parse().unwrap()), "{row}");
        }
    }

    #[test]
    fn a_cell_without_requests_is_a_file_without_rows() {
        assert_eq!(read(written(Vec::new())).height(), 0);
    }
}
