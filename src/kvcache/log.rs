//! What changed in a cache, and when: the source of every router's view of it, and of the digest that proves two
//! ways of computing equal. The changes themselves are kept only while somebody subscribes; the digest always.

use crate::digest::SequenceDigest;
use crate::time::SimTime;

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

const ADDED: u64 = 0xa076_1d64_78bd_642f;
const REMOVED: u64 = 0xe703_7ed1_a0b4_28db;
const TIME: u64 = 0x8ebc_6af0_9c88_c6e3;

/// The word that a change adds to the digest: linear in the id, so that a run of blocks that changes at one
/// instant adds up in closed form.
pub fn word(change: &Change) -> u64 {
    let kind = if change.added { ADDED } else { REMOVED };
    change.id.wrapping_mul(kind).wrapping_add(change.at.0.wrapping_mul(TIME))
}

/// The changes of one cache.
#[derive(Clone, Debug, Default)]
pub struct ChangeLog {
    digest: SequenceDigest,
    kept: Vec<Change>,
    subscribed: bool,
}

impl ChangeLog {
    /// From now on keeps changes until they are taken.
    pub fn subscribe(&mut self) {
        self.subscribed = true;
    }
    /// Takes note of a change.
    #[inline]
    pub fn note(&mut self, change: Change) {
        self.digest.word(word(&change));
        if self.subscribed {
            self.kept.push(change);
        }
    }
    /// The changes since the last call to [`ChangeLog::clear`], oldest first.
    pub fn changes(&self) -> &[Change] {
        &self.kept
    }
    /// Forgets the kept changes: everybody has read them.
    pub fn clear(&mut self) {
        self.kept.clear();
    }
    /// The digest of all changes ever.
    pub fn digest(&self) -> u64 {
        self.digest.value()
    }
}
