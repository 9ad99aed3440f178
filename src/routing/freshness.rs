//! How old what a gateway sees is: polled loads, reported loads, cache events with a delay, lost ones. Knows the
//! parameters and one gateway's copy of what has reached it; must not know replicas or when they change: the world
//! reads them and says when.

use super::{Stage, TargetId};
use crate::id::{Id, IdVec, RegionId, ReplicaId};
use crate::observe::Load;
use crate::time::{SimTime, Span};
use serde::Serialize;
use std::collections::VecDeque;

pub use super::params::Release;

/// What a policy's gateways see, and how late. The default is today's truth at every decision: an oracle.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Views {
    /// The replicas' loads.
    pub load: LoadView,
    /// The replicas' caches, where a prefix index follows them.
    pub cache: CacheView,
    /// When a request stops counting among a gateway's own.
    pub own: Release,
    /// How long a prompt that was sent counts as cached at its target before the cache has told so; never where it is not
    /// given, and nothing where caches are not followed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speculative_ttl: Option<Span>,
    /// The round-trip times to regions.
    #[serde(skip_serializing_if = "RttView::is_configured")]
    pub rtt: RttView,
}

impl Views {
    /// Whether nothing was asked for.
    pub fn is_default(&self) -> bool {
        *self == Views::default()
    }
}

/// How loads reach a gateway.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LoadView {
    /// As they are at the decision. No system can do that.
    #[default]
    Oracle,
    /// Read from all replicas in turns.
    Poll(Poll),
    /// Sent by a replica when a request enters it, gives its first token or leaves.
    Event(Feed),
    /// Written to a store in one place and read there.
    Store(Store),
}

/// A store of loads that all gateways share.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Store {
    /// The region it stands in.
    pub at: RegionId,
    /// How often each region writes its replicas' loads.
    pub write_every: Span,
    /// From the arrival of a write to its being there for readers.
    pub write_delay: Span,
    /// How often a gateway reads.
    pub read_every: Span,
    /// From this age on, counted from the writing, a reading is stale.
    pub stale_after: Option<Span>,
    /// What a stale reading counts as.
    pub on_stale: OnStale,
}

/// Where a gateway has round-trip times from.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RttView {
    /// They are the network's, without jitter.
    #[default]
    Configured,
    /// It measures them.
    Probe(Probe),
}

impl RttView {
    /// Whether they are the network's.
    pub fn is_configured(&self) -> bool {
        *self == RttView::Configured
    }
}

/// How a gateway measures round-trip times.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Probe {
    /// From one probe of all regions to the next.
    pub every: Span,
    /// The weight of a new answer against the mean so far; 1 takes answers as they are.
    pub ewma: f64,
}

/// How a gateway polls.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Poll {
    /// From one reading to the next.
    pub every: Span,
    /// Each reading is late by up to this, uniformly.
    pub jitter: Span,
    /// From the reading to the gateway.
    pub delay: Span,
    /// The share of readings, replica by replica, that fail: the last one stays.
    pub loss: f64,
    /// The weight of a new reading against the mean so far; 1 takes readings as they are.
    pub ewma: f64,
    /// From this age on a reading is stale.
    pub stale_after: Option<Span>,
    /// What a stale reading counts as.
    pub on_stale: OnStale,
}

/// How changes are sent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Feed {
    /// From the change to the gateway.
    pub delay: Span,
    /// The share of messages that are lost.
    pub loss: f64,
}

/// What a stale reading counts as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnStale {
    /// As what it says: its age is ignored.
    #[default]
    Ignore,
    /// As much as the busiest target's, with a full cache.
    Worst,
}

/// How cache changes reach a prefix index that follows them.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CacheView {
    /// At once: an oracle.
    #[default]
    Oracle,
    /// As messages.
    Event(Feed),
}

/// What has reached one gateway of the loads of all replicas, and what is on its way.
#[derive(Debug)]
pub struct LoadsSeen {
    /// By replica: the load and when it was read.
    seen: IdVec<ReplicaId, (Load, SimTime)>,
    /// Where the mean is not the last reading: the mean as it is, before rounding.
    means: Vec<[f64; 5]>,
    ewma: f64,
    stale_after: Option<Span>,
    /// Readings and reports on their way, in order: when they arrive, of which replica, what, and when it was read.
    coming: VecDeque<(SimTime, ReplicaId, Load, SimTime)>,
    /// Memory used again: by target, its load and whether that is stale.
    known: Vec<(Load, bool)>,
    /// Replicas of which something new has come since it was told; as many as there are stand for all.
    fresh: Vec<ReplicaId>,
}

impl LoadsSeen {
    /// A gateway begins with a reading of all replicas.
    pub fn new(view: &LoadView, loads: IdVec<ReplicaId, Load>) -> LoadsSeen {
        let (ewma, stale_after) = match view {
            LoadView::Poll(poll) => (poll.ewma, poll.stale_after.filter(|_| poll.on_stale == OnStale::Worst)),
            LoadView::Store(store) => (1.0, store.stale_after.filter(|_| store.on_stale == OnStale::Worst)),
            _ => (1.0, None),
        };
        LoadsSeen {
            means: if ewma < 1.0 { loads.iter().map(mean_of).collect() } else { Vec::new() },
            seen: loads.iter().map(|&load| (load, SimTime::ZERO)).collect(),
            fresh: loads.ids().collect(),
            ewma,
            stale_after,
            coming: VecDeque::new(),
            known: Vec::new(),
        }
    }
    /// A reading of `read_at` is on its way and arrives at `at`, not before those sent earlier.
    pub fn send(&mut self, at: SimTime, replica: ReplicaId, load: Load, read_at: SimTime) {
        debug_assert!(self.coming.back().is_none_or(|last| last.0 <= at));
        self.coming.push_back((at, replica, load, read_at));
    }
    /// When the load that is known of this replica was read.
    pub fn read_at(&self, replica: ReplicaId) -> SimTime {
        self.seen[replica].1
    }
    /// When the next one arrives.
    pub fn next(&self) -> Option<SimTime> {
        self.coming.front().map(|first| first.0)
    }
    /// Takes in what has arrived by `now`; whether that changed anything.
    pub fn receive(&mut self, now: SimTime) -> bool {
        let mut changed = false;
        while let Some(&(at, replica, load, read_at)) = self.coming.front()
            && at <= now
        {
            self.coming.pop_front();
            let load = self.smoothed(replica, load);
            if self.seen[replica].0 != load {
                changed = true;
                if self.fresh.len() < self.seen.len() {
                    self.fresh.push(replica);
                }
            }
            self.seen[replica] = (load, read_at);
        }
        changed
    }
    fn smoothed(&mut self, replica: ReplicaId, load: Load) -> Load {
        let Some(mean) = self.means.get_mut(replica.index()) else { return load };
        for (mean, new) in mean.iter_mut().zip(mean_of(&load)) {
            *mean += self.ewma * (new - *mean);
        }
        // Rounded to the nearest: a request is there or not.
        let [running, waiting, waiting_tokens, kv_used_blocks, context_tokens] = mean.map(|mean| mean + 0.5);
        Load {
            running: running as u32,
            waiting: waiting as u32,
            waiting_tokens: waiting_tokens as u64,
            kv_used_blocks: kv_used_blocks as u32,
            kv_total_blocks: load.kv_total_blocks,
            context_tokens: context_tokens as u64,
        }
    }
    /// What is known at `now` of one replica, and whether that is stale.
    pub fn of(&self, now: SimTime, replica: ReplicaId) -> (Load, bool) {
        self.known(now, &[replica])
    }
    /// Whether a reading counts by its age.
    pub fn ages(&self) -> bool {
        self.stale_after.is_some()
    }
    /// Replicas of which something new has come since it was told; none where all is to be told.
    pub fn fresh(&self) -> Option<&[ReplicaId]> {
        (!self.ages() && self.fresh.len() < self.seen.len()).then_some(self.fresh.as_slice())
    }
    /// Everybody has been told.
    pub fn told(&mut self) {
        self.fresh.clear();
    }
    /// Tells a stage what is known of one of its targets, which the replicas `behind` stand for, where no reading ages.
    pub fn tell_of(&self, stage: &mut Stage, target: TargetId, behind: &[ReplicaId]) {
        let mut sum = Load::default();
        behind.iter().for_each(|&replica| sum.add(&self.seen[replica].0));
        stage.set_load(target, sum);
    }
    /// Tells a stage what is known at `now` of each of its targets: the sum over the replicas `behind` it.
    pub fn tell(&mut self, now: SimTime, stage: &mut Stage, behind: &[Vec<ReplicaId>]) {
        let mut known = std::mem::take(&mut self.known);
        known.clear();
        known.extend(behind.iter().map(|replicas| self.known(now, replicas)));
        let worst = known.iter().fold(Load::default(), |worst, (load, _)| Load {
            running: worst.running.max(load.running),
            waiting: worst.waiting.max(load.waiting),
            waiting_tokens: worst.waiting_tokens.max(load.waiting_tokens),
            context_tokens: worst.context_tokens.max(load.context_tokens),
            ..worst
        });
        for (index, &(load, stale)) in known.iter().enumerate() {
            let (used, total) = (load.kv_total_blocks, load.kv_total_blocks);
            let full = Load { kv_used_blocks: used, kv_total_blocks: total, ..worst };
            stage.set_load(TargetId(index as u32), if stale { full } else { load });
        }
        self.known = known;
    }
    /// The sum of what is known of these replicas, and whether any of it is stale.
    fn known(&self, now: SimTime, replicas: &[ReplicaId]) -> (Load, bool) {
        let mut sum = Load::default();
        let mut stale = false;
        for &replica in replicas {
            let (load, read_at) = &self.seen[replica];
            sum.add(load);
            stale |= self.stale_after.is_some_and(|limit| now - *read_at > limit);
        }
        (sum, stale)
    }
}

fn mean_of(load: &Load) -> [f64; 5] {
    [
        f64::from(load.running),
        f64::from(load.waiting),
        load.waiting_tokens as f64,
        f64::from(load.kv_used_blocks),
        load.context_tokens as f64,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::RegionId;
    use crate::rng::Key;
    use crate::routing::{PolicySpec, Target};

    const ONE: ReplicaId = ReplicaId(0);

    fn poll() -> Poll {
        Poll {
            every: Span::from_secs(10),
            jitter: Span::ZERO,
            delay: Span::ZERO,
            loss: 0.0,
            ewma: 1.0,
            stale_after: None,
            on_stale: OnStale::Ignore,
        }
    }
    fn load(running: u32) -> Load {
        Load { running, kv_total_blocks: 100, ..Load::default() }
    }
    fn at(seconds: u64) -> SimTime {
        SimTime::ZERO + Span::from_secs(seconds)
    }

    #[test]
    fn news_is_known_when_it_arrives_and_not_before() {
        let mut seen = LoadsSeen::new(&LoadView::Poll(poll()), vec![load(0)].into());
        seen.send(at(12), ONE, load(7), at(10));
        assert!(!seen.receive(at(11)));
        assert_eq!((seen.seen[ONE], seen.next()), ((load(0), at(0)), Some(at(12))));
        assert!(seen.receive(at(12)));
        assert_eq!((seen.seen[ONE], seen.next()), ((load(7), at(10)), None));
    }

    #[test]
    fn only_what_is_new_is_told_again() {
        let mut seen = LoadsSeen::new(&LoadView::Poll(poll()), vec![load(0); 3].into());
        assert_eq!(seen.fresh(), None, "all is new at first");
        seen.told();
        seen.send(at(1), ReplicaId(2), load(4), at(1));
        seen.send(at(1), ONE, load(0), at(1));
        seen.receive(at(1));
        assert_eq!(seen.fresh(), Some(&[ReplicaId(2)][..]));
        // As many changes as replicas: it is no less to tell of all.
        for running in 5..7 {
            seen.send(at(2), ReplicaId(2), load(running), at(2));
        }
        seen.receive(at(2));
        assert_eq!(seen.fresh(), None);
    }

    #[test]
    fn a_mean_moves_by_its_weight_and_is_rounded_once() {
        // From 0 by 0.3 towards 10: 3, 5.1, 6.57, 7.599; then towards 0: 5.3193.
        let mut seen = LoadsSeen::new(&LoadView::Poll(Poll { ewma: 0.3, ..poll() }), vec![load(0)].into());
        for (n, (new, expected)) in [(10, 3), (10, 5), (10, 7), (10, 8), (0, 5)].into_iter().enumerate() {
            seen.send(at(n as u64), ONE, load(new), at(n as u64));
            seen.receive(at(n as u64));
            assert_eq!(seen.seen[ONE].0.running, expected);
        }
    }

    #[test]
    fn a_stale_reading_counts_as_the_busiest_with_a_full_cache() {
        let target = |number: u32| Target {
            name: number.to_string(),
            replica: Some(ReplicaId(number)),
            region: RegionId(0),
            rtt: Span::ZERO,
            replicas: 1,
        };
        let spec: PolicySpec = toml::from_str("least_load = { tie = \"first\" }").unwrap();
        let mut stage = Stage::new(&spec, (0..2).map(target).collect(), Key::root(1));
        let behind = [vec![ReplicaId(0)], vec![ReplicaId(1)]];
        let aged = Poll { stale_after: Some(Span::from_secs(15)), on_stale: OnStale::Worst, ..poll() };
        let mut seen = LoadsSeen::new(&LoadView::Poll(aged), vec![load(0), load(0)].into());
        // The second is read again at 10 s, with 3 running; the first reading of the first is stale after 15 s.
        seen.send(at(10), ReplicaId(1), load(3), at(10));
        seen.receive(at(10));
        assert_eq!(seen.known(at(15), &behind[0]), (load(0), false));
        assert_eq!(seen.known(at(16), &behind[0]), (load(0), true));
        assert_eq!(
            seen.known(at(16), &[ReplicaId(0), ReplicaId(1)]),
            (Load { kv_total_blocks: 200, ..load(3) }, true)
        );
        seen.tell(at(16), &mut stage, &behind);
        // Equal requests now: 3 and 3. What only the first has is a full cache.
        assert_eq!(stage.load(TargetId(0)), Load { kv_used_blocks: 100, ..load(3) });
        assert_eq!(stage.load(TargetId(1)), load(3));
    }
}
