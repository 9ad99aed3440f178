//! What can happen, and in which order at one instant: first what becomes known to gateways and clients, then what
//! befalls replicas, what clients send, then decisions and deliveries, and the ends of steps last, so that a request that arrives at the
//! very end of a step is part of the next.

use super::slots::Awaited;
use crate::engine::{self, Rank};
use crate::id::{GatewayId, RegionId, ReplicaId, RequestId, SourceId};
use crate::rng::mix2;

/// A fact or a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The first token has come back to the gateway.
    FirstTokenSeen {
        /// The request's slot.
        slot: u32,
        /// The request.
        id: RequestId,
        /// Which of the promises made about it this is.
        epoch: u32,
    },
    /// The end of an attempt has come back to the gateway.
    EndSeen {
        /// The request's slot.
        slot: u32,
        /// The request.
        id: RequestId,
        /// Which of the promises made about it this is.
        epoch: u32,
    },
    /// The end of the request has come back to the client.
    ClientEnd {
        /// The request's slot.
        slot: u32,
        /// The request.
        id: RequestId,
    },
    /// Loads that were read or reported earlier have come to a gateway.
    Heard {
        /// The gateway.
        gateway: GatewayId,
    },
    /// The first deadlines of a workload's clients have come.
    Due {
        /// The workload.
        source: SourceId,
        /// What they waited for.
        awaited: Awaited,
    },
    /// The first of those that a gateway holds have waited long enough.
    HeldDue {
        /// The gateway.
        gateway: GatewayId,
    },
    /// The client finds that its gateway is gone.
    Cut {
        /// The request's slot.
        slot: u32,
        /// The request.
        id: RequestId,
    },
    /// The gateway hears that the client has left.
    LeftSeen {
        /// The request's slot.
        slot: u32,
        /// The request.
        id: RequestId,
    },
    /// The replica hears that the client has left.
    LeftAtReplica {
        /// The request's slot.
        slot: u32,
        /// The request.
        id: RequestId,
    },
    /// Something happens to a part of the fleet, or is over.
    Incident {
        /// Its number among the scenario's.
        index: u32,
        /// Whether it is over.
        over: bool,
    },
    /// Gateways learn how a replica is.
    Known {
        /// The replica.
        replica: ReplicaId,
        /// Which of its changes they learn of.
        turn: u32,
    },
    /// A workload's next request is due.
    Arrive {
        /// The workload.
        source: SourceId,
        /// Which of its announcements this is.
        turn: u32,
    },
    /// A request has reached its gateway.
    AtGateway {
        /// The request's slot.
        slot: u32,
        /// The request.
        id: RequestId,
    },
    /// The gateway has had the time it takes to decide about a request.
    Decide {
        /// The request's slot.
        slot: u32,
        /// The request.
        id: RequestId,
    },
    /// A request enters its replica's queue.
    Deliver {
        /// The request's slot.
        slot: u32,
        /// The request.
        id: RequestId,
    },
    /// A gateway reads all replicas' loads.
    Poll {
        /// The gateway.
        gateway: GatewayId,
        /// Which of its readings this is, from 1.
        number: u32,
    },
    /// A region writes its replicas' loads to the store that gateways share.
    Write {
        /// The region.
        region: RegionId,
        /// Which of its writes this is, from 1.
        number: u32,
    },
    /// A gateway's question reaches that store.
    Read {
        /// The gateway.
        gateway: GatewayId,
        /// Which of its readings this is, from 1.
        number: u32,
    },
    /// Loads are sampled.
    Sample {
        /// Which sample this is.
        number: u32,
    },
    /// A replica's step ends, or an idle one starts.
    Wake {
        /// The replica.
        replica: ReplicaId,
    },
}

impl engine::Event for Event {
    #[inline]
    fn rank(&self) -> Rank {
        let rank = |class, entity, sequence| Rank { class, entity, sequence };
        match *self {
            Event::FirstTokenSeen { id, epoch, .. } => rank(0, id.0, epoch),
            Event::EndSeen { id, epoch, .. } => rank(1, id.0, epoch),
            Event::ClientEnd { id, .. } => rank(2, id.0, 0),
            Event::Heard { gateway } => rank(3, gateway.0, 0),
            Event::Due { source, awaited } => rank(4, source.0, awaited as u32),
            Event::HeldDue { gateway } => rank(5, gateway.0, 0),
            Event::Cut { id, .. } => rank(6, id.0, 0),
            Event::LeftSeen { id, .. } => rank(7, id.0, 0),
            Event::LeftAtReplica { id, .. } => rank(8, id.0, 0),
            Event::Incident { index, over } => rank(9, index, u32::from(over)),
            Event::Known { replica, turn } => rank(10, replica.0, turn),
            Event::Arrive { source, turn } => rank(11, source.0, turn),
            Event::AtGateway { id, .. } => rank(12, id.0, 0),
            Event::Decide { id, .. } => rank(13, id.0, 0),
            Event::Deliver { id, .. } => rank(14, id.0, 0),
            Event::Poll { gateway, number } => rank(15, gateway.0, number),
            Event::Write { region, number } => rank(16, region.0, number),
            Event::Read { gateway, number } => rank(17, gateway.0, number),
            Event::Sample { number } => rank(18, 0, number),
            Event::Wake { replica } => rank(19, replica.0, 0),
        }
    }
    fn word(&self) -> u64 {
        let rank = engine::Event::rank(self);
        mix2(u64::from(rank.class), u64::from(rank.entity))
    }
}
