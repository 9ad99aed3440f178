//! What changed in a cache, and when: the source of every router's view of it, and of the digest that proves two
//! ways of computing equal. The changes themselves are kept only while somebody subscribes; the digest always.
//!
//! A change is told as a run of blocks that change at one instant, and counts as its single blocks in order: head
//! first where they appear, tail first where they go. The digest does not depend on how runs were cut.

use crate::digest::{Powers, SEQUENCE_BASE, SequenceDigest};
use crate::rng::mix64;
use crate::time::SimTime;
use crate::workload::Run;

/// A block id became present in a cache, or stopped being.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// When.
    pub at: SimTime,
    /// The chained block id.
    pub id: u64,
    /// Present from now on, or gone.
    pub added: bool,
}

/// A run of blocks that became present in a cache, or stopped being.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Noted {
    /// When.
    pub at: SimTime,
    /// The blocks: head first where they appeared, tail first where they went.
    pub run: Run,
    /// Present from now on, or gone.
    pub added: bool,
}

impl Noted {
    /// Its single blocks as runs, in the order in which they changed.
    pub fn blocks(&self) -> impl Iterator<Item = Run> + use<> {
        let (run, added) = (self.run, self.added);
        (0..run.len).map(move |j| {
            let j = if added { j } else { run.len - 1 - j };
            Run { start: run.start + j, len: 1, ..run }
        })
    }
}

const ADDED: u64 = 0xa076_1d64_78bd_642f;
const REMOVED: u64 = 0xe703_7ed1_a0b4_28db;
const TIME: u64 = 0x8ebc_6af0_9c88_c6e3;

/// The word that a change of block `number` of run `key` adds to the digest is `slope · number + offset`: linear in
/// the number, so that the blocks of a run add up in closed form. The slope is odd, so that no two blocks of a run
/// have the same word.
fn word(at: SimTime, key: u64, added: bool) -> (u64, u64) {
    let kind = if added { ADDED } else { REMOVED };
    let key = mix64(key);
    (key | 1, (key ^ kind).wrapping_mul(kind).wrapping_add(at.0.wrapping_mul(TIME)))
}

/// What many sequences publish next, one block each and at one instant, as the digest takes it: the sum of their words and
/// that of their slopes, each times the base's power of how many come behind it. Each block that they publish raises its
/// word by its slope, so that the sums of the turn after next follow from these. How many they are is written down elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    words: u64,
    slopes: u64,
}

impl Turn {
    /// Nobody publishes.
    pub const NONE: Turn = Turn { words: 0, slopes: 0 };

    /// One more publishes, behind all others: this block of this run.
    #[inline]
    pub fn push(&mut self, key: u64, number: u32) {
        let (slope, offset) = word(SimTime(0), key, true);
        let word = slope.wrapping_mul(u64::from(number)).wrapping_add(offset);
        self.words = self.words.wrapping_mul(SEQUENCE_BASE).wrapping_add(word);
        self.slopes = self.slopes.wrapping_mul(SEQUENCE_BASE).wrapping_add(slope);
    }
    /// The first of them, who would publish this block of this run, does not; so many others do.
    #[inline]
    pub fn drop_first(&mut self, key: u64, number: u32, others: u32) {
        let (slope, offset) = word(SimTime(0), key, true);
        let word = slope.wrapping_mul(u64::from(number)).wrapping_add(offset);
        let power = Powers::of(others).power();
        self.words = self.words.wrapping_sub(word.wrapping_mul(power));
        self.slopes = self.slopes.wrapping_sub(slope.wrapping_mul(power));
    }
    /// They have: of each the block after it is next.
    #[inline]
    pub fn advance(&mut self) {
        self.words = self.words.wrapping_add(self.slopes);
    }
}

/// The changes of one cache. The order of fields is that of memory: those last that every change touches, beside what
/// follows.
#[derive(Clone, Debug, Default)]
#[repr(C)]
pub struct ChangeLog {
    kept: Vec<Noted>,
    computed: Vec<Run>,
    digest: SequenceDigest,
    subscribed: bool,
    keeps_computed: bool,
}

impl ChangeLog {
    /// From now on keeps changes until they are taken.
    pub fn subscribe(&mut self) {
        self.subscribed = true;
    }
    /// From now on also keeps the runs that appear, as runs, until they are taken.
    pub fn keep_computed(&mut self) {
        self.keeps_computed = true;
    }
    /// The runs that appeared since the last call to [`ChangeLog::clear`], where they are kept.
    pub fn computed(&self) -> &[Run] {
        &self.computed
    }
    /// Takes note that the blocks of `run` have appeared, head first, or gone, tail first. O(log n).
    #[inline]
    pub fn note(&mut self, at: SimTime, run: Run, added: bool) {
        if run.len == 1 {
            return self.note_one(at, run.key, run.start, added);
        }
        let (slope, offset) = word(at, run.key, added);
        let head = slope.wrapping_mul(u64::from(run.start)).wrapping_add(offset);
        let last = u64::from(run.len.saturating_sub(1));
        let tail = head.wrapping_add(slope.wrapping_mul(last));
        let (first, step) = if added { (head, slope) } else { (tail, slope.wrapping_neg()) };
        self.digest.line(first, step, &Powers::of(run.len));
        if self.is_told() {
            self.keep(at, run, added);
        }
    }
    /// Takes note of one block: what decoding does, over and over.
    #[inline]
    pub fn note_one(&mut self, at: SimTime, key: u64, number: u32, added: bool) {
        let (slope, offset) = word(at, key, added);
        self.digest.word(slope.wrapping_mul(u64::from(number)).wrapping_add(offset));
        if self.is_told() {
            self.keep(at, Run { key, start: number, len: 1 }, added);
        }
    }
    /// Whether somebody is to be told of each change.
    #[inline]
    pub fn is_told(&self) -> bool {
        self.subscribed || self.keeps_computed
    }
    /// Takes note of a whole turn, of so many blocks. Nobody is to be told of each change.
    #[inline]
    pub fn note_turn(&mut self, at: SimTime, turn: &Turn, count: u32) {
        debug_assert!(!self.is_told());
        self.digest.raised(turn.words, at.0.wrapping_mul(TIME), &Powers::of(count));
    }
    /// Apart, so that whoever keeps nothing carries nothing of it along.
    #[cold]
    #[inline(never)]
    fn keep(&mut self, at: SimTime, run: Run, added: bool) {
        if self.keeps_computed && added {
            self.computed.push(run);
        }
        if self.subscribed {
            self.kept.push(Noted { at, run, added });
        }
    }
    /// What was noted since the last call to [`ChangeLog::clear`], oldest first.
    pub fn noted(&self) -> &[Noted] {
        &self.kept
    }
    /// The same, block by block.
    pub fn changes(&self) -> Vec<Change> {
        let changes = |noted: &Noted| {
            let (at, added) = (noted.at, noted.added);
            noted.blocks().map(move |block| Change { at, id: block.id(0), added })
        };
        self.kept.iter().flat_map(changes).collect()
    }
    /// Forgets the kept changes: everybody has read them.
    pub fn clear(&mut self) {
        self.kept.clear();
        self.computed.clear();
    }
    /// The digest of all changes ever.
    pub fn digest(&self) -> u64 {
        self.digest.value()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(notes: &[(u64, Run, bool)]) -> ChangeLog {
        let mut log = ChangeLog::default();
        log.subscribe();
        for &(at, run, added) in notes {
            log.note(SimTime(at), run, added);
        }
        log
    }
    fn run(key: u64, start: u32, len: u32) -> Run {
        Run { key, start, len }
    }

    proptest::proptest! {
        /// However a run is cut, the changes and the digest are those of its single blocks.
        #[test]
        fn runs_equal_their_single_blocks(
            notes in proptest::collection::vec((0u64..9, 0u64..3, 0u32..99, 1u32..70, proptest::bool::ANY), 1..20),
        ) {
            let (mut whole, mut single) = (ChangeLog::default(), ChangeLog::default());
            whole.subscribe();
            single.subscribe();
            for (at, key, start, len, added) in notes {
                whole.note(SimTime(at), run(key, start, len), added);
                for j in 0..len {
                    let j = if added { j } else { len - 1 - j };
                    single.note(SimTime(at), run(key, start + j, 1), added);
                }
                proptest::prop_assert_eq!(whole.digest(), single.digest());
            }
            proptest::prop_assert_eq!(whole.changes(), single.changes());
        }
    }

    proptest::proptest! {
        /// Turns, as sequences come and go between them, equal their single blocks.
        #[test]
        fn turns_equal_their_single_blocks(events in proptest::collection::vec((0u8..4, 0u64..99, 0u32..99), 1..60)) {
            let (mut whole, mut single) = (ChangeLog::default(), ChangeLog::default());
            let (mut turn, mut plain) = (Turn::NONE, std::collections::VecDeque::new());
            for (number, (kind, key, block)) in events.into_iter().enumerate() {
                match kind {
                    0 | 1 => {
                        turn.push(key, block);
                        plain.push_back((key, block));
                    }
                    2 => {
                        if let Some((key, block)) = plain.pop_front() {
                            turn.drop_first(key, block, plain.len() as u32);
                        }
                    }
                    _ => {
                        let at = SimTime(number as u64);
                        whole.note_turn(at, &turn, plain.len() as u32);
                        turn.advance();
                        for (key, block) in &mut plain {
                            single.note_one(at, *key, *block, true);
                            *block += 1;
                        }
                    }
                }
                proptest::prop_assert_eq!(whole.digest(), single.digest());
            }
        }
    }

    #[test]
    fn block_run_kind_time_and_order_each_count() {
        let changes = [
            vec![(1, run(1, 5, 2), true)],
            vec![(1, run(1, 5, 2), false)],
            vec![(2, run(1, 5, 2), true)],
            vec![(1, run(2, 5, 2), true)],
            vec![(1, run(1, 6, 2), true)],
            vec![(1, run(1, 5, 3), true)],
            vec![(1, run(1, 6, 1), true), (1, run(1, 5, 1), true)],
            vec![(1, run(1, 5, 1), true), (2, run(1, 6, 1), true)],
            vec![(1, run(1, 5, 1), true), (1, run(2, 6, 1), true)],
            vec![],
        ];
        let mut digests: Vec<u64> = changes.iter().map(|notes| log(notes).digest()).collect();
        digests.sort_unstable();
        digests.dedup();
        assert_eq!(digests.len(), changes.len());
    }
}
