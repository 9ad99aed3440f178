//! Least recently idle first: vLLM's free-block queue. A doubly linked list threaded through an array; every
//! operation is O(1) and none allocates.

use super::Eviction;

const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Link {
    prev: u32,
    next: u32,
}

/// The list of idle blocks, oldest at the head.
#[derive(Clone, Debug)]
pub struct Lru {
    links: Vec<Link>,
    head: u32,
    tail: u32,
    len: u32,
}

impl Eviction for Lru {
    fn with_blocks(blocks: u32) -> Self {
        Lru { links: vec![Link { prev: NONE, next: NONE }; blocks as usize], head: NONE, tail: NONE, len: 0 }
    }
    #[inline]
    fn push(&mut self, block: u32) {
        self.links[block as usize] = Link { prev: self.tail, next: NONE };
        match self.tail {
            NONE => self.head = block,
            tail => self.links[tail as usize].next = block,
        }
        self.tail = block;
        self.len += 1;
    }
    #[inline]
    fn remove(&mut self, block: u32) {
        let Link { prev, next } = self.links[block as usize];
        match prev {
            NONE => self.head = next,
            prev => self.links[prev as usize].next = next,
        }
        match next {
            NONE => self.tail = prev,
            next => self.links[next as usize].prev = prev,
        }
        self.len -= 1;
    }
    #[inline]
    fn pop(&mut self) -> Option<u32> {
        let head = self.head;
        if head == NONE {
            return None;
        }
        self.remove(head);
        Some(head)
    }
    #[inline]
    fn len(&self) -> u32 {
        self.len
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_first_and_a_removed_one_not_at_all() {
        let mut lru = Lru::with_blocks(5);
        (0..5).for_each(|block| lru.push(block));
        lru.remove(0);
        lru.remove(3);
        lru.push(0);
        let order: Vec<u32> = std::iter::from_fn(|| lru.pop()).collect();
        assert_eq!(order, [1, 2, 4, 0]);
        assert!(lru.is_empty());
    }
}
