//! The lines of a text file, plain or compressed. Knows magic bytes and how long a line may be; must not know what
//! lines mean. The file's name says nothing: its first bytes tell gzip and zstd.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;

/// The longest line, in bytes (our choice: a 16-million-token prompt in blocks of 16 is 20 MB of ids).
pub const MAX_LINE_BYTES: usize = 64 << 20;

/// Lines, one at a time, in one buffer.
pub struct Lines {
    reader: Box<dyn BufRead>,
    buffer: Vec<u8>,
    number: u64,
    cap: usize,
    /// The most lines that are read.
    most: u64,
    compression: &'static str,
}

/// Why there is no next line.
#[derive(Debug)]
pub enum LineError {
    /// The file cannot be read or decompressed any further.
    Io(io::Error),
    /// The line is longer than [`MAX_LINE_BYTES`].
    TooLong,
}

impl Lines {
    /// Opens a file.
    pub fn open(path: &Path) -> io::Result<Lines> {
        if path.is_dir() {
            return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a directory"));
        }
        Lines::from_reader(File::open(path)?)
    }
    /// Reads from anything, for instance bytes in memory.
    pub fn from_reader(mut source: impl Read + 'static) -> io::Result<Lines> {
        let mut magic = Vec::with_capacity(4);
        source.by_ref().take(4).read_to_end(&mut magic)?;
        let gzip = magic.starts_with(&[0x1f, 0x8b]);
        let zstd = magic == [0x28, 0xb5, 0x2f, 0xfd];
        let whole = BufReader::with_capacity(1 << 16, Cursor::new(magic).chain(source));
        let (reader, compression): (Box<dyn BufRead>, _) = if gzip {
            (Box::new(BufReader::with_capacity(1 << 16, flate2::bufread::MultiGzDecoder::new(whole))), "gzip")
        } else if zstd {
            let decoder = zstd::stream::read::Decoder::with_buffer(whole)?;
            (Box::new(BufReader::with_capacity(1 << 16, decoder)), "zstd")
        } else {
            (Box::new(whole), "plain")
        };
        Ok(Lines { reader, buffer: Vec::new(), number: 0, cap: MAX_LINE_BYTES, most: u64::MAX, compression })
    }
    /// Lets the file end after `most` lines, blank ones included.
    pub fn first(mut self, most: u64) -> Lines {
        self.most = most;
        self
    }
    /// Whether it has ended because of [`Lines::first`].
    pub fn was_cut(&self) -> bool {
        self.number >= self.most
    }
    #[cfg(test)]
    pub(super) fn with_cap(mut self, cap: usize) -> Lines {
        self.cap = cap;
        self
    }
    /// `plain`, `gzip` or `zstd`.
    pub fn compression(&self) -> &'static str {
        self.compression
    }
    /// The number of the last line, from 1.
    pub fn number(&self) -> u64 {
        self.number
    }
    /// Reads on to the next line that is not blank; false at the end.
    pub fn advance(&mut self) -> Result<bool, LineError> {
        loop {
            if self.was_cut() {
                return Ok(false);
            }
            self.buffer.clear();
            let limit = self.cap as u64 + 1;
            let count = self
                .reader
                .by_ref()
                .take(limit)
                .read_until(b'\n', &mut self.buffer)
                .map_err(LineError::Io)?;
            if count == 0 {
                return Ok(false);
            }
            self.number += 1;
            if count > self.cap {
                return Err(LineError::TooLong);
            }
            if self.number == 1 && self.buffer.starts_with(&[0xef, 0xbb, 0xbf]) {
                self.buffer.drain(..3);
            }
            if !self.line().is_empty() {
                return Ok(true);
            }
        }
    }
    /// Adds all that follows to the current line; false where that is longer than a line may be, and then some of it
    /// may be lost.
    pub fn gather(&mut self) -> Result<bool, LineError> {
        let room = (self.cap as u64 + 1).saturating_sub(self.buffer.len() as u64);
        self.reader.by_ref().take(room).read_to_end(&mut self.buffer).map_err(LineError::Io)?;
        Ok(self.buffer.len() <= self.cap)
    }
    /// The line that `advance` read, without white space around it.
    pub fn line(&self) -> &[u8] {
        self.buffer.trim_ascii()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn all(mut lines: Lines) -> Vec<(u64, String)> {
        let mut seen = Vec::new();
        while lines.advance().expect("readable") {
            seen.push((lines.number(), String::from_utf8(lines.line().to_vec()).unwrap()));
        }
        seen
    }

    #[test]
    fn magic_bytes_decide() {
        let text = b"\xef\xbb\xbfone\r\n\n  \ntwo\nthree".to_vec();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&text[..12]).unwrap();
        let mut gzipped = gzip.finish().unwrap();
        let mut second = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        second.write_all(&text[12..]).unwrap();
        gzipped.extend(second.finish().unwrap()); // two members, as `cat a.gz b.gz` makes
        let zstd = zstd::encode_all(&text[..], 3).unwrap();
        let want = vec![(1, "one".to_owned()), (4, "two".to_owned()), (5, "three".to_owned())];
        for (bytes, compression) in [(text, "plain"), (gzipped, "gzip"), (zstd, "zstd")] {
            let lines = Lines::from_reader(Cursor::new(bytes)).unwrap();
            assert_eq!(lines.compression(), compression);
            assert_eq!(all(lines), want, "{compression}");
        }
        assert_eq!(all(Lines::from_reader(Cursor::new(b"")).unwrap()), vec![]);
    }

    #[test]
    fn a_line_over_the_cap_is_an_error_not_memory() {
        let endless = io::repeat(b'x');
        let mut lines = Lines::from_reader(endless).unwrap().with_cap(1000);
        assert!(matches!(lines.advance(), Err(LineError::TooLong)));
        let mut lines = Lines::from_reader(Cursor::new(vec![b'x'; 1000])).unwrap().with_cap(1000);
        assert!(lines.advance().unwrap());
    }

    #[test]
    fn what_is_cut_off_is_an_error_not_an_end() {
        let text = "a line that says something\n".repeat(500);
        let zstd = zstd::encode_all(text.as_bytes(), 3).unwrap();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(text.as_bytes()).unwrap();
        for bytes in [zstd, gzip.finish().unwrap()] {
            for cut in [5, bytes.len() / 2, bytes.len() - 1] {
                let Ok(mut lines) = Lines::from_reader(Cursor::new(bytes[..cut].to_vec())) else { continue };
                let end = loop {
                    match lines.advance() {
                        Ok(true) => {}
                        end => break end,
                    }
                };
                assert!(matches!(end, Err(LineError::Io(_))), "cut at {cut} of {}", bytes.len());
            }
        }
    }
}
