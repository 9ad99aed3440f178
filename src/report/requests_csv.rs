//! requests.csv: one row a request, written as requests end. Times are integer nanoseconds; a field that does not
//! apply is empty.

use crate::id::Id;
use crate::observe::{Leg, Miss, RequestRow};
use crate::run::result::name_of;
use crate::run::{Entry, Labels, RowWriter, met};
use crate::world::SloParams;
use std::io::{self, Write};

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

/// The columns, in order; the last ones are there only where it is told why prompt tokens were not cached.
pub fn columns(misses: bool) -> Vec<String> {
    let legs = Leg::ALL.iter().map(|leg| format!("{}_ns", leg.name()));
    let reasons = Miss::ALL.iter().filter(|_| misses).map(|miss| format!("miss_{}_tokens", miss.name()));
    BEFORE.iter().map(ToString::to_string).chain(legs).chain(AFTER.map(String::from)).chain(reasons).collect()
}

/// Writes requests.csv. Names are quoted once, when the file is begun; a row is then numbers and bytes put into one
/// buffer, because a general writer costs more than the simulation of a request.
pub struct RequestsCsv<W: Write> {
    out: W,
    line: Line,
    /// The most bytes that a line can have.
    room: usize,
    names: Names,
    slos: Vec<SloParams>,
    misses: bool,
    error: Option<io::Error>,
}

/// Names as they stand in the file, by id.
struct Names {
    sources: Vec<Vec<u8>>,
    origins: Vec<Vec<u8>>,
    classes: Vec<Vec<u8>>,
    data_classes: Vec<Vec<u8>>,
    gateways: Vec<Vec<u8>>,
    regions: Vec<Vec<u8>>,
    replicas: Vec<Vec<u8>>,
}

/// A name as a field: in quotes where it needs them.
fn field(name: &str) -> io::Result<Vec<u8>> {
    // With a second field, because a record of one empty field is written with quotes.
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record([name, "0"])?;
    let mut bytes = writer.into_inner().map_err(csv::IntoInnerError::into_error)?;
    bytes.truncate(bytes.len() - ",0\n".len());
    Ok(bytes)
}

fn fields<'n>(names: impl IntoIterator<Item = &'n String>) -> io::Result<Vec<Vec<u8>>> {
    names.into_iter().map(|name| field(name)).collect()
}

impl Names {
    fn of(labels: &Labels) -> io::Result<Names> {
        Ok(Names {
            sources: fields(&labels.sources)?,
            origins: fields(labels.origins.iter())?,
            classes: fields(labels.classes.iter())?,
            data_classes: fields(&labels.data_classes)?,
            gateways: fields(&labels.gateways)?,
            regions: fields(labels.regions.iter())?,
            replicas: fields(labels.replicas.iter().map(|replica| &replica.name))?,
        })
    }
    /// The most bytes that the names in one line can have.
    fn longest(&self) -> usize {
        let tables = [
            &self.sources,
            &self.origins,
            &self.classes,
            &self.data_classes,
            &self.gateways,
            &self.regions,
            &self.replicas,
        ];
        tables.iter().map(|names| names.iter().map(Vec::len).max().unwrap_or_default()).sum()
    }
}

/// 10⁸, above which a number has more than eight digits.
const E8: u64 = 100_000_000;

/// The eight digits of a number below 10⁸ in the bytes of a word, the first in the lowest: halves, quarters and single
/// digits are told apart side by side, with a multiplication and a shift in the place of a division (10486 / 2²⁰ is
/// 1 / 100 for numbers to 9,999, and 103 / 2¹⁰ is 1 / 10 for numbers to 99).
#[inline]
fn eight(value: u64) -> u64 {
    let fours = (value / 10_000) | ((value % 10_000) << 32);
    let hundreds = (fours.wrapping_mul(10_486) >> 20) & 0x7f_0000_007f;
    let twos = hundreds | (fours.wrapping_sub(hundreds.wrapping_mul(100)) << 16);
    let tens = (twos.wrapping_mul(103) >> 10) & 0x000f_000f_000f_000f;
    tens | (twos.wrapping_sub(tens.wrapping_mul(10)) << 8)
}

/// The most bytes that a field takes up while it is written: a number's 20 digits and comma, and what is put behind it.
const FIELD: usize = 32;

/// A line being written: bytes put one behind the other into memory that is there, because asking for memory for each of
/// forty fields costs more than writing them.
#[derive(Default)]
struct Line {
    bytes: Vec<u8>,
    at: usize,
}

impl Line {
    /// Begins a line, with room for so many bytes.
    fn begin(&mut self, room: usize) {
        self.at = 0;
        if self.bytes.len() < room {
            self.bytes.resize(room, 0);
        }
    }
    #[inline]
    fn put_byte(&mut self, byte: u8) {
        self.bytes[self.at] = byte;
        self.at += 1;
    }
    fn put_bytes(&mut self, bytes: &[u8]) {
        self.bytes[self.at..self.at + bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
    }
    /// Puts digits from the first that is not 0 on, or all, and leaves rubbish behind them.
    #[inline]
    fn put_digits(&mut self, digits: u64, all: bool) {
        let left_out = if all { 0 } else { digits.trailing_zeros() / 8 };
        let text = (digits | 0x3030_3030_3030_3030).wrapping_shr(8 * left_out);
        if let Some(to) = self.bytes[self.at..].first_chunk_mut() {
            *to = text.to_le_bytes();
        }
        self.at += 8 - left_out as usize;
    }
    /// Puts a number and a comma.
    #[inline]
    fn put(&mut self, value: u64) {
        if value < 10 {
            self.put_byte(b'0' + value as u8);
        } else if value < E8 {
            self.put_digits(eight(value), false);
        } else {
            self.put_long(value);
        }
        self.put_byte(b',');
    }
    fn put_long(&mut self, value: u64) {
        let (high, low) = (value / E8, value % E8);
        if high < E8 {
            self.put_digits(eight(high), false);
        } else {
            self.put_digits(eight(high / E8), false);
            self.put_digits(eight(high % E8), true);
        }
        self.put_digits(eight(low), true);
    }
    #[inline]
    fn put_optional(&mut self, value: Option<u64>) {
        match value {
            Some(value) => self.put(value),
            None => self.put_byte(b','),
        }
    }
    /// Puts sixteen digits and a comma.
    fn put_hex(&mut self, value: u64) {
        let to = &mut self.bytes[self.at..self.at + 17];
        for (place, byte) in value.to_be_bytes().into_iter().enumerate() {
            to[2 * place] = b"0123456789abcdef"[usize::from(byte >> 4)];
            to[2 * place + 1] = b"0123456789abcdef"[usize::from(byte & 15)];
        }
        to[16] = b',';
        self.at += 17;
    }
    /// Puts the field at `index` and a comma; `#7` where the table has none.
    fn put_name(&mut self, names: &[Vec<u8>], index: usize) {
        match names.get(index) {
            Some(name) => self.put_bytes(name),
            None => self.put_bytes(name_of(&[], index).as_bytes()),
        }
        self.put_byte(b',');
    }
}

impl<W: Write> RequestsCsv<W> {
    /// Writes the head.
    pub fn new(out: W, labels: &Labels, slos: Vec<SloParams>) -> io::Result<Self> {
        RequestsCsv::with_misses(out, labels, slos, false)
    }
    /// Writes the head; `misses` adds why prompt tokens were not cached.
    pub fn with_misses(mut out: W, labels: &Labels, slos: Vec<SloParams>, misses: bool) -> io::Result<Self> {
        out.write_all((columns(misses).join(",") + "\n").as_bytes())?;
        let names = Names::of(labels)?;
        let room = columns(misses).len() * FIELD + names.longest();
        Ok(RequestsCsv { out, line: Line::default(), room, names, slos, misses, error: None })
    }
    /// Ends the file: the writer, or the first error.
    pub fn finish(mut self) -> io::Result<W> {
        if let Some(error) = self.error {
            return Err(error);
        }
        self.out.flush()?;
        Ok(self.out)
    }
    fn write(&mut self, row: &RequestRow) -> io::Result<()> {
        let (names, line) = (&self.names, &mut self.line);
        let entry = Entry::of(row);
        let met = self.slos.get(row.class.index()).is_none_or(|slo| met(slo, &entry));
        line.begin(self.room);
        line.put(u64::from(row.id.0));
        line.put_hex(row.key);
        line.put_name(&names.sources, row.source.index());
        line.put_name(&names.origins, row.origin.index());
        line.put_name(&names.classes, row.class.index());
        line.put_name(&names.data_classes, row.data_class.index());
        line.put(u64::from(row.tenant.0));
        line.put(row.session);
        line.put(u64::from(row.turn));
        let places = [
            (&names.gateways, row.gateway.map(Id::index)),
            (&names.regions, row.region.map(Id::index)),
            (&names.replicas, row.replica.map(Id::index)),
        ];
        for (names, place) in places {
            match place {
                Some(index) => line.put_name(names, index),
                None => line.put_byte(b','),
            }
        }
        line.put_bytes(row.outcome.name().as_bytes());
        line.put_bytes(if met { b",true," } else { b",false," });
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
            line.put(u64::from(count));
        }
        for leg in Leg::ALL {
            line.put(row.legs.get(leg).0);
        }
        line.put(row.sent_at.0);
        line.put_optional(row.first_token_at.map(|at| at.0));
        line.put(row.ended_at.0);
        for value in [row.ttft(), row.server_ttft, row.tpot(), row.e2e()] {
            line.put_optional(value.map(|span| span.0));
        }
        if self.misses {
            for miss in Miss::ALL {
                line.put_optional(row.misses.map(|misses| u64::from(misses.get(miss))));
            }
        }
        // The last comma ends the line.
        line.bytes[line.at - 1] = b'\n';
        self.out.write_all(&line.bytes[..line.at])
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
    fn numbers_are_written_as_they_are() {
        let mut values: Vec<u64> =
            (0..20).flat_map(|power| [10u64.pow(power) - 1, 10u64.pow(power)]).collect();
        values.extend([u64::MAX, 12_345_678, 90_000_009, 9_900_990_099_009_901, 1_000_000_010_000_000]);
        values.extend((0..20_000).map(|i| crate::rng::mix64(i) >> (i % 64)).chain(0..12_000));
        let mut line = Line::default();
        for value in values {
            line.begin(FIELD);
            line.put(value);
            assert_eq!(&line.bytes[..line.at], format!("{value},").as_bytes());
            line.begin(FIELD);
            line.put_hex(value);
            assert_eq!(&line.bytes[..line.at], format!("{value:016x},").as_bytes());
        }
    }

    #[test]
    fn rows_are_as_long_as_the_head_and_legs_add_up() {
        let result = sample::cell("a", 1, 1);
        let slos = result.slos.as_slice().to_vec();
        let mut csv = RequestsCsv::new(Vec::new(), &result.labels, slos).unwrap();
        sample::rows(1).iter().for_each(|row| csv.row(row));
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

    #[test]
    fn names_stand_as_a_general_writer_would_put_them() {
        let quoted = |name: &str| String::from_utf8(field(name).unwrap()).unwrap();
        assert_eq!([quoted("us"), quoted(""), quoted("a b")], ["us", "", "a b"]);
        assert_eq!([quoted("a,b"), quoted("a\"b"), quoted("a\nb")], ["\"a,b\"", "\"a\"\"b\"", "\"a\nb\""]);
        let mut line = Line::default();
        line.begin(FIELD);
        line.put_name(&[], 7);
        assert_eq!(&line.bytes[..line.at], b"#7,");
    }
}
