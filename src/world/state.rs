//! What the world keeps of a request under way, in three lines of the processor's cache: thousands are under way at
//! once, and what is read of one at each of its events no longer is in a cache that is near. Lengths of time are kept as
//! the instants between which they lie, and its story is put together from them at its end ([`State::row`]); what few
//! requests have lies apart ([`Rare`]). What belongs to one attempt is written anew by the next.

use crate::id::{
    ClassId, DataClassId, GatewayId, Id, OriginId, RegionId, ReplicaId, RequestId, SourceId, TenantId,
};
use crate::network::RegionSet;
use crate::observe::{Leg, Legs, Outcome, RequestRow};
use crate::replica::Tokens;
use crate::routing::{TargetId, Ticket};
use crate::time::{SimTime, Span};
use crate::workload::Request;

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

/// The bits of a ticket's number with a learner: requests of one stage without a first token are fewer.
const LEARNED: u32 = (1 << 24) - 1;

/// What is so of a request: bits of [`Marks`].
#[derive(Clone, Copy, Debug)]
#[repr(u16)]
pub(super) enum Mark {
    /// The news that its client left has come to where it is to go next.
    Dropped = 1,
    /// The gateway has seen its attempt's first token.
    TokenSeen = 1 << 1,
    /// Its attempt counts for nothing in the legs of its TTFT: it is not sent yet, or was lost.
    Unsent = 1 << 2,
    /// Its attempt counts as a retry of its gateway.
    Retrying = 1 << 3,
    /// It was the gate that stopped it when it was last asked for.
    Gated = 1 << 4,
    // Of these there is more in `Rare`.
    /// There was an attempt before this.
    Retried = 1 << 5,
    /// Its client has left.
    Left = 1 << 6,
    /// Its gateway was lost while it was on the other side.
    Cut = 1 << 7,
    /// A replica has failed it.
    Failed = 1 << 8,
    /// It brought a rule of its own.
    Restricted = 1 << 9,
    /// Its gateway's first tier has a ticket of it.
    Global = 1 << 10,
    /// When its end leaves the replica is known, and written down because the replica may be lost before.
    Ends = 1 << 11,
}

/// Which marks a request has.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Marks(u16);

impl Marks {
    #[inline]
    pub(super) fn has(self, mark: Mark) -> bool {
        self.0 & mark as u16 != 0
    }
    #[inline]
    pub(super) fn set(&mut self, mark: Mark, on: bool) {
        self.0 = if on { self.0 | mark as u16 } else { self.0 & !(mark as u16) };
    }
}

/// In the place of the gateway of a request that has none.
pub(super) const NO_GATEWAY: GatewayId = GatewayId(u32::MAX);
/// In the place of the id where a slot is vacant.
const VACANT: RequestId = RequestId(u32::MAX);

/// A request under way. The order of fields is that of memory, a line of the processor's cache each: what the news of its
/// first token reads and writes; who it is, and its ways to the client and back; its way to the replica and what became
/// of it there.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub(super) struct State {
    pub(super) id: RequestId,
    pub(super) gateway: GatewayId,
    /// What was promised about its attempts before the last loss is void.
    pub(super) epoch: u16,
    pub(super) marks: Marks,
    pub(super) place: Place,
    pub(super) outcome: Outcome,
    pub(super) priority: u8,
    region: u8,
    /// When it was first part of a step, once it has its first token.
    pub(super) scheduled_at: SimTime,
    /// When its first token leaves the replica; never, as long as that is not known.
    pub(super) first_token_at: SimTime,
    /// The way back from the replica to the gateway.
    pub(super) hop_back: Span,
    /// The stage that chose the replica, and what its ticket says beside the prompt's length: the stage, one of at most `RegionSet::MAX_REGIONS`, above the 24 bits of its ticket's number with a learner.
    stage: u32,
    target: TargetId,
    matched_blocks: u32,
    uncached_tokens: u32,
    pub(super) prompt_tokens: u32,
    /// How often it was sent to a replica.
    pub(super) attempts: u32,

    pub(super) key: u64,
    pub(super) session: u64,
    pub(super) sent_at: SimTime,
    /// The way from the client to the gateway, and back.
    pub(super) client_out: Span,
    pub(super) client_back: Span,
    pub(super) source: SourceId,
    pub(super) origin: OriginId,
    pub(super) class: ClassId,
    pub(super) data_class: DataClassId,
    pub(super) tenant: TenantId,
    pub(super) turn: u32,

    /// When it reaches its gateway, or last did.
    pub(super) at_gateway: SimTime,
    /// When the gateway was done deciding; zero before.
    pub(super) decided_at: SimTime,
    /// When the replica's queue gets it.
    pub(super) delivered_at: SimTime,
    /// The way from the gateway to the replica, and the time that the replica's front end takes.
    pub(super) hop_out: Span,
    pub(super) ingress: Span,
    replica: ReplicaId,
    tokens: Tokens,
}

/// What few requests have. Each part counts where the request's mark says so.
#[derive(Clone, Debug, Default)]
pub(super) struct Rare {
    /// [`Mark::Left`]: when, and how that is counted.
    pub(super) left_at: SimTime,
    pub(super) left_as: Outcome,
    /// [`Mark::Cut`]: when.
    pub(super) cut_at: SimTime,
    /// [`Mark::Failed`]: by whom last, and where so far.
    pub(super) failed_by: ReplicaId,
    pub(super) failed_in: RegionSet,
    /// [`Mark::Restricted`]: to these regions.
    pub(super) allowed: RegionSet,
    /// [`Mark::Global`].
    pub(super) global: Option<Ticket>,
    /// [`Mark::Retried`]: when it first reached its gateway, and the legs of TTFT before this attempt.
    pub(super) entered_at: SimTime,
    pub(super) legs: Legs,
    /// [`Mark::Ends`]: when its end leaves the replica.
    pub(super) end_at: SimTime,
    /// In [`Place::Held`]: as which it was held.
    pub(super) held_as: u64,
}

impl State {
    /// Of a slot that nobody is in.
    pub(super) fn vacant() -> State {
        State {
            key: 0,
            session: 0,
            sent_at: SimTime::ZERO,
            id: VACANT,
            source: SourceId(0),
            origin: OriginId(0),
            class: ClassId(0),
            data_class: DataClassId(0),
            tenant: TenantId(0),
            turn: 0,
            prompt_tokens: 0,
            gateway: NO_GATEWAY,
            place: Place::ToGateway,
            outcome: Outcome::InFlight,
            priority: 0,
            region: 0,
            at_gateway: SimTime::ZERO,
            decided_at: SimTime::ZERO,
            delivered_at: SimTime::ZERO,
            scheduled_at: SimTime::ZERO,
            first_token_at: SimTime::NEVER,
            hop_out: Span::ZERO,
            ingress: Span::ZERO,
            client_out: Span::ZERO,
            client_back: Span::ZERO,
            hop_back: Span::ZERO,
            stage: 0,
            target: TargetId(0),
            matched_blocks: 0,
            uncached_tokens: 0,
            replica: ReplicaId(0),
            attempts: 0,
            tokens: Tokens::default(),
            epoch: 0,
            marks: Marks(Mark::Unsent as u16),
        }
    }
    /// Of a request that is sent by its client now.
    #[inline]
    pub(super) fn new(id: RequestId, now: SimTime, source: SourceId, request: &Request) -> State {
        State {
            id,
            source,
            sent_at: now,
            key: request.key,
            session: request.session,
            origin: request.origin,
            class: request.class,
            data_class: request.data_class,
            tenant: request.tenant,
            turn: request.turn,
            prompt_tokens: request.prompt_tokens,
            priority: request.priority,
            ..State::vacant()
        }
    }
    /// Nobody is in the slot any more.
    pub(super) fn vacate(&mut self) {
        self.id = VACANT;
    }
    pub(super) fn live(&self) -> bool {
        self.id != VACANT
    }
    #[inline]
    pub(super) fn has(&self, mark: Mark) -> bool {
        self.marks.has(mark)
    }
    #[inline]
    pub(super) fn left(&self) -> bool {
        self.has(Mark::Left)
    }
    /// Where it was last sent.
    #[inline]
    pub(super) fn replica(&self) -> Option<ReplicaId> {
        (self.attempts > 0).then_some(self.replica)
    }
    /// The region of that.
    #[inline]
    pub(super) fn region(&self) -> Option<RegionId> {
        (self.attempts > 0).then_some(RegionId(u32::from(self.region)))
    }
    /// The stage that last sent it, and its ticket.
    #[inline]
    pub(super) fn ticket(&self) -> Option<(usize, Ticket)> {
        let ticket = Ticket {
            target: self.target,
            prompt_tokens: self.prompt_tokens,
            matched_blocks: self.matched_blocks,
            uncached_tokens: self.uncached_tokens,
            learned: self.stage & LEARNED,
        };
        (self.attempts > 0).then_some(((self.stage >> 24) as usize, ticket))
    }
    /// It is sent by this stage to this replica.
    pub(super) fn send(&mut self, stage: usize, ticket: &Ticket, replica: ReplicaId, region: RegionId) {
        self.place = Place::ToReplica;
        self.attempts += 1;
        self.first_token_at = SimTime::NEVER;
        for mark in [Mark::Unsent, Mark::TokenSeen, Mark::Ends, Mark::Global] {
            self.marks.set(mark, false);
        }
        (self.stage, self.target) = ((stage as u32) << 24, ticket.target);
        (self.matched_blocks, self.uncached_tokens) = (ticket.matched_blocks, ticket.uncached_tokens);
        self.stage |= ticket.learned & LEARNED;
        // Regions are at most `RegionSet::MAX_REGIONS`.
        (self.replica, self.region) = (replica, region.index() as u8);
    }
    /// Its attempt comes to nothing, before anybody has a token of it.
    pub(super) fn unsend(&mut self) {
        self.first_token_at = SimTime::NEVER;
        self.marks.set(Mark::Unsent, true);
    }
    pub(super) fn take_tokens(&mut self, tokens: Tokens) {
        self.tokens = tokens;
    }
    /// When the first token reaches the client, where that is known.
    #[inline]
    pub(super) fn first_token_at_client(&self) -> Option<SimTime> {
        let known = self.first_token_at != SimTime::NEVER;
        known.then(|| self.first_token_at + (self.hop_back + self.client_back))
    }
    /// When it first reached its gateway.
    #[inline]
    pub(super) fn entered_at(&self, rare: Option<&Rare>) -> SimTime {
        rare.filter(|_| self.has(Mark::Retried)).map_or(self.at_gateway, |rare| rare.entered_at)
    }
    /// The legs of TTFT so far.
    #[inline]
    pub(super) fn legs(&self, rare: Option<&Rare>) -> Legs {
        let mut legs = match rare.filter(|_| self.has(Mark::Retried)) {
            Some(rare) => rare.legs,
            None => Legs::default(),
        };
        if !self.has(Mark::Retried) && self.gateway != NO_GATEWAY {
            legs.add(Leg::LastMile, self.client_out);
            legs.add(Leg::Connect, (self.at_gateway - self.sent_at).saturating_sub(self.client_out));
        }
        legs.add(Leg::Route, self.decided_at.since(self.at_gateway));
        if self.has(Mark::Unsent) {
            return legs;
        }
        let on_the_way = self.hop_out + self.ingress;
        legs.add(Leg::Hold, (self.delivered_at - self.decided_at).saturating_sub(on_the_way));
        legs.add(Leg::Hop, self.hop_out);
        legs.add(Leg::Ingress, self.ingress);
        if self.first_token_at != SimTime::NEVER {
            legs.add(Leg::Queue, self.scheduled_at - self.delivered_at);
            legs.add(Leg::Prefill, self.first_token_at - self.scheduled_at);
            legs.add(Leg::Return, self.hop_back + self.client_back);
        }
        legs
    }
    /// Its story, where it ended so, and at `ended_at` for its client: what would have come later never came.
    #[inline]
    pub(super) fn row(&self, rare: Option<&Rare>, outcome: Outcome, ended_at: SimTime) -> RequestRow {
        let first_token_at = self.first_token_at_client().filter(|&at| at <= ended_at);
        let server_ttft = first_token_at.map(|_| self.first_token_at - self.entered_at(rare));
        RequestRow {
            id: self.id,
            key: self.key,
            source: self.source,
            origin: self.origin,
            class: self.class,
            data_class: self.data_class,
            tenant: self.tenant,
            session: self.session,
            turn: self.turn,
            gateway: Some(self.gateway).filter(|&gateway| gateway != NO_GATEWAY),
            region: self.region(),
            replica: self.replica(),
            sent_at: self.sent_at,
            outcome,
            prompt_tokens: self.prompt_tokens,
            output_tokens: self.tokens.output,
            cached_tokens: self.tokens.cached,
            fetched_tokens: 0,
            computed_tokens: self.tokens.computed,
            recomputed_tokens: self.tokens.recomputed,
            misses: None,
            preemptions: self.tokens.preemptions,
            legs: self.legs(rare),
            first_token_at,
            ended_at,
            server_ttft,
            attempts: self.attempts,
        }
    }
}
