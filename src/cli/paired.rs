//! The folder of a comparison or a checked suite: its document, and the values of every pair.

use super::exit::Failure;
use crate::gate::{Comparison, Sample};
use crate::report::atomic::AtomicFile;
use crate::report::drawn;
use crate::report::experiment::compared::{PAIRS, Pair, pairs_csv};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// The files of it.
#[derive(Debug)]
pub(super) struct Paired {
    folder: PathBuf,
    document: AtomicFile,
    pairs: AtomicFile,
}

impl Paired {
    /// Opens them, the document under this name. Before the work: a bad path fails now.
    pub(super) fn open(folder: &Path, document: &str) -> Result<Paired, Failure> {
        let open = |name: &str| AtomicFile::create(&folder.join(name));
        Ok(Paired { folder: folder.to_owned(), document: open(document)?, pairs: open(PAIRS)? })
    }
    /// Writes them, the document last; draws what `plot` would, where that is asked for.
    pub(super) fn write(mut self, document: &str, pairs: &[Pair], plots: bool) -> Result<(), Failure> {
        drawn::remove(&self.folder, |_| false)?;
        pairs_csv(pairs, &mut self.pairs)?;
        self.document.write_all(document.as_bytes())?;
        self.pairs.commit()?;
        self.document.commit()?;
        if plots { super::plot::into(&self.folder) } else { Ok(()) }
    }
}

/// The values of a comparison's pairs: those measures that it has, of each seed that both sides have.
pub(super) fn values(number: usize, of: &Comparison, before: &[Sample], after: &[Sample]) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for first in before {
        let Some(second) = after.iter().find(|second| second.seed == first.seed) else { continue };
        for change in &of.changes {
            let metric = change.metric.as_str();
            if let (Some(before), Some(after)) = (first.value(metric), second.value(metric)) {
                pairs.push(Pair {
                    comparison: number,
                    seed: first.seed,
                    metric: metric.to_owned(),
                    before,
                    after,
                });
            }
        }
    }
    pairs
}
