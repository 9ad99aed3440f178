//! Traces read once and shared by whoever asks for the same again: same file, same way of reading, same block size.
//! Knows files and how they were read; must not know who asks. Files are taken not to change while a shelf lives.

use super::{CompiledTrace, ReadOptions, TraceErrors, load_trace};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// How many traces are held that nobody uses at the moment: our choice, so that a sweep over how a trace is read does
/// not keep every reading.
const HELD: usize = 4;

/// Traces by how they were read, the one asked for last at the end.
#[derive(Debug, Default)]
pub struct Shelf {
    places: Mutex<Vec<Place>>,
}

#[derive(Debug)]
struct Place {
    path: PathBuf,
    options: ReadOptions,
    block_tokens: u32,
    trace: Weak<CompiledTrace>,
    /// `None` once others were asked for since.
    held: Option<Arc<CompiledTrace>>,
}

impl Shelf {
    /// What [`load_trace`] gives, read once. Who asks while another reads waits.
    pub fn load(
        &self,
        path: &Path,
        options: &ReadOptions,
        block_tokens: u32,
    ) -> Result<Arc<CompiledTrace>, TraceErrors> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |place: &Place| {
            place.path == path && place.block_tokens == block_tokens && place.options == *options
        };
        let found = places.iter().position(same).map(|at| places.remove(at));
        let trace = match found.and_then(|place| place.trace.upgrade()) {
            Some(trace) => trace,
            None => Arc::new(load_trace(path, options, block_tokens)?),
        };
        places.push(Place {
            path: path.to_owned(),
            options: options.clone(),
            block_tokens,
            trace: Arc::downgrade(&trace),
            held: Some(trace.clone()),
        });
        let old = places.len().saturating_sub(HELD);
        places[..old].iter_mut().for_each(|place| place.held = None);
        places.retain(|place| place.trace.strong_count() > 0);
        Ok(trace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const LINES: &str = "{\"timestamp\": 0, \"input_length\": 600, \"output_length\": 5, \"hash_ids\": [1, 2]}\n\
                         {\"timestamp\": 900, \"input_length\": 500, \"output_length\": 5, \"hash_ids\": [1]}\n";

    #[test]
    fn the_same_reading_is_the_same_trace_and_another_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        fs::write(&path, LINES).unwrap();
        let (shelf, options) = (Shelf::default(), ReadOptions::default());
        let first = shelf.load(&path, &options, 16).unwrap();
        assert!(Arc::ptr_eq(&first, &shelf.load(&path, &options, 16).unwrap()));
        assert!(!Arc::ptr_eq(&first, &shelf.load(&path, &options, 32).unwrap()));
        let other = ReadOptions { id_scope: Some("x".into()), ..options.clone() };
        assert!(!Arc::ptr_eq(&first, &shelf.load(&path, &other, 16).unwrap()));
        assert!(shelf.load(&folder.path().join("none"), &options, 16).is_err());
    }

    #[test]
    fn what_nobody_uses_goes_after_a_while_and_what_is_used_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        fs::write(&path, LINES).unwrap();
        let (shelf, options) = (Shelf::default(), ReadOptions::default());
        let used = shelf.load(&path, &options, 16).unwrap();
        let unused = Arc::downgrade(&shelf.load(&path, &options, 512).unwrap());
        for block_tokens in [32, 64, 128, 256] {
            shelf.load(&path, &options, block_tokens).unwrap();
        }
        assert!(unused.upgrade().is_none());
        assert!(Arc::ptr_eq(&used, &shelf.load(&path, &options, 16).unwrap()));
    }
}
