//! The requests of a cell as traces, one a workload. Knows rows and the cell they are of; must not know files.

use super::{CellInput, RowWriter};
use crate::id::Id;
use crate::observe::RequestRow;
use crate::workload::as_sent::{Sent, record};
use crate::workload::{TraceData, workload_key};

/// Keeps what an export needs of each row: 40 bytes a request.
#[derive(Debug, Default)]
pub struct SentRows {
    by_source: Vec<Vec<Sent>>,
}

impl RowWriter for SentRows {
    fn row(&mut self, row: &RequestRow) {
        let source = row.source.index();
        if self.by_source.len() <= source {
            self.by_source.resize_with(source + 1, Vec::new);
        }
        self.by_source[source].push(Sent {
            place: row.id.0,
            key: row.key,
            at: row.sent_at,
            ended_at: row.ended_at,
            outcome: row.outcome,
        });
    }
}

/// The requests of a cell that has been run, as they were sent: a trace for each workload, by name.
pub fn export<'p>(input: &CellInput<'p>, sent: &SentRows) -> Vec<(&'p str, TraceData)> {
    let table = input.world.origin_table();
    let one = |(source, workload): (usize, &'p crate::workload::WorkloadParams)| {
        let sent = sent.by_source.get(source).map_or(&[][..], Vec::as_slice);
        let key = workload_key(input.seed, &workload.name);
        (workload.name.as_str(), record(workload, &table, input.world.block_tokens, key, input.seed, sent))
    };
    input.world.workloads.iter().enumerate().map(one).collect()
}
