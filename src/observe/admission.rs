//! What kept a request from being decided about, as it was at that instant: admission, a client that left, a gateway that
//! was lost. Plain data with ids; made only for requests that somebody asked for.

use super::Outcome;
use crate::id::{GatewayId, OriginId, RequestId, TenantId};
use crate::time::{SimTime, Span};

/// Whose requests a throttle counts together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// All of an origin.
    Origin(OriginId),
    /// All of a tenant.
    Tenant(TenantId),
}

/// Where a request waited that no gateway had decided about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// Nowhere yet: it was on its way to the gateway.
    OnTheWay,
    /// For one of the gateway's workers.
    Worker,
    /// With a worker.
    Deciding,
    /// In the gateway's line, where the gate had stopped it.
    Gate,
    /// In the gateway's line, where the policy held it or others waited before it.
    Held,
}

impl Waiting {
    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Waiting::OnTheWay => "on_the_way",
            Waiting::Worker => "worker",
            Waiting::Deciding => "deciding",
            Waiting::Gate => "gate",
            Waiting::Held => "held",
        }
    }
}

/// What kept a request out: a part of admission, or what happened before it was asked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Barrier {
    /// The client held it back itself.
    Throttle {
        /// Which.
        client: Client,
        /// Over how much time it counts.
        window: Span,
        /// Its requests in that time.
        requests: u64,
        /// Of these, accepted.
        accepts: u64,
        /// With what probability it held this one back.
        probability: f64,
    },
    /// A draw against the curve.
    Shed {
        /// The probability at that saturation.
        probability: f64,
    },
    /// The gate was closed, and there is no line to wait in.
    Gate {
        /// The saturation from which on it is closed.
        closes_at: f64,
    },
    /// The line had no place.
    Line {
        /// Places in it.
        capacity: u32,
        /// The saturation from which on the gate is closed, where it was the gate that stopped the request; else others
        /// waited before it or the policy held it.
        closes_at: Option<f64>,
    },
    /// It waited too long in the line.
    Timeout {
        /// How long.
        timeout: Span,
        /// As for the line, of when it was last asked for.
        closes_at: Option<f64>,
    },
    /// Its client had left before it was decided about.
    Left {
        /// When the client left.
        left_at: SimTime,
        /// Where the news found it.
        place: Waiting,
        /// How long it had been at the gateway by then.
        waited: Span,
    },
    /// The gateway was lost.
    Lost {
        /// Where it was then.
        place: Waiting,
        /// How long it had been at the gateway by then.
        waited: Span,
    },
    /// There was no gateway that may read it.
    NoDoor,
}

impl Barrier {
    /// How the request ends.
    pub const fn outcome(&self) -> Outcome {
        match self {
            Barrier::Throttle { .. } => Outcome::Throttled,
            Barrier::Shed { .. } => Outcome::Shed,
            Barrier::Gate { .. } | Barrier::Line { .. } => Outcome::Rejected,
            Barrier::Timeout { .. } => Outcome::QueueTimeout,
            Barrier::Left { .. } => Outcome::TimedOut,
            Barrier::Lost { .. } => Outcome::Failed,
            Barrier::NoDoor => Outcome::NoRegion,
        }
    }
    /// The key of the scenario that declares it, or what happened.
    pub const fn key(&self) -> &'static str {
        match self {
            Barrier::Throttle { .. } => "admission.throttle",
            Barrier::Shed { .. } => "admission.shed",
            Barrier::Gate { .. } => "admission.gate",
            Barrier::Line { .. } => "admission.queue.capacity",
            Barrier::Timeout { .. } => "admission.queue.timeout",
            Barrier::Left { .. } => "client_left",
            Barrier::Lost { .. } => "gateway_lost",
            Barrier::NoDoor => "no_gateway",
        }
    }
    /// Whether it is a part of a gateway's admission, which may go by saturation.
    pub const fn is_admission(&self) -> bool {
        matches!(
            self,
            Barrier::Shed { .. } | Barrier::Gate { .. } | Barrier::Line { .. } | Barrier::Timeout { .. }
        )
    }
}

/// A request that was not let in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdmissionRecord {
    /// Which request.
    pub id: RequestId,
    /// Its key.
    pub key: u64,
    /// Which try, from 1.
    pub attempt: u32,
    /// When.
    pub at: SimTime,
    /// The gateway; none where the client did it, or where there was none.
    pub gateway: Option<GatewayId>,
    /// What kept it out.
    pub barrier: Barrier,
    /// What is measured as saturation, where anything is: `utilization` or `concurrency`.
    pub signal: Option<&'static str>,
    /// The saturation that the gateway read at that instant; none where nothing goes by it or nobody could serve it.
    pub saturation: Option<f64>,
}
