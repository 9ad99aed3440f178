//! Sessions where a trace names none: a request continues the last one before it whose whole prompt its own begins
//! with. Walks from a prompt's deepest full block towards its head; the parent is the last earlier request whose
//! deepest full block is met, not counting the first block and blocks that more than one request in a hundred has:
//! those are system prompts, not dialogues.

/// Finds parents in order of time.
pub(super) struct Lineage {
    /// The last request whose prompt ends with this segment.
    ends: Vec<u32>,
    session_of: Vec<u64>,
    sessions: u64,
}

/// No request.
const NONE: u32 = u32::MAX;

/// A block counts as universal if more than one request in this many has it.
pub(super) const UNIVERSAL_ONE_IN: u64 = 100;

impl Lineage {
    pub(super) fn new(segments: usize, rows: usize) -> Lineage {
        Lineage { ends: vec![NONE; segments], session_of: vec![0; rows], sessions: 0 }
    }
    /// Takes the next request: the segments of its prompt's full blocks from the head on, each with the number of
    /// blocks up to its end and whether it is universal.
    pub(super) fn take(&mut self, row: u32, segments: &[(u32, u64, bool)]) {
        let walk = segments.iter().rev().filter(|&&(_, through, universal)| through >= 2 && !universal);
        let mut walk = walk.map(|&(segment, ..)| self.ends[segment as usize]);
        let parent = walk.find(|&parent| parent != NONE);
        self.session_of[row as usize] = match parent {
            Some(parent) => self.session_of[parent as usize],
            None => {
                self.sessions += 1;
                self.sessions
            }
        };
        if let Some(&(segment, ..)) = segments.last() {
            self.ends[segment as usize] = row;
        }
    }
    /// The session of each row, from 1.
    pub(super) fn finish(self) -> Vec<u64> {
        self.session_of
    }
}
