//! How the requests under way are spread over a set of targets. Knows counts by place in the set; must not know
//! targets. A count that changes costs the logarithm of the set's size, a question nothing or as much, so that nobody
//! scans a fleet to find its idlest.

use super::{Eligible, Own, TargetId};

/// Requests under way in one set: their sum and, where it is asked for, the fewest and the most at one target.
#[derive(Clone, Debug)]
pub struct Tally {
    total: u64,
    /// A complete binary tree, its root at 1, its leaves from `leaves` on; empty where nobody asks.
    nodes: Vec<Node>,
    leaves: usize,
}

/// What a subtree holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Node {
    fewest: u32,
    /// How many places have that few.
    equals: u32,
    most: u32,
}

/// A leaf that stands for no place.
const NOBODY: Node = Node { fewest: u32::MAX, equals: 0, most: 0 };

impl Node {
    fn of(requests: u32) -> Node {
        Node { fewest: requests, equals: 1, most: requests }
    }
    fn join(left: Node, right: Node) -> Node {
        let fewest = left.fewest.min(right.fewest);
        let equals = |node: Node| if node.fewest == fewest { node.equals } else { 0 };
        Node { fewest, equals: equals(left) + equals(right), most: left.most.max(right.most) }
    }
}

impl Tally {
    /// Of the set `eligible`, as `own` counts; `ordered` where fewest and most will be asked for.
    pub fn new(eligible: &Eligible, own: &[Own], ordered: bool) -> Tally {
        let requests = || eligible.list().iter().map(|target| own[target.0 as usize].requests);
        let total = requests().map(u64::from).sum();
        if !ordered {
            return Tally { total, nodes: Vec::new(), leaves: 0 };
        }
        let leaves = eligible.len().next_power_of_two();
        let mut nodes = vec![NOBODY; 2 * leaves];
        nodes[leaves..].iter_mut().zip(requests()).for_each(|(node, requests)| *node = Node::of(requests));
        for at in (1..leaves).rev() {
            nodes[at] = Node::join(nodes[2 * at], nodes[2 * at + 1]);
        }
        Tally { total, nodes, leaves }
    }
    /// The target at `place` had `before` requests under way and has `after`.
    pub fn change(&mut self, place: u32, before: u32, after: u32) {
        self.total = self.total + u64::from(after) - u64::from(before);
        if self.nodes.is_empty() {
            return;
        }
        let mut at = self.leaves + place as usize;
        self.nodes[at] = Node::of(after);
        while at > 1 {
            at /= 2;
            let joined = Node::join(self.nodes[2 * at], self.nodes[2 * at + 1]);
            if self.nodes[at] == joined {
                return;
            }
            self.nodes[at] = joined;
        }
    }
    /// Requests under way at all targets of the set.
    #[inline]
    pub fn total(&self) -> u64 {
        self.total
    }
    /// The fewest at one target.
    #[inline]
    pub fn fewest(&self) -> u32 {
        self.root().fewest
    }
    /// The most at one target.
    #[inline]
    pub fn most(&self) -> u32 {
        self.root().most
    }
    /// How many targets have the fewest, 1 or more.
    #[inline]
    pub fn equals(&self) -> u32 {
        self.root().equals
    }
    /// The place of the `nth` target that has the fewest, in order, from 0.
    pub fn nth_fewest(&self, mut nth: u32) -> u32 {
        debug_assert!(nth < self.equals());
        let fewest = self.fewest();
        let mut at = 1;
        while at < self.leaves {
            let left = self.nodes[2 * at];
            let there = if left.fewest == fewest { left.equals } else { 0 };
            at *= 2;
            if nth >= there {
                nth -= there;
                at += 1;
            }
        }
        (at - self.leaves) as u32
    }
    /// The first target of `eligible`, whose tally this is, that has the fewest.
    pub fn idlest(&self, eligible: &Eligible) -> TargetId {
        eligible.list()[self.nth_fewest(0) as usize]
    }
    fn root(&self) -> Node {
        *self.nodes.get(1).expect("the policy declared that it needs the fewest")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::RegionId;
    use crate::routing::Target;
    use crate::time::Span;
    use proptest::prelude::*;

    fn targets(count: usize) -> Vec<Target> {
        let target = |number: usize| Target {
            name: number.to_string(),
            replica: None,
            region: RegionId(number as u32 % 5),
            rtt: Span::from_ms([30, 20, 90, 20, 50][number % 5]),
            replicas: 1,
        };
        (0..count).map(target).collect()
    }

    proptest! {
        #[test]
        fn a_tally_says_what_counting_says(
            mask in prop::collection::vec(any::<bool>(), 1..70),
            changes in prop::collection::vec((any::<u16>(), 0u32..5), 0..200),
        ) {
            let targets = targets(mask.len());
            let mut list: Vec<TargetId> = (0..mask.len()).filter(|&i| mask[i]).map(|i| TargetId(i as u32)).collect();
            if list.is_empty() {
                list.push(TargetId(0));
            }
            let eligible = Eligible::new(0, list.clone(), &targets);
            let mut own = vec![Own::default(); mask.len()];
            own[0].requests = 1;
            let mut kept = Tally::new(&eligible, &own, true);
            let mut sum = Tally::new(&eligible, &own, false);
            for (which, after) in changes {
                let target = TargetId(which as u32 % mask.len() as u32);
                let before = std::mem::replace(&mut own[target.0 as usize].requests, after);
                if let Some(place) = eligible.place(target) {
                    kept.change(place, before, after);
                    sum.change(place, before, after);
                }
                let counts: Vec<u32> = list.iter().map(|target| own[target.0 as usize].requests).collect();
                let fewest = *counts.iter().min().unwrap();
                let idlest: Vec<u32> =
                    (0..list.len() as u32).filter(|&place| counts[place as usize] == fewest).collect();
                prop_assert_eq!(kept.total(), counts.iter().map(|&count| count as u64).sum::<u64>());
                prop_assert_eq!(sum.total(), kept.total());
                prop_assert_eq!((kept.fewest(), kept.most()), (fewest, *counts.iter().max().unwrap()));
                prop_assert_eq!((0..kept.equals()).map(|nth| kept.nth_fewest(nth)).collect::<Vec<_>>(), idlest);
            }
        }

        #[test]
        fn a_set_says_what_its_list_says(mask in prop::collection::vec(any::<bool>(), 1..70)) {
            let targets = targets(mask.len());
            let mut list: Vec<TargetId> = (0..mask.len()).filter(|&i| mask[i]).map(|i| TargetId(i as u32)).collect();
            if list.is_empty() {
                list.push(TargetId(0));
            }
            let eligible = Eligible::new(0, list.clone(), &targets);
            let place = |target| list.iter().position(|&found| found == target).map(|place| place as u32);
            let from = |list: &[TargetId], start| {
                list.iter().copied().find(|target| target.0 >= start).unwrap_or(list[0])
            };
            let distance = |target: &TargetId| {
                let target = &targets[target.0 as usize];
                (target.rtt, target.region)
            };
            let near = list.iter().map(distance).min().unwrap();
            let nearest: Vec<TargetId> =
                list.iter().copied().filter(|target| distance(target) == near).collect();
            prop_assert_eq!(eligible.nearest(), &nearest);
            for start in 0..=mask.len() as u32 {
                prop_assert_eq!(eligible.next_from(start), from(&list, start));
                prop_assert_eq!(eligible.nearest_from(start), from(&nearest, start));
                prop_assert_eq!(eligible.place(TargetId(start)), place(TargetId(start)));
            }
        }
    }
}
