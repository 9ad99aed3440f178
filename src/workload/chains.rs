//! What the trace readers share for block ids: whether they are prefix-chain ids, whether they cover their prompt,
//! and how they are kept short. Knows ids and lengths; must not know lines' other fields.

use super::Run;
use super::error::TraceFinding;
use rustc_hash::FxHashMap;

/// Ids below this are looked up in a table, others in a map (our choice: 64 MiB of table at most).
const DENSE: u64 = 1 << 22;

/// No line: the id has not been seen.
const UNSEEN: u32 = 0;

/// Holds every block id to one parent: equal ids must mean equal whole prefixes.
#[derive(Default)]
pub(super) struct ChainCheck {
    /// Per small id: its parent plus one (0: it begins prompts) and the line it was first seen in.
    dense: Vec<(u64, u32)>,
    /// Per large id, the same.
    sparse: FxHashMap<u64, (u64, u32)>,
}

impl ChainCheck {
    pub(super) fn clear(&mut self) {
        self.dense.clear();
        self.sparse.clear();
    }
    /// What was known of `id`, or `new`, which is then known.
    #[inline]
    fn entry(&mut self, id: u64, new: (u64, u32)) -> (u64, u32) {
        // A table as long as the ids seen so far are many: one large id alone must not fill memory.
        let room = (self.dense.len() as u64 * 2 + 1_024).min(DENSE);
        if id >= room {
            return *self.sparse.entry(id).or_insert(new);
        }
        if id as usize >= self.dense.len() {
            self.grow(id);
        }
        let known = &mut self.dense[id as usize];
        if known.1 == UNSEEN {
            *known = new;
        }
        *known
    }
    #[cold]
    fn grow(&mut self, id: u64) {
        let (from, to) = (self.dense.len() as u64, (id + 1).max(self.dense.len() as u64 * 2).min(DENSE));
        self.dense.resize(to as usize, (0, UNSEEN));
        if self.sparse.is_empty() {
            return;
        }
        for id in from..to {
            if let Some(known) = self.sparse.remove(&id) {
                self.dense[id as usize] = known;
            }
        }
    }
    /// Takes the next id of a prompt after `parent` (`None` at its start).
    #[inline]
    fn step(&mut self, number: u64, field: &str, parent: Option<u64>, id: u64) -> Result<(), TraceFinding> {
        let parent = parent.map_or(0, |parent| parent.wrapping_add(1));
        let line = (number.min(u32::MAX as u64) as u32).max(1);
        let (known, first) = self.entry(id, (parent, line));
        if known == parent { Ok(()) } else { Err(torn(number, field, id, parent, known, first)) }
    }
    pub(super) fn check(&mut self, number: u64, field: &str, ids: &[u64]) -> Result<(), TraceFinding> {
        let mut parent = None;
        for &id in ids {
            self.step(number, field, parent, id)?;
            parent = Some(id);
        }
        Ok(())
    }
    /// The same for spans of ids that follow each other.
    pub(super) fn check_spans(
        &mut self,
        number: u64,
        field: &str,
        spans: &[(u64, u32)],
    ) -> Result<(), TraceFinding> {
        let mut parent = None;
        for &(first, len) in spans {
            for id in (0..len as u64).map(|j| first + j) {
                self.step(number, field, parent, id)?;
                parent = Some(id);
            }
        }
        Ok(())
    }
}

#[cold]
fn torn(number: u64, field: &str, id: u64, parent: u64, known: u64, line: u32) -> TraceFinding {
    let name = |id: u64| if id == 0 { "the start".to_owned() } else { (id.wrapping_sub(1)).to_string() };
    TraceFinding::new(
        number,
        field,
        format!("{id} after {}, but after {} in line {line}", name(parent), name(known)),
        "ids must be prefix-chain ids: equal ids mean equal whole prefixes",
        "Give each block an id that is made of its parent's id and its content",
    )
}

/// How many ids a prompt needs, said so that a wrong block size is found.
pub(super) fn coverage(
    number: u64,
    field: &str,
    input: u32,
    ids: usize,
    block: u32,
    next: &str,
) -> TraceFinding {
    let fits: Vec<String> = [16u32, 32, 64, 128, 256, 512, 1024]
        .into_iter()
        .filter(|&size| size != block && input.div_ceil(size) as usize == ids)
        .map(|size| size.to_string())
        .collect();
    let hint =
        if fits.is_empty() { String::new() } else { format!("; it fits blocks of {}", fits.join(" or ")) };
    let rule = format!(
        "a prompt of {input} tokens in blocks of {block} has {} (a wrong block size silently shrinks or grows every \
         prompt{hint})",
        input.div_ceil(block)
    );
    TraceFinding::new(number, field, format!("{ids} ids"), rule, next)
}

/// A list of ids as spans `(first, length)` of ids that follow each other, made while it is parsed: fifty million
/// ids of a coding agent's growing prompts are a hundred thousand spans.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Spans {
    pub spans: Vec<(u64, u32)>,
    pub count: usize,
}

impl Spans {
    #[inline]
    pub(super) fn push(&mut self, id: u64) {
        self.count += 1;
        if let Some((first, len)) = self.spans.last_mut()
            && first.checked_add(*len as u64) == Some(id)
            && *len < u32::MAX
        {
            *len += 1;
            return;
        }
        self.spans.push((id, 1));
    }
}

impl<'de> serde::Deserialize<'de> for Spans {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Spans, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Spans;
            fn expecting(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                to.write_str("a list of integers")
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut ids: A) -> Result<Spans, A::Error> {
                let mut spans = Spans::default();
                while let Some(id) = ids.next_element::<u64>()? {
                    spans.push(id);
                }
                spans.spans.shrink_to_fit();
                Ok(spans)
            }
        }
        from.deserialize_seq(Visitor)
    }
}

/// Adds spans of ids as runs: id `i` is block `i mod 2^bits` of run `(space, i / 2^bits)`, with as many bits as
/// block numbers can have when `block_tokens` are split to single tokens.
pub(super) fn runs_of(spans: &[(u64, u32)], space: u64, block_tokens: u32, to: &mut Vec<Run>) {
    let bits = (32 - block_tokens.max(1).next_power_of_two().trailing_zeros()).min(24);
    let size = 1u64 << bits;
    for &(first, len) in spans {
        let (mut id, mut left) = (first, len as u64);
        while left > 0 {
            let (group, start) = (id >> bits, id & (size - 1));
            let len = left.min(size - start);
            let key = if group == 0 { space } else { crate::rng::mix2(space, group) };
            to.push(Run { key, start: start as u32, len: len as u32 });
            left -= len;
            id = id.wrapping_add(len);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_the_ids() {
        let ids = [5u64, 6, 7, 9, 10, 3, u64::MAX, 0];
        let mut spans = Spans::default();
        ids.iter().for_each(|&id| spans.push(id));
        assert_eq!(spans.spans, [(5, 3), (9, 2), (3, 1), (u64::MAX, 1), (0, 1)]);
        assert_eq!(spans.count, ids.len());
        let parsed: Spans = serde_json::from_str(&format!("{ids:?}")).unwrap();
        assert_eq!(parsed, spans);
        assert!(serde_json::from_str::<Spans>("[1,-2]").is_err());
    }

    #[test]
    fn runs_break_where_block_numbers_end() {
        // Blocks of 512 leave 23 bits: 8,388,608 numbers a run.
        let (mut runs, at) = (Vec::new(), (1u64 << 23) - 2);
        runs_of(&[(at, 5)], 77, 512, &mut runs);
        assert_eq!(runs.len(), 2);
        assert_eq!((runs[0].key, runs[0].start, runs[0].len), (77, at as u32, 2));
        assert_eq!((runs[1].start, runs[1].len), (0, 3));
        assert_ne!(runs[1].key, 77);
        assert!(runs.iter().all(|run| (run.start as u64 + run.len as u64) * 512 <= 1 << 32));
    }

    #[test]
    fn ids_small_and_large_are_held_to_one_parent() {
        let mut chains = ChainCheck::default();
        for (line, ids) in [(1, vec![0, 1, 9_000_000, 3]), (2, vec![0, 1, 9_000_000, u64::MAX])] {
            chains.check(line, "ids", &ids).unwrap();
        }
        let long: Vec<u64> = (10..9_000).collect();
        chains.check(3, "ids", &long).unwrap();
        for ids in [vec![1], vec![0, 9_000_000], vec![0, 1, u64::MAX], vec![8_999], vec![10, 12]] {
            assert!(chains.check(4, "ids", &ids).is_err(), "{ids:?}");
        }
        chains.check_spans(5, "ids", &[(10, 8_990)]).unwrap();
        let said = chains.check_spans(5, "ids", &[(0, 1), (3, 1)]).unwrap_err().to_string();
        assert!(said.contains("3 after 0, but after 9000000 in line 1"), "{said}");
        chains.clear();
        chains.check(6, "ids", &[3]).unwrap();
    }
}
