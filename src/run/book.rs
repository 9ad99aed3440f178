//! The book of rows: of every request what exact percentiles and their groups need, and no more. Knows which fields
//! those are; must not know what is made of them. A row takes some 30 bytes instead of the 256 of its whole
//! story: numbers are written with seven bits a byte (LEB128, as in DWARF), a leg that is zero with one bit.

use crate::id::{ClassId, OriginId, RegionId, RequestId};
use crate::observe::{Leg, Legs, Outcome, RequestRow};
use crate::time::{SimTime, Span};

/// Bytes of a page. Pages instead of one growing buffer, because growing one holds it twice.
const PAGE: usize = 1 << 18;
/// No row is longer: 14 numbers of at most 10 bytes, 10 legs, flags.
const LONGEST: usize = 256;

/// A row as the book gives it back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// The request, numbered by arrival.
    pub id: RequestId,
    /// Where its client is.
    pub origin: OriginId,
    /// Its SLO class.
    pub class: ClassId,
    /// The region that served it, if one did.
    pub region: Option<RegionId>,
    /// When the client sent it.
    pub sent_at: SimTime,
    /// How it ended.
    pub outcome: Outcome,
    /// When it ended at its client.
    pub ended_at: SimTime,
    /// Time to first token at the client.
    pub ttft: Option<Span>,
    /// From the gateway to the first token leaving the replica's region.
    pub server_ttft: Option<Span>,
    /// Prompt length.
    pub prompt_tokens: u32,
    /// Prompt tokens found in the cache.
    pub cached_tokens: u32,
    /// Output tokens produced.
    pub output_tokens: u32,
    /// The parts of TTFT.
    pub legs: Legs,
}

impl Entry {
    /// What the book keeps of a row.
    pub fn of(row: &RequestRow) -> Entry {
        Entry {
            id: row.id,
            origin: row.origin,
            class: row.class,
            region: row.region,
            sent_at: row.sent_at,
            outcome: row.outcome,
            ended_at: row.ended_at,
            ttft: row.ttft(),
            server_ttft: row.server_ttft,
            prompt_tokens: row.prompt_tokens,
            cached_tokens: row.cached_tokens,
            output_tokens: row.output_tokens,
            legs: row.legs,
        }
    }
    /// Whether all its output was produced.
    pub fn completed(&self) -> bool {
        self.outcome == Outcome::Completed
    }
    /// End-to-end latency at the client, of a completed request.
    pub fn e2e(&self) -> Option<Span> {
        self.completed().then(|| self.ended_at - self.sent_at)
    }
    /// Mean time between output tokens (TPOT), of a completed request with at least two.
    pub fn tpot(&self) -> Option<Span> {
        let decode = self.e2e()?.0 - self.ttft?.0;
        (self.output_tokens > 1).then(|| Span(decode / (u64::from(self.output_tokens) - 1)))
    }
}

/// All rows, in the order in which they were written.
#[derive(Clone, Debug, Default)]
pub struct Book {
    pages: Vec<Vec<u8>>,
    rows: u64,
    last_sent: SimTime,
    last_end: SimTime,
    before: Before,
}

/// The row before: ids and times are written as what they differ from it by.
#[derive(Clone, Copy, Debug, Default)]
struct Before {
    id: u32,
    ended_at: u64,
}

/// The low three bits of the flags are the outcome's, and the highest is its fourth.
const OUTCOME_LOW: u8 = 7;
const OUTCOME_HIGH: u8 = 1 << 7;
const TTFT: u8 = 1 << 3;
const SERVER_TTFT: u8 = 1 << 4;
const REGION: u8 = 1 << 5;
/// TTFT is the sum of the legs and not written.
const SUM: u8 = 1 << 6;

impl Book {
    /// Writes a row down.
    pub fn push(&mut self, entry: &Entry) {
        if self.pages.last().is_none_or(|page| page.len() + LONGEST > PAGE) {
            self.pages.push(Vec::with_capacity(PAGE));
        }
        self.rows += 1;
        self.last_sent = self.last_sent.max(entry.sent_at);
        self.last_end = self.last_end.max(entry.ended_at);
        let before =
            std::mem::replace(&mut self.before, Before { id: entry.id.0, ended_at: entry.ended_at.0 });
        let Some(page) = self.pages.last_mut() else { return };
        let sum = entry.ttft == Some(entry.legs.total());
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        page.push(
            entry.outcome as u8 & OUTCOME_LOW
                | flag(entry.outcome as u8 > OUTCOME_LOW, OUTCOME_HIGH)
                | flag(entry.ttft.is_some(), TTFT)
                | flag(entry.server_ttft.is_some(), SERVER_TTFT)
                | flag(entry.region.is_some(), REGION)
                | flag(sum, SUM),
        );
        let legs = || Leg::ALL.iter().map(|&leg| entry.legs.get(leg).0);
        let mask = legs().enumerate().fold(0, |mask, (i, ns)| mask | u64::from(ns > 0) << i);
        put(page, zigzag(u64::from(entry.id.0), u64::from(before.id)));
        put(page, zigzag(entry.ended_at.0, before.ended_at));
        put(page, zigzag(entry.ended_at.0, entry.sent_at.0));
        put(page, u64::from(entry.origin.0));
        put(page, u64::from(entry.class.0));
        if let Some(region) = entry.region {
            put(page, u64::from(region.0));
        }
        put(page, u64::from(entry.prompt_tokens));
        put(page, u64::from(entry.cached_tokens));
        put(page, u64::from(entry.output_tokens));
        put(page, mask);
        legs().filter(|&ns| ns > 0).for_each(|ns| put(page, ns));
        if let (Some(ttft), false) = (entry.ttft, sum) {
            put(page, ttft.0);
        }
        if let Some(ttft) = entry.server_ttft {
            put(page, zigzag(ttft.0, entry.ttft.unwrap_or_default().0));
        }
    }
    /// How many rows there are.
    pub fn len(&self) -> u64 {
        self.rows
    }
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }
    /// When the last request was sent.
    pub fn last_sent(&self) -> SimTime {
        self.last_sent
    }
    /// When the last request ended.
    pub fn last_end(&self) -> SimTime {
        self.last_end
    }
    /// All rows, in the order in which they were written.
    pub fn entries(&self) -> impl Iterator<Item = Entry> + Clone + '_ {
        let pages = self.pages.iter().map(Vec::as_slice);
        Entries { pages, page: &[], before: Before::default() }
    }
}

impl<'r> FromIterator<&'r RequestRow> for Book {
    fn from_iter<I: IntoIterator<Item = &'r RequestRow>>(rows: I) -> Book {
        let mut book = Book::default();
        rows.into_iter().for_each(|row| book.push(&Entry::of(row)));
        book
    }
}

#[derive(Clone)]
struct Entries<'b, P> {
    pages: P,
    page: &'b [u8],
    before: Before,
}

impl<'b, P: Iterator<Item = &'b [u8]>> Iterator for Entries<'b, P> {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        while self.page.is_empty() {
            self.page = self.pages.next()?;
        }
        let (&flags, mut bytes) = self.page.split_first()?;
        let mut take = || take(&mut bytes);
        let id = unzigzag(take(), u64::from(self.before.id)) as u32;
        let ended_at = unzigzag(take(), self.before.ended_at);
        // Differences wrap, so that any pair of times comes back.
        let sent_at = ended_at.wrapping_sub(unzigzag(take(), 0));
        self.before = Before { id, ended_at };
        let mut entry = Entry {
            id: RequestId(id),
            origin: OriginId(take() as u32),
            class: ClassId(take() as u32),
            sent_at: SimTime(sent_at),
            ended_at: SimTime(ended_at),
            outcome: Outcome::ALL[usize::from(flags & OUTCOME_LOW | (flags & OUTCOME_HIGH) >> 4)],
            ..Entry::default()
        };
        entry.region = (flags & REGION > 0).then(|| RegionId(take() as u32));
        entry.prompt_tokens = take() as u32;
        entry.cached_tokens = take() as u32;
        entry.output_tokens = take() as u32;
        let mut mask = take();
        while mask > 0 {
            entry.legs.add(Leg::ALL[mask.trailing_zeros() as usize], Span(take()));
            mask &= mask - 1;
        }
        if flags & TTFT > 0 {
            entry.ttft = Some(if flags & SUM > 0 { entry.legs.total() } else { Span(take()) });
        }
        let near = entry.ttft.unwrap_or_default().0;
        entry.server_ttft = (flags & SERVER_TTFT > 0).then(|| Span(unzigzag(take(), near)));
        self.page = bytes;
        Some(entry)
    }
}

/// How far `to` is from `from`, small both ways.
fn zigzag(to: u64, from: u64) -> u64 {
    let difference = to.wrapping_sub(from) as i64;
    ((difference << 1) ^ (difference >> 63)) as u64
}

fn unzigzag(word: u64, from: u64) -> u64 {
    from.wrapping_add((word >> 1) ^ (word & 1).wrapping_neg())
}

#[inline]
fn put(page: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        page.push(value as u8 | 0x80);
        value >>= 7;
    }
    page.push(value as u8);
}

#[inline]
fn take(bytes: &mut &[u8]) -> u64 {
    match bytes.split_first() {
        Some((&byte, rest)) if byte < 0x80 => {
            *bytes = rest;
            u64::from(byte)
        }
        _ => take_long(bytes),
    }
}

/// Of up to seven bytes at once where there are eight to read, as most numbers that are times are; else byte by byte.
fn take_long(bytes: &mut &[u8]) -> u64 {
    if let Some((word, _)) = bytes.split_first_chunk::<8>() {
        let word = u64::from_le_bytes(*word);
        // The first byte without the bit that says that more follow.
        let bits = (!word & 0x0080_8080_8080_8080).trailing_zeros() + 1;
        if bits <= 56 {
            *bytes = &bytes[bits as usize / 8..];
            // Sevens of bits move together: two, then four, then eight of them.
            let sevens = word & (u64::MAX >> (64 - bits)) & 0x7f7f_7f7f_7f7f_7f7f;
            let pairs = (sevens & 0x007f_007f_007f_007f) | (sevens & 0x7f00_7f00_7f00_7f00) >> 1;
            let fours = (pairs & 0x0000_3fff_0000_3fff) | (pairs & 0x3fff_0000_3fff_0000) >> 2;
            return (fours & 0x0fff_ffff) | (fours & 0x0fff_ffff_0000_0000) >> 4;
        }
    }
    let (mut value, mut shift) = (0, 0);
    while let Some((&byte, rest)) = bytes.split_first() {
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
        shift += 7;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry() -> impl Strategy<Value = Entry> {
        let ids = (any::<u32>(), any::<u32>(), any::<u32>(), any::<Option<u32>>());
        let times = (any::<u64>(), any::<u64>(), any::<Option<u64>>(), any::<bool>(), any::<Option<u64>>());
        let tokens = (any::<u32>(), any::<u32>(), any::<u32>(), 0..Outcome::ALL.len());
        let legs = prop::collection::vec((0..10usize, 0..1u64 << 60), 0..10);
        (ids, times, tokens, legs).prop_map(|(ids, times, tokens, parts)| {
            let mut legs = Legs::default();
            // Each leg at most once, so that sums stay in range.
            let mut seen = 0u32;
            for (leg, ns) in parts {
                if seen & 1 << leg == 0 {
                    legs.add(Leg::ALL[leg], Span(ns));
                    seen |= 1 << leg;
                }
            }
            let ttft = if times.3 { Some(legs.total()) } else { times.2.map(Span) };
            Entry {
                id: RequestId(ids.0),
                origin: OriginId(ids.1),
                class: ClassId(ids.2),
                region: ids.3.map(RegionId),
                sent_at: SimTime(times.0),
                ended_at: SimTime(times.1),
                ttft,
                server_ttft: times.4.map(Span),
                prompt_tokens: tokens.0,
                cached_tokens: tokens.1,
                output_tokens: tokens.2,
                outcome: Outcome::ALL[tokens.3],
                legs,
            }
        })
    }

    proptest! {
        #[test]
        fn any_row_comes_back_as_it_was(entries in prop::collection::vec(entry(), 0..60)) {
            let mut book = Book::default();
            entries.iter().for_each(|entry| book.push(entry));
            prop_assert_eq!(book.entries().collect::<Vec<_>>(), entries.clone());
            prop_assert_eq!(book.len(), entries.len() as u64);
            let last = entries.iter().map(|entry| entry.sent_at).max().unwrap_or_default();
            prop_assert_eq!(book.last_sent(), last);
        }
    }

    #[test]
    fn rows_come_back_over_page_ends_and_are_small() {
        let mut book = Book::default();
        let entry = |i: u32| {
            let mut legs = Legs::default();
            legs.add(Leg::Queue, Span(7_000_000));
            legs.add(Leg::Prefill, Span(14_000_000 + u64::from(i)));
            Entry {
                id: RequestId(i ^ 1),
                region: Some(RegionId(0)),
                sent_at: SimTime(u64::from(i) * 5_000_000),
                ended_at: SimTime(u64::from(i) * 5_000_000 + 900_000_000),
                outcome: Outcome::Completed,
                ttft: Some(legs.total()),
                server_ttft: Some(legs.total()),
                prompt_tokens: 512,
                output_tokens: 128,
                legs,
                ..Entry::default()
            }
        };
        (0..100_000).for_each(|i| book.push(&entry(i)));
        assert!(book.pages.len() > 5);
        assert!(book.entries().eq((0..100_000).map(entry)));
        let bytes: usize = book.pages.iter().map(Vec::len).sum();
        assert!(bytes <= 32 * 100_000, "{bytes}");
    }
}
