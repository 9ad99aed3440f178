//! Who is let in: a gate that closes at saturation, a curve that sheds before it does, a bounded line behind the gate, and
//! clients that hold back by themselves. Knows loads, priorities and counts; must not know gateways, policies or how
//! requests travel. Defaults are those of the systems named beside them.

use crate::observe::Load;
use crate::time::{SimTime, Span};
use serde::Serialize;
use std::collections::VecDeque;

/// What gateways and clients do to keep a fleet from more than it can bear. Each part is optional; without all of them
/// every request is decided about at once.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct AdmissionParams {
    /// What gate and curve go by.
    pub saturation: SaturationParams,
    /// Closes at saturation.
    pub gate: Option<GateParams>,
    /// Sheds some before.
    pub shed: Option<ShedParams>,
    /// Bounds the line of requests that the gate or the policy holds.
    pub queue: Option<QueueParams>,
    /// Clients that hold back.
    pub throttle: Option<ThrottleParams>,
}

impl AdmissionParams {
    /// Whether anything goes by saturation.
    pub fn measures(&self) -> bool {
        self.gate.is_some() || self.shed.is_some()
    }
    /// Whether anything goes by the replicas' loads.
    pub fn reads_loads(&self) -> bool {
        self.measures() && self.saturation.signal.reads_loads()
    }
}

/// How full the replicas are that a request may go to; 1 is saturated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct SaturationParams {
    /// What is measured.
    pub signal: Signal,
    /// Over which replicas.
    pub over: Over,
}

/// What saturation is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Signal {
    /// The mean over replicas of max(waiting / `queue_depth`, KV usage / `kv_usage`), as the gateway sees them; a replica
    /// whose reading is stale counts 1.
    Utilization {
        /// Requests waiting in a saturated replica.
        queue_depth: f64,
        /// The share of KV blocks in use in a saturated one.
        kv_usage: f64,
    },
    /// The gateway's own requests under way there, over `requests` a replica.
    Concurrency {
        /// Requests of a saturated replica.
        requests: u32,
    },
}

impl Default for Signal {
    /// The utilization detector of llm-d's endpoint picker (llm-d-inference-scheduler 520af47): 5 requests, 80 %.
    fn default() -> Signal {
        Signal::Utilization { queue_depth: 5.0, kv_usage: 0.8 }
    }
}

impl Signal {
    /// As it is written.
    pub const fn name(&self) -> &'static str {
        match self {
            Signal::Utilization { .. } => "utilization",
            Signal::Concurrency { .. } => "concurrency",
        }
    }
    /// Whether it reads the replicas' loads.
    pub fn reads_loads(&self) -> bool {
        matches!(self, Signal::Utilization { .. })
    }
}

/// Which replicas saturation is the mean of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Over {
    /// All that are believed up and that the request may go to.
    #[default]
    Allowed,
    /// Of these, those in the region that is nearest to the gateway.
    Home,
}

/// How saturated one replica is by its load.
pub fn utilization(load: &Load, queue_depth: f64, kv_usage: f64) -> f64 {
    (f64::from(load.waiting) / queue_depth).max(load.kv_usage() / kv_usage)
}

/// The gate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct GateParams {
    /// It is closed from this saturation on.
    pub closes_at: f64,
    /// For requests of this priority and those that are less urgent (a larger number); others pass.
    pub from_priority: u8,
}

impl Default for GateParams {
    /// Closed at saturation, for all: llm-d's flow control.
    fn default() -> GateParams {
        GateParams { closes_at: 1.0, from_priority: 0 }
    }
}

/// The curve by which requests are shed: with probability min(1, scale × saturation ^ power).
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ShedParams {
    /// The probability at saturation 1, before it is cut at 1.
    pub scale: f64,
    /// How steeply it rises.
    pub power: f64,
    /// Requests of this priority and those that are less urgent can be shed.
    pub from_priority: u8,
}

impl Default for ShedParams {
    /// The probabilistic admitter of llm-d's endpoint picker: min(300 s⁵, 1) for requests below the usual priority.
    fn default() -> ShedParams {
        ShedParams { scale: 300.0, power: 5.0, from_priority: 1 }
    }
}

impl ShedParams {
    /// The probability of being shed at this saturation.
    pub fn probability(&self, saturation: f64) -> f64 {
        (self.scale * libm::pow(saturation, self.power)).clamp(0.0, 1.0)
    }
}

/// The line of requests that a gateway holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct QueueParams {
    /// The most that wait; whoever comes then is refused. `None` is without limit.
    pub capacity: Option<u32>,
    /// The longest wait of one; `None` is without limit.
    pub timeout: Option<Span>,
    /// Who goes first.
    pub discipline: Discipline,
}

/// Who goes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Discipline {
    /// Who came first.
    #[default]
    Fifo,
    /// Who came last.
    Lifo,
    /// Who is most urgent (the smallest priority); among equals who came first.
    Priority,
}

impl Discipline {
    /// The place in the line of the request that comes as number `number`: smaller goes first.
    pub fn place(self, priority: u8, number: u64) -> (u8, u64) {
        match self {
            Discipline::Fifo => (0, number),
            Discipline::Lifo => (0, u64::MAX - number),
            Discipline::Priority => (priority, number),
        }
    }
}

/// Clients that hold back when they are refused: adaptive throttling of Google's SRE book ("Handling Overload").
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ThrottleParams {
    /// So many requests for each that is accepted.
    pub k: f64,
    /// Over how much time they are counted.
    pub window: Span,
    /// Who counts together.
    pub by: ThrottleBy,
}

impl Default for ThrottleParams {
    /// The book's: K = 2, two minutes.
    fn default() -> ThrottleParams {
        ThrottleParams { k: 2.0, window: Span::from_secs(120), by: ThrottleBy::Origin }
    }
}

/// Whose requests one throttle counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ThrottleBy {
    /// All of one origin.
    #[default]
    Origin,
    /// All of one tenant.
    Tenant,
}

/// A window is kept in so many slices and moves by one at a time (our choice: at two minutes, every two seconds).
const SLICES: u64 = 60;

/// What one client has seen of late.
#[derive(Clone, Debug, Default)]
pub struct Throttle {
    /// By slice of the window: its number, requests, and those accepted.
    slices: VecDeque<(u64, u64, u64)>,
    requests: u64,
    accepts: u64,
}

impl Throttle {
    /// The probability that the next request is not sent: max(0, (requests − K·accepts) / (requests + 1)).
    pub fn probability(&mut self, now: SimTime, params: &ThrottleParams) -> f64 {
        let slice = slice_of(now, params);
        while self.slices.front().is_some_and(|&(number, ..)| number + SLICES <= slice) {
            let (_, requests, accepts) = self.slices.pop_front().unwrap_or_default();
            self.requests -= requests;
            self.accepts -= accepts;
        }
        let requests = self.requests as f64;
        ((requests - params.k * self.accepts as f64) / (requests + 1.0)).max(0.0)
    }
    /// Requests within the window as it was when it was last looked at, and those accepted.
    pub fn seen(&self) -> (u64, u64) {
        (self.requests, self.accepts)
    }
    /// A request has had its answer, or was not sent.
    pub fn count(&mut self, now: SimTime, params: &ThrottleParams, accepted: bool) {
        let slice = slice_of(now, params);
        if self.slices.back().is_none_or(|&(number, ..)| number != slice) {
            self.slices.push_back((slice, 0, 0));
        }
        let accepts = u64::from(accepted);
        if let Some(last) = self.slices.back_mut() {
            last.1 += 1;
            last.2 += accepts;
        }
        self.requests += 1;
        self.accepts += accepts;
    }
}

fn slice_of(now: SimTime, params: &ThrottleParams) -> u64 {
    now.0 / params.window.0.div_ceil(SLICES).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_is_as_saturated_as_its_scarcest_part() {
        let load =
            |waiting, used| Load { waiting, kv_used_blocks: used, kv_total_blocks: 100, ..Load::default() };
        // max(w/5, kv/0.8).
        assert_eq!(utilization(&load(5, 40), 5.0, 0.8), 1.0);
        assert_eq!(utilization(&load(0, 80), 5.0, 0.8), 1.0);
        assert_eq!(utilization(&load(10, 80), 5.0, 0.8), 2.0);
        assert_eq!(utilization(&load(1, 0), 5.0, 0.8), 0.2);
        // A plain queue has no blocks.
        assert_eq!(utilization(&Load { waiting: 2, ..Load::default() }, 4.0, 0.8), 0.5);
    }

    #[test]
    fn the_curve_sheds_all_at_a_third_of_saturation() {
        let shed = ShedParams::default();
        // 300 · 0.2⁵ = 300 · 0.00032 = 0.096; 300 s⁵ = 1 at s = (1/300)^(1/5) = 0.3196.
        assert!((shed.probability(0.2) - 0.096).abs() < 1e-12);
        assert_eq!(shed.probability(0.0), 0.0);
        assert!(shed.probability(0.3195) < 1.0);
        assert_eq!(shed.probability(0.3196), 1.0);
        assert_eq!(shed.probability(7.0), 1.0);
        // A straight line: half at half.
        let line = ShedParams { scale: 1.0, power: 1.0, from_priority: 0 };
        assert_eq!(line.probability(0.5), 0.5);
    }

    #[test]
    fn a_client_holds_back_what_is_more_than_k_times_the_accepted() {
        let params = ThrottleParams::default();
        let after = |requests: u64, accepts: u64| {
            let mut throttle = Throttle::default();
            (0..requests).for_each(|i| throttle.count(SimTime(0), &params, i < accepts));
            throttle.probability(SimTime(0), &params)
        };
        // (100 − 2·40)/101 = 0.198; nothing sent, nothing held back; up to half refused, nothing held back.
        assert_eq!(after(100, 40), 20.0 / 101.0);
        assert_eq!(after(0, 0), 0.0);
        assert_eq!(after(100, 50), 0.0);
        assert_eq!(after(100, 100), 0.0);
        assert_eq!(after(3, 0), 0.75);
    }

    #[test]
    fn a_client_forgets_what_is_older_than_its_window() {
        // Slices of two seconds: ten refusals at 1 s belong to the slice of 0 to 2 s, which leaves at 120 s.
        let params = ThrottleParams::default();
        let mut throttle = Throttle::default();
        (0..10).for_each(|_| throttle.count(SimTime(1_000_000_000), &params, false));
        let mut at = |s: u64| throttle.probability(SimTime(s * 1_000_000_000), &params);
        assert_eq!([at(2), at(119), at(120)], [10.0 / 11.0, 10.0 / 11.0, 0.0]);
    }

    #[test]
    fn places_in_the_line() {
        let order = |discipline: Discipline| {
            let mut line = [(1, 0), (0, 1), (2, 2), (0, 3)];
            line.sort_by_key(|&(priority, number)| discipline.place(priority, number));
            line.map(|(_, number)| number)
        };
        assert_eq!(order(Discipline::Fifo), [0, 1, 2, 3]);
        assert_eq!(order(Discipline::Lifo), [3, 2, 1, 0]);
        assert_eq!(order(Discipline::Priority), [1, 3, 0, 2]);
    }
}
