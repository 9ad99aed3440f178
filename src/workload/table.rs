//! Lines of a table: values between commas, semicolons or tabs. Knows separators and quotes; must not know what
//! columns mean. A record is a line: quoted line ends are not read.

use super::error::{TraceErrors, TraceFinding};
use super::open_file::Lines;
use std::ops::Range;

/// What stands between values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Separator(u8);

impl Separator {
    /// Of a header line: the one of comma, semicolon and tab that it has most of.
    pub(super) fn of(header: &[u8]) -> Separator {
        let count = |byte: u8| header.iter().filter(|&&other| other == byte).count();
        let best = [b',', b';', b'\t'].into_iter().max_by_key(|&byte| (count(byte), byte == b','));
        Separator(best.unwrap_or(b','))
    }
    /// The names in a header line, trimmed and in lower case.
    pub(super) fn names(self, header: &[u8]) -> Vec<String> {
        let mut record = Record::default();
        if !record.split(self, header) {
            return Vec::new();
        }
        (0..record.len()).map(|index| record.text(index).trim().to_lowercase()).collect()
    }
}

/// The values of one line, in memory that is used again.
#[derive(Default)]
pub(super) struct Record {
    text: Vec<u8>,
    ends: Vec<usize>,
    reader: csv_core::Reader,
    separator: Option<Separator>,
}

impl Record {
    /// Splits a line; false where a quote is not closed.
    pub(super) fn split(&mut self, separator: Separator, line: &[u8]) -> bool {
        if self.separator != Some(separator) {
            self.reader = csv_core::ReaderBuilder::new().delimiter(separator.0).build();
            self.separator = Some(separator);
        }
        self.reader.reset();
        self.text.resize(line.len() + 1, 0);
        // One value more than separators, and one for the end.
        self.ends.resize(line.iter().filter(|&&byte| byte == separator.0).count() + 2, 0);
        let (mut read, mut written, mut count) = (0, 0, 0);
        loop {
            let (text, ends) = (&mut self.text[written..], &mut self.ends[count..]);
            // The end of input is told by an empty slice.
            let (state, took, wrote, ended) = self.reader.read_record(&line[read..], text, ends);
            (read, written, count) = (read + took, written + wrote, count + ended);
            match state {
                csv_core::ReadRecordResult::InputEmpty if read < line.len() => {}
                csv_core::ReadRecordResult::InputEmpty if took == 0 && ended == 0 && wrote == 0 => {
                    return false;
                }
                csv_core::ReadRecordResult::InputEmpty => {}
                csv_core::ReadRecordResult::Record => break,
                _ => return false,
            }
        }
        self.ends.truncate(count);
        !open_quote(line, separator)
    }
    /// How many values there are.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }
    fn range(&self, index: usize) -> Option<Range<usize>> {
        let end = *self.ends.get(index)?;
        Some(if index == 0 { 0 } else { self.ends[index - 1] }..end)
    }
    /// Value number `index` without white space around it; empty where there is none or it is not UTF-8.
    pub(super) fn text(&self, index: usize) -> &str {
        let bytes = self.range(index).map_or(&[][..], |range| &self.text[range]);
        std::str::from_utf8(bytes).unwrap_or("").trim()
    }
}

/// A table being read: its columns' names and the record of the current line.
pub(super) struct Table {
    names: Vec<String>,
    separator: Separator,
    record: Record,
}

impl Table {
    /// Reads the header, the current line, and finds `columns`; what is missing is a finding each.
    pub(super) fn open<const N: usize>(
        lines: &Lines,
        columns: [&str; N],
        errors: &mut TraceErrors,
    ) -> Option<(Table, [usize; N])> {
        let table = Table::header(lines);
        let mut found = [0; N];
        let mut whole = true;
        for (slot, column) in found.iter_mut().zip(columns) {
            match table.find(column) {
                Some(index) => *slot = index,
                None => {
                    whole = false;
                    let rule =
                        format!("the first line must name this column; it names {}", table.names.join(", "));
                    let next = "Keep the header line, or say another `format`";
                    errors.push(TraceFinding::new(lines.number(), column, "absent", rule, next));
                }
            }
        }
        whole.then_some((table, found))
    }
    /// Reads the header, the current line.
    pub(super) fn header(lines: &Lines) -> Table {
        let separator = Separator::of(lines.line());
        Table { names: separator.names(lines.line()), separator, record: Record::default() }
    }
    /// The names of the columns, in lower case.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }
    /// The column of this name, however it is spelled.
    pub(super) fn find(&self, column: &str) -> Option<usize> {
        let lower = column.trim().to_lowercase();
        self.names.iter().position(|name| *name == lower)
    }
    /// Takes the next line.
    pub(super) fn split(&mut self, number: u64, line: &[u8]) -> Result<(), TraceFinding> {
        if !self.record.split(self.separator, line) {
            let rule = "a quote must be closed in its own line";
            let next = "Write no line ends within values";
            return Err(TraceFinding::new(number, "line", String::from_utf8_lossy(line), rule, next));
        }
        if self.record.len() == self.names.len() {
            return Ok(());
        }
        let value = format!("{} values", self.record.len());
        let rule = format!("the header names {} columns", self.names.len());
        Err(TraceFinding::new(number, "line", value, rule, "Correct or drop the line"))
    }
    /// The text in column `index`.
    pub(super) fn text(&self, index: usize) -> &str {
        self.record.text(index)
    }
    /// The integer in column `index`; one written with decimals that are zero is one.
    pub(super) fn integer(&self, number: u64, field: &str, index: usize) -> Result<u64, TraceFinding> {
        let text = self.text(index);
        let whole = match text.split_once('.') {
            Some((whole, zeros)) if !zeros.is_empty() && zeros.bytes().all(|byte| byte == b'0') => whole,
            _ => text,
        };
        whole.parse::<u64>().map_err(|_| not_a_number(number, field, text, "an integer from 0 on"))
    }
    /// The number in column `index`.
    pub(super) fn number(&self, number: u64, field: &str, index: usize) -> Result<f64, TraceFinding> {
        let text = self.text(index);
        match text.parse::<f64>() {
            Ok(value) if value.is_finite() && value >= 0.0 => Ok(value),
            _ => Err(not_a_number(number, field, text, "a number from 0 on")),
        }
    }
}

fn not_a_number(number: u64, field: &str, text: &str, what: &str) -> TraceFinding {
    let value = if text.is_empty() { "absent".to_owned() } else { format!("\"{text}\"") };
    TraceFinding::new(number, field, value, format!("must be {what}"), "Correct or drop the line")
}

/// Whether a value's quote is not closed: then the record would go on in the next line.
fn open_quote(line: &[u8], separator: Separator) -> bool {
    let (mut inside, mut at_start) = (false, true);
    let mut bytes = line.iter().peekable();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'"' if inside && bytes.peek() == Some(&&b'"') => {
                bytes.next();
            }
            b'"' if inside => inside = false,
            b'"' if at_start => inside = true,
            _ => {}
        }
        at_start = !inside && byte == separator.0;
    }
    inside
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(line: &str) -> Vec<String> {
        let mut record = Record::default();
        assert!(record.split(Separator::of(line.as_bytes()), line.as_bytes()), "{line}");
        (0..record.len()).map(|index| record.text(index).to_owned()).collect()
    }

    #[test]
    fn values_are_split_as_in_csv() {
        assert_eq!(values("a,b,c"), ["a", "b", "c"]);
        assert_eq!(
            values("a;b,5; c"),
            ["a", "b,5", "c"][..].iter().map(|x| x.to_string()).collect::<Vec<_>>()
        );
        assert_eq!(values("a\tb\t"), ["a", "b", ""]);
        assert_eq!(values("\"a,b\",\"say \"\"x\"\"\",7"), ["a,b", "say \"x\"", "7"]);
        assert_eq!(values("one"), ["one"]);
        assert_eq!(values(",,"), ["", "", ""]);
        let mut record = Record::default();
        for open in ["a,\"b", "\"", "\"a\"\"", "x,\"y,z"] {
            assert!(!record.split(Separator(b','), open.as_bytes()), "{open}");
        }
        assert!(record.split(Separator(b','), b"a,b\"c,d"), "a quote within a value is a character");
        assert_eq!((record.len(), record.text(1)), (3, "b\"c"));
        assert!(record.split(Separator(b','), &[0xff, b',', b'7']));
        assert_eq!((record.text(0), record.text(1), record.text(9)), ("", "7", ""));
    }
}
