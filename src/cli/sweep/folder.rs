//! A sweep's folder. What is being run lies in a journal (`….jsonl.part`), a line a cell, whole lines at a time; a finished
//! shard is sorted and renamed. Wall times lie beside it and are part of nothing.

use super::super::exit::Failure;
use crate::report::atomic::AtomicFile;
use crate::report::drawn;
use crate::report::experiment::swept;
use crate::report::frame::table::Table;
use crate::report::sweep_files;
use crate::sweep::row::Row;
use crate::sweep::{Header, Line, Manifest, Point, Shard, Status, merge, read_shard};
use anyhow::{Context, anyhow};
use serde_json::json;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(super) use swept::ROWS;
const MANIFEST: &str = "sweep.json";
const POINTS: &str = "points.jsonl";
const SHARDS: &str = "shards";
const MERGED: [&str; 5] = [ROWS, "groups.csv", "histograms.jsonl", "rows.parquet", swept::BEST];

/// A folder of a sweep.
pub(super) struct Folder {
    path: PathBuf,
}

/// Reads what a folder is of.
pub(super) fn manifest(folder: &Path) -> Result<Manifest, Failure> {
    let path = folder.join(MANIFEST);
    let none = || format!("{} is no folder of a sweep: {MANIFEST} cannot be read", folder.display());
    let text = fs::read_to_string(&path).with_context(none).map_err(Failure::usage)?;
    serde_json::from_str(&text).with_context(none).map_err(Failure::usage)
}

fn put(path: &Path, text: &str) -> Result<(), Failure> {
    // Shards that begin together write the same: the one that comes second finds it there.
    if fs::read_to_string(path).is_ok_and(|there| there == text) {
        return Ok(());
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // Its own hidden name, because another shard may be writing the same file.
    let part = folder.join(format!(".{name}.{}.part", std::process::id()));
    let cannot = || format!("cannot write `{}`", path.display());
    fs::write(&part, text).with_context(cannot)?;
    fs::rename(&part, path).with_context(cannot)?;
    Ok(())
}

/// The shards' files and journals in a folder, in the order of their names.
fn shards(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder.join(SHARDS)) else { return Vec::new() };
    let mut found: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    found.retain(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let lines = path.extension().is_some_and(|ending| ending == "jsonl");
        name.starts_with("shard-") && (lines || name.ends_with(".jsonl.part"))
    });
    found.sort();
    found
}

impl Folder {
    /// A folder as it is.
    pub fn at(path: &Path) -> Folder {
        Folder { path: path.to_owned() }
    }

    /// Makes the folder one of this sweep. Another sweep's files are taken away where this one runs `alone` and is to
    /// `restart`.
    ///
    /// # Errors
    /// Where it cannot be written, or holds another sweep, which must not be lost.
    pub fn open(
        path: &Path,
        sweep: &Manifest,
        points: &[Point],
        alone: bool,
        (resume, restart): (bool, bool),
    ) -> Result<Folder, Failure> {
        let folder = Folder::at(path);
        let cannot = || format!("cannot write in `{}`", path.display());
        fs::create_dir_all(path.join(SHARDS)).with_context(cannot)?;
        if path.join(MANIFEST).exists() {
            let there = manifest(path)?;
            if there.sweep != sweep.sweep {
                if !alone || resume {
                    return Err(Failure::usage(anyhow!(
                        "{} holds another sweep ({} of {} cells); name another folder with --out, or take it away",
                        path.display(),
                        there.scenario,
                        there.cells
                    )));
                }
                let files = shards(path);
                if !files.is_empty() && !restart {
                    let begun =
                        files.iter().any(|file| file.extension().is_some_and(|ending| ending == "part"));
                    return Err(Failure::usage(anyhow!(
                        "{} holds another sweep ({} of {} cells{}); name another folder with --out, or replace it with \
                         --restart",
                        path.display(),
                        there.scenario,
                        there.cells,
                        if begun { ", interrupted" } else { "" }
                    )));
                }
                for file in shards(path).into_iter().chain(MERGED.map(|name| path.join(name))) {
                    if file.is_file() {
                        fs::remove_file(&file)
                            .with_context(|| format!("cannot remove `{}`", file.display()))?;
                    }
                }
                drawn::remove(path, |_| false)?;
            }
        }
        put(&path.join(MANIFEST), &(serde_json::to_string_pretty(sweep)? + "\n"))?;
        let mut text = String::new();
        for point in points {
            let settings: serde_json::Map<_, _> =
                point.settings.iter().map(|(path, value)| (path.clone(), json!(value))).collect();
            let _ = writeln!(text, "{}", json!({ "point": point.number, "settings": settings }));
        }
        put(&path.join(POINTS), &text)?;
        Ok(folder)
    }

    /// The journal of a shard.
    pub fn journal(
        &self,
        sweep: &Manifest,
        shard: Shard,
        resume: bool,
        restart: bool,
    ) -> Result<Journal, Failure> {
        let done = self.path.join(SHARDS).join(shard.file());
        let part = done.with_extension("jsonl.part");
        let times = self.path.join(SHARDS).join(shard.file().replace("shard-", "times-"));
        let header = Header::of(sweep, shard);
        let cannot = || format!("cannot write `{}`", part.display());
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&part)
            .with_context(cannot)?;
        // The system lets go of the lock when its process ends, however it does. Where there are no locks, there are none.
        if let Err(fs::TryLockError::WouldBlock) = file.try_lock() {
            return Err(Failure::usage(anyhow!(
                "{} is being written by another process; wait for it, or run another shard",
                part.display()
            )));
        }
        let read = |path: &Path| -> Result<Option<(Header, Vec<Line>, usize)>, Failure> {
            let Ok(bytes) = fs::read(path) else { return Ok(None) };
            let text = String::from_utf8_lossy(&bytes);
            Ok(read_shard(&path.display().to_string(), &text).map_err(|error| anyhow!(error))?)
        };
        let mut journal = Journal {
            done,
            part,
            times,
            header,
            lines: Vec::new(),
            seen: BTreeSet::new(),
            file,
            started: false,
        };
        let begun = fs::metadata(&journal.part).is_ok_and(|found| found.len() > 0);
        if begun && !restart {
            let (header, lines, whole) = match read(&journal.part)? {
                Some(read) => read,
                None => (journal.header.clone(), Vec::new(), 0),
            };
            if !resume && !lines.is_empty() {
                return Err(Failure::usage(anyhow!(
                    "{} has {} rows of a run that was interrupted; go on with --resume, or begin anew with --restart",
                    journal.part.display(),
                    lines.len()
                )));
            }
            if resume && header == journal.header {
                // What was torn is cut off.
                journal.file.set_len(whole as u64)?;
                journal.started = whole > 0;
                journal.take(lines);
            }
        }
        if !journal.started
            && resume
            && let Some((header, lines, _)) = read(&journal.done)?
            && header == journal.header
        {
            journal.begin()?;
            for line in &lines {
                journal.write(&line.text)?;
            }
            journal.take(lines);
        } else if journal.started {
            std::io::Seek::seek(&mut journal.file, std::io::SeekFrom::End(0))?;
        } else {
            let _ = fs::remove_file(&journal.times);
            journal.begin()?;
        }
        Ok(journal)
    }

    /// All rows of a sweep, from this folder and others.
    pub fn merge(&self, sweep: &Manifest, others: &[PathBuf]) -> Result<Vec<Row>, Failure> {
        let mut all = Vec::new();
        let mut wrong = Vec::new();
        for folder in std::iter::once(&self.path).chain(others) {
            // A journal counts as far as it goes: its rows are whole.
            for path in shards(folder) {
                let bytes = fs::read(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
                let name = path.display().to_string();
                match read_shard(&name, &String::from_utf8_lossy(&bytes)) {
                    Ok(Some((header, lines, _))) => all.push((name, header, lines)),
                    Ok(None) => {}
                    Err(error) => wrong.push(error),
                }
            }
        }
        let merged = if wrong.is_empty() { merge(sweep, all) } else { Err(wrong) };
        let lines = merged.map_err(|wrong| anyhow!("{}", wrong.join("\nerror: ")))?;
        Ok(lines.into_iter().map(|line| line.row).collect())
    }

    /// Copies what says what the sweep is.
    pub fn copy_head(&self, to: &Folder) -> Result<(), Failure> {
        fs::create_dir_all(&to.path).with_context(|| format!("cannot write in `{}`", to.path.display()))?;
        for name in [MANIFEST, POINTS] {
            let text = fs::read_to_string(self.path.join(name))?;
            put(&to.path.join(name), &text)?;
        }
        Ok(())
    }

    /// Writes what the rows give, each file whole or not at all.
    pub fn write(&self, rows: &[Row], parquet: bool) -> Result<(), Failure> {
        let open = |name: &str| AtomicFile::create(&self.path.join(name));
        let (mut csv, mut groups, mut histograms) = (open(ROWS)?, open(MERGED[1])?, open(MERGED[2])?);
        let columns = if parquet { Some(open(MERGED[3])?) } else { None };
        let mut text = Vec::new();
        sweep_files::rows_csv(&mut text, rows)?;
        csv.write_all(&text)?;
        sweep_files::groups_csv(&mut groups, rows)?;
        sweep_files::histograms_jsonl(&mut histograms, rows)?;
        if let Some(mut file) = columns {
            Table::read_csv(text.as_slice())?.write_parquet(&mut file)?;
            file.commit()?;
        }
        csv.commit()?;
        groups.commit()?;
        histograms.commit()?;
        Ok(())
    }
}

/// The rows of a shard as they come.
pub(super) struct Journal {
    done: PathBuf,
    part: PathBuf,
    times: PathBuf,
    header: Header,
    lines: Vec<Line>,
    seen: BTreeSet<u64>,
    file: File,
    started: bool,
}

impl Journal {
    fn begin(&mut self) -> std::io::Result<()> {
        self.file.set_len(0)?;
        std::io::Seek::seek(&mut self.file, std::io::SeekFrom::Start(0))?;
        self.started = true;
        let header = serde_json::to_string(&self.header)?;
        self.write(&header)
    }
    /// One line with one call, so that what a kill tears is the last line alone.
    fn write(&mut self, line: &str) -> std::io::Result<()> {
        self.file.write_all(format!("{line}\n").as_bytes())
    }
    fn take(&mut self, lines: Vec<Line>) {
        for line in lines {
            if self.seen.insert(line.row.cell) {
                self.lines.push(line);
            }
        }
    }
    /// Whether a cell is there already.
    pub fn has(&self, cell: u64) -> bool {
        self.seen.contains(&cell)
    }
    /// Writes a row down.
    pub fn push(&mut self, row: &Row, took: Duration) -> Result<(), anyhow::Error> {
        let cannot = |path: &Path| format!("cannot write `{}`", path.display());
        let text = serde_json::to_string(row)?;
        self.write(&text).with_context(|| cannot(&self.part))?;
        let line = json!({ "cell": row.cell, "id": row.id, "wall_s": took.as_secs_f64() });
        let times = OpenOptions::new().create(true).append(true).open(&self.times);
        let written = times.and_then(|mut times| times.write_all(format!("{line}\n").as_bytes()));
        written.with_context(|| cannot(&self.times))?;
        self.seen.insert(row.cell);
        // The rest is read again at the end.
        let kept = Row { cell: row.cell, status: row.status, ..Row::default() };
        self.lines.push(Line { row: kept, text });
        Ok(())
    }
    /// Puts the shard in its place: sorted, on the disk, renamed. How many cells failed.
    pub fn finish(self) -> Result<u64, Failure> {
        let failed = self.lines.iter().filter(|line| line.row.status == Status::Failed).count();
        let text = crate::sweep::merge::written(&self.header, self.lines)?;
        let sorted = self.done.with_extension("jsonl.sorted");
        let cannot = || format!("cannot write `{}`", self.done.display());
        let mut file = File::create(&sorted).with_context(cannot)?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).with_context(cannot)?;
        fs::rename(&sorted, &self.done).with_context(cannot)?;
        fs::remove_file(&self.part).with_context(cannot)?;
        Ok(failed as u64)
    }
}
