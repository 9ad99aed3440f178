//! A Maglev table (Eisenbud et al., NSDI 2016, section 3.4): keys to targets by one look-up, in nearly equal shares. Knows
//! names and slots; must not know loads or requests. A target's order of slots hangs on its name alone.

use super::TargetId;
use crate::rng::{hash_name, mix2};

/// Envoy's table size (`maglev_lb_config.table_size`), a prime.
pub const SIZE: u32 = 65_537;
/// Envoy's largest table, a prime.
pub const LARGEST: u32 = 5_000_011;

/// Slots and whose they are.
#[derive(Clone, Debug)]
pub struct Maglev {
    slots: Vec<TargetId>,
}

/// Whether a table may have this size: a prime, so that each target's steps come to every slot.
pub fn is_prime(size: u32) -> bool {
    size >= 2 && (2..=size.isqrt()).all(|factor| !size.is_multiple_of(factor))
}

impl Maglev {
    /// A table of `size` slots, a prime, for these names.
    pub fn new<'a>(names: impl IntoIterator<Item = (TargetId, &'a str)>, size: u32) -> Maglev {
        let orders = names.into_iter().map(|(target, name)| {
            let hash = hash_name(name);
            let offset = mix2(hash, 1) % u64::from(size);
            let skip = mix2(hash, 2) % u64::from(size - 1).max(1) + 1;
            (target, offset as u32, skip as u32)
        });
        Maglev::fill(orders, size)
    }
    /// Targets take turns, each the next free slot of its own order: offset, offset + skip, offset + 2 · skip, …
    fn fill(orders: impl IntoIterator<Item = (TargetId, u32, u32)>, size: u32) -> Maglev {
        let mut orders: Vec<(TargetId, u32, u32)> = orders.into_iter().collect();
        let mut slots: Vec<Option<TargetId>> = vec![None; size as usize];
        let mut free = if orders.is_empty() { 0 } else { size };
        while free > 0 {
            for (target, next, skip) in &mut orders {
                if free == 0 {
                    break;
                }
                loop {
                    let slot = &mut slots[*next as usize];
                    *next = ((u64::from(*next) + u64::from(*skip)) % u64::from(size)) as u32;
                    if slot.is_none() {
                        *slot = Some(*target);
                        break;
                    }
                }
                free -= 1;
            }
        }
        Maglev { slots: slots.into_iter().flatten().collect() }
    }
    /// The targets of all slots from that of `hash` on, once around.
    pub fn walk(&self, hash: u64) -> impl Iterator<Item = TargetId> + '_ {
        let start = (hash % (self.slots.len() as u64).max(1)) as usize;
        self.slots[start..].iter().chain(&self.slots[..start]).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDERS: [(TargetId, u32, u32); 3] = [(TargetId(0), 3, 4), (TargetId(1), 0, 2), (TargetId(2), 3, 1)];

    fn slots(table: &Maglev) -> Vec<u32> {
        table.slots.iter().map(|target| target.0).collect()
    }

    #[test]
    fn the_example_of_the_paper() {
        // Table 1 there: offsets 3, 0, 3 and skips 4, 2, 1 over 7 slots; then without B1.
        let all = Maglev::fill(ORDERS, 7);
        assert_eq!(slots(&all), [1, 0, 1, 0, 2, 2, 0]);
        let two = Maglev::fill([ORDERS[0], ORDERS[2]], 7);
        assert_eq!(slots(&two), [0, 0, 0, 0, 2, 2, 2]);
        // Around the end from slot 5 of 7: hash 12.
        assert_eq!(all.walk(12).map(|target| target.0).collect::<Vec<_>>(), [2, 0, 1, 0, 1, 0, 2]);
    }

    #[test]
    fn shares_differ_by_one_slot_and_few_keys_move() {
        let names: Vec<String> = (0..7).map(|number| format!("eu/main/{number}")).collect();
        let table = |without: usize| {
            let named = (0u32..).zip(&names).filter(|(id, _)| *id as usize != without);
            Maglev::new(named.map(|(id, name)| (TargetId(id), name.as_str())), 65_537)
        };
        let (all, less) = (table(99), table(3));
        let share = |target: u32| all.slots.iter().filter(|other| other.0 == target).count();
        // Turns: 65,537 = 7 · 9,362 + 3, so three have 9,363.
        assert_eq!((0..7).filter(|&target| share(target) == 9_363).count(), 3);
        assert_eq!((0..7).filter(|&target| share(target) == 9_362).count(), 4);
        // Who had a slot of the other six keeps it, but for the few that turns shift: the paper finds a few per cent.
        let kept = all.slots.iter().zip(&less.slots).filter(|(was, _)| was.0 != 3);
        let moved = kept.clone().filter(|(was, is)| was != is).count();
        assert!(moved * 100 < 10 * kept.count(), "{moved}");
        assert!(moved > 0);
    }

    #[test]
    fn primes() {
        let found: Vec<u32> = (0..30).filter(|&size| is_prime(size)).collect();
        assert_eq!(found, [2, 3, 5, 7, 11, 13, 17, 19, 23, 29]);
        assert!(is_prime(SIZE) && is_prime(LARGEST) && !is_prime(65_536) && is_prime(4_294_967_291));
    }
}
