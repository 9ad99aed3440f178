//! Runs of blocks and who holds each: the table under the indexes that count by runs. Knows keys, rows and entries of
//! a row; must not know what an entry says.
//!
//! A row's entries lie side by side, so that a system prompt that a thousand targets hold is read as one piece of
//! memory. Rows that are forgotten keep theirs for the next.

use rustc_hash::FxHashMap;

/// What says of a target how it holds a run.
pub trait Spread: Copy {
    /// The target's number.
    fn target(&self) -> u32;
}

/// Rows by key; a key is a run's and the number of its first block.
#[derive(Clone, Debug)]
pub struct Rows<T> {
    numbers: FxHashMap<(u64, u32), u32>,
    table: Vec<Row<T>>,
    free: Vec<u32>,
}

#[derive(Clone, Debug)]
struct Row<T> {
    key: (u64, u32),
    entries: Vec<T>,
}

impl<T> Default for Rows<T> {
    fn default() -> Self {
        Rows { numbers: FxHashMap::default(), table: Vec::new(), free: Vec::new() }
    }
}

impl<T: Spread> Rows<T> {
    /// How many runs somebody holds.
    pub fn len(&self) -> usize {
        self.numbers.len()
    }
    /// Whether nobody holds anything.
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }
    /// The row of `key`, where somebody holds it.
    #[inline]
    pub fn row(&self, key: (u64, u32)) -> Option<u32> {
        self.numbers.get(&key).copied()
    }
    /// The row of `key`; a new one is empty and is to be filled.
    pub fn row_or_new(&mut self, key: (u64, u32)) -> u32 {
        *self.numbers.entry(key).or_insert_with(|| {
            if let Some(row) = self.free.pop() {
                self.table[row as usize].key = key;
                return row;
            }
            self.table.push(Row { key, entries: Vec::with_capacity(1) });
            (self.table.len() - 1) as u32
        })
    }
    /// The entries of a row, in no order that means anything.
    #[inline]
    pub fn at(&self, row: u32) -> &[T] {
        &self.table[row as usize].entries
    }
    /// The entries of a row.
    #[inline]
    pub fn at_mut(&mut self, row: u32) -> &mut [T] {
        &mut self.table[row as usize].entries
    }
    /// Where in its row the first entry of `target` stands.
    #[inline]
    pub fn place(&self, row: u32, target: u32) -> Option<usize> {
        self.at(row).iter().position(|entry| entry.target() == target)
    }
    /// The entries of a row, to be added to and taken from; then [`Rows::settle`].
    #[inline]
    pub fn entries(&mut self, row: u32) -> &mut Vec<T> {
        &mut self.table[row as usize].entries
    }
    /// Forgets a row that has been left without entries.
    #[inline]
    pub fn settle(&mut self, row: u32) {
        let Row { key, entries } = &self.table[row as usize];
        if entries.is_empty() {
            self.numbers.remove(key);
            self.free.push(row);
        }
    }
    /// Adds an entry and says where it stands.
    pub fn push(&mut self, row: u32, entry: T) -> usize {
        let entries = &mut self.table[row as usize].entries;
        entries.push(entry);
        entries.len() - 1
    }
    /// Takes an entry out; the last one takes its place. A row without entries is forgotten.
    pub fn remove(&mut self, row: u32, place: usize) {
        self.table[row as usize].entries.swap_remove(place);
        self.settle(row);
    }
}
