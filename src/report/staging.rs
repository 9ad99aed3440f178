//! The folder of a run: its files appear together, or not at all. Knows files and the manifest; must not know what is in
//! them.
//!
//! A run writes into a hidden folder within its own, on the same disk. When all is written, that folder is renamed:
//! this is the instant from which on the new files are whole and on the disk. Then they are put in their places one by
//! one, after the manifest of an earlier run was taken away and before the new one comes, last. So a folder with a
//! manifest has exactly the files of that manifest, from one run. A run that fails or is interrupted leaves the folder as
//! it was; one that is killed while files are put in place leaves no manifest, and the next run into the folder first
//! puts in place what is left.

mod stale;

use super::atomic;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// What is being written.
const PARTIAL: &str = ".regionsim-partial";
/// What is written and not yet all in place.
const COMPLETE: &str = ".regionsim-complete";
const MANIFEST: &str = "manifest.json";
/// The manifest of the run before, while its files are replaced.
const EARLIER: &str = "earlier-manifest.json";

/// A run's folder being written.
#[derive(Debug)]
pub struct Staging {
    top: PathBuf,
    /// The first folder that did not exist before.
    made: Option<PathBuf>,
    /// The folder itself, locked until this run is over; nothing where the system cannot lock folders.
    _lock: Option<fs::File>,
    published: bool,
}

fn context(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot write `{}`: {error}", path.display()))
}

impl Staging {
    /// Opens the folder `top` for a run that will write `names`; makes it where it does not exist.
    ///
    /// # Errors
    /// Where it cannot be written, or where one of the names is a folder.
    pub fn open<'n>(top: &Path, names: impl IntoIterator<Item = &'n str>) -> io::Result<Staging> {
        let missing = top.ancestors().take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists());
        let made = missing.last().map(Path::to_path_buf);
        fs::create_dir_all(top).map_err(|error| context(top, &error))?;
        let lock = fs::File::open(top).ok();
        if let Some(Err(fs::TryLockError::WouldBlock)) = lock.as_ref().map(fs::File::try_lock) {
            let rule = "another run is writing there; wait for it, or name another folder with --out";
            return Err(context(top, &io::Error::new(io::ErrorKind::WouldBlock, rule)));
        }
        finish(top).map_err(|error| context(top, &error))?;
        if let Some(name) = names.into_iter().find(|name| top.join(name).is_dir()) {
            let error = io::Error::new(io::ErrorKind::IsADirectory, "it is a folder");
            return Err(context(&top.join(name), &error));
        }
        let partial = top.join(PARTIAL);
        if partial.exists() {
            fs::remove_dir_all(&partial).map_err(|error| context(&partial, &error))?;
        }
        fs::create_dir(&partial).map_err(|error| context(top, &error))?;
        atomic::watch(&partial);
        let staging = Staging { top: top.to_path_buf(), made, _lock: lock, published: false };
        staging.own().for_each(atomic::watch);
        Ok(staging)
    }
    /// The folders that were made for it, the innermost first.
    fn own(&self) -> impl Iterator<Item = &Path> {
        let made = self.made.as_ref();
        self.top.ancestors().take_while(move |folder| made.is_some_and(|made| folder.starts_with(made)))
    }
    /// Where a file is to be written.
    pub fn path(&self, name: &str) -> PathBuf {
        self.top.join(PARTIAL).join(name)
    }
    /// Puts all files in their places, the manifest last. They are whole by then. `then` is called before an interrupt is
    /// let in again.
    ///
    /// # Errors
    /// Where a file cannot be put in its place; the next run into the folder tries again.
    pub fn publish(mut self, then: impl FnOnce()) -> io::Result<()> {
        // Held to the end: an interrupt waits.
        let mut watched = atomic::watched();
        fs::rename(self.top.join(PARTIAL), self.top.join(COMPLETE))
            .map_err(|error| context(&self.top, &error))?;
        watched.remove(&self.top.join(PARTIAL));
        self.own().for_each(|folder| {
            watched.remove(folder);
        });
        self.published = true;
        finish(&self.top).map_err(|error| context(&self.top, &error))?;
        then();
        Ok(())
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if self.published {
            return;
        }
        let mut watched = atomic::watched();
        watched.remove(&self.top.join(PARTIAL));
        let _ = fs::remove_dir_all(self.top.join(PARTIAL));
        for folder in self.own() {
            watched.remove(folder);
            // Only those that are empty go.
            let _ = fs::remove_dir(folder);
        }
    }
}

/// The files below a folder, relative to it, in a fixed order.
fn below(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let (mut found, mut folders) = (Vec::new(), vec![PathBuf::new()]);
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(folder.join(&next))? {
            let entry = entry?;
            let path = next.join(entry.file_name());
            if entry.file_type()?.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    Ok(found)
}

/// One step on the way from a complete folder to files in their places.
enum Step {
    /// The manifest of an earlier run is taken aside.
    Aside,
    /// What it lists, and the new one does not, goes.
    Stale,
    /// A file is put in its place.
    Place(PathBuf),
    /// The empty rest goes.
    Clear,
}

/// What is still to do. Any part of it may have been done before, by a run that was killed.
fn steps(top: &Path) -> io::Result<Vec<Step>> {
    let complete = top.join(COMPLETE);
    if !complete.is_dir() {
        return Ok(Vec::new());
    }
    let mut steps = Vec::new();
    let manifest = complete.join(MANIFEST);
    // With the new manifest in place all is; and the one at the top is then the new one.
    if manifest.exists() {
        if top.join(MANIFEST).exists() && !complete.join(EARLIER).exists() {
            steps.push(Step::Aside);
        }
        steps.push(Step::Stale);
        let hidden = [Path::new(MANIFEST), Path::new(EARLIER)];
        let files = below(&complete)?.into_iter().filter(|file| !hidden.contains(&file.as_path()));
        steps.extend(files.map(Step::Place));
        steps.push(Step::Place(PathBuf::from(MANIFEST)));
    }
    steps.push(Step::Clear);
    Ok(steps)
}

fn take(top: &Path, step: &Step) -> io::Result<()> {
    let complete = top.join(COMPLETE);
    match step {
        Step::Aside => fs::rename(top.join(MANIFEST), complete.join(EARLIER)),
        Step::Stale => stale::remove(top, &complete.join(EARLIER), &complete.join(MANIFEST)),
        Step::Place(file) => place(&complete.join(file), &top.join(file)),
        Step::Clear => fs::remove_dir_all(&complete),
    }
}

/// Finishes what a run began to put in place; nothing where there is nothing.
fn finish(top: &Path) -> io::Result<()> {
    steps(top)?.iter().try_for_each(|step| take(top, step))
}

/// Puts a file in its place; where a link stands there, at its end.
fn place(from: &Path, to: &Path) -> io::Result<()> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    let linked = fs::symlink_metadata(to).is_ok_and(|found| found.is_symlink());
    let resolved = linked.then(|| fs::canonicalize(to).ok()).flatten();
    let to = resolved.as_deref().unwrap_or(to);
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
            fs::copy(from, to)?;
            fs::remove_file(from)
        }
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn tree(top: &Path) -> BTreeMap<String, String> {
        let read = |file: PathBuf| (file.display().to_string(), fs::read_to_string(top.join(&file)).unwrap());
        below(top).unwrap().into_iter().map(read).collect()
    }

    /// A run that writes `files`, each with `text`, up to its publication.
    fn write(top: &Path, files: &[&str], text: &str) -> Staging {
        let staging = Staging::open(top, files.iter().copied()).unwrap();
        let list: Vec<String> = files.iter().map(|file| format!("\"{file}\"")).collect();
        let manifest =
            format!("{{ \"tool\": \"regionsim 1\", \"run\": \"{text}\", \"files\": [{}] }}", list.join(", "));
        for (file, text) in files.iter().map(|file| (*file, text)).chain([(MANIFEST, manifest.as_str())]) {
            let path = staging.path(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        staging
    }

    const OLD: [&str; 3] = ["a/requests.csv", "b/requests.csv", "summary.json"];
    const NEW: [&str; 3] = ["b/requests.csv", "c/requests.csv", "summary.json"];

    #[test]
    fn files_appear_together_and_those_of_an_earlier_run_go() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path().join("reports/x");
        write(&top, &OLD, "old").publish(|| {}).unwrap();
        fs::write(top.join("mine.txt"), "mine").unwrap();
        let old = tree(&top);
        assert_eq!(old.len(), 5, "{old:?}");
        drop(write(&top, &NEW, "given up"));
        assert_eq!(tree(&top), old, "a run that fails changes nothing");
        write(&top, &NEW, "new").publish(|| {}).unwrap();
        let new = tree(&top);
        let names: Vec<&str> = new.keys().map(String::as_str).collect();
        assert_eq!(names, ["b/requests.csv", "c/requests.csv", "manifest.json", "mine.txt", "summary.json"]);
        assert!(new.values().all(|text| text.contains("new") || text == "mine"), "{new:?}");
        assert!(!top.join("a").exists());
    }

    #[test]
    fn two_runs_do_not_write_into_one_folder_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let first = write(folder.path(), &OLD, "old");
        let error = Staging::open(folder.path(), []).unwrap_err().to_string();
        assert!(error.contains("another run is writing there; wait for it"), "{error}");
        first.publish(|| {}).unwrap();
        assert_eq!(tree(folder.path()).len(), 4);
        drop(Staging::open(folder.path(), []).unwrap());
    }

    #[test]
    fn a_run_that_fails_leaves_no_folder_it_has_made() {
        let folder = tempfile::tempdir().unwrap();
        drop(write(&folder.path().join("reports/x"), &OLD, "old"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    /// Killed after any number of steps, the folder has the old manifest and all old files, or none and the rest beside
    /// it, or the new one and all new files; and the next run finishes what was begun.
    #[test]
    fn killed_at_any_step_a_folder_with_a_manifest_has_all_of_its_files() {
        for done in 0..9 {
            let folder = tempfile::tempdir().unwrap();
            let top = folder.path();
            write(top, &OLD, "old").publish(|| {}).unwrap();
            let mut staging = write(top, &NEW, "new");
            let old =
                tree(top).into_iter().filter(|(file, _)| !file.starts_with('.')).collect::<BTreeMap<_, _>>();
            staging.published = true;
            drop(staging);
            fs::rename(top.join(PARTIAL), top.join(COMPLETE)).unwrap();
            let all = steps(top).unwrap();
            assert_eq!(all.len(), 7, "aside, stale, three files, the manifest, clear");
            all.iter().take(done).for_each(|step| take(top, step).unwrap());
            let now =
                tree(top).into_iter().filter(|(file, _)| !file.starts_with('.')).collect::<BTreeMap<_, _>>();
            match now.get(MANIFEST) {
                None => assert!(top.join(COMPLETE).is_dir(), "{done}"),
                Some(manifest) if manifest.contains("old") => assert_eq!(now, old, "{done}"),
                Some(_) => {
                    assert!(NEW.iter().all(|file| now[*file] == "new"), "{done}: {now:?}");
                    assert_eq!(now.len(), 4, "{done}: {now:?}");
                }
            }
            // What comes next begins by finishing.
            drop(Staging::open(top, []).unwrap());
            let after = tree(top);
            assert!(NEW.iter().all(|file| after[*file] == "new") && after.len() == 4, "{done}: {after:?}");
        }
    }

    #[test]
    fn what_cannot_be_written_is_said_before_the_work() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("summary.json")).unwrap();
        let error = Staging::open(folder.path(), ["summary.json"]).unwrap_err().to_string();
        assert!(error.starts_with("cannot write `") && error.contains("it is a folder"), "{error}");
        fs::write(folder.path().join("file"), "").unwrap();
        let error = Staging::open(&folder.path().join("file/top"), []).unwrap_err().to_string();
        assert!(error.starts_with("cannot write `"), "{error}");
    }
}
