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
    line: Vec<u8>,
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
}

/// Puts the field at `index` and a comma; `#7` where the table has none.
fn put_name(line: &mut Vec<u8>, names: &[Vec<u8>], index: usize) {
    match names.get(index) {
        Some(name) => line.extend_from_slice(name),
        None => line.extend_from_slice(name_of(&[], index).as_bytes()),
    }
    line.push(b',');
}

/// The two digits of 00 … 99.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[0; 2]; 100];
    let mut i = 0;
    while i < 100 {
        pairs[i] = [b'0' + (i / 10) as u8, b'0' + (i % 10) as u8];
        i += 1;
    }
    pairs
};

/// Puts a number and a comma.
#[inline]
fn put(line: &mut Vec<u8>, mut value: u64) {
    if value < 10 {
        line.extend_from_slice(&[b'0' + value as u8, b',']);
        return;
    }
    // The most digits of 64 bits, and the comma.
    let mut digits = [b','; 21];
    let mut from = 20;
    while value >= 10 {
        from -= 2;
        digits[from..from + 2].copy_from_slice(&PAIRS[(value % 100) as usize]);
        value /= 100;
    }
    if value > 0 {
        from -= 1;
        digits[from] = b'0' + value as u8;
    }
    line.extend_from_slice(&digits[from..]);
}

fn put_optional(line: &mut Vec<u8>, value: Option<u64>) {
    match value {
        Some(value) => put(line, value),
        None => line.push(b','),
    }
}

fn put_hex(line: &mut Vec<u8>, value: u64) {
    let digit = |i: u32| b"0123456789abcdef"[(value >> (60 - 4 * i)) as usize & 15];
    let digits: [u8; 16] = std::array::from_fn(|i| digit(i as u32));
    line.extend_from_slice(&digits);
    line.push(b',');
}

impl<W: Write> RequestsCsv<W> {
    /// Writes the head.
    pub fn new(out: W, labels: &Labels, slos: Vec<SloParams>) -> io::Result<Self> {
        RequestsCsv::with_misses(out, labels, slos, false)
    }
    /// Writes the head; `misses` adds why prompt tokens were not cached.
    pub fn with_misses(mut out: W, labels: &Labels, slos: Vec<SloParams>, misses: bool) -> io::Result<Self> {
        out.write_all((columns(misses).join(",") + "\n").as_bytes())?;
        Ok(RequestsCsv { out, line: Vec::new(), names: Names::of(labels)?, slos, misses, error: None })
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
        line.clear();
        put(line, u64::from(row.id.0));
        put_hex(line, row.key);
        put_name(line, &names.sources, row.source.index());
        put_name(line, &names.origins, row.origin.index());
        put_name(line, &names.classes, row.class.index());
        put_name(line, &names.data_classes, row.data_class.index());
        put(line, u64::from(row.tenant.0));
        put(line, row.session);
        put(line, u64::from(row.turn));
        let places = [
            (&names.gateways, row.gateway.map(Id::index)),
            (&names.regions, row.region.map(Id::index)),
            (&names.replicas, row.replica.map(Id::index)),
        ];
        for (names, place) in places {
            match place {
                Some(index) => put_name(line, names, index),
                None => line.push(b','),
            }
        }
        line.extend_from_slice(row.outcome.name().as_bytes());
        line.extend_from_slice(if met { b",true," } else { b",false," });
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
            put(line, u64::from(count));
        }
        for leg in Leg::ALL {
            put(line, row.legs.get(leg).0);
        }
        put(line, row.sent_at.0);
        put_optional(line, row.first_token_at.map(|at| at.0));
        put(line, row.ended_at.0);
        for value in [row.ttft(), row.server_ttft, row.tpot(), row.e2e()] {
            put_optional(line, value.map(|span| span.0));
        }
        if self.misses {
            for miss in Miss::ALL {
                put_optional(line, row.misses.map(|misses| u64::from(misses.get(miss))));
            }
        }
        // The last comma ends the line.
        if let Some(last) = line.last_mut() {
            *last = b'\n';
        }
        self.out.write_all(line)
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
    fn numbers_and_names_stand_as_a_general_writer_would_put_them() {
        let mut powers: Vec<u64> = (0..20).map(|digits| 10u64.pow(digits)).collect();
        powers.extend(powers.clone().iter().map(|power| power - 1));
        for value in powers.into_iter().chain([0, 7, 42, 100, 101, u64::MAX]) {
            let mut line = Vec::new();
            put(&mut line, value);
            put_hex(&mut line, value);
            assert_eq!(String::from_utf8(line).unwrap(), format!("{value},{value:016x},"));
        }
        let quoted = |name: &str| String::from_utf8(field(name).unwrap()).unwrap();
        assert_eq!([quoted("us"), quoted(""), quoted("a b")], ["us", "", "a b"]);
        assert_eq!([quoted("a,b"), quoted("a\"b"), quoted("a\nb")], ["\"a,b\"", "\"a\"\"b\"", "\"a\nb\""]);
        let mut line = Vec::new();
        put_name(&mut line, &[], 7);
        assert_eq!(line, b"#7,");
    }
}
