//! Where a trace goes: stdout, or a file that appears whole, packed as its name says.

use crate::report::atomic::AtomicFile;
use flate2::write::GzEncoder;
use std::io::{self, BufWriter, StdoutLock, Write};
use std::path::Path;

/// How hard zstd packs (our choice: twice the speed of what saves a tenth more).
pub const LEVEL: i32 = 9;

/// An open output.
pub enum Output {
    Stdout(BufWriter<StdoutLock<'static>>),
    Plain(AtomicFile),
    Gzip(GzEncoder<AtomicFile>),
    Zstd(zstd::Encoder<'static, AtomicFile>),
}

impl Output {
    /// Opens `path`, `-` for stdout; `level` is for zstd. Call it before the work, so that a bad path fails at once.
    pub fn open(path: &str, level: i32) -> io::Result<Output> {
        if path == "-" {
            return Ok(Output::Stdout(BufWriter::new(io::stdout().lock())));
        }
        let path = Path::new(path);
        let file = AtomicFile::create(path)?;
        Ok(match path.extension().and_then(|extension| extension.to_str()) {
            Some("gz") => Output::Gzip(GzEncoder::new(file, flate2::Compression::default())),
            Some("zst") => Output::Zstd(zstd::Encoder::new(file, level)?),
            _ => Output::Plain(file),
        })
    }
    /// Ends the stream and puts the file in its place.
    pub fn finish(self) -> io::Result<()> {
        match self {
            Output::Stdout(mut out) => out.flush(),
            Output::Plain(file) => file.commit(),
            Output::Gzip(encoder) => encoder.finish()?.commit(),
            Output::Zstd(encoder) => encoder.finish()?.commit(),
        }
    }
    fn writer(&mut self) -> &mut dyn Write {
        match self {
            Output::Stdout(out) => out,
            Output::Plain(file) => file,
            Output::Gzip(encoder) => encoder,
            Output::Zstd(encoder) => encoder,
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer().write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.writer().flush()
    }
}
