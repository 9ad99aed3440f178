//! The cache of runs of blocks. It answers exactly as the cache of single blocks does, evicts the same blocks in
//! the same order and has the same change log, and costs one operation for each segment that a request touches:
//! blocks of one run that were stored together, and are held and given back together.
//!
//! A block that was computed but not published has no name; blocks without names are counted and nothing more.

mod check;
mod segments;

use super::cache::{KvCache, Open, Tail};
use super::log::{ChangeLog, Turn};
use crate::time::SimTime;
use crate::workload::{Chain, Run};
use segments::{NONE, Segment, Segments};

/// Blocks that a sequence holds: a segment, and what it was cut from it since.
#[derive(Clone, Copy, Debug)]
struct Span {
    segment: u32,
    len: u32,
}

impl Span {
    const NONE: Span = Span { segment: NONE, len: 0 };
}

/// The blocks that one sequence holds, in order: published ones, then ones without a name. In one line of the
/// processor's cache, because a decoding sequence is touched for its next block and for nothing else.
#[derive(Clone, Debug)]
#[repr(align(64))]
pub struct ExtentTable {
    /// All spans but the last.
    before: Vec<Span>,
    last: Span,
    held: u32,
    published: u32,
    /// The chain's run that the next block to publish is part of, and how many of its blocks are left.
    run: u32,
    left: u32,
    /// The number of the next block within that run, the run's key, and the segment that ended before that block
    /// when it was written last; it may have been cut since.
    next: u32,
    tail: u32,
    key: u64,
}

impl Default for ExtentTable {
    fn default() -> Self {
        ExtentTable {
            before: Vec::new(),
            last: Span::NONE,
            held: 0,
            published: 0,
            run: 0,
            left: 0,
            next: 0,
            tail: NONE,
            key: 0,
        }
    }
}

impl ExtentTable {
    /// The published blocks, in order.
    fn spans(&self) -> impl Iterator<Item = &Span> {
        self.before.iter().chain((self.last.len > 0).then_some(&self.last))
    }
    fn push(&mut self, span: Span) {
        if self.last.len > 0 {
            self.before.push(self.last);
        }
        self.last = span;
    }
    fn pop(&mut self) -> Option<Span> {
        let next = self.before.pop().unwrap_or(Span::NONE);
        let span = std::mem::replace(&mut self.last, next);
        (span.len > 0).then_some(span)
    }
    /// Forgets all and keeps the memory.
    fn clear(&mut self) {
        let before = std::mem::take(&mut self.before);
        debug_assert!(before.is_empty());
        *self = ExtentTable { before, ..ExtentTable::default() };
    }
}

/// Segments that a cache has room for from the start, where its blocks may be that many (our choice): growing a table
/// copies it into pages that are new to the process, and memory that nobody has written to costs nothing.
const ROOM: usize = 4_096;

/// A pool of KV blocks with a prefix index of segments. The order of fields is that of memory: what decoding looks at lies
/// together.
#[derive(Debug)]
#[repr(C)]
pub struct ExtentCache {
    log: ChangeLog,
    blocks: u32,
    sharing: bool,
    evicted: u64,
    segments: Segments,
    /// Segments of the span at hand.
    pieces: Vec<u32>,
    #[cfg(test)]
    seen: tests::Seen,
}

impl ExtentCache {
    /// Evicts the last `count` blocks of an idle segment.
    fn evict(&mut self, now: SimTime, segment: u32, count: u32) {
        let whole = *self.segments.get(segment);
        self.segments.shrink(segment, count);
        if whole.entry == NONE {
            return;
        }
        self.evicted += u64::from(count);
        #[cfg(test)]
        self.seen.eviction(&whole, count);
        if !whole.twin() {
            self.drop_primary(now, whole.entry, whole.end() - count, whole.end());
        }
        if count == whole.len {
            self.segments.forget_if_empty(whole.entry);
        }
    }

    /// Blocks `low..high` of a run have lost the one that answered for them: of each the next twin takes its place,
    /// and those that have none are gone, the last first.
    fn drop_primary(&mut self, now: SimTime, entry: u32, low: u32, high: u32) {
        let key = self.segments.entries[entry as usize].key;
        let mut high = high;
        while high > low {
            // The first twin published that holds the last block answers down to where another that was published
            // before it does, or to its own start.
            let mut from = low;
            let mut twin = self.segments.entries[entry as usize].twins.first;
            while twin != NONE {
                let node = self.segments.get(twin);
                if node.end() >= high && node.start < high {
                    from = from.max(node.start);
                    break;
                }
                if node.end() < high {
                    from = from.max(node.end());
                }
                twin = node.after;
            }
            if twin == NONE {
                self.log.note(now, Run { key, start: from, len: high - from }, false);
            } else {
                #[cfg(test)]
                self.seen.promotion();
                if self.segments.get(twin).end() > high {
                    self.segments.split(twin, high);
                }
                if self.segments.get(twin).start < from {
                    twin = self.segments.split(twin, from);
                }
                self.segments.promote(twin);
            }
            high = from;
        }
    }

    /// Publishes a run of the table's next blocks.
    fn publish_run(&mut self, now: SimTime, table: &mut ExtentTable, run: Run) -> Result<(), Open> {
        let entry = self.segments.find_or_add(run.key);
        if self.segments.is_open(entry) {
            return Err(Open(run.key));
        }
        let (mut at, end) = (run.start, run.start + run.len);
        let mut next = self.segments.primary_from(entry, at);
        while at < end {
            let twin = next != NONE && self.segments.get(next).start <= at;
            let upto = match next {
                NONE => end,
                next if twin => end.min(self.segments.get(next).end()),
                next => end.min(self.segments.get(next).start),
            };
            if twin {
                next = self.segments.get(next).after;
            } else {
                self.log.note(now, Run { key: run.key, start: at, len: upto - at }, true);
            }
            self.extend(table, entry, at, upto - at, twin);
            at = upto;
        }
        Ok(())
    }

    /// Adds published blocks to the table: to its last segment where that can be, else as a new one.
    fn extend(&mut self, table: &mut ExtentTable, entry: u32, start: u32, len: u32, twin: bool) {
        if table.last.len > 0 {
            let Span { segment: mut last, len: mut left } = table.last;
            while left > self.segments.get(last).len {
                left -= self.segments.get(last).len;
                last = self.segments.get(last).rest();
            }
            let node = self.segments.get(last);
            let in_turn = !twin || self.segments.entries[entry as usize].twins.last == last;
            if node.entry == entry
                && node.end() == start
                && node.refs() == 1
                && node.twin() == twin
                && in_turn
            {
                self.segments.get_mut(last).len += len;
                table.last.len += len;
                table.tail = last;
                return;
            }
        }
        let segment = self.segments.publish(entry, start, len, twin);
        table.push(Span { segment, len });
        table.tail = segment;
    }

    /// Publishes the table's next block where that takes no look-up: its last segment still ends before that block,
    /// nobody else holds it, and nobody has stored what follows. This is what decoding does.
    #[inline]
    fn publish_next(&mut self, now: SimTime, table: &mut ExtentTable) -> bool {
        if table.left == 0 || table.tail == NONE {
            return false;
        }
        let node = self.segments.get_mut(table.tail);
        if node.end() != table.next || node.refs() != 1 || node.twin() || node.after != NONE {
            return false;
        }
        node.len += 1;
        self.log.note_one(now, table.key, table.next, true);
        table.last.len += 1;
        table.published += 1;
        table.next += 1;
        table.left -= 1;
        true
    }
}

impl KvCache for ExtentCache {
    type Table = ExtentTable;

    fn new(blocks: u32, sharing: bool) -> Self {
        let mut segments = Segments::with_room((blocks as usize / 16).min(ROOM));
        if blocks > 0 {
            segments.give_blank(blocks);
        }
        ExtentCache {
            segments,
            blocks,
            sharing,
            log: ChangeLog::default(),
            evicted: 0,
            pieces: Vec::new(),
            #[cfg(test)]
            seen: tests::Seen::default(),
        }
    }
    fn total_blocks(&self) -> u32 {
        self.blocks
    }
    #[inline]
    fn free_blocks(&self) -> u32 {
        self.segments.idle
    }
    fn evicted(&self) -> u64 {
        self.evicted
    }
    fn log(&self) -> &ChangeLog {
        &self.log
    }
    fn log_mut(&mut self) -> &mut ChangeLog {
        &mut self.log
    }

    fn held(table: &ExtentTable) -> u32 {
        table.held
    }

    fn matched(&self, chain: &Chain, limit: u32) -> Result<(u32, u32), Open> {
        let (mut found, mut idle) = (0, 0);
        if !self.sharing {
            return Ok((found, idle));
        }
        for run in chain.runs_range(0, limit) {
            let Some(entry) = self.segments.find(run.key) else { break };
            if self.segments.is_open(entry) {
                return Err(Open(run.key));
            }
            let (mut at, end) = (run.start, run.start + run.len);
            let mut segment = self.segments.primary_from(entry, at);
            while at < end {
                if segment == NONE || self.segments.get(segment).start > at {
                    return Ok((found, idle));
                }
                let node = self.segments.get(segment);
                let upto = node.end().min(end);
                found += upto - at;
                idle += if node.refs() == 0 { upto - at } else { 0 };
                (at, segment) = (upto, node.after);
            }
        }
        Ok((found, idle))
    }

    fn found(&self, chain: &Chain, limit: u32, open_end: &dyn Fn(u64) -> u32) -> u32 {
        let mut found = 0;
        for run in chain.runs_range(0, if self.sharing { limit } else { 0 }) {
            let Some(entry) = self.segments.find(run.key) else { break };
            let end_of = |segment: u32| {
                let node = self.segments.get(segment);
                if node.open() { open_end(run.key) } else { node.end() }
            };
            let (mut at, end) = (run.start, run.start + run.len);
            let mut segment = self.segments.entries[entry as usize].primaries.first;
            while at < end && segment != NONE {
                let node = self.segments.get(segment);
                if node.start <= at && at < end_of(segment) {
                    let upto = end_of(segment).min(end);
                    (found, at) = (found + upto - at, upto);
                } else if node.start > at {
                    break;
                }
                segment = node.after;
            }
            if at < end {
                break;
            }
        }
        found
    }

    fn attach(&mut self, table: &mut ExtentTable, chain: &Chain, matched: u32) {
        debug_assert!(table.held == 0);
        for run in chain.runs_range(0, matched) {
            let entry = self.segments.find(run.key).expect("a matched run is in the index");
            let (mut at, end) = (run.start, run.start + run.len);
            let mut segment = self.segments.primary_from(entry, at);
            if self.segments.get(segment).start < at {
                segment = self.segments.split(segment, at);
            }
            while at < end {
                if self.segments.get(segment).end() > end {
                    #[cfg(test)]
                    self.seen.cut_by_a_hit(self.segments.get(segment));
                    self.segments.split(segment, end);
                }
                self.segments.take(segment);
                let Segment { len, after, .. } = *self.segments.get(segment);
                table.push(Span { segment, len });
                (at, segment) = (at + len, after);
            }
        }
        (table.held, table.published) = (matched, matched);
    }

    fn grow(&mut self, now: SimTime, table: &mut ExtentTable, blocks: u32) -> bool {
        let mut wanted = blocks.saturating_sub(table.held);
        if wanted > self.segments.idle {
            return false;
        }
        table.held += wanted;
        while wanted > 0 {
            let first = self.segments.order.first;
            let count = self.segments.get(first).len.min(wanted);
            self.evict(now, first, count);
            wanted -= count;
        }
        true
    }

    fn publish(
        &mut self,
        now: SimTime,
        table: &mut ExtentTable,
        chain: &Chain,
        blocks: u32,
    ) -> Result<(), Open> {
        let blocks = blocks.min(chain.blocks());
        if !self.sharing || blocks <= table.published {
            return Ok(());
        }
        debug_assert!(blocks <= table.held);
        if blocks == table.published + 1 && self.publish_next(now, table) {
            return Ok(());
        }
        let runs = chain.runs();
        let (mut index, mut from) = (table.run as usize, 0);
        if table.tail == NONE {
            // Nothing of its own so far: what it holds was found.
            from = table.published;
            while from >= runs[index].len {
                from -= runs[index].len;
                index += 1;
            }
        } else {
            from += runs[index].len - table.left;
        }
        loop {
            let run = runs[index];
            let upto = run.len.min(from + (blocks - table.published));
            if upto > from {
                let part = Run { key: run.key, start: run.start + from, len: upto - from };
                self.publish_run(now, table, part)?;
                table.published += part.len;
            }
            (table.run, table.left) = (index as u32, run.len - upto);
            (table.next, table.key) = (run.start + upto, run.key);
            if table.published == blocks {
                return Ok(());
            }
            (index, from) = (index + 1, 0);
        }
    }

    fn open(&mut self, table: &ExtentTable, blocks: u32) -> Option<Tail> {
        if !self.sharing {
            return Some(Tail { key: 0, next: 0 });
        }
        if table.left < blocks || table.tail == NONE {
            return None;
        }
        let node = self.segments.get_mut(table.tail);
        if node.end() != table.next || node.refs() != 1 || node.twin() || node.after != NONE {
            return None;
        }
        node.set_open(true);
        Some(Tail { key: table.key, next: table.next })
    }

    #[inline]
    fn take(&mut self, now: SimTime) {
        let first = self.segments.order.first;
        let whole = *self.segments.get(first);
        if whole.len == 1 || whole.twin() || self.segments.has_twins(whole.entry) {
            return self.evict(now, first, 1);
        }
        // Not its only block, and no other answers for it: so mostly, and then that is little to do.
        self.segments.shrink(first, 1);
        if whole.entry != NONE {
            #[cfg(test)]
            self.seen.eviction(&whole, 1);
            self.evicted += 1;
            let key = self.segments.entries[whole.entry as usize].key;
            self.log.note_one(now, key, whole.end() - 1, false);
        }
    }

    #[inline]
    fn publish_open(&mut self, now: SimTime, key: u64, next: u32) {
        if self.sharing {
            self.log.note_one(now, key, next, true);
        }
    }

    #[inline]
    fn turns_at_once(&self, taken: u32) -> bool {
        let first = self.segments.order.first;
        let blank = || {
            let node = self.segments.get(first);
            node.entry == NONE && node.len > taken
        };
        !self.log.is_told() && (taken == 0 || blank())
    }

    #[inline]
    fn turn(&mut self, now: SimTime, taken: u32, published: u32, turn: &Turn) {
        if taken > 0 {
            self.segments.shrink(self.segments.order.first, taken);
        }
        if self.sharing {
            self.log.note_turn(now, turn, published);
        }
    }

    fn settle(&mut self, table: &mut ExtentTable, held: u32, next: u32) {
        table.held = held;
        if !self.sharing {
            return;
        }
        let more = next - table.next;
        if more > 0 {
            self.segments.get_mut(table.tail).len += more;
            table.last.len += more;
            table.published += more;
            table.next = next;
            table.left -= more;
        }
    }

    fn close(&mut self, table: &ExtentTable) {
        if self.sharing {
            self.segments.get_mut(table.tail).set_open(false);
        }
    }

    fn release(&mut self, table: &mut ExtentTable) {
        if table.held > table.published {
            self.segments.give_blank(table.held - table.published);
        }
        #[cfg(test)]
        self.seen.release(table);
        while let Some(Span { mut segment, mut len }) = table.pop() {
            self.pieces.clear();
            while len > 0 {
                self.pieces.push(segment);
                len -= self.segments.get(segment).len;
                segment = self.segments.get(segment).rest();
            }
            #[cfg(test)]
            self.seen.cut_release(self.pieces.len());
            while let Some(piece) = self.pieces.pop() {
                self.segments.give(piece);
            }
        }
        table.clear();
    }

    fn runs(&self) -> Vec<Run> {
        self.segments.primaries()
    }

    fn check(&self, tables: &mut dyn Iterator<Item = &ExtentTable>) {
        self.check_all(tables);
    }
}

#[cfg(test)]
mod tests;
