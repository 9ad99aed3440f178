//! The invariants of the cache of runs, checked the slow way.

use super::segments::{List, NONE};
use super::{ExtentCache, ExtentTable};

impl ExtentCache {
    pub(super) fn check_all(&self, tables: &mut dyn Iterator<Item = &ExtentTable>) {
        let segments = &self.segments;
        let mut refs = vec![0u32; segments.nodes.len()];
        let mut blank = 0;
        for table in tables {
            let mut published = 0;
            for span in table.spans() {
                let (mut segment, mut left) = (span.segment, span.len);
                while left > 0 {
                    refs[segment as usize] += 1;
                    left = left
                        .checked_sub(segments.get(segment).len)
                        .expect("a span ends where a segment does");
                    segment = segments.get(segment).rest();
                }
                published += span.len;
            }
            assert_eq!(published, table.published, "published blocks of a table");
            blank += table.held - published;
        }

        // Every segment that lives stands in one list of its run key, or is blank and idle.
        let mut lives = vec![false; segments.nodes.len()];
        let mut held = 0;
        let mut visit = |segment: u32| {
            let node = segments.get(segment);
            assert!(
                !std::mem::replace(&mut lives[segment as usize], true),
                "segment {segment} is listed twice"
            );
            assert!(node.len > 0, "segment {segment} is empty");
            assert_eq!(node.refs(), refs[segment as usize], "references to segment {segment}");
            held += if node.refs() > 0 { node.len } else { 0 };
        };
        let mut keys = 0;
        for (entry, known) in segments.entries.iter().enumerate() {
            if segments.vacant_entries.contains(&(entry as u32)) {
                continue;
            }
            keys += 1;
            assert_eq!(segments.find(known.key), Some(entry as u32), "the entry of key {}", known.key);
            let primaries = self.listed(entry as u32, known.primaries, false);
            let twins = self.listed(entry as u32, known.twins, true);
            assert!(!primaries.is_empty(), "key {} has no block", known.key);
            let in_order = |pair: &[u32]| segments.get(pair[0]).end() <= segments.get(pair[1]).start;
            assert!(primaries.windows(2).all(in_order), "primaries of key {} overlap", known.key);
            for &twin in &twins {
                let node = segments.get(twin);
                let answered = |number: u32| {
                    let holds = |&primary: &u32| {
                        (segments.get(primary).start..segments.get(primary).end()).contains(&number)
                    };
                    primaries.iter().any(holds)
                };
                assert!((node.start..node.end()).all(answered), "twin {twin} has no primary");
            }
            primaries.iter().chain(&twins).for_each(|&segment| visit(segment));
        }
        assert_eq!(keys, segments.keys(), "run keys");

        let (mut idle, mut idle_segments) = (0, 0);
        let mut segment = segments.order.first;
        let mut before = NONE;
        while segment != NONE {
            let node = segments.get(segment);
            if node.entry == NONE {
                visit(segment);
            }
            assert_eq!(node.refs(), 0, "idle segment {segment} is held");
            idle += node.len;
            idle_segments += 1;
            before = segment;
            segment = segments.younger(segment);
        }
        assert_eq!(before, segments.order.last, "the end of the order of eviction");
        assert_eq!(idle, segments.idle, "idle blocks");
        assert_eq!(idle + held + blank, self.blocks, "held and free blocks make all blocks");
        let alive = |segment: &usize| lives[*segment];
        let living = (0..lives.len()).filter(alive);
        assert_eq!(
            living.clone().filter(|&segment| refs[segment] == 0).count(),
            idle_segments,
            "idle segments"
        );
        assert_eq!(living.count() + segments.vacant.len(), lives.len(), "segments and vacant places");
    }

    fn listed(&self, entry: u32, list: List, twin: bool) -> Vec<u32> {
        let mut listed = Vec::new();
        let (mut segment, mut before) = (list.first, NONE);
        while segment != NONE {
            let node = self.segments.get(segment);
            assert_eq!((node.entry, node.twin(), node.before), (entry, twin, before), "segment {segment}");
            listed.push(segment);
            before = segment;
            segment = node.after;
        }
        assert_eq!(list.last, before, "the end of a list of entry {entry}");
        listed
    }
}
