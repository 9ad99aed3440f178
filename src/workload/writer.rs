//! Writes a generated turn as a request. Knows a workload's sessions, origins and names; must not know when turns are
//! sent or what a client does next.

use super::assign::{Asks, Assigner};
use super::params::{AffinityBy, OriginTable, SyntheticParams, WorkloadParams};
use super::replay::session_id;
use super::request::Request;
use super::sessions::{Layers, Progress, Sessions, Turn};
use crate::id::{ClassId, DataClassId, Id, TenantId};
use crate::rng::{Key, hash_name, mix2};
use crate::time::SimTime;

/// A turn that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Due {
    /// When it is sent.
    pub at: SimTime,
    /// Its session's number.
    pub session: u64,
    /// Which turn of it.
    pub progress: Progress,
    /// When the session began.
    pub begins: SimTime,
}

pub(super) struct Writer {
    pub sessions: Sessions,
    assigner: Assigner,
    by: AffinityBy,
    block_tokens: u32,
    layers: Layers,
    name_hash: u64,
    class: ClassId,
    data_class: Option<DataClassId>,
    priority: u8,
    origin_data_class: Vec<DataClassId>,
}

impl Writer {
    pub(super) fn new(
        workload: &WorkloadParams,
        params: &SyntheticParams,
        table: &OriginTable,
        block_tokens: u32,
        key: Key,
    ) -> Writer {
        Writer {
            sessions: Sessions::new(params, key),
            assigner: Assigner::new(workload, table, key.named("origin")),
            by: workload.origins.by(),
            block_tokens,
            layers: Layers::new(params, &workload.name),
            name_hash: hash_name(&workload.name),
            class: workload.class,
            data_class: workload.data_class,
            priority: workload.priority,
            origin_data_class: table.origins.iter().map(|origin| origin.data_class).collect(),
        }
    }

    /// Writes the turn over `request`; the turn that would follow it, if the session has one, with how far it is then.
    pub(super) fn write(&self, due: &Due, request: &mut Request) -> Option<(Progress, Turn)> {
        let head = self.sessions.head(due.session);
        let turn = self.sessions.turn(due.session, &head, due.progress);
        // A later turn was drawn before it was put in line, and every session has a first.
        let turn = turn.expect("a turn in line exists");
        let Turn { prompt, output, epoch, .. } = turn;
        request.at = due.at;
        request.session = session_id(self.name_hash, due.session + 1);
        request.turn = due.progress.turn;
        request.key = mix2(request.session, due.progress.turn as u64);
        request.tenant = TenantId(head.tenant);
        let group = head.group(self.by);
        request.origin =
            self.assigner.origin(None, Asks { identity: request.session, group, begins: due.begins });
        request.class = self.class;
        let of_origin = || self.origin_data_class.get(request.origin.index()).copied();
        request.data_class = self.data_class.or_else(of_origin).unwrap_or_default();
        (request.allowed, request.timeout) = (None, None);
        request.priority = self.priority;
        request.prompt_tokens = prompt;
        request.output_tokens = output;
        let (layers, total) = (Some(&self.layers), prompt + output);
        self.sessions.chain(due.session, epoch, &head, total, self.block_tokens, layers, &mut request.chain);
        let progress = turn.after(due.progress.turn);
        self.sessions.turn(due.session, &head, progress).map(|next| (progress, next))
    }
}
