//! The book of rows: of every request what exact percentiles and their groups need, and no more. Knows which fields
//! those are; must not know what is made of them. A row takes some 40 bytes instead of the 256 of its whole
//! story: of each number as many bytes as it needs, and before them how many that are, three bits each (our choice: with
//! seven bits a byte, as LEB128 has them, a row is a tenth longer, and writing and reading it took 40 % more instructions).

use crate::id::{ClassId, OriginId, RegionId, RequestId};
use crate::observe::{Leg, Legs, Outcome, RequestRow};
use crate::time::{SimTime, Span};

/// Bytes of a page. Pages instead of one growing buffer, because growing one holds it twice.
const PAGE: usize = 1 << 18;
/// The numbers of a row.
const NUMBERS: usize = 11 + Leg::ALL.len();
/// Where they begin: behind the flags and their lengths.
const HEAD: usize = 1 + size_of::<u64>();
/// No row is longer.
const LONGEST: usize = HEAD + NUMBERS * size_of::<u64>();
const _: () = assert!(NUMBERS * 3 <= 64, "the lengths of all numbers are in one word");

/// Bytes of a number by the three bits that tell of them.
const LENGTHS: [u8; 8] = [0, 1, 2, 3, 4, 5, 6, 8];
/// The three bits by how many bits the number has.
const CODES: [u8; 65] = {
    let mut codes = [0; 65];
    let mut bits = 0;
    while bits <= 64 {
        while LENGTHS[codes[bits] as usize] as usize * 8 < bits {
            codes[bits] += 1;
        }
        bits += 1;
    }
    codes
};
/// The bits of a word that are the number's, by its three bits.
const MASKS: [u64; 8] = {
    let mut masks = [0; 8];
    let mut code = 1;
    while code < 8 {
        masks[code] = u64::MAX >> (64 - 8 * LENGTHS[code] as u32);
        code += 1;
    }
    masks
};

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
        let sum = entry.ttft == Some(entry.legs.total());
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        let flags = entry.outcome as u8 & OUTCOME_LOW
            | flag(entry.outcome as u8 > OUTCOME_LOW, OUTCOME_HIGH)
            | flag(entry.ttft.is_some(), TTFT)
            | flag(entry.server_ttft.is_some(), SERVER_TTFT)
            | flag(entry.region.is_some(), REGION)
            | flag(sum, SUM);
        let ttft = entry.ttft.unwrap_or_default().0;
        let mut row = Row { bytes: [0; LONGEST + size_of::<u64>()], at: HEAD, lengths: 0 };
        row.put(zigzag(u64::from(entry.id.0), u64::from(before.id)));
        row.put(zigzag(entry.ended_at.0, before.ended_at));
        row.put(zigzag(entry.ended_at.0, entry.sent_at.0));
        row.put(u64::from(entry.origin.0));
        row.put(u64::from(entry.class.0));
        row.put(entry.region.map_or(0, |region| u64::from(region.0)));
        row.put(u64::from(entry.prompt_tokens));
        row.put(u64::from(entry.cached_tokens));
        row.put(u64::from(entry.output_tokens));
        Leg::ALL.iter().for_each(|&leg| row.put(entry.legs.get(leg).0));
        row.put(if sum { 0 } else { ttft });
        row.put(entry.server_ttft.map_or(0, |server| zigzag(server.0, ttft)));
        row.bytes[0] = flags;
        row.bytes[1..HEAD].copy_from_slice(&row.lengths.to_le_bytes());
        if let Some(page) = self.pages.last_mut() {
            page.extend_from_slice(&row.bytes[..row.at]);
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
        let mut row = Reading { page: self.page, at: HEAD, lengths: word(self.page, 1) };
        let flags = self.page[0];
        let id = unzigzag(row.take(), u64::from(self.before.id)) as u32;
        let ended_at = unzigzag(row.take(), self.before.ended_at);
        // Differences wrap, so that any pair of times comes back.
        let sent_at = ended_at.wrapping_sub(unzigzag(row.take(), 0));
        self.before = Before { id, ended_at };
        let (origin, class) = (row.take() as u32, row.take() as u32);
        let region = row.take() as u32;
        let (prompt_tokens, cached_tokens, output_tokens) =
            (row.take() as u32, row.take() as u32, row.take() as u32);
        let mut legs = Legs::default();
        Leg::ALL.iter().for_each(|&leg| legs.add(leg, Span(row.take())));
        let (ttft, server_ttft) = (row.take(), row.take());
        let ttft = if flags & SUM > 0 { legs.total() } else { Span(ttft) };
        let ttft = (flags & TTFT > 0).then_some(ttft);
        let near = ttft.unwrap_or_default().0;
        self.page = &self.page[row.at..];
        Some(Entry {
            id: RequestId(id),
            origin: OriginId(origin),
            class: ClassId(class),
            region: (flags & REGION > 0).then_some(RegionId(region)),
            sent_at: SimTime(sent_at),
            outcome: Outcome::ALL[usize::from(flags & OUTCOME_LOW | (flags & OUTCOME_HIGH) >> 4)],
            ended_at: SimTime(ended_at),
            ttft,
            server_ttft: (flags & SERVER_TTFT > 0).then(|| Span(unzigzag(server_ttft, near))),
            prompt_tokens,
            cached_tokens,
            output_tokens,
            legs,
        })
    }
}

/// A row being written.
struct Row {
    /// With room for a whole word behind the last number.
    bytes: [u8; LONGEST + size_of::<u64>()],
    at: usize,
    lengths: u64,
}

impl Row {
    #[inline]
    fn put(&mut self, value: u64) {
        let code = CODES[64 - value.leading_zeros() as usize];
        if let Some(to) = self.bytes[self.at..].first_chunk_mut() {
            *to = value.to_le_bytes();
        }
        self.at += usize::from(LENGTHS[usize::from(code)]);
        // The first number's bits end up lowest.
        self.lengths = self.lengths >> 3 | u64::from(code) << (3 * (NUMBERS - 1));
    }
}

/// A row being read, and where it is.
struct Reading<'p> {
    page: &'p [u8],
    at: usize,
    lengths: u64,
}

impl Reading<'_> {
    #[inline]
    fn take(&mut self) -> u64 {
        let code = self.lengths as usize % LENGTHS.len();
        let value = word(self.page, self.at) & MASKS[code];
        self.at += usize::from(LENGTHS[code]);
        self.lengths >>= 3;
        value
    }
}

/// The eight bytes from there on; zeros behind the end of the page.
#[inline]
fn word(page: &[u8], at: usize) -> u64 {
    match page.get(at..).and_then(|rest| rest.first_chunk()) {
        Some(bytes) => u64::from_le_bytes(*bytes),
        None => word_at_the_end(page, at),
    }
}

#[cold]
fn word_at_the_end(page: &[u8], at: usize) -> u64 {
    let bytes = page.get(at..).unwrap_or_default().iter().take(size_of::<u64>());
    bytes.rev().fold(0, |word, &byte| word << 8 | u64::from(byte))
}

/// How far `to` is from `from`, small both ways.
fn zigzag(to: u64, from: u64) -> u64 {
    let difference = to.wrapping_sub(from) as i64;
    ((difference << 1) ^ (difference >> 63)) as u64
}

fn unzigzag(word: u64, from: u64) -> u64 {
    from.wrapping_add((word >> 1) ^ (word & 1).wrapping_neg())
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
        assert!(bytes <= 40 * 100_000, "{bytes}");
    }
}
