//! How clients find a gateway: names that are looked up, answers that are kept. A server of names knows places and
//! whether their gateways answer its probes; it must not know loads, policies or requests. What it believes follows from
//! what is planned to happen, so an answer is computed, not stored.

use super::{Effect, HealthParams, Incident, Place};
use crate::id::{Id, RegionId};
use crate::rng::{Key, hash_name};
use crate::time::{SimTime, Span};
use serde::Serialize;

/// A server of names that answers by where the client is, and by nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct DnsParams {
    /// How long an answer is kept.
    pub ttl: Span,
    /// The share of clients that are taken to be elsewhere: behind a resolver that is not where they are.
    pub misplaced: f64,
    /// How it finds out that a gateway does not answer.
    pub health: HealthParams,
}

impl Default for DnsParams {
    /// Amazon Route 53: probes every 30 s, three in a row both ways, records of 60 s; nobody is misplaced.
    fn default() -> DnsParams {
        let health = HealthParams { interval: Span::from_secs(30), failures: 3, successes: 3 };
        DnsParams { ttl: Span::from_secs(60), misplaced: 0.0, health }
    }
}

const PHASE: u64 = hash_name("dns_phase");
const MISPLACED: u64 = hash_name("dns_misplaced");
const ELSEWHERE: u64 = hash_name("dns_elsewhere");

/// What the server believes of each region's gateways at any time.
#[derive(Clone, Debug, Default)]
pub struct Names {
    params: DnsParams,
    /// By region: when it comes to believe what; up before the first.
    beliefs: Vec<Vec<(SimTime, bool)>>,
}

impl Names {
    /// From what is to happen to the gateways of each of `regions` regions.
    pub fn new(params: &DnsParams, incidents: &[Incident], regions: usize) -> Names {
        let beliefs = (0..regions).map(|region| beliefs(&params.health, incidents, RegionId::new(region)));
        Names { params: *params, beliefs: beliefs.collect() }
    }

    /// Whether it believes at `at` that the region's gateways answer.
    pub fn up(&self, region: RegionId, at: SimTime) -> bool {
        let beliefs = self.beliefs.get(region.index()).map_or(&[][..], Vec::as_slice);
        let before = beliefs.partition_point(|belief| belief.0 <= at);
        before.checked_sub(1).is_none_or(|last| beliefs[last].1)
    }

    /// When the client of this key looked the name up whose answer it uses at `now`. It asks again each time that the answer
    /// has expired, and began to at a moment of its own within the first `ttl`.
    pub fn asked_at(&self, now: SimTime, client: Key) -> SimTime {
        let ttl = self.params.ttl.0;
        if ttl == 0 {
            return now;
        }
        let phase = (client.branch(PHASE).unit() * ttl as f64) as u64;
        // The answer at the very start is as old as one at any other time.
        let turns = (now.0 + ttl - phase) / ttl;
        SimTime((turns * ttl + phase).saturating_sub(ttl))
    }

    /// Which of `doors`, the nearest first, the client of this key uses at `now`; `region` has the region of each. The server
    /// gives the nearest that it believes up, and all of them where it believes none. `None` where there are no doors.
    pub fn answer(
        &self,
        now: SimTime,
        client: Key,
        doors: usize,
        region: impl Fn(usize) -> RegionId,
    ) -> Option<usize> {
        let asked = self.asked_at(now, client);
        let up = |door: &usize| self.up(region(*door), asked);
        if doors > 1 && client.branch(MISPLACED).unit() < self.params.misplaced {
            let elsewhere = 1 + (client.branch(ELSEWHERE).unit() * (doors - 1) as f64) as usize;
            if up(&elsewhere) {
                return Some(elsewhere);
            }
        }
        (0..doors).find(up).or((doors > 0).then_some(0))
    }
}

/// When the server comes to believe what of a region's gateways.
fn beliefs(health: &HealthParams, incidents: &[Incident], region: RegionId) -> Vec<(SimTime, bool)> {
    let hits =
        |incident: &&Incident| incident.place == Place::Gateways(region) && incident.effect == Effect::Down;
    let mut steps: Vec<(SimTime, i32)> = Vec::new();
    for incident in incidents.iter().filter(hits) {
        steps.push((incident.at, 1));
        steps.extend(incident.until.map(|until| (until, -1)));
    }
    steps.sort_unstable();
    let mut down = 0;
    let mut changes: Vec<(SimTime, bool)> = Vec::new();
    for (at, step) in steps {
        let before = down > 0;
        down += step;
        if before != (down > 0) {
            changes.push((at, down == 0));
        }
    }
    let mut believed = true;
    let mut beliefs = Vec::new();
    for (index, &(at, up)) in changes.iter().enumerate() {
        let known = health.known_at(at, up);
        // What has changed again by then is not noticed.
        let stands = changes.get(index + 1).is_none_or(|next| next.0 > known);
        if stands && up != believed {
            believed = up;
            beliefs.push((known, up));
        }
    }
    beliefs
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> SimTime {
        SimTime(seconds * 1_000_000_000)
    }

    fn down(region: u32, at: u64, until: Option<u64>) -> Incident {
        let place = Place::Gateways(RegionId(region));
        Incident { at: s(at), until: until.map(s), place, effect: Effect::Down }
    }

    fn names(ttl_s: u64, misplaced: f64, incidents: &[Incident]) -> Names {
        let params = DnsParams { ttl: Span::from_secs(ttl_s), misplaced, ..DnsParams::default() };
        Names::new(&params, incidents, 3)
    }

    #[test]
    fn what_is_down_is_believed_down_after_its_probes() {
        // Probes at multiples of 30 s, three in a row: down from 100 s is known at 180 s (120, 150, 180), up from 400 s at 480 s.
        let names = names(60, 0.0, &[down(1, 100, Some(400))]);
        let up = |at| names.up(RegionId(1), s(at));
        assert!(up(0) && up(179) && !up(180) && !up(479) && up(480));
        assert!(names.up(RegionId(0), s(200)));
    }

    #[test]
    fn what_is_over_before_it_is_noticed_is_not_noticed_and_overlaps_are_one() {
        let short = names(60, 0.0, &[down(0, 100, Some(180))]);
        assert!((0..300).all(|at| short.up(RegionId(0), s(at))));
        let two = names(60, 0.0, &[down(0, 100, Some(300)), down(0, 200, Some(500))]);
        let changes: Vec<u64> =
            (1..900).filter(|&at| two.up(RegionId(0), s(at)) != two.up(RegionId(0), s(at - 1))).collect();
        assert_eq!(changes, [180, 570]);
    }

    #[test]
    fn an_answer_is_kept_for_its_ttl() {
        let names = names(60, 0.0, &[]);
        for client in (0..50).map(|client| Key::root(7).at(client)) {
            let mut asked: Vec<u64> = (0..600).map(|at| names.asked_at(s(at), client).0).collect();
            for (at, &asked) in asked.iter().enumerate().skip(60) {
                assert!(asked <= s(at as u64).0 && s(at as u64).0 - asked < s(60).0, "{at} {asked}");
            }
            asked.dedup();
            let apart = asked.windows(2).skip(1).all(|pair| pair[1] - pair[0] == s(60).0);
            assert!(apart && (10..=11).contains(&asked.len()), "{asked:?}");
        }
        // Without one, every request asks.
        let params = DnsParams { ttl: Span::ZERO, ..DnsParams::default() };
        assert_eq!(Names::new(&params, &[], 1).asked_at(s(33), Key::root(1)), s(33));
    }

    #[test]
    fn clients_move_when_their_answers_expire() {
        // Believed down at 180 s, TTL 100 s: at 180 + x seconds the share of clients still sent there is 1 − x/100. 4,000
        // clients: four standard errors of a share are at most 4·sqrt(0.25/4000) = 0.032.
        let names = names(100, 0.0, &[down(0, 100, None)]);
        let share = |at: u64| {
            let clients = (0..4_000).map(|client| Key::root(3).at(client));
            let there = clients.filter(|&client| names.answer(s(at), client, 3, RegionId::new) == Some(0));
            there.count() as f64 / 4_000.0
        };
        assert_eq!(share(179), 1.0);
        for x in [10, 25, 50, 75, 90] {
            let expected = 1.0 - x as f64 / 100.0;
            assert!((share(180 + x) - expected).abs() < 0.032, "{x}: {}", share(180 + x));
        }
        assert_eq!(share(280), 0.0);
    }

    #[test]
    fn the_misplaced_are_a_share_and_go_to_all_other_doors_alike() {
        // 0.3 of 6,000: 0.15 at each of the two others, ± 4·sqrt(0.15·0.85/6000) = 0.0184.
        let names = names(60, 0.3, &[]);
        let mut counts = [0.0_f64; 3];
        for client in (0..6_000).map(|client| Key::root(5).at(client)) {
            let answer = names.answer(s(500), client, 3, RegionId::new).unwrap();
            assert_eq!(
                names.answer(s(5_000), client, 3, RegionId::new),
                Some(answer),
                "it stays where it is"
            );
            counts[answer] += 1.0 / 6_000.0;
        }
        assert!((counts[1] - 0.15).abs() < 0.0184 && (counts[2] - 0.15).abs() < 0.0184, "{counts:?}");
        assert_eq!(names.answer(s(500), Key::root(5), 1, RegionId::new), Some(0));
        assert_eq!(names.answer(s(500), Key::root(5), 0, RegionId::new), None);
    }

    #[test]
    fn where_nobody_answers_the_nearest_is_given_all_the_same() {
        let names = names(60, 0.0, &[down(0, 0, None), down(1, 0, None), down(2, 0, None)]);
        assert_eq!(names.answer(s(500), Key::root(1), 3, RegionId::new), Some(0));
    }
}
