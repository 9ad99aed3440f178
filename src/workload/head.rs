//! The first requests of a file, without reading the rest of it. Knows lines and rows; must not know any format: a
//! reader is given so many lines, and more of them where these hold too few requests.

use super::data::TraceData;
use super::error::{TraceErrors, TraceFinding};
use super::open_file::Lines;
use super::options::ReadOptions;
use super::read::read_from;
use super::subset::{Part, subset};
use std::cell::RefCell;
use std::io::{self, Read};
use std::path::Path;
use std::rc::Rc;

/// Lines beside a request each that are read at first: a header, some that are refused (our choice).
const MORE: u64 = 64;

/// The first `rows` requests of what `open` opens: called again where more lines are needed, four times as many each
/// time. A mistake behind the lines that were read is not found. Where a format puts requests in order of time, the
/// order is that of the lines that were read.
pub fn read_head(
    mut open: impl FnMut() -> io::Result<Lines>,
    path: &Path,
    options: &ReadOptions,
    rows: u64,
) -> Result<TraceData, TraceErrors> {
    let mut most = rows.saturating_add(MORE);
    loop {
        let mut lines = open()
            .map_err(|error| {
                let next = "Give the path of a trace file, from where regionsim runs";
                TraceErrors::one(
                    path,
                    TraceFinding::new(0, "file", error, "it must be a readable file", next),
                )
            })?
            .first(most);
        let read = read_from(&mut lines, path, options);
        let more = lines.was_cut()
            && match &read {
                Ok(data) => (data.rows.len() as u64) < rows,
                // Only that nothing was found: what is wrong with a line stays wrong.
                Err(errors) => errors.findings.iter().all(|finding| finding.line == 0),
            };
        if !more {
            return read.map(|mut data| {
                let mut head = subset(&data, Part::Head(rows));
                head.notices.append(&mut data.notices);
                head
            });
        }
        most = most.saturating_mul(4);
    }
}

/// A stream that can be begun again: what was read is kept.
pub struct Again<R> {
    source: Rc<RefCell<(R, Vec<u8>)>>,
}

impl<R: Read + 'static> Again<R> {
    /// Begins with `source`.
    pub fn new(source: R) -> Again<R> {
        Again { source: Rc::new(RefCell::new((source, Vec::new()))) }
    }
    /// The stream from its beginning.
    pub fn lines(&self) -> io::Result<Lines> {
        Lines::from_reader(From { source: self.source.clone(), at: 0 })
    }
}

struct From<R> {
    source: Rc<RefCell<(R, Vec<u8>)>>,
    at: usize,
}

impl<R: Read> Read for From<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let (source, kept) = &mut *self.source.borrow_mut();
        if self.at == kept.len() {
            let count = source.read(to)?;
            kept.extend_from_slice(&to[..count]);
            self.at += count;
            return Ok(count);
        }
        let count = to.len().min(kept.len() - self.at);
        to[..count].copy_from_slice(&kept[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::data::Start;

    /// Azure lines without end, of which the first `failed` have no output.
    struct Endless {
        line: u64,
        failed: u64,
        left: Vec<u8>,
    }

    impl Read for Endless {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            if self.left.is_empty() {
                let text = match self.line {
                    0 => "TIMESTAMP,ContextTokens,GeneratedTokens\r\n".to_owned(),
                    n => {
                        let out = if n > self.failed { 9 } else { 0 };
                        let (minute, second) = (n / 60 % 60, n % 60);
                        format!("2023-11-16 18:{minute:02}:{second:02}.0000000,{n},{out}\r\n")
                    }
                };
                self.line += 1;
                self.left = text.into_bytes();
            }
            let count = to.len().min(self.left.len());
            to[..count].copy_from_slice(&self.left[..count]);
            self.left.drain(..count);
            Ok(count)
        }
    }

    fn head(failed: u64, rows: u64) -> (Vec<u32>, u64) {
        let again = Again::new(Endless { line: 0, failed, left: Vec::new() });
        let data =
            read_head(|| again.lines(), Path::new("endless.csv"), &ReadOptions::default(), rows).unwrap();
        let read = again.source.borrow().0.line;
        assert_eq!(data.rows.first().map(|row| row.start), Some(Start::At(0)));
        (data.rows.iter().map(|row| row.input).collect(), read)
    }

    #[test]
    fn an_endless_file_has_a_head() {
        assert_eq!(head(0, 3).0, [1, 2, 3]);
        // The first 200 lines hold nothing: 67, 268 lines.
        assert_eq!(head(200, 3).0, [201, 202, 203]);
        let (rows, read) = head(0, 1_000);
        assert_eq!(rows.len(), 1_000);
        // Lines of 40 bytes, read 64 KiB at a time.
        assert!(read < 1_064 + 2 * (1 << 16) / 40, "{read}");
    }

    #[test]
    fn a_short_file_is_its_own_head_and_a_bad_line_is_told() {
        let read = |text: &'static str| {
            let again = Again::new(text.as_bytes());
            read_head(|| again.lines(), Path::new("short.jsonl"), &ReadOptions::default(), 10)
        };
        let row = "{\"regionsim_trace\":1,\"block_tokens\":16}\n{\"t_ns\":0,\"in\":1,\"out\":1}\n";
        assert_eq!(read(row).unwrap().rows.len(), 1);
        let errors = read("{\"regionsim_trace\":1,\"block_tokens\":16}\n{\"t_ns\":0}\n").unwrap_err();
        assert_eq!(errors.findings[0].line, 2);
        assert!(read("").is_err());
    }
}
