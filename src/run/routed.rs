//! How requests were routed, counted as it happens: tries, ways to other regions, runs of decisions for one target, and
//! where somebody looks, regret and why prompts missed. Knows observations; must not know policies. A few additions a
//! decision.

use crate::id::{GatewayId, Id, RegionId, ReplicaId};
use crate::observe::{Miss, Observation, Observer, Outcome, RequestRow};
use crate::time::{SimTime, Span};

/// What was counted of one cell. Decisions and tries are those of the whole run, tokens those of measured requests.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Routed {
    /// Requests that were sent to a replica at least once.
    pub requests: u64,
    /// Tries: sendings to a replica.
    pub sends: u64,
    /// Of those, to another region than the gateway's.
    pub forwards: u64,
    /// Replicas there are.
    pub replicas: u64,
    /// By gateway.
    pub gateways: Vec<Runs>,
    /// Uncached prompt tokens of completed measured requests by reason, in the order of [`Miss::ALL`]; nothing where
    /// nobody asked.
    pub misses: Option<[u64; Miss::COUNT]>,
    /// Decisions that were told; of those with a regret, the regret in nanoseconds, in the order they were made.
    pub told: u64,
    /// See [`Routed::told`].
    pub regrets_ns: Vec<u64>,
}

/// The decisions of one gateway, in order, as runs that go to one replica.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Runs {
    /// Decisions.
    pub sends: u64,
    /// Runs.
    pub runs: u64,
    /// Decisions of the longest run.
    pub longest: u64,
    /// By replica, its decisions.
    pub by_replica: Vec<u64>,
    last: Option<ReplicaId>,
    length: u64,
}

impl Runs {
    fn send(&mut self, replica: ReplicaId) {
        let same = self.last == Some(replica);
        self.sends += 1;
        self.runs += u64::from(!same);
        self.length = if same { self.length + 1 } else { 1 };
        self.longest = self.longest.max(self.length);
        self.last = Some(replica);
        if self.by_replica.len() <= replica.index() {
            self.by_replica.resize(replica.index() + 1, 0);
        }
        self.by_replica[replica.index()] += 1;
    }
    /// The runs that these decisions would make in random order: of n decisions with n_i for replica i,
    /// 1 + (n² − Σ n_i²) / n: each of the n − 1 places between two has another replica behind it than before with
    /// probability 1 − Σ n_i (n_i − 1) / (n (n − 1)).
    pub fn shuffled(&self) -> f64 {
        let n = self.sends as f64;
        let squares: f64 = self.by_replica.iter().map(|&count| count as f64 * count as f64).sum();
        if self.sends == 0 { 0.0 } else { 1.0 + (n * n - squares) / n }
    }
}

/// Counts as it watches.
#[derive(Debug, Default)]
pub struct RoutedSink {
    routed: Routed,
    /// The region of each gateway.
    places: Vec<RegionId>,
    warmup: Span,
}

impl RoutedSink {
    /// For gateways in these regions, so many replicas, and a warm-up of this length.
    pub fn new(places: Vec<RegionId>, replicas: u64, warmup: Span) -> RoutedSink {
        let gateways = vec![Runs::default(); places.len()];
        RoutedSink { routed: Routed { replicas, gateways, ..Routed::default() }, places, warmup }
    }
    /// What was counted.
    pub fn finish(self) -> Routed {
        self.routed
    }
    fn sent(&mut self, gateway: GatewayId, replica: ReplicaId, region: RegionId) {
        self.routed.sends += 1;
        self.routed.forwards += u64::from(self.places.get(gateway.index()) != Some(&region));
        if let Some(runs) = self.routed.gateways.get_mut(gateway.index()) {
            runs.send(replica);
        }
    }
    fn ended(&mut self, row: &RequestRow) {
        self.routed.requests += u64::from(row.attempts > 0);
        if let Some(misses) = row.misses
            && row.sent_at.0 >= self.warmup.0
            && row.outcome == Outcome::Completed
        {
            let sums = self.routed.misses.get_or_insert_default();
            Miss::ALL.iter().zip(sums).for_each(|(&miss, sum)| *sum += u64::from(misses.get(miss)));
        }
    }
}

impl Observer for RoutedSink {
    #[inline]
    fn observe(&mut self, _: SimTime, observation: &Observation<'_>) {
        match observation {
            Observation::Sent { gateway, replica, region, .. } => self.sent(*gateway, *replica, *region),
            Observation::Ended(row) => self.ended(row),
            Observation::Decided(record) => {
                self.routed.told += 1;
                self.routed.regrets_ns.extend(record.regret().map(|regret| regret.0));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::RequestId;

    #[test]
    fn runs_are_those_of_each_gateway() {
        let mut sink = RoutedSink::new(vec![RegionId(0), RegionId(1)], 2, Span::ZERO);
        // Gateway 0: a a a b a a; gateway 1, in between: b b. Replica a lies in region 0, b in region 1.
        for (gateway, replica) in [(0, 0), (1, 1), (0, 0), (0, 0), (0, 1), (1, 1), (0, 0), (0, 0)] {
            let sent = Observation::Sent {
                id: RequestId(0),
                gateway: GatewayId(gateway),
                replica: ReplicaId(replica),
                region: RegionId(replica),
                class: crate::id::ClassId(0),
                tenant: crate::id::TenantId(0),
                prompt_tokens: 1,
            };
            sink.observe(SimTime(0), &sent);
        }
        let routed = sink.finish();
        assert_eq!((routed.sends, routed.forwards), (8, 1));
        let runs = |gateway: usize| {
            let Runs { sends, runs, longest, .. } = routed.gateways[gateway];
            (sends, runs, longest)
        };
        assert_eq!((runs(0), runs(1)), ((6, 3, 3), (2, 1, 2)));
        // Of the 6 orders of aaaaab: b at an end makes 2 runs, inside 3: (2·2 + 4·3) / 6 = 8/3 = 1 + (36 − 26) / 6.
        assert!((routed.gateways[0].shuffled() - 8.0 / 3.0).abs() < 1e-12);
        assert_eq!(routed.gateways[1].shuffled(), 1.0);
    }
}
