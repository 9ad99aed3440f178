//! One file that a flag asks for: opened before the work, written whole; `-` is stdout, in place of what the command prints.

use super::exit::Failure;
use crate::report::atomic::AtomicFile;
use anyhow::anyhow;
use std::io::{self, Write};
use std::path::Path;

/// Where it goes.
#[derive(Debug)]
pub(super) enum OneFile {
    Stdout,
    File(AtomicFile),
}

impl OneFile {
    /// Opens it.
    pub(super) fn open(path: &Path) -> io::Result<OneFile> {
        if path == Path::new("-") { Ok(OneFile::Stdout) } else { AtomicFile::create(path).map(OneFile::File) }
    }
    /// Writes it and puts it in its place.
    pub(super) fn write(self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        match self {
            OneFile::Stdout => {
                let mut out = io::stdout().lock();
                out.write_all(bytes.as_ref())?;
                out.flush()
            }
            OneFile::File(mut file) => {
                file.write_all(bytes.as_ref())?;
                file.commit()
            }
        }
    }
}

/// The flag that has stdout, where one has. Stdout carries one thing: two such flags, or one beside `--json`, are refused.
pub(super) fn stdout_of<'f>(
    flags: &[(&'f str, Option<&Path>)],
    json: bool,
) -> Result<Option<&'f str>, Failure> {
    let given = flags.iter().filter(|(_, path)| *path == Some(Path::new("-"))).map(|(flag, _)| *flag);
    let all: Vec<&str> = given.chain(json.then_some("--json")).collect();
    match all.as_slice() {
        [] | ["--json"] => Ok(None),
        [one] => Ok(Some(one)),
        several => Err(Failure::usage(anyhow!(
            "stdout carries one thing, and {} ask for it: give all but one of them a file",
            several.join(" and ")
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stdout_carries_one_thing() {
        let (dash, file) = (Some(Path::new("-")), Some(Path::new("x")));
        let one = |flags: &[(&'static str, Option<&Path>)], json| {
            stdout_of(flags, json).map_err(|f| f.error.to_string())
        };
        assert_eq!(one(&[("--a", None), ("--b", file)], false), Ok(None));
        assert_eq!(one(&[("--a", None)], true), Ok(None));
        assert_eq!(one(&[("--a", file), ("--b", dash)], false), Ok(Some("--b")));
        assert!(one(&[("--a", dash), ("--b", dash)], false).unwrap_err().contains("--a and --b ask"));
        assert!(one(&[("--a", dash)], true).unwrap_err().contains("--a and --json ask"));
    }
}
