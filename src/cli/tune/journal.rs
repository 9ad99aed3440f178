//! What has been run so far, a line an evaluation: weights, which worlds, and what was measured in each. A search that was
//! stopped asks for the same points again and finds them here, so that it ends with the same bytes. Knows lines; must not
//! know what a search makes of them. Numbers are decimal text, which is read back to the last bit.

use crate::cli::exit::Failure;
use crate::cli::interrupt;
use crate::gate::Sample;
use anyhow::{Context, anyhow};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Its name in a tuner's folder; gone when all is done.
const NAME: &str = "evaluations.jsonl.part";

/// The runs of a point, or what went wrong.
pub(super) type Evaluated = Result<Vec<Sample>, String>;

/// Which worlds, and the bits of a point.
type Place = (String, Vec<u64>);

#[derive(Serialize, Deserialize)]
struct Header {
    /// All that an evaluation depends on, in words.
    question: String,
}

#[derive(Serialize, Deserialize)]
struct Line {
    worlds: String,
    point: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    samples: Vec<Written>,
}

#[derive(Serialize, Deserialize)]
struct Written {
    seed: u64,
    digest: String,
    values: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    unreliable: Vec<String>,
}

impl Line {
    fn of(worlds: &str, point: &[f64], evaluated: &Evaluated) -> Line {
        let written = |sample: &Sample| Written {
            seed: sample.seed,
            digest: sample.outcome_digest.clone(),
            values: sample.values.iter().map(|(name, value)| (name.clone(), value.to_string())).collect(),
            unreliable: sample.unreliable.clone(),
        };
        Line {
            worlds: worlds.to_owned(),
            point: point.iter().map(ToString::to_string).collect(),
            error: evaluated.as_ref().err().cloned(),
            samples: evaluated.iter().flatten().map(written).collect(),
        }
    }
    fn read(self) -> Option<(Place, Evaluated)> {
        let numbers =
            |texts: &[String]| texts.iter().map(|text| text.parse().ok()).collect::<Option<Vec<f64>>>();
        let place = (self.worlds, bits(&numbers(&self.point)?));
        if let Some(error) = self.error {
            return Some((place, Err(error)));
        }
        let sample = |written: Written| {
            let values = written.values.into_iter().map(|(name, text)| Some((name, text.parse().ok()?)));
            Some(Sample {
                seed: written.seed,
                outcome_digest: written.digest,
                values: values.collect::<Option<_>>()?,
                unreliable: written.unreliable,
            })
        };
        let samples: Option<Vec<Sample>> = self.samples.into_iter().map(sample).collect();
        Some((place, Ok(samples?)))
    }
}

fn bits(point: &[f64]) -> Vec<u64> {
    point.iter().map(|value| (value + 0.0).to_bits()).collect()
}

/// What is known, and the file that it is written to, if there is one.
pub(super) struct Journal {
    known: BTreeMap<Place, Evaluated>,
    file: Option<(PathBuf, Mutex<File>)>,
}

impl Journal {
    /// One without a file, which knows nothing.
    pub(super) fn none() -> Journal {
        Journal { known: BTreeMap::new(), file: None }
    }
    /// Opens that of a folder.
    ///
    /// # Errors
    /// When it cannot be written, when another process writes it, and when it has evaluations of an interrupted search that
    /// is neither to be resumed nor to be begun anew, or those of another search.
    pub(super) fn open(
        folder: &Path,
        question: &str,
        resume: bool,
        restart: bool,
    ) -> Result<Journal, Failure> {
        let path = folder.join(NAME);
        let cannot = || format!("cannot write `{}`", path.display());
        fs::create_dir_all(folder).with_context(cannot)?;
        let file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path);
        let mut file = file.with_context(cannot)?;
        // The system lets go of the lock when its process ends. Where there are no locks, there are none.
        if let Err(fs::TryLockError::WouldBlock) = file.try_lock() {
            return Err(Failure::usage(anyhow!(
                "{} is being written by another process; wait for it, or name another folder with --out",
                path.display()
            )));
        }
        let bytes = fs::read(&path).with_context(cannot)?;
        let (known, whole) = read(&bytes, question);
        let there =
            bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).count().saturating_sub(1);
        if there > 0 && !restart {
            if !resume {
                return Err(Failure::usage(anyhow!(
                    "{} has {there} evaluations of a search that was interrupted; go on with --resume, or begin anew with \
                     --restart",
                    path.display()
                )));
            }
            if whole == 0 {
                return Err(Failure::usage(anyhow!(
                    "{} has evaluations of another search (other scenario, policy, parameters, measures or worlds); ask as \
                     then, or begin anew with --restart",
                    path.display()
                )));
            }
        }
        let (known, whole) = if restart { (BTreeMap::new(), 0) } else { (known, whole) };
        // What was torn is cut off.
        file.set_len(whole as u64)
            .and_then(|()| file.seek(SeekFrom::Start(whole as u64)))
            .with_context(cannot)?;
        if whole == 0 {
            let header = Header { question: question.to_owned() };
            put(&mut file, &header).with_context(cannot)?;
        }
        interrupt::begin_kept("evaluation", known.len(), None, path.display().to_string());
        Ok(Journal { known, file: Some((path, Mutex::new(file))) })
    }
    /// What is known of a point.
    pub(super) fn get(&self, worlds: &str, point: &[f64]) -> Option<&Evaluated> {
        self.known.get(&(worlds.to_owned(), bits(point)))
    }
    /// Writes an evaluation down.
    ///
    /// # Errors
    /// When it cannot be written: the file is named.
    pub(super) fn add(
        &self,
        worlds: &str,
        point: &[f64],
        evaluated: &Evaluated,
    ) -> Result<(), anyhow::Error> {
        let Some((path, file)) = &self.file else { return Ok(()) };
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        put(&mut file, &Line::of(worlds, point, evaluated))
            .with_context(|| format!("cannot write `{}`", path.display()))?;
        interrupt::one_done();
        Ok(())
    }
    /// Everything stands elsewhere now.
    pub(super) fn finish(self) {
        interrupt::end();
        if let Some((path, _)) = self.file {
            // One that stays is told by the next search.
            let _ = fs::remove_file(path);
        }
    }
}

/// One line with one call, so that what a kill tears is the last line alone.
fn put(file: &mut File, line: &impl Serialize) -> std::io::Result<()> {
    let text = serde_json::to_string(line)? + "\n";
    file.write_all(text.as_bytes())
}

/// What whole lines of this question say, and how many bytes they are; none where the question is another.
fn read(bytes: &[u8], question: &str) -> (BTreeMap<Place, Evaluated>, usize) {
    let mut known = BTreeMap::new();
    let mut whole = 0;
    for line in bytes.split_inclusive(|&byte| byte == b'\n').filter(|line| line.ends_with(b"\n")) {
        if whole == 0 {
            let header = serde_json::from_slice::<Header>(line);
            if header.is_ok_and(|header| header.question == question) {
                whole = line.len();
                continue;
            }
            break;
        }
        let Some((place, evaluated)) = serde_json::from_slice::<Line>(line).ok().and_then(Line::read) else {
            break;
        };
        known.insert(place, evaluated);
        whole += line.len();
    }
    (known, whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(value: f64) -> Sample {
        Sample {
            seed: u64::MAX,
            outcome_digest: "00ff".into(),
            values: BTreeMap::from([("ttft.p95".to_owned(), value)]),
            unreliable: vec!["ttft.p95".to_owned()],
        }
    }

    #[test]
    fn what_is_written_is_read_back_to_the_last_bit_and_what_is_torn_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path(), "q", false, false).unwrap();
        // The nearest number above 0.1 + 0.2, the least there is, and a third.
        let values = [0.300_000_000_000_000_04, f64::MIN_POSITIVE, 1.0 / 3.0];
        let evaluated: Evaluated = Ok(values.map(sample).to_vec());
        journal.add("search", &[0.1, 2.0], &evaluated).unwrap();
        journal.add("judge", &[0.1, 2.0], &Err("seed 3: lost".into())).unwrap();
        drop(journal);
        let path = folder.path().join(NAME);
        let mut bytes = fs::read(&path).unwrap();
        bytes.extend_from_slice(b"{\"worlds\":\"search\",\"poi");
        fs::write(&path, &bytes).unwrap();
        let again = Journal::open(folder.path(), "q", true, false).unwrap();
        assert_eq!(again.get("search", &[0.1, 2.0]), Some(&evaluated));
        assert_eq!(again.get("judge", &[0.1, 2.0]), Some(&Err("seed 3: lost".into())));
        assert_eq!(again.get("judge", &[0.1, 2.1]), None);
        again.add("search", &[3.0], &Ok(Vec::new())).unwrap();
        drop(again);
        assert_eq!(Journal::open(folder.path(), "q", true, false).unwrap().known.len(), 3);
    }

    #[test]
    fn another_search_is_neither_resumed_nor_lost() {
        let folder = tempfile::tempdir().unwrap();
        let open = |question, resume, restart| {
            Journal::open(folder.path(), question, resume, restart)
                .map_err(|failure| failure.error.to_string())
        };
        let journal = open("q", true, false).unwrap();
        assert!(open("q", true, false).err().unwrap().contains("another process"));
        drop(journal);
        // A head alone is nothing to lose.
        let journal = open("other", false, false).unwrap();
        journal.add("search", &[1.0], &Ok(Vec::new())).unwrap();
        drop(journal);
        let refused = |question, resume| open(question, resume, false).err().unwrap();
        assert!(
            refused("other", false)
                .contains("1 evaluations of a search that was interrupted; go on with --resume")
        );
        assert!(refused("q", true).contains("another search"));
        assert!(open("q", false, true).unwrap().known.is_empty());
    }
}
