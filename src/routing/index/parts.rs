//! Blocks that were inserted together, by age: what the indexes that forget by runs of blocks keep of each target. Knows
//! parts, their targets and their order; must not know which end of a part is forgotten first.

use crate::time::{SimTime, Span};

/// No part.
pub const NONE: u32 = u32::MAX;

/// Blocks of a run at a target that were inserted together and not since.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// The target.
    pub target: u32,
    /// The run's row.
    pub row: u32,
    /// Its first block number.
    pub begin: u32,
    /// The first block number after it.
    pub end: u32,
    /// When it was inserted.
    pub at: SimTime,
    /// The next older part of the same run and target, which lies further out; [`NONE`] for the outermost.
    pub outer: u32,
    /// Neighbours in its target's queue and among all, older and newer.
    there: Links,
    anywhere: Links,
}

impl Part {
    /// A part that stands in no queue yet.
    pub fn new(target: u32, row: u32, (begin, end): (u32, u32), at: SimTime, outer: u32) -> Part {
        Part { target, row, begin, end, at, outer, there: LOOSE, anywhere: LOOSE }
    }
}

#[derive(Clone, Copy, Debug)]
struct Links {
    older: u32,
    newer: u32,
}

/// The ends of a list of parts, and how many blocks they have.
#[derive(Clone, Copy, Debug)]
struct Queue {
    oldest: u32,
    newest: u32,
    blocks: u32,
}

const EMPTY: Queue = Queue { oldest: NONE, newest: NONE, blocks: 0 };
const LOOSE: Links = Links { older: NONE, newer: NONE };

impl Queue {
    /// Adds a part at the new end.
    fn push(&mut self, parts: &mut [Part], id: u32, links: fn(&mut Part) -> &mut Links) {
        *links(&mut parts[id as usize]) = Links { older: self.newest, newer: NONE };
        match self.newest {
            NONE => self.oldest = id,
            newest => links(&mut parts[newest as usize]).newer = id,
        }
        self.newest = id;
    }
    /// Takes a part out, wherever it stands.
    fn take(&mut self, parts: &mut [Part], id: u32, links: fn(&mut Part) -> &mut Links) {
        let Links { older, newer } = *links(&mut parts[id as usize]);
        match older {
            NONE => self.oldest = newer,
            older => links(&mut parts[older as usize]).newer = newer,
        }
        match newer {
            NONE => self.newest = older,
            newer => links(&mut parts[newer as usize]).older = older,
        }
    }
}

fn there(part: &mut Part) -> &mut Links {
    &mut part.there
}

fn anywhere(part: &mut Part) -> &mut Links {
    &mut part.anywhere
}

/// All parts, by number, and their orders.
#[derive(Clone, Debug)]
pub struct Parts {
    list: Vec<Part>,
    free: Vec<u32>,
    /// By age: of each target, and of all where that is asked for.
    queues: Vec<Queue>,
    all: Queue,
    in_one: bool,
}

impl Parts {
    /// None, of `targets` targets; with `in_one`, also in one order.
    pub fn new(targets: usize, in_one: bool) -> Parts {
        Parts { list: Vec::new(), free: Vec::new(), queues: vec![EMPTY; targets], all: EMPTY, in_one }
    }
    /// Its targets.
    pub fn targets(&self) -> u32 {
        self.queues.len() as u32
    }
    /// The part of this number.
    #[inline]
    pub fn at(&self, id: u32) -> &Part {
        &self.list[id as usize]
    }
    /// The part of this number.
    #[inline]
    pub fn at_mut(&mut self, id: u32) -> &mut Part {
        &mut self.list[id as usize]
    }
    /// Blocks of a target's parts.
    #[inline]
    pub fn blocks(&self, target: u32) -> u32 {
        self.queues[target as usize].blocks
    }
    /// A target has so many blocks fewer.
    #[inline]
    pub fn less(&mut self, target: u32, blocks: u32) {
        self.queues[target as usize].blocks -= blocks;
    }
    /// A target's oldest part.
    #[inline]
    pub fn oldest(&self, target: u32) -> u32 {
        self.queues[target as usize].oldest
    }
    /// The oldest of all, where they are kept in one order.
    pub fn oldest_of_all(&self) -> u32 {
        self.all.oldest
    }
    /// What a target that holds more than `capacity` blocks forgets next: its oldest part, and how many blocks of it.
    pub fn surplus(&self, target: u32, capacity: u32) -> Option<(u32, u32)> {
        let surplus = self.blocks(target).checked_sub(capacity).filter(|&surplus| surplus > 0)?;
        let oldest = self.oldest(target);
        let part = self.at(oldest);
        Some((oldest, surplus.min(part.end - part.begin)))
    }
    /// The oldest part of all and its blocks, if it has outlived `ttl` at `now`.
    pub fn outlived(&self, ttl: Span, now: SimTime) -> Option<(u32, u32)> {
        let oldest = self.oldest_of_all();
        (oldest != NONE).then_some(())?;
        let part = self.at(oldest);
        (part.at + ttl <= now).then_some((oldest, part.end - part.begin))
    }
    /// Adds a part, the newest; its blocks count.
    pub fn add(&mut self, part: Part) -> u32 {
        let id = if let Some(id) = self.free.pop() {
            self.list[id as usize] = part;
            id
        } else {
            self.list.push(part);
            (self.list.len() - 1) as u32
        };
        let queue = &mut self.queues[part.target as usize];
        queue.push(&mut self.list, id, there);
        queue.blocks += part.end - part.begin;
        if self.in_one {
            self.all.push(&mut self.list, id, anywhere);
        }
        id
    }
    /// Takes a part out of the queues; its blocks no longer count, or were taken off already.
    pub fn drop(&mut self, id: u32) {
        let target = self.list[id as usize].target;
        self.queues[target as usize].take(&mut self.list, id, there);
        if self.in_one {
            self.all.take(&mut self.list, id, anywhere);
        }
        self.free.push(id);
    }
    /// Takes `id`, which is the outermost, off the chain that begins with `newest`; the one that is the outermost then.
    pub fn unhook(&mut self, newest: u32, id: u32) -> u32 {
        let mut at = newest;
        while self.list[at as usize].outer != id {
            at = self.list[at as usize].outer;
        }
        self.list[at as usize].outer = NONE;
        at
    }
    /// The blocks of all parts that are in use, for tests: as many as the queues say.
    #[cfg(test)]
    pub fn in_use(&self) -> u32 {
        let free: std::collections::BTreeSet<u32> = self.free.iter().copied().collect();
        let used = (0..self.list.len() as u32).filter(|id| !free.contains(id));
        used.map(|id| self.at(id).end - self.at(id).begin).sum()
    }
}
