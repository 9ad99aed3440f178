//! Round-trip times as a gateway has measured them: probes to every region, each answered as late as the network draws it,
//! and a mean of the answers. Knows when probes are sent and when they come back; must not know what a policy makes
//! of it. A probe wakes nobody: answers are taken in when the gateway next decides.

use crate::id::{Id, IdVec, RegionId};
use crate::rng::{Key, hash_name};
use crate::routing::{Probe, RttView};
use crate::time::{SimTime, Span};

pub(super) const PROBE: u64 = hash_name("probe");

/// Probes on their way and what has come of those before.
#[derive(Debug)]
pub(super) struct Rtts {
    probe: Probe,
    /// Probes sent so far.
    sent: u64,
    /// Answers on their way: when they come, from where, after how long.
    coming: Vec<(SimTime, RegionId, Span)>,
    /// By region: the mean in nanoseconds, before rounding; none before the first answer.
    means: IdVec<RegionId, Option<f64>>,
    /// By region: when the last answer came that is in it.
    answered: IdVec<RegionId, Option<SimTime>>,
    /// Nothing happens before this.
    next: SimTime,
}

impl Rtts {
    /// `None` where a gateway does not measure.
    pub(super) fn new(view: &RttView, regions: usize) -> Option<Rtts> {
        let RttView::Probe(probe) = *view else { return None };
        let means = (0..regions).map(|_| None).collect();
        let answered = (0..regions).map(|_| None).collect();
        Some(Rtts { probe, sent: 0, coming: Vec::new(), means, answered, next: SimTime::ZERO })
    }
    /// When probe number `number`, from 0, is sent: the first at a random part of the period.
    fn sends_at(&self, key: Key, number: u64) -> SimTime {
        let every = self.probe.every.0;
        SimTime((every as f64 * key.unit()) as u64 + every * number)
    }
    /// Sends what is due by `now` and takes in what has come back by then; whether anything has. `round_trip` is what the
    /// network draws for a region and a key.
    pub(super) fn catch_up(
        &mut self,
        now: SimTime,
        key: Key,
        round_trip: impl Fn(RegionId, Key) -> Span,
    ) -> bool {
        if now < self.next {
            return false;
        }
        while self.sends_at(key, self.sent) <= now {
            let (at, draw) = (self.sends_at(key, self.sent), key.at(self.sent));
            for region in self.means.ids() {
                let rtt = round_trip(region, draw.at(region.index() as u64));
                self.coming.push((at + rtt, region, rtt));
            }
            self.sent += 1;
        }
        self.coming.sort_unstable();
        let due = self.coming.partition_point(|answer| answer.0 <= now);
        for (at, region, rtt) in self.coming.drain(..due) {
            self.answered[region] = Some(at);
            let mean = &mut self.means[region];
            let new = rtt.0 as f64;
            *mean = Some(mean.map_or(new, |mean| mean + self.probe.ewma * (new - mean)));
        }
        let answer = self.coming.first().map_or(SimTime::NEVER, |answer| answer.0);
        self.next = answer.min(self.sends_at(key, self.sent));
        due > 0
    }
    /// How old the last answer from a region is that has been taken in.
    pub(super) fn age(&self, now: SimTime, region: RegionId) -> Option<Span> {
        self.answered[region].map(|at| now.since(at))
    }
    /// What is known of a region, to the nanosecond.
    pub(super) fn measured(&self, region: RegionId) -> Option<Span> {
        self.means[region].map(|mean| Span((mean + 0.5) as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: RegionId = RegionId(0);
    const THERE: RegionId = RegionId(1);

    fn rtts(every: Span, ewma: f64) -> Rtts {
        Rtts::new(&RttView::Probe(Probe { every, ewma }), 2).unwrap()
    }
    fn ms(ms: u64) -> SimTime {
        SimTime::ZERO + Span::from_ms(ms)
    }

    #[test]
    fn an_answer_is_known_when_it_has_come_back_and_not_before() {
        let (mut rtts, key) = (rtts(Span::from_secs(10), 0.3), Key::root(3));
        // 1 ms here, 80 ms there; the first probe goes at a random part of ten seconds.
        let draw = |to: RegionId, _: Key| Span::from_ms([1, 80][to.index()]);
        let first = rtts.sends_at(key, 0);
        assert!(first < ms(10_000));
        assert!(!rtts.catch_up(first, key, draw));
        assert!(rtts.catch_up(first + Span::from_ms(79), key, draw));
        assert_eq!((rtts.measured(HERE), rtts.measured(THERE)), (Some(Span::from_ms(1)), None));
        assert_eq!(rtts.age(first + Span::from_ms(79), THERE), None);
        assert!(rtts.catch_up(first + Span::from_ms(80), key, draw));
        assert_eq!(rtts.measured(THERE), Some(Span::from_ms(80)));
        // Half a second after the first was sent, the answer from here is 499 ms old and the one from there 420.
        let later = first + Span::from_ms(500);
        let ages = [HERE, THERE].map(|region| rtts.age(later, region));
        assert_eq!(ages, [499, 420].map(|ms| Some(Span::from_ms(ms))));
        assert!(!rtts.catch_up(first + Span::from_ms(9_999), key, draw), "nothing is on its way");
    }

    #[test]
    fn the_mean_moves_by_its_weight_from_the_first_answer_on() {
        // Answers of 100, 200, 100 and 100 ms; weight 0.3: 100, 130, 121, 114.7. However seldom it is asked.
        let key = Key::root(3);
        let answers = [100, 200, 100, 100];
        let draws: Vec<Key> = (0..4).map(|number| key.at(number).at(1)).collect();
        let draw = |_: RegionId, of: Key| {
            draws
                .iter()
                .position(|&draw| draw == of)
                .map_or(Span::ZERO, |number| Span::from_ms(answers[number]))
        };
        let mut often = rtts(Span::from_secs(1), 0.3);
        let first = often.sends_at(key, 0);
        for (number, expected) in [100.0, 130.0, 121.0, 114.7].into_iter().enumerate() {
            often.catch_up(first + Span::from_ms(1_000 * number as u64 + 500), key, draw);
            assert!((often.measured(THERE).unwrap().as_ms_f64() - expected).abs() < 1e-5);
        }
        let mut seldom = rtts(Span::from_secs(1), 0.3);
        seldom.catch_up(first + Span::from_ms(3_500), key, draw);
        assert_eq!(seldom.measured(THERE), often.measured(THERE));
    }
}
