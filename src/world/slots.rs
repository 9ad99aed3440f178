//! The requests under way. A request is a state machine over one or more attempts: what belongs to the attempt is
//! apart from what belongs to the request. Slots are used again, with their memory.

use crate::id::{GatewayId, ReplicaId, RequestId};
use crate::network::RegionSet;
use crate::observe::{Legs, Outcome, RequestRow};
use crate::replica::Tokens;
use crate::routing::Ticket;
use crate::time::{SimTime, Span};
use crate::workload::Request;

/// One try to have a request served.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Attempt {
    /// The gateway's first-tier ticket, where it has one.
    pub(super) global: Option<Ticket>,
    /// The stage that chose the replica, and its ticket.
    pub(super) replica: Option<(usize, Ticket)>,
    /// The way from the gateway to the replica, and back.
    pub(super) hop_out: Span,
    pub(super) hop_back: Span,
    /// When the replica's queue got it.
    pub(super) delivered_at: SimTime,
    /// Whether the gateway has seen its first token.
    pub(super) first_token_seen: bool,
    /// When its first token and its end leave the replica, as far as that is known.
    pub(super) first_token_at: Option<SimTime>,
    pub(super) end_at: Option<SimTime>,
}

/// What a client waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// The first token.
    FirstToken,
    /// The last one.
    End,
}

impl Awaited {
    pub(super) const ALL: [Awaited; 2] = [Awaited::FirstToken, Awaited::End];
}

/// Where a request is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Place {
    /// On its way from the client to the gateway.
    #[default]
    ToGateway,
    /// Waiting for one of the gateway's workers.
    InLine,
    /// With a worker.
    Deciding,
    /// Held by the policy.
    Held,
    /// On its way to the replica.
    ToReplica,
    /// With its replica, which has not ended it yet.
    InReplica,
    /// Its end is on its way from the replica to the gateway.
    Returning,
    /// Its end is on its way from the gateway to the client.
    ToClient,
}

/// A request under way. From line to line of the processor's cache, because there are thousands.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(super) struct State {
    pub(super) request: Request,
    pub(super) row: RequestRow,
    pub(super) gateway: GatewayId,
    pub(super) attempt: Attempt,
    /// When it first reached its gateway, and when it last took its place in the line there.
    pub(super) entered_at: SimTime,
    pub(super) at_gateway: SimTime,
    /// When the gateway was done deciding, or last held it.
    pub(super) decided_at: SimTime,
    /// The way back from the gateway to the client.
    pub(super) client_back: Span,
    /// The way from the client to the gateway.
    pub(super) client_out: Span,
    /// Where it is.
    pub(super) place: Place,
    /// As which it was last held, and whether it was the gate that stopped it when it was last asked for.
    pub(super) held_as: u64,
    pub(super) gated: bool,
    /// When its client left, if it did, and how that is counted.
    pub(super) left_at: Option<SimTime>,
    pub(super) left_as: Outcome,
    /// When its gateway was lost while it was on the other side, if it was.
    pub(super) cut_at: Option<SimTime>,
    /// The news that its client left has come to where it is to go next.
    pub(super) dropped: bool,
    /// What was promised about its attempts before the last loss is void.
    pub(super) epoch: u32,
    /// Whether its attempt counts as a retry of its gateway, and the regions and the replica that failed it.
    pub(super) retrying: bool,
    pub(super) failed_in: RegionSet,
    pub(super) failed_by: Option<ReplicaId>,
    live: bool,
}

impl State {
    /// Writes down that the client left, and what it saw until then.
    pub(super) fn mark_left(&mut self) {
        let Some(left_at) = self.left_at else { return };
        let row = &mut self.row;
        (row.outcome, row.ended_at) = (self.left_as, left_at);
        if row.first_token_at.is_some_and(|at| at > left_at) {
            (row.first_token_at, row.server_ttft) = (None, None);
        }
    }
    pub(super) fn take_tokens(&mut self, tokens: Tokens) {
        self.row.cached_tokens = tokens.cached;
        self.row.computed_tokens = tokens.computed;
        self.row.recomputed_tokens = tokens.recomputed;
        self.row.output_tokens = tokens.output;
        self.row.preemptions = tokens.preemptions;
    }
}

/// All slots.
#[derive(Debug, Default)]
pub(super) struct Slots {
    states: Vec<State>,
    /// By slot: the legs of TTFT before the attempt under way. Written only where attempts can be lost.
    legs_before: Vec<Legs>,
    vacant: Vec<u32>,
    next: u32,
}

impl Slots {
    /// A slot for the next request; its `request` is to be filled, all else is blank.
    pub(super) fn take(&mut self) -> u32 {
        let slot = self.vacant.pop().unwrap_or_else(|| {
            self.states.push(State::default());
            self.states.len() as u32 - 1
        });
        let id = RequestId(self.next);
        self.next = self.next.checked_add(1).expect("fewer than 2^32 requests in a run");
        let state = &mut self.states[slot as usize];
        state.row = RequestRow { id, legs: Legs::default(), ..RequestRow::default() };
        state.attempt = Attempt::default();
        state.place = Place::ToGateway;
        (state.left_at, state.left_as, state.cut_at) = (None, Outcome::TimedOut, None);
        state.dropped = false;
        (state.epoch, state.retrying) = (0, false);
        (state.failed_in, state.failed_by) = (RegionSet::NONE, None);
        state.live = true;
        slot
    }
    pub(super) fn free(&mut self, slot: u32) {
        self.states[slot as usize].live = false;
        self.vacant.push(slot);
    }
    /// Writes down the legs of TTFT so far: [`Slots::undo_legs`] goes back to them.
    pub(super) fn keep_legs(&mut self, slot: u32) {
        self.legs_before.resize(self.states.len(), Legs::default());
        self.legs_before[slot as usize] = self.states[slot as usize].row.legs;
    }
    pub(super) fn undo_legs(&mut self, slot: u32) {
        self.states[slot as usize].row.legs = self.legs_before[slot as usize];
    }
    #[inline]
    pub(super) fn get(&self, slot: u32) -> &State {
        &self.states[slot as usize]
    }
    #[inline]
    pub(super) fn get_mut(&mut self, slot: u32) -> &mut State {
        &mut self.states[slot as usize]
    }
    /// Whether this request is still under way, in that slot.
    #[inline]
    pub(super) fn is(&self, slot: u32, id: RequestId) -> bool {
        let state = self.get(slot);
        state.live && state.row.id == id
    }
    /// Whether this request is still under way, in that slot, and what was promised about it then still holds.
    #[inline]
    pub(super) fn holds(&self, slot: u32, id: RequestId, epoch: u32) -> bool {
        self.is(slot, id) && self.get(slot).epoch == epoch
    }
    /// Whether its client still waits for it.
    #[inline]
    pub(super) fn waits(&self, slot: u32, id: RequestId) -> bool {
        self.is(slot, id) && self.get(slot).left_at.is_none()
    }
    /// How many are in use.
    pub(super) fn count(&self) -> usize {
        self.states.len() - self.vacant.len()
    }
    /// The slots in use, by order of arrival.
    pub(super) fn live(&self) -> Vec<u32> {
        let mut live: Vec<u32> =
            (0..self.states.len() as u32).filter(|&slot| self.states[slot as usize].live).collect();
        live.sort_by_key(|&slot| self.states[slot as usize].row.id);
        live
    }
}
