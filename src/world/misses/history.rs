//! Where blocks were ever computed, as runs. Knows run keys and regions; must not know what is held now. Grows with the
//! number of run keys and of places where their histories differ, not with blocks.

use crate::id::RegionId;
use crate::network::RegionSet;
use crate::workload::Run;
use rustc_hash::FxHashMap;

/// What became of a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Past {
    /// The regions whose replicas ever computed it.
    pub(super) by: RegionSet,
    /// Those in which a copy went with its replica's cache, and nobody has computed it anywhere since.
    pub(super) lost: RegionSet,
}

/// Blocks `start..end` of a key with one past.
#[derive(Clone, Copy, Debug)]
struct Piece {
    start: u32,
    end: u32,
    past: Past,
}

/// By run key, pieces in order that do not overlap. Looked up, never iterated.
#[derive(Debug, Default)]
pub(super) struct History {
    keys: FxHashMap<u64, Vec<Piece>>,
}

impl History {
    /// A replica in `region` has computed these blocks.
    pub(super) fn computed(&mut self, run: Run, region: RegionId) {
        self.change(run, |past| {
            past.by.insert(region);
            past.lost = RegionSet::NONE;
        });
    }
    /// A replica in `region` that held these blocks has lost its cache.
    pub(super) fn lost(&mut self, run: Run, region: RegionId) {
        self.change(run, |past| past.lost.insert(region));
    }

    fn change(&mut self, run: Run, change: impl Fn(&mut Past)) {
        if run.len == 0 {
            return;
        }
        let pieces = self.keys.entry(run.key).or_default();
        let (start, end) = (run.start, run.start + run.len);
        // Most often the next blocks of what was there, computed in the same place.
        if let Some(last) = pieces.last_mut()
            && last.end == start
        {
            let mut past = Past::default();
            change(&mut past);
            if past == last.past {
                last.end = end;
                return;
            }
        }
        // Neighbours that only touch as well: they may become one.
        let from = pieces.partition_point(|piece| piece.end < start);
        let to = pieces.partition_point(|piece| piece.start <= end);
        let mut new: Vec<Piece> = Vec::with_capacity(to - from + 3);
        let mut put = |piece: Piece| match new.last_mut() {
            _ if piece.start == piece.end => {}
            Some(last) if last.end == piece.start && last.past == piece.past => last.end = piece.end,
            _ => new.push(piece),
        };
        let mut at = start;
        for &Piece { start: low, end: high, past } in &pieces[from..to] {
            put(Piece { start: low.min(start), end: start.max(low.min(start)), past });
            let mut blank = Past::default();
            change(&mut blank);
            put(Piece { start: at, end: low.max(at), past: blank });
            let mut changed = past;
            change(&mut changed);
            at = low.max(at);
            put(Piece { start: at, end: high.min(end), past: changed });
            at = high.min(end);
            put(Piece { start: high.min(end), end: high, past });
        }
        if at < end {
            let mut blank = Past::default();
            change(&mut blank);
            put(Piece { start: at, end, past: blank });
        }
        pieces.splice(from..to, new);
    }

    /// Shows the past of a run's blocks, in pieces of one past each, in order.
    pub(super) fn each(&self, run: Run, mut show: impl FnMut(Run, Past)) {
        let (mut at, end) = (run.start, run.start + run.len);
        let mut piece = |from: u32, to: u32, past| {
            if to > from {
                show(Run { key: run.key, start: from, len: to - from }, past);
            }
        };
        if let Some(pieces) = self.keys.get(&run.key) {
            let from = pieces.partition_point(|piece| piece.end <= at);
            for &Piece { start, end: high, past } in
                pieces[from..].iter().take_while(|piece| piece.start < end)
            {
                piece(at, start.max(at), Past::default());
                at = start.max(at);
                piece(at, high.min(end), past);
                at = high.min(end);
            }
        }
        piece(at, end, Past::default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        /// As if each block were kept by itself.
        #[test]
        fn runs_remember_as_single_blocks_do(
            steps in prop::collection::vec((0u64..2, 0u32..30, 1u32..12, 0u32..3, prop::bool::ANY), 1..60),
        ) {
            let mut history = History::default();
            let mut blocks: BTreeMap<(u64, u32), Past> = BTreeMap::new();
            for (key, start, len, region, lost) in steps {
                let (run, region) = (Run { key, start, len }, RegionId(region));
                if lost { history.lost(run, region) } else { history.computed(run, region) }
                for number in start..start + len {
                    let past = blocks.entry((key, number)).or_default();
                    if lost {
                        past.lost.insert(region);
                    } else {
                        past.by.insert(region);
                        past.lost = RegionSet::NONE;
                    }
                }
                for key in 0..2 {
                    let mut at = 0;
                    history.each(Run { key, start: 0, len: 50 }, |piece, past| {
                        assert_eq!(piece.start, at);
                        at += piece.len;
                        for number in piece.start..at {
                            assert_eq!(blocks.get(&(key, number)).copied().unwrap_or_default(), past);
                        }
                    });
                    prop_assert_eq!(at, 50);
                }
            }
        }
    }
}
