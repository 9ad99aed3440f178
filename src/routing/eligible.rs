//! The targets that a request may be sent to. Knows their order and their distance; must not know why the others are
//! left out. A set is made once and asked for every decision, so what can be said of it in advance is.

use super::{Target, TargetId};

/// Some targets of a stage, in id order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Eligible {
    id: u32,
    list: Ranked,
    nearest: Ranked,
}

/// A list of targets in id order, and by target how many of the list come before it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Ranked {
    list: Vec<TargetId>,
    ranks: Vec<u32>,
}

impl Ranked {
    fn new(list: Vec<TargetId>, targets: usize) -> Ranked {
        debug_assert!(list.is_sorted_by(|a, b| a < b), "targets are in id order");
        let mut ranks = Vec::with_capacity(targets + 1);
        for (rank, target) in list.iter().enumerate() {
            ranks.resize(target.0 as usize + 1, rank as u32);
        }
        ranks.resize(targets + 1, list.len() as u32);
        Ranked { list, ranks }
    }
    fn next_from(&self, start: u32) -> TargetId {
        let at = self.ranks[start as usize] as usize;
        self.list[if at == self.list.len() { 0 } else { at }]
    }
}

impl Eligible {
    /// The set of `list`, which is in id order and not empty, out of `targets`. Sets of one stage that differ have
    /// different ids, also those of other times.
    pub fn new(id: u32, list: Vec<TargetId>, targets: &[Target]) -> Eligible {
        assert!(!list.is_empty(), "a stage is asked only when some target is eligible");
        let distance = |&target: &TargetId| {
            let target = &targets[target.0 as usize];
            (target.rtt, target.region)
        };
        let region = list.iter().map(distance).min().map(|(_, region)| region);
        let near = |target: &TargetId| Some(targets[target.0 as usize].region) == region;
        let nearest = list.iter().copied().filter(near).collect();
        Eligible { id, list: Ranked::new(list, targets.len()), nearest: Ranked::new(nearest, targets.len()) }
    }
    /// Which set it is: for what is remembered of one.
    pub fn id(&self) -> u32 {
        self.id
    }
    /// The targets, in id order.
    pub fn list(&self) -> &[TargetId] {
        &self.list.list
    }
    /// How many there are, 1 or more.
    #[expect(clippy::len_without_is_empty, reason = "it is never empty")]
    pub fn len(&self) -> usize {
        self.list.list.len()
    }
    /// Where `target` stands in the list, if it does.
    #[inline]
    pub fn place(&self, target: TargetId) -> Option<u32> {
        let (rank, next) = (self.list.ranks[target.0 as usize], *self.list.ranks.get(target.0 as usize + 1)?);
        (next > rank).then_some(rank)
    }
    /// Whether `target` is one of them.
    #[inline]
    pub fn contains(&self, target: TargetId) -> bool {
        self.place(target).is_some()
    }
    /// The first at or after number `start`, around the end. `start` is at most the number of the stage's targets.
    #[inline]
    pub fn next_from(&self, start: u32) -> TargetId {
        self.list.next_from(start)
    }
    /// Those in the region with the lowest round-trip time (the first of equally near regions), in id order.
    pub fn nearest(&self) -> &[TargetId] {
        &self.nearest.list
    }
    /// The first of [`Eligible::nearest`] at or after number `start`, around the end.
    #[inline]
    pub fn nearest_from(&self, start: u32) -> TargetId {
        self.nearest.next_from(start)
    }
}
