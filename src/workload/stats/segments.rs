//! Blocks that are only ever named together. Knows runs; must not know what for. Every place where some run begins or
//! ends is a cut; between two cuts of one key all blocks have the same history, so one segment stands for them all.

use super::super::Run;
use super::super::data::{Blocks, TraceData, TraceRow};
use rustc_hash::FxHashMap;

/// The segments of a trace.
pub(super) struct Segments {
    /// Where segments begin, by key and block; the last cut of a key begins none.
    cuts: Vec<(u64, u32)>,
    /// Where each key's cuts begin.
    first: FxHashMap<u64, u32>,
}

/// Segments, and how many requests name each.
pub(super) struct Index {
    pub segments: Segments,
    named_by: Vec<u32>,
    rows: u64,
    /// Blocks of all requests together.
    pub references: u64,
    /// Different blocks.
    pub distinct: u64,
}

/// A block counts as universal if more than one request in this many has it.
const UNIVERSAL_ONE_IN: u64 = 100;

impl Index {
    pub(super) fn of(data: &TraceData) -> Index {
        let segments = Segments::of(data);
        let mut index = Index {
            named_by: vec![0; segments.len()],
            rows: data.rows.len() as u64,
            segments,
            references: 0,
            distinct: 0,
        };
        let mut runs = RowRuns::default();
        for row in &data.rows {
            runs.read(data, row);
            for (segment, len) in runs.runs.iter().flat_map(|&run| index.segments.within(run)) {
                let count = &mut index.named_by[segment as usize];
                index.references += len as u64;
                index.distinct += if *count == 0 { len as u64 } else { 0 };
                *count += 1;
            }
        }
        index
    }
    /// Whether one request alone names a segment.
    pub(super) fn once(&self, segment: u32) -> bool {
        self.named_by[segment as usize] == 1
    }
    /// Whether more than one request in a hundred names it.
    pub(super) fn universal(&self, segment: u32) -> bool {
        self.named_by[segment as usize] as u64 * UNIVERSAL_ONE_IN > self.rows
    }
    /// A row's segments from the head on, each with the number of blocks up to its end.
    pub(super) fn chain(&self, runs: &RowRuns, chain: &mut Vec<(u32, u64)>) {
        chain.clear();
        let mut through = 0u64;
        for (segment, len) in runs.runs.iter().flat_map(|&run| self.segments.within(run)) {
            through += len as u64;
            chain.push((segment, through));
        }
    }
}

/// The runs of a row, its prompt's full blocks first.
#[derive(Default)]
pub(super) struct RowRuns {
    pub runs: Vec<Run>,
    /// The most prompt tokens that its blocks can stand for.
    pub prompt_tokens: u64,
    /// How many full blocks of its prompt it names.
    pub full_blocks: u32,
}

impl RowRuns {
    /// Reads a row's runs, cut at the end of the prompt's full blocks.
    pub(super) fn read(&mut self, data: &TraceData, row: &TraceRow) {
        self.runs.clear();
        let full = row.input / data.block_tokens.max(1);
        self.prompt_tokens = row.input as u64;
        match row.blocks {
            Blocks::Unknown => {}
            Blocks::Ids { from, to } => {
                self.runs.extend(data.ids[from..to].iter().map(|&key| Run { key, start: 0, len: 1 }));
            }
            Blocks::Prompt { from, to } => self.cut(&data.runs[from..to], full),
            Blocks::Runs { from, to } => {
                self.cut(&data.runs[from..to], full);
                // The block in which the answer begins is a block of the next prompt only.
                self.prompt_tokens = full as u64 * data.block_tokens as u64;
            }
        }
        let named: u64 = self.runs.iter().map(|run| run.len as u64).sum();
        self.full_blocks = full.min(named.min(u32::MAX as u64) as u32);
    }
    fn cut(&mut self, runs: &[Run], at: u32) {
        let mut before = 0u64;
        for run in runs.iter().filter(|run| run.len > 0) {
            let inside = (at as u64).saturating_sub(before);
            before += run.len as u64;
            if inside == 0 || inside >= run.len as u64 {
                self.runs.push(*run);
                continue;
            }
            let head = inside as u32;
            self.runs.push(Run { len: head, ..*run });
            self.runs.push(Run { key: run.key, start: run.start + head, len: run.len - head });
        }
    }
}

/// A cut list is sorted and thinned whenever it has grown by this many (our choice: 16 MB).
const THIN_EVERY: usize = 1 << 20;

impl Segments {
    /// Of all rows.
    pub(super) fn of(data: &TraceData) -> Segments {
        let mut cuts: Vec<(u64, u32)> = Vec::new();
        let thin = |cuts: &mut Vec<(u64, u32)>| {
            cuts.sort_unstable();
            cuts.dedup();
        };
        let (mut runs, mut limit) = (RowRuns::default(), THIN_EVERY);
        for row in &data.rows {
            runs.read(data, row);
            for run in &runs.runs {
                cuts.push((run.key, run.start));
                cuts.push((run.key, run.start.saturating_add(run.len)));
            }
            if cuts.len() > limit {
                thin(&mut cuts);
                limit = 2 * cuts.len() + THIN_EVERY;
            }
        }
        thin(&mut cuts);
        cuts.shrink_to_fit();
        let mut first = FxHashMap::default();
        for (index, &(key, _)) in cuts.iter().enumerate() {
            first.entry(key).or_insert(index as u32);
        }
        Segments { cuts, first }
    }
    /// How many numbers segments have; some numbers stand for none.
    pub(super) fn len(&self) -> usize {
        self.cuts.len()
    }
    /// The segments of a run, as numbers and lengths in blocks.
    pub(super) fn within(&self, run: Run) -> impl Iterator<Item = (u32, u32)> + '_ {
        let first = self.first.get(&run.key).map_or(self.cuts.len(), |&first| first as usize);
        let end = run.start.saturating_add(run.len);
        let skipped = match self.cuts.get(first) {
            Some(&cut) if cut == (run.key, run.start) => 0,
            _ => self.cuts[first..].partition_point(|&cut| cut < (run.key, run.start)),
        };
        (first + skipped..self.cuts.len())
            .take_while(move |&index| self.cuts[index] < (run.key, end))
            .map(|index| (index as u32, self.cuts[index + 1].1 - self.cuts[index].1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_together_is_one_segment() {
        let mut data = TraceData { block_tokens: 10, ..TraceData::default() };
        data.runs =
            [(7, 0, 6), (7, 0, 4), (9, 2, 3)].map(|(key, start, len)| Run { key, start, len }).to_vec();
        // Sixty tokens of which 45 are the prompt's: its four full blocks, then two that end in the answer.
        data.rows.push(TraceRow {
            input: 45,
            output: 15,
            blocks: Blocks::Runs { from: 0, to: 1 },
            ..TraceRow::EMPTY
        });
        data.rows.push(TraceRow { input: 70, blocks: Blocks::Runs { from: 1, to: 3 }, ..TraceRow::EMPTY });
        let segments = Segments::of(&data);
        let lengths = |run: Run| segments.within(run).map(|(_, len)| len).collect::<Vec<_>>();
        assert_eq!(lengths(data.runs[0]), [4, 2]);
        assert_eq!(lengths(data.runs[1]), [4]);
        assert_eq!(lengths(data.runs[2]), [3]);
        let number = |run: Run| segments.within(run).next().map(|(number, _)| number);
        assert_eq!(number(data.runs[0]), number(data.runs[1]));
        assert_ne!(number(data.runs[0]), number(data.runs[2]));
        let mut runs = RowRuns::default();
        runs.read(&data, &data.rows[0]);
        assert_eq!((runs.runs.len(), runs.full_blocks, runs.prompt_tokens), (2, 4, 40));
    }
}
