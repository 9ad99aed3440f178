//! Files that appear whole or not at all: opened before the work, so that a bad path fails at once, written beside
//! their place under a hidden name, and renamed when they are complete.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bytes that go to the system at once: a call for each of the standard 8 KiB showed in profiles, and more than this does
/// not stay in the processor's near caches beside a large fleet.
const BUFFER: usize = 1 << 15;

/// What this process has under hidden names and would leave behind if it ended now. Process-wide, because an interrupt is.
static WATCHED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// What would be left behind. Whoever holds it keeps anything from being put in its place.
pub(super) fn watched() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    WATCHED.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn watch(path: &Path) {
    watched().insert(path.to_path_buf());
}

/// Nothing more will be put in its place.
#[derive(Debug)]
pub struct Abandoned {
    _held: MutexGuard<'static, BTreeSet<PathBuf>>,
}

/// Takes away all that is not whole, after what is being put in place just now is. The process is to end while the
/// answer is held: until then nothing is put in place.
pub fn abandon() -> Abandoned {
    let mut held = watched();
    // What lies in a folder before the folder.
    while let Some(path) = held.pop_last() {
        let folder = fs::symlink_metadata(&path).is_ok_and(|found| found.is_dir());
        let ours = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(".regionsim-"));
        let _ = match (folder, ours) {
            (false, _) => fs::remove_file(&path),
            (true, true) => fs::remove_dir_all(&path),
            // One that was made for a run, if nothing is in it.
            (true, false) => fs::remove_dir(&path),
        };
    }
    Abandoned { _held: held }
}

/// A file being written.
#[derive(Debug)]
pub struct AtomicFile {
    target: PathBuf,
    part: PathBuf,
    writer: Option<BufWriter<File>>,
    /// Not a file that could be replaced: a pipe, a terminal, what `/dev` leads to. Written as it stands.
    direct: bool,
}

/// Whether nothing may be put in the place of what stands there.
fn is_device(target: &Path) -> bool {
    let other = fs::metadata(target).is_ok_and(|found| !found.is_file() && !found.is_dir());
    other || target.starts_with("/dev") && target.exists()
}

impl AtomicFile {
    /// Opens a file that will stand at `target`; makes its folder.
    pub fn create(target: &Path) -> io::Result<AtomicFile> {
        let context = |path: &Path, error: io::Error| {
            io::Error::new(error.kind(), format!("cannot write `{}`: {error}", path.display()))
        };
        if is_device(target) {
            let file =
                fs::OpenOptions::new().write(true).open(target).map_err(|error| context(target, error))?;
            let writer = Some(BufWriter::with_capacity(BUFFER, file));
            return Ok(AtomicFile {
                target: target.to_path_buf(),
                part: PathBuf::new(),
                writer,
                direct: true,
            });
        }
        // Where a link leads, so that the link stays one.
        let linked = fs::symlink_metadata(target).is_ok_and(|found| found.is_symlink());
        let resolved = linked.then(|| fs::canonicalize(target).ok()).flatten();
        let target = resolved.as_deref().unwrap_or(target);
        let folder =
            target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // Held until the file is on the list: an interrupt that has cleared up finds nothing made anew behind its back.
        let mut watched = watched();
        fs::create_dir_all(folder).map_err(|error| context(folder, error))?;
        if target.is_dir() {
            return Err(context(target, io::Error::new(io::ErrorKind::IsADirectory, "it is a folder")));
        }
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        // The same hidden name every time: what an interrupted run left is taken over by the next.
        let part = folder.join(format!(".{name}.part"));
        let file = File::create(&part).map_err(|error| context(target, error))?;
        watched.insert(part.clone());
        drop(watched);
        Ok(AtomicFile {
            target: target.to_path_buf(),
            part,
            writer: Some(BufWriter::with_capacity(BUFFER, file)),
            direct: false,
        })
    }
    /// Puts the file in its place.
    pub fn commit(mut self) -> io::Result<()> {
        let wrong = |error: io::Error| {
            io::Error::new(error.kind(), format!("cannot write `{}`: {error}", self.target.display()))
        };
        if let Some(writer) = &mut self.writer {
            writer.flush().map_err(wrong)?;
        }
        if self.direct {
            return Ok(());
        }
        // A file that is closed late may say late that the disk is full.
        drop(self.writer.take());
        let mut watched = watched();
        let renamed = fs::rename(&self.part, &self.target).map_err(wrong);
        watched.remove(&self.part);
        if renamed.is_err() {
            let _ = fs::remove_file(&self.part);
        }
        renamed
    }
    /// Where it will stand.
    pub fn target(&self) -> &Path {
        &self.target
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(writer) = &mut self.writer else { return Ok(0) };
        let written = writer.write(bytes);
        written.map_err(|error| {
            io::Error::new(error.kind(), format!("cannot write `{}`: {error}", self.target.display()))
        })
    }
    fn flush(&mut self) -> io::Result<()> {
        self.writer.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        if self.writer.take().is_some() && !self.direct {
            watched().remove(&self.part);
            let _ = fs::remove_file(&self.part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_stands_there_before_the_file_is_whole_and_nothing_is_left_of_one_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("deep/er/file.csv");
        let mut file = AtomicFile::create(&target).unwrap();
        file.write_all(b"whole").unwrap();
        assert!(!target.exists());
        file.commit().unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"whole");
        drop(AtomicFile::create(&target).unwrap());
        assert_eq!(fs::read(&target).unwrap(), b"whole");
        assert_eq!(fs::read_dir(target.parent().unwrap()).unwrap().count(), 1);
        #[cfg(unix)]
        {
            let link = folder.path().join("link.csv");
            std::os::unix::fs::symlink(&target, &link).unwrap();
            let mut file = AtomicFile::create(&link).unwrap();
            file.write_all(b"through the link").unwrap();
            file.commit().unwrap();
            assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
            assert_eq!(fs::read(&target).unwrap(), b"through the link");
            let mut null = AtomicFile::create(Path::new("/dev/null")).unwrap();
            null.write_all(b"gone").unwrap();
            null.commit().unwrap();
            assert!(!fs::metadata("/dev/null").unwrap().is_file());
        }
        let error = AtomicFile::create(folder.path()).unwrap_err().to_string();
        assert!(error.starts_with("cannot write `"), "{error}");
    }
}
