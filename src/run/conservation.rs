//! Nothing is lost: the laws every run must keep, checked as it goes. Knows requests only by what observers are
//! told; must not know the world. Each check costs a constant time per observation, so all run in release too, and
//! what is kept does not grow with the number of requests that have ended.
//!
//! The laws: time never goes back; a request arrives once and ends once, where it was last sent; arrivals equal the
//! sum of outcomes by origin, region, class and tenant; of a completed request, prompt = cached + fetched +
//! computed, and where it was asked for, why the rest was not cached adds up to it; the legs of TTFT add up to it,
//! to the nanosecond; rows and replicas agree on output tokens.

use crate::id::{Id, OriginId, RegionId, RequestId};
use crate::observe::{Observation, Observer, Outcome, RequestRow, Work};
use crate::time::{SimTime, Span};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// A law that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// An observation came before the last one.
    #[error("time went back from {before} to {now}")]
    TimeWentBack {
        /// The time of the last observation.
        before: SimTime,
        /// The time of this one.
        now: SimTime,
    },
    /// Something happened to a request that does not allow it.
    #[error("request {} {what}", .id.0)]
    Life {
        /// Which.
        id: RequestId,
        /// What is wrong, as the end of a sentence.
        what: &'static str,
    },
    /// The parts of a prompt do not add up.
    #[error("request {} has {prompt} prompt tokens but {cached} cached + {fetched} fetched + {computed} computed", .id.0)]
    PromptTokens {
        /// Which.
        id: RequestId,
        /// Its prompt.
        prompt: u32,
        /// Found in the cache.
        cached: u32,
        /// Fetched from a tier.
        fetched: u32,
        /// Computed.
        computed: u32,
    },
    /// The reasons of a prompt's uncached tokens do not add up to them.
    #[error("request {} has {uncached} uncached prompt tokens but reasons for {reasons}", .id.0)]
    Misses {
        /// Which.
        id: RequestId,
        /// Prompt tokens that were neither cached nor fetched.
        uncached: u64,
        /// The sum over reasons.
        reasons: u64,
    },
    /// The legs of TTFT do not add up to it.
    #[error("request {} has a TTFT of {ttft} but legs of {legs}", .id.0)]
    Legs {
        /// Which.
        id: RequestId,
        /// Its TTFT.
        ttft: Span,
        /// The sum of its legs.
        legs: Span,
    },
    /// Arrivals do not equal the sum of outcomes in a group.
    #[error("{group}: {arrived} arrived but {ended} ended")]
    Lost {
        /// Such as `origin 3`.
        group: String,
        /// How many arrived, or were sent there.
        arrived: u64,
        /// How many ended.
        ended: u64,
    },
    /// Rows and replicas disagree on the output.
    #[error("requests received {rows} output tokens but replicas produced {replicas}")]
    OutputTokens {
        /// Sum over requests.
        rows: u64,
        /// Sum over replicas.
        replicas: u64,
    },
}

/// How many arrived and how they ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Arrivals; for a region, requests whose last try was sent there.
    pub arrived: u64,
    /// Ends by outcome, in the order of `Outcome::ALL`.
    pub outcomes: [u64; Outcome::ALL.len()],
}

impl Counts {
    /// The requests that ended so.
    pub fn of(&self, outcome: Outcome) -> u64 {
        self.outcomes[outcome as usize]
    }
    /// All ends.
    pub fn ended(&self) -> u64 {
        self.outcomes.iter().sum()
    }
}

/// What the checker found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConservationReport {
    /// All requests.
    pub total: Counts,
    /// By origin.
    pub origins: BTreeMap<u32, Counts>,
    /// By region of the last try.
    pub regions: BTreeMap<u32, Counts>,
    /// By class.
    pub classes: BTreeMap<u32, Counts>,
    /// By tenant.
    pub tenants: BTreeMap<u32, Counts>,
    /// Prompt tokens of completed requests: all, cached, fetched, computed; then what they computed again.
    pub prompt_tokens: [u64; 5],
    /// Output tokens that requests received.
    pub output_tokens: u64,
    /// How many checks failed.
    pub violations: u64,
    /// The first of them.
    pub first: Vec<Violation>,
}

/// How many violations are kept in full.
const KEPT: usize = 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Unknown,
    Arrived,
    Sent(RegionId),
    Ended,
}

/// The lives of requests from `first` on; all before it have ended.
#[derive(Debug, Default)]
struct Lives {
    first: usize,
    lives: VecDeque<Life>,
}

impl Lives {
    /// Puts a request into a state; the one before.
    fn replace(&mut self, id: RequestId, life: Life) -> Life {
        let Some(index) = id.index().checked_sub(self.first) else { return Life::Ended };
        if self.lives.len() <= index {
            self.lives.resize(index + 1, Life::Unknown);
        }
        let before = std::mem::replace(&mut self.lives[index], life);
        while self.lives.front() == Some(&Life::Ended) {
            self.lives.pop_front();
            self.first += 1;
        }
        before
    }
}

/// Counts by id: small ids in a table, others (tenants of a trace are any number) in a map.
#[derive(Debug, Default)]
struct Table {
    small: Vec<Counts>,
    large: BTreeMap<u32, Counts>,
}

impl Table {
    /// How many ids are small.
    const SMALL: u32 = 1 << 12;

    #[inline]
    fn of(&mut self, id: u32) -> &mut Counts {
        if id >= Table::SMALL {
            return self.large.entry(id).or_default();
        }
        let index = id as usize;
        if self.small.len() <= index {
            self.small.resize(index + 1, Counts::default());
        }
        &mut self.small[index]
    }
    /// Those of which anything was counted.
    fn finish(self) -> BTreeMap<u32, Counts> {
        let mut counts = self.large;
        let small = (0..).zip(self.small).filter(|(_, counts)| *counts != Counts::default());
        counts.extend(small);
        counts
    }
}

/// Checks the laws as it watches.
#[derive(Debug, Default)]
pub struct Conservation {
    now: SimTime,
    lives: Lives,
    origins: Table,
    regions: Table,
    classes: Table,
    tenants: Table,
    report: ConservationReport,
}

impl Conservation {
    /// A checker that has seen nothing.
    pub fn new() -> Self {
        Conservation::default()
    }

    fn fail(&mut self, violation: Violation) {
        self.report.violations += 1;
        if self.report.first.len() < KEPT {
            self.report.first.push(violation);
        }
    }

    fn arrived(&mut self, id: RequestId, origin: OriginId, class: u32, tenant: u32) {
        if self.lives.replace(id, Life::Arrived) != Life::Unknown {
            self.fail(Violation::Life { id, what: "arrived twice" });
        }
        self.report.total.arrived += 1;
        self.origins.of(origin.0).arrived += 1;
        self.classes.of(class).arrived += 1;
        self.tenants.of(tenant).arrived += 1;
    }

    fn sent(&mut self, id: RequestId, region: RegionId) {
        match self.lives.replace(id, Life::Sent(region)) {
            Life::Arrived => {}
            Life::Sent(before) => self.regions.of(before.0).arrived -= 1,
            Life::Unknown => self.fail(Violation::Life { id, what: "was sent before it arrived" }),
            Life::Ended => self.fail(Violation::Life { id, what: "was sent after its end" }),
        }
        self.regions.of(region.0).arrived += 1;
    }

    fn ended(&mut self, row: &RequestRow) {
        let id = row.id;
        match self.lives.replace(id, Life::Ended) {
            Life::Arrived if row.region.is_some() => {
                self.fail(Violation::Life { id, what: "ended in a region it was never sent to" });
            }
            Life::Sent(region) if row.region != Some(region) => {
                self.fail(Violation::Life { id, what: "ended elsewhere than where it was last sent" });
            }
            Life::Arrived | Life::Sent(_) => {}
            Life::Unknown => self.fail(Violation::Life { id, what: "ended before it arrived" }),
            Life::Ended => self.fail(Violation::Life { id, what: "ended twice" }),
        }
        let outcome = row.outcome as usize;
        self.report.total.outcomes[outcome] += 1;
        self.origins.of(row.origin.0).outcomes[outcome] += 1;
        self.classes.of(row.class.0).outcomes[outcome] += 1;
        self.tenants.of(row.tenant.0).outcomes[outcome] += 1;
        if let Some(region) = row.region {
            self.regions.of(region.0).outcomes[outcome] += 1;
        }
        self.report.output_tokens += u64::from(row.output_tokens);
        self.check_row(row);
    }

    fn check_row(&mut self, row: &RequestRow) {
        let id = row.id;
        if let Some(first) = row.first_token_at {
            if first < row.sent_at {
                self.fail(Violation::Life { id, what: "had its first token before it was sent" });
                return;
            }
            let (ttft, legs) = (first - row.sent_at, row.legs.total());
            if ttft != legs {
                self.fail(Violation::Legs { id, ttft, legs });
            }
        }
        if row.outcome != Outcome::Completed {
            return;
        }
        let RequestRow { prompt_tokens: prompt, cached_tokens: cached, fetched_tokens: fetched, .. } = *row;
        let computed = row.computed_tokens;
        for (sum, part) in self.report.prompt_tokens.iter_mut().zip([
            prompt,
            cached,
            fetched,
            computed,
            row.recomputed_tokens,
        ]) {
            *sum += u64::from(part);
        }
        if u64::from(cached) + u64::from(fetched) + u64::from(computed) != u64::from(prompt) {
            self.fail(Violation::PromptTokens { id, prompt, cached, fetched, computed });
        }
        if let Some(reasons) = row.misses.map(|misses| misses.total()) {
            let uncached = u64::from(prompt).saturating_sub(u64::from(cached) + u64::from(fetched));
            if uncached != reasons {
                self.fail(Violation::Misses { id, uncached, reasons });
            }
        }
        match row.first_token_at {
            None => self.fail(Violation::Life { id, what: "was completed without a first token" }),
            Some(first) if row.ended_at < first => {
                self.fail(Violation::Life { id, what: "ended before its first token" });
            }
            Some(_) if row.output_tokens == 0 => {
                self.fail(Violation::Life { id, what: "was completed without output" });
            }
            Some(_) => {}
        }
    }

    /// Closes the books: every arrival must have ended, in every group. `replicas` is what each replica did; plain
    /// queueing servers, which count no tokens, are left out by passing nothing.
    pub fn finish<'a>(mut self, replicas: impl IntoIterator<Item = &'a Work>) -> ConservationReport {
        let table = |table: &mut Table| std::mem::take(table).finish();
        self.report.origins = table(&mut self.origins);
        self.report.regions = table(&mut self.regions);
        self.report.classes = table(&mut self.classes);
        self.report.tenants = table(&mut self.tenants);
        let report = &self.report;
        let mut lost = Vec::new();
        let mut check = |group: String, counts: &Counts| {
            if counts.arrived != counts.ended() {
                lost.push(Violation::Lost { group, arrived: counts.arrived, ended: counts.ended() });
            }
        };
        check("all".to_string(), &report.total);
        for (kind, groups) in [
            ("origin", &report.origins),
            ("region", &report.regions),
            ("class", &report.classes),
            ("tenant", &report.tenants),
        ] {
            for (id, counts) in groups {
                check(format!("{kind} {id}"), counts);
            }
        }
        let (rows, mut any, mut produced) = (report.output_tokens, false, 0);
        for work in replicas {
            any = true;
            produced += work.output_tokens;
        }
        // What a request had received when it was cut off or lost may be less than what was produced for it.
        let exact = report.total.ended() == report.total.of(Outcome::Completed);
        if any && (rows > produced || exact && rows != produced) {
            lost.push(Violation::OutputTokens { rows, replicas: produced });
        }
        for violation in lost {
            self.fail(violation);
        }
        self.report
    }
}

impl Observer for Conservation {
    fn observe(&mut self, now: SimTime, observation: &Observation<'_>) {
        if now < self.now {
            self.fail(Violation::TimeWentBack { before: self.now, now });
        }
        self.now = now;
        match observation {
            Observation::Arrived { id, origin, class, tenant, .. } => {
                self.arrived(*id, *origin, class.0, tenant.0);
            }
            Observation::Sent { id, region, .. } => self.sent(*id, *region),
            Observation::Ended(row) => self.ended(row),
            Observation::Restricted { .. }
            | Observation::Decided(_)
            | Observation::Sampled(_)
            | Observation::TurnedAway(_)
            | Observation::Stepped { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{ClassId, GatewayId, ReplicaId, TenantId};
    use crate::observe::{Leg, Legs};

    fn arrive(checker: &mut Conservation, id: u32) {
        let arrived = Observation::Arrived {
            id: RequestId(id),
            origin: OriginId(0),
            class: ClassId(0),
            tenant: TenantId(0),
            prompt_tokens: 10,
        };
        checker.observe(SimTime(0), &arrived);
    }
    fn send(checker: &mut Conservation, id: u32, region: u32) {
        let (gateway, replica, region) = (GatewayId(0), ReplicaId(0), RegionId(region));
        let sent = Observation::Sent {
            id: RequestId(id),
            gateway,
            replica,
            region,
            class: ClassId(0),
            tenant: TenantId(0),
            prompt_tokens: 10,
        };
        checker.observe(SimTime(1), &sent);
    }
    fn good(id: u32, region: u32) -> RequestRow {
        let mut legs = Legs::default();
        legs.add(Leg::Queue, Span(3));
        legs.add(Leg::Prefill, Span(4));
        RequestRow {
            id: RequestId(id),
            region: Some(RegionId(region)),
            outcome: Outcome::Completed,
            prompt_tokens: 10,
            cached_tokens: 6,
            computed_tokens: 4,
            output_tokens: 2,
            legs,
            first_token_at: Some(SimTime(7)),
            ended_at: SimTime(9),
            ..Default::default()
        }
    }
    /// One request through its life, its row changed on the way; the violations.
    fn violations(change: impl FnOnce(&mut RequestRow)) -> Vec<Violation> {
        let mut checker = Conservation::new();
        arrive(&mut checker, 0);
        send(&mut checker, 0, 1);
        let mut row = good(0, 1);
        change(&mut row);
        checker.observe(SimTime(9), &Observation::Ended(&row));
        checker.finish(&[Work { output_tokens: 2, ..Default::default() }]).first
    }

    #[test]
    fn a_good_life_breaks_no_law() {
        assert_eq!(violations(|_| ()), []);
    }

    #[test]
    fn each_law_is_seen_when_it_is_broken() {
        let life = |what| vec![Violation::Life { id: RequestId(0), what }];
        let mut reasons = crate::observe::Misses::default();
        reasons.add(crate::observe::Miss::Policy, 4);
        assert_eq!(violations(|row| row.misses = Some(reasons)), []);
        reasons.add(crate::observe::Miss::Outage, 1);
        assert_eq!(
            violations(|row| row.misses = Some(reasons)),
            [Violation::Misses { id: RequestId(0), uncached: 4, reasons: 5 }]
        );
        assert_eq!(
            violations(|row| row.computed_tokens = 5),
            [Violation::PromptTokens { id: RequestId(0), prompt: 10, cached: 6, fetched: 0, computed: 5 }]
        );
        assert_eq!(
            violations(|row| row.legs.add(Leg::Return, Span(1))),
            [Violation::Legs { id: RequestId(0), ttft: Span(7), legs: Span(8) }]
        );
        assert_eq!(violations(|row| row.ended_at = SimTime(6)), life("ended before its first token"));
        assert_eq!(violations(|row| row.first_token_at = None), life("was completed without a first token"));
        assert_eq!(
            violations(|row| row.output_tokens = 1),
            [Violation::OutputTokens { rows: 1, replicas: 2 }]
        );
        let elsewhere = violations(|row| row.region = Some(RegionId(2)));
        assert!(elsewhere.contains(&life("ended elsewhere than where it was last sent")[0]));
        let lost = |group: &str, arrived, ended| Violation::Lost { group: group.to_string(), arrived, ended };
        assert!(elsewhere.contains(&lost("region 1", 1, 0)) && elsewhere.contains(&lost("region 2", 0, 1)));
    }

    #[test]
    fn a_lost_request_is_missed_in_every_group() {
        let mut checker = Conservation::new();
        arrive(&mut checker, 0);
        arrive(&mut checker, 1);
        checker
            .observe(SimTime(9), &Observation::Ended(&RequestRow { outcome: Outcome::Shed, ..good(0, 0) }));
        let report = checker.finish(&[]);
        let groups = report.first.iter().filter(|v| matches!(v, Violation::Lost { .. })).count();
        assert_eq!(groups, 5, "all, origin, region, class and tenant: {:?}", report.first);
        assert_eq!(report.total.of(Outcome::Shed), 1);
    }

    #[test]
    fn a_retry_moves_the_request_to_its_new_region() {
        let mut checker = Conservation::new();
        arrive(&mut checker, 0);
        send(&mut checker, 0, 1);
        send(&mut checker, 0, 2);
        checker.observe(SimTime(9), &Observation::Ended(&good(0, 2)));
        assert_eq!(checker.finish(&[]).violations, 0);
    }

    #[test]
    fn time_twice_lives_and_second_ends_are_seen() {
        let mut checker = Conservation::new();
        arrive(&mut checker, 0);
        arrive(&mut checker, 0);
        checker.observe(SimTime(9), &Observation::Ended(&RequestRow { region: None, ..good(0, 0) }));
        checker.observe(SimTime(8), &Observation::Ended(&RequestRow { region: None, ..good(0, 0) }));
        let report = checker.finish(&[]);
        let id = RequestId(0);
        for expected in [
            Violation::Life { id, what: "arrived twice" },
            Violation::TimeWentBack { before: SimTime(9), now: SimTime(8) },
            Violation::Life { id, what: "ended twice" },
        ] {
            assert!(report.first.contains(&expected), "{expected} in {:?}", report.first);
        }
    }
}
