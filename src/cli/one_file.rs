//! One file that a flag asks for: opened before the work, written whole; `-` is stdout, in place of what the command prints.

use super::exit::Failure;
use crate::report::atomic::AtomicFile;
use anyhow::anyhow;
use clap::builder::{PathBufValueParser, TypedValueParser};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

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

/// Reads a folder for files. Stdout is none: it carries one thing.
pub(super) fn folder() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path| {
        let rule = "these are several files, and stdout carries one; name a folder (`./-` for one that is called so)";
        if path == Path::new("-") { Err(rule) } else { Ok(path) }
    })
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

    #[test]
    fn stdout_is_no_folder() {
        let read = |text: &str| {
            let command = clap::Command::new("x").arg(clap::Arg::new("out").value_parser(folder()));
            command.try_get_matches_from(["x", text]).map(|found| found.get_one::<PathBuf>("out").cloned())
        };
        assert_eq!(read("./-").unwrap(), Some(PathBuf::from("./-")));
        let told = read("-").unwrap_err().to_string();
        assert!(told.contains("stdout carries one; name a folder"), "{told}");
    }
}
