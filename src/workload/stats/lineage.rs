//! Sessions where a trace names none: a request continues the last one before it whose whole prompt its own begins
//! with. Walks from a prompt's deepest full block towards its head; the parent is the last earlier request whose
//! deepest full block is met, not counting the first block and blocks that more than one request in a hundred has:
//! those are system prompts, not dialogues.

use super::super::data::{Blocks, TraceData};
use super::segments::{Index, RowRuns};

/// No request.
const NONE: u32 = u32::MAX;

/// The session of each row, from 1; `None` where the trace names sessions or tells no blocks.
pub(super) fn of(data: &TraceData, order: &[u32], index: &Index) -> Option<Vec<u64>> {
    let tells = data.rows.iter().any(|row| row.blocks != Blocks::Unknown);
    if !tells || data.rows.iter().any(|row| row.session != 0) {
        return None;
    }
    // The last request whose prompt's full blocks end with a segment.
    let mut ends = vec![NONE; index.segments.len()];
    let mut session_of = vec![0u64; data.rows.len()];
    let (mut sessions, mut runs, mut chain) = (0u64, RowRuns::default(), Vec::new());
    for &row in order {
        runs.read(data, &data.rows[row as usize]);
        index.chain(&runs, &mut chain);
        let full = chain.partition_point(|&(_, through)| through <= runs.full_blocks as u64);
        let deep = chain[..full]
            .iter()
            .rev()
            .filter(|&&(segment, through)| through >= 2 && !index.universal(segment));
        let parent = deep.map(|&(segment, _)| ends[segment as usize]).find(|&parent| parent != NONE);
        session_of[row as usize] = match parent {
            Some(parent) => session_of[parent as usize],
            None => {
                sessions += 1;
                sessions
            }
        };
        if let Some(&(segment, _)) = chain[..full].last() {
            ends[segment as usize] = row;
        }
    }
    Some(session_of)
}
