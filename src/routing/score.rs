//! Scores: signals made comparable. Knows transforms and their published constants; must not know which policy sums
//! them. A score is 0 to 1 and higher is better, as in llm-d's scorers; sums of weighted scores have no unit.

use super::TargetId;

/// The lowest and the highest of `values`; 0 and 0 of none.
pub fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    if low <= high { (low, high) } else { (0.0, 0.0) }
}

/// Least is best: (high − value) / (high − low), 1 where all are equal (llm-d's queue and running-requests scorers).
pub fn min_max(value: f64, (low, high): (f64, f64)) -> f64 {
    if high > low { (high - value) / (high - low) } else { 1.0 }
}

/// Most is best: (value − low) / (high − low), 1 where all are equal (llm-d's precise prefix scorer).
pub fn max_min(value: f64, (low, high): (f64, f64)) -> f64 {
    if high > low { (value - low) / (high - low) } else { 1.0 }
}

/// 1 − min(value, limit) / limit (llm-d's token-load scorer, with a limit of 4,194,304 tokens).
pub fn capped(value: f64, limit: f64) -> f64 {
    1.0 - value.min(limit) / limit
}

/// Half of [`capped`]: 0.5 with nobody waiting, 0 from `limit` on (llm-d's load-aware scorer, with a limit of 128).
pub fn load_aware(waiting: u32, limit: f64) -> f64 {
    0.5 * capped(f64::from(waiting), limit)
}

/// 1 up to `idle` requests, else (most − requests) / most · `max_busy` (llm-d's active-request scorer, 0 and 1).
pub fn active_requests(requests: u32, most: u32, idle: u32, max_busy: f64) -> f64 {
    if requests <= idle {
        1.0
    } else {
        f64::from(most - requests.min(most)) / f64::from(most.max(1)) * max_busy
    }
}

/// How full a fleet is: the mean over `list` of max(waiting / `queue`, KV usage / `kv`); 1 for a target whose load is
/// not known (llm-d's utilisation detector, 5 and 0.8).
pub fn saturation(loads: impl Iterator<Item = Option<(u32, f64)>>, queue: f64, kv: f64) -> f64 {
    let (mut sum, mut count) = (0.0, 0u32);
    for load in loads {
        sum += load.map_or(1.0, |(waiting, usage)| (f64::from(waiting) / queue).max(usage / kv));
        count += 1;
    }
    sum / f64::from(count.max(1))
}

/// The probability with which a request of negative priority is shed at this saturation: min(300 · saturation⁵, 1)
/// (llm-d's probabilistic admitter).
pub fn shed_probability(saturation: f64) -> f64 {
    let square = saturation * saturation;
    (300.0 * square * square * saturation).min(1.0)
}

/// The probability with which a client holds back a request itself: max(0, (requests − k · accepts) / (requests + 1))
/// over a window; k = 2 over two minutes (Google, "Site Reliability Engineering", chapter 21).
pub fn client_throttle(requests: u64, accepts: u64, k: f64) -> f64 {
    ((requests as f64 - k * accepts as f64) / (requests as f64 + 1.0)).max(0.0)
}

/// Envoy's admission control: ((n − successes / threshold) / (n + 1))^(1 / aggression), at least 0.
pub fn admission_reject(requests: u64, successes: u64, threshold: f64, aggression: f64) -> f64 {
    let base = (requests as f64 - successes as f64 / threshold) / (requests as f64 + 1.0);
    libm::pow(base.max(0.0), 1.0 / aggression)
}

/// Who has gone longest without a cold request: for requests of which nobody holds anything (llm-d's no-hit-lru scorer).
/// The published list holds 1,024; here nobody is forgotten.
#[derive(Clone, Debug, Default)]
pub struct ColdTurns {
    /// By target: when it last had a cold request, counted in cold requests; 0 never.
    last: Vec<u64>,
    turn: u64,
    order: Vec<(u64, u32)>,
}

impl ColdTurns {
    /// `target` was sent a cold request.
    pub fn used(&mut self, target: TargetId) {
        self.turn += 1;
        let at = target.0 as usize;
        self.last.resize(self.last.len().max(at + 1), 0);
        self.last[at] = self.turn;
    }
    fn last(&self, target: TargetId) -> u64 {
        self.last.get(target.0 as usize).copied().unwrap_or(0)
    }
    /// Writes the scores for a cold request, by place in `list`, 1 − rank / (n − 1): never used first, in target order, then
    /// least recently used.
    pub fn scores(&mut self, list: &[TargetId], out: &mut Vec<f64>) {
        let mut order = std::mem::take(&mut self.order);
        order.clear();
        order.extend((0u32..).zip(list).map(|(place, &target)| (self.last(target), place)));
        order.sort_unstable();
        out.clear();
        out.resize(list.len(), 1.0);
        for (rank, &(_, place)) in order.iter().enumerate() {
            out[place as usize] = 1.0 - rank as f64 / (list.len() - 1).max(1) as f64;
        }
        self.order = order;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transforms_at_their_ends_and_in_the_middle() {
        // Waits 0, 5, 10: 1, 0.5, 0. All equal: 1.
        let waits = range([0.0, 5.0, 10.0].into_iter());
        assert_eq!([0.0, 5.0, 10.0].map(|wait| min_max(wait, waits)), [1.0, 0.5, 0.0]);
        assert_eq!([0.0, 5.0, 10.0].map(|match_| max_min(match_, waits)), [0.0, 0.5, 1.0]);
        assert_eq!((min_max(7.0, (7.0, 7.0)), max_min(7.0, (7.0, 7.0))), (1.0, 1.0));
        // 1,048,576 of 4,194,304 tokens: 0.75; beyond: 0.
        assert_eq!(capped(1_048_576.0, 4_194_304.0), 0.75);
        assert_eq!(capped(5_000_000.0, 4_194_304.0), 0.0);
        // Nobody waiting 0.5, 32 of 128 0.375, 128 and more 0.
        assert_eq!([0, 32, 128, 500].map(|waiting| load_aware(waiting, 128.0)), [0.5, 0.375, 0.0, 0.0]);
        // 0 of at most 8: idle. 2: 6/8. 8: 0. With idle = 2: 2 is idle too; with max_busy 0.5: 6/8 · 0.5.
        assert_eq!([0, 2, 8].map(|requests| active_requests(requests, 8, 0, 1.0)), [1.0, 0.75, 0.0]);
        assert_eq!((active_requests(2, 8, 2, 1.0), active_requests(2, 8, 0, 0.5)), (1.0, 0.375));
    }

    #[test]
    fn saturation_and_the_curve_that_sheds() {
        // Waiting 5 of 5 with KV 0.4 of 0.8: max(1, 0.5) = 1. Nobody waiting at KV 0.8: 1. Not known: 1. Mean 1.
        let loads = [Some((5, 0.4)), Some((0, 0.8)), None];
        assert_eq!(saturation(loads.into_iter(), 5.0, 0.8), 1.0);
        // Without the one not known, and half as full: max(2/5, 0.5) = 0.5 and 0.5.
        assert_eq!(saturation([Some((2, 0.4)), Some((0, 0.4))].into_iter(), 5.0, 0.8), 0.5);
        // 300 · 0.2⁵ = 300 · 0.00032 = 0.096; all from (1/300)^(1/5) = 0.3196 on.
        assert!((shed_probability(0.2) - 0.096).abs() < 1e-12);
        assert!(shed_probability(0.3195) < 1.0 && shed_probability(0.3197) == 1.0);
        assert_eq!(shed_probability(0.0), 0.0);
    }

    #[test]
    fn throttles_of_clients_and_of_envoy() {
        // (100 − 2·40)/101 = 20/101; half accepted: none.
        assert_eq!(client_throttle(100, 40, 2.0), 20.0 / 101.0);
        assert_eq!(client_throttle(100, 50, 2.0), 0.0);
        assert_eq!(client_throttle(0, 0, 2.0), 0.0);
        // (100 − 50/0.95)/101 = 47.368/101 = 0.4690; aggression 2 takes its root, 0.6848; all well: 0.
        assert!((admission_reject(100, 50, 0.95, 1.0) - 0.468_994).abs() < 1e-6);
        assert!((admission_reject(100, 50, 0.95, 2.0) - 0.684_831).abs() < 1e-6);
        assert_eq!(admission_reject(100, 95, 0.95, 1.0), 0.0);
    }

    #[test]
    fn cold_requests_go_round_by_least_recent_use() {
        // Published: never used {c}, used a then b: c 1.0, a 0.5, b 0.0.
        let mut turns = ColdTurns::default();
        turns.used(TargetId(0));
        turns.used(TargetId(1));
        let scores = |turns: &mut ColdTurns, eligible: &[u32]| {
            let mut out = Vec::new();
            let list: Vec<TargetId> = eligible.iter().copied().map(TargetId).collect();
            turns.scores(&list, &mut out);
            out
        };
        let all = [0, 1, 2];
        assert_eq!(scores(&mut turns, &all), [0.5, 0.0, 1.0]);
        // Then c and a again: b, c, a. Nobody used: in target order.
        turns.used(TargetId(2));
        turns.used(TargetId(0));
        assert_eq!(scores(&mut turns, &all), [0.0, 1.0, 0.5]);
        assert_eq!(scores(&mut ColdTurns::default(), &all), [1.0, 0.5, 0.0]);
        // One target alone is first and last: 1.
        assert_eq!(scores(&mut turns, &[1]), [1.0]);
    }
}
