//! Segments: blocks of one run that follow each other, were stored by one sequence, and are held by the same
//! number of sequences. Knows their memory, the order of eviction among those that nobody holds, and for each run
//! key which segments answer look-ups (*primaries*, by block number) and which hold a further copy of a block that
//! another answers for (*twins*, in the order in which they were published).

use crate::rng::mix64;
use crate::workload::Run;
use hashbrown::HashTable;

pub const NONE: u32 = u32::MAX;

/// Two of them fill a line of the processor's cache.
#[derive(Clone, Copy, Debug)]
#[repr(align(32))]
pub struct Segment {
    /// The entry of its run key; `NONE` for blocks that were never published.
    pub entry: u32,
    /// Number of the first block within its run.
    pub start: u32,
    /// Blocks in it; never 0 while it lives.
    pub len: u32,
    /// How many sequences hold it, counting one that holds it twice as two; [`TWIN`] and [`OPEN`].
    holders: u32,
    /// While nobody holds it, its elder neighbour in the order of eviction. While somebody does, the other part, if
    /// it was cut in two: whoever holds more than this segment goes on there.
    older_or_rest: u32,
    /// Its younger neighbour in the order of eviction, while nobody holds it.
    younger: u32,
    /// Neighbours in the list of primaries or twins of its entry.
    pub before: u32,
    pub after: u32,
}

/// In `holders`: another segment answers for these blocks.
const TWIN: u32 = 1 << 31;
/// In `holders`: the one who holds it has more blocks of its run, from its end on, than it knows of.
const OPEN: u32 = 1 << 30;

impl Segment {
    /// How many sequences hold it.
    #[inline]
    pub fn refs(&self) -> u32 {
        self.holders & !(TWIN | OPEN)
    }
    /// Whether more blocks follow it than it knows of.
    #[inline]
    pub fn open(&self) -> bool {
        self.holders & OPEN != 0
    }
    /// More blocks may follow it than it knows of; or no longer.
    pub fn set_open(&mut self, open: bool) {
        self.holders = if open { self.holders | OPEN } else { self.holders & !OPEN };
    }
    /// Whether another segment answers for its blocks.
    #[inline]
    pub fn twin(&self) -> bool {
        self.holders & TWIN != 0
    }
    /// Where whoever holds more than this segment goes on. Only of one that is held.
    pub fn rest(&self) -> u32 {
        debug_assert!(self.refs() > 0);
        self.older_or_rest
    }
    /// The number after that of its last block.
    pub fn end(&self) -> u32 {
        self.start + self.len
    }
}

#[derive(Clone, Copy, Debug)]
pub struct List {
    pub first: u32,
    pub last: u32,
}

impl List {
    const EMPTY: List = List { first: NONE, last: NONE };
}

/// What is known under one run key.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    pub key: u64,
    pub primaries: List,
    pub twins: List,
}

impl Entry {
    fn list(&mut self, twin: bool) -> &mut List {
        if twin { &mut self.twins } else { &mut self.primaries }
    }
}

/// The order of fields is that of memory.
#[derive(Debug)]
#[repr(C)]
pub struct Segments {
    /// The segments that nobody holds; the first is evicted first, and of each its last block.
    pub order: List,
    /// Blocks in them.
    pub idle: u32,
    pub nodes: Vec<Segment>,
    pub vacant: Vec<u32>,
    pub entries: Vec<Entry>,
    pub vacant_entries: Vec<u32>,
    index: HashTable<u32>,
}

impl Segments {
    /// With room for so many segments, of half as many runs.
    pub fn with_room(segments: usize) -> Self {
        Segments {
            nodes: Vec::with_capacity(segments),
            vacant: Vec::new(),
            entries: Vec::with_capacity(segments / 2),
            vacant_entries: Vec::new(),
            index: HashTable::with_capacity(segments / 4),
            order: List::EMPTY,
            idle: 0,
        }
    }
    #[inline]
    pub fn get(&self, segment: u32) -> &Segment {
        &self.nodes[segment as usize]
    }
    #[inline]
    pub fn get_mut(&mut self, segment: u32) -> &mut Segment {
        &mut self.nodes[segment as usize]
    }

    fn create(&mut self, segment: Segment) -> u32 {
        if let Some(index) = self.vacant.pop() {
            self.nodes[index as usize] = segment;
            return index;
        }
        self.nodes.push(segment);
        self.nodes.len() as u32 - 1
    }
    fn new_segment(&mut self, entry: u32, start: u32, len: u32, twin: bool, refs: u32) -> u32 {
        let holders = refs | if twin { TWIN } else { 0 };
        let (older_or_rest, younger, before, after) = (NONE, NONE, NONE, NONE);
        self.create(Segment { entry, start, len, holders, older_or_rest, younger, before, after })
    }

    // Run keys.

    #[inline]
    pub fn find(&self, key: u64) -> Option<u32> {
        self.index.find(mix64(key), |&entry| self.entries[entry as usize].key == key).copied()
    }
    pub fn find_or_add(&mut self, key: u64) -> u32 {
        if let Some(entry) = self.find(key) {
            return entry;
        }
        let new = Entry { key, primaries: List::EMPTY, twins: List::EMPTY };
        let entry = if let Some(entry) = self.vacant_entries.pop() {
            self.entries[entry as usize] = new;
            entry
        } else {
            self.entries.push(new);
            self.entries.len() as u32 - 1
        };
        let entries = &self.entries;
        self.index.insert_unique(mix64(key), entry, |&other| mix64(entries[other as usize].key));
        entry
    }
    /// Forgets the key if nothing is left of it.
    pub fn forget_if_empty(&mut self, entry: u32) {
        let Entry { key, primaries, twins } = self.entries[entry as usize];
        if primaries.first == NONE && twins.first == NONE {
            let found = self.index.find_entry(mix64(key), |&other| other == entry);
            found.expect("a run key with segments is in the index").remove();
            self.vacant_entries.push(entry);
        }
    }
    /// Whether the end of what is known under this key is open.
    #[inline]
    pub fn is_open(&self, entry: u32) -> bool {
        let last = self.entries[entry as usize].primaries.last;
        last != NONE && self.get(last).open()
    }
    /// Whether further copies of blocks are held under this key. `NONE` has no key.
    #[inline]
    pub fn has_twins(&self, entry: u32) -> bool {
        entry != NONE && self.entries[entry as usize].twins.first != NONE
    }
    /// All primaries as runs.
    pub fn primaries(&self) -> Vec<Run> {
        let mut runs = Vec::new();
        for &entry in &self.index {
            let Entry { key, primaries, .. } = self.entries[entry as usize];
            let mut segment = primaries.first;
            while segment != NONE {
                let Segment { start, len, after, .. } = *self.get(segment);
                runs.push(Run { key, start, len });
                segment = after;
            }
        }
        runs
    }
    pub fn keys(&self) -> usize {
        self.index.len()
    }

    // Lists of an entry.

    /// The first primary that ends behind block `number`: it holds the block, or is the next one after it.
    #[inline]
    pub fn primary_from(&self, entry: u32, number: u32) -> u32 {
        let List { first, last } = self.entries[entry as usize].primaries;
        if last == NONE || self.get(last).end() <= number {
            return NONE;
        }
        let mut segment = first;
        while self.get(segment).end() <= number {
            segment = self.get(segment).after;
        }
        segment
    }
    /// Puts a segment behind another of its entry's list; `NONE` is before the first.
    fn insert_after(&mut self, before: u32, segment: u32) {
        let node = *self.get(segment);
        let list = self.entries[node.entry as usize].list(node.twin());
        let after = match before {
            NONE => std::mem::replace(&mut list.first, segment),
            before => std::mem::replace(&mut self.nodes[before as usize].after, segment),
        };
        match after {
            NONE => list.last = segment,
            after => self.nodes[after as usize].before = segment,
        }
        let node = self.get_mut(segment);
        (node.before, node.after) = (before, after);
    }
    fn unlist(&mut self, segment: u32) {
        let node = *self.get(segment);
        let Segment { entry, before, after, .. } = node;
        let list = self.entries[entry as usize].list(node.twin());
        match before {
            NONE => list.first = after,
            before => self.nodes[before as usize].after = after,
        }
        match after {
            NONE => list.last = before,
            after => self.nodes[after as usize].before = before,
        }
    }
    fn list_primary(&mut self, segment: u32) {
        let Segment { entry, start, .. } = *self.get(segment);
        let before = match self.primary_from(entry, start) {
            NONE => self.entries[entry as usize].primaries.last,
            after => self.get(after).before,
        };
        self.insert_after(before, segment);
    }

    /// A new segment that one sequence holds. Where another answers for the blocks it is a twin, behind all others.
    pub fn publish(&mut self, entry: u32, start: u32, len: u32, twin: bool) -> u32 {
        let segment = self.new_segment(entry, start, len, twin, 1);
        if twin {
            self.insert_after(self.entries[entry as usize].twins.last, segment);
        } else {
            self.list_primary(segment);
        }
        segment
    }
    /// Makes a twin the one that answers.
    pub fn promote(&mut self, segment: u32) {
        self.unlist(segment);
        self.get_mut(segment).holders &= !TWIN;
        self.list_primary(segment);
    }

    /// Cuts a segment in two before block `number`; returns the second part.
    pub fn split(&mut self, segment: u32, number: u32) -> u32 {
        let whole = *self.get(segment);
        debug_assert!(whole.start < number && number < whole.end());
        let upper = self.create(Segment { start: number, len: whole.end() - number, ..whole });
        self.get_mut(segment).len = number - whole.start;
        self.insert_after(segment, upper);
        if whole.refs() > 0 {
            self.get_mut(segment).older_or_rest = upper;
        } else {
            // The tail goes first.
            self.link_before(segment, upper);
        }
        upper
    }

    // The order of eviction.

    fn link_before(&mut self, younger: u32, segment: u32) {
        let older = match younger {
            NONE => std::mem::replace(&mut self.order.last, segment),
            younger => std::mem::replace(&mut self.nodes[younger as usize].older_or_rest, segment),
        };
        match older {
            NONE => self.order.first = segment,
            older => self.nodes[older as usize].younger = segment,
        }
        let node = self.get_mut(segment);
        (node.older_or_rest, node.younger) = (older, younger);
    }
    fn unlink(&mut self, segment: u32) {
        let Segment { older_or_rest: older, younger, .. } = *self.get(segment);
        match older {
            NONE => self.order.first = younger,
            older => self.nodes[older as usize].younger = younger,
        }
        match younger {
            NONE => self.order.last = older,
            younger => self.nodes[younger as usize].older_or_rest = older,
        }
    }
    pub fn younger(&self, segment: u32) -> u32 {
        self.get(segment).younger
    }

    /// One more sequence holds the segment.
    pub fn take(&mut self, segment: u32) {
        let node = *self.get(segment);
        if node.refs() == 0 {
            self.unlink(segment);
            self.get_mut(segment).older_or_rest = NONE;
            self.idle -= node.len;
        }
        self.get_mut(segment).holders += 1;
    }
    /// One sequence fewer holds it. The last one gives it to the end of the order of eviction, as part of what was
    /// given just before if that went on from it.
    pub fn give(&mut self, segment: u32) {
        let node = self.get_mut(segment);
        node.holders -= 1;
        let Segment { start, len, before, after, .. } = *node;
        if node.refs() > 0 {
            return;
        }
        self.idle += len;
        let last = self.order.last;
        if last != NONE && (after == last || before == last) && self.get(last).start == start + len {
            self.unlist(segment);
            self.vacant.push(segment);
            let tail = self.get_mut(last);
            (tail.start, tail.len) = (start, tail.len + len);
            return;
        }
        self.link_before(NONE, segment);
    }
    /// Gives blocks that were never published.
    pub fn give_blank(&mut self, blocks: u32) {
        self.idle += blocks;
        let last = self.order.last;
        if last != NONE && self.get(last).entry == NONE {
            self.get_mut(last).len += blocks;
            return;
        }
        let segment = self.new_segment(NONE, 0, blocks, false, 0);
        self.link_before(NONE, segment);
    }
    /// Takes the last `blocks` blocks of an idle segment away; when none is left, the segment goes.
    #[inline]
    pub fn shrink(&mut self, segment: u32, blocks: u32) {
        self.idle -= blocks;
        let node = self.get_mut(segment);
        node.len -= blocks;
        if node.len > 0 {
            return;
        }
        let entry = node.entry;
        self.unlink(segment);
        if entry != NONE {
            self.unlist(segment);
        }
        self.vacant.push(segment);
    }
}
