//! The kernel: an event queue with a total order, and a run loop. Knows time and order; must not know what an
//! event means. Generic in the event.
//!
//! The order is `(time, class, entity, sequence)`, all four taken from the event itself and none from the moment
//! it was scheduled. An event that is skipped, added or scheduled earlier therefore moves no other: this is what
//! lets a fast path drop events and still be compared with the slow one.

mod lane;
mod queue;
mod timers;

pub use queue::EventQueue;

use crate::time::SimTime;

/// Where an event stands among those of the same instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    /// Kind of event: lower goes first.
    pub class: u8,
    /// The entity's id within its class, under 2^32.
    pub entity: u32,
    /// The entity's own sequence number, under 2^24; wraps.
    pub sequence: u32,
}

impl Rank {
    /// The rank as one integer that orders the same way.
    #[inline]
    pub fn packed(self) -> u64 {
        (self.class as u64) << 56 | (self.entity as u64) << 24 | (self.sequence & 0xff_ffff) as u64
    }
}

/// An event: small, copied, and knowing its own rank.
pub trait Event: Copy {
    /// Where it stands among the events of its instant.
    fn rank(&self) -> Rank;
    /// A word for the digest of raw events: which event this is, with its target.
    fn word(&self) -> u64;
}

/// What the events happen to.
pub trait Model {
    /// Its events.
    type Event: Event;
    /// Something happens now. New events go into `schedule`, at or after `now`.
    fn handle(&mut self, now: SimTime, event: Self::Event, schedule: &mut Schedule<Self::Event>);
}

/// Where a model puts the events to come: it can only add, and only at or after now.
#[derive(Debug)]
pub struct Schedule<E> {
    now: SimTime,
    queue: EventQueue<E>,
}

impl<E: Event> Schedule<E> {
    /// An empty schedule at time zero.
    pub fn new() -> Self {
        Schedule { now: SimTime::ZERO, queue: EventQueue::new() }
    }
    /// Puts `event` at `time`, which must not lie in the past.
    #[inline]
    pub fn at(&mut self, time: SimTime, event: E) {
        assert!(time >= self.now, "scheduled at {time}, which is before now, {}", self.now);
        self.queue.push(self.now, time, event);
    }
    /// Sets a timer to put `event` at a time, which must not lie in the past, or takes it back. Timers are numbered from 0
    /// on without gaps; of each there is one event to come at most.
    #[inline]
    pub fn set_timer(&mut self, timer: u32, event: Option<(SimTime, E)>) {
        let time = event.map_or(self.now, |(time, _)| time);
        assert!(time >= self.now, "set to {time}, which is before now, {}", self.now);
        self.queue.set(timer, event);
    }
    /// How many events wait.
    pub fn pending(&self) -> usize {
        self.queue.len()
    }
}

impl<E: Event> Default for Schedule<E> {
    fn default() -> Self {
        Schedule::new()
    }
}

/// Why a run loop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Nothing was left to happen.
    Drained,
    /// The next event lies after the horizon.
    Horizon,
    /// The watcher asked to stop.
    Stopped,
}

/// Runs `model` until nothing is left, the horizon is passed, or `watch` returns false. `watch` sees each event
/// before it happens; it serves progress, interruption and the digest of raw events.
pub fn run<M: Model>(
    model: &mut M,
    schedule: &mut Schedule<M::Event>,
    horizon: SimTime,
    mut watch: impl FnMut(SimTime, &M::Event) -> bool,
) -> Ended {
    let mut ended = Ended::Drained;
    while let Some((time, event)) = schedule.queue.pop_if(|time, event| {
        if time > horizon {
            ended = Ended::Horizon;
            return false;
        }
        let goes_on = watch(time, event);
        ended = if goes_on { Ended::Drained } else { Ended::Stopped };
        goes_on
    }) {
        assert!(time >= schedule.now, "time went back from {} to {time}", schedule.now);
        schedule.now = time;
        model.handle(time, event, schedule);
    }
    ended
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An event that is its entity.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub(super) struct Ring(pub(super) u32);
    impl Event for Ring {
        fn rank(&self) -> Rank {
            Rank { class: 0, entity: self.0, sequence: 0 }
        }
        fn word(&self) -> u64 {
            u64::from(self.0)
        }
    }

    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Ping {
        entity: u32,
        class: u8,
        left: u32,
    }
    impl Event for Ping {
        fn rank(&self) -> Rank {
            Rank { class: self.class, entity: self.entity, sequence: self.left }
        }
        fn word(&self) -> u64 {
            self.entity as u64
        }
    }
    struct Log(Vec<(u64, u8, u32)>);
    impl Model for Log {
        type Event = Ping;
        fn handle(&mut self, now: SimTime, event: Ping, schedule: &mut Schedule<Ping>) {
            self.0.push((now.0, event.class, event.entity));
            if event.left > 0 {
                schedule.at(SimTime(now.0 + 10), Ping { left: event.left - 1, ..event });
            }
        }
    }

    #[test]
    fn events_of_one_instant_go_by_class_then_entity_whatever_the_order_they_were_added_in() {
        let pings = [(3, 0), (1, 1), (2, 0), (1, 0)];
        let order = |pings: &[(u32, u8)]| {
            let mut schedule = Schedule::new();
            for &(entity, class) in pings {
                schedule.at(SimTime(5), Ping { entity, class, left: 1 });
            }
            let mut log = Log(Vec::new());
            assert_eq!(run(&mut log, &mut schedule, SimTime(100), |_, _| true), Ended::Drained);
            log.0
        };
        let forward = order(&pings);
        let backward: Vec<_> = pings.iter().rev().copied().collect();
        assert_eq!(forward, order(&backward));
        assert_eq!(&forward[..4], &[(5, 0, 1), (5, 0, 2), (5, 0, 3), (5, 1, 1)]);
        assert_eq!(forward[4], (15, 0, 1));
    }

    #[test]
    fn the_horizon_is_inclusive_and_leaves_later_events_alone() {
        let mut schedule = Schedule::new();
        schedule.at(SimTime(0), Ping { entity: 1, class: 0, left: 5 });
        let mut log = Log(Vec::new());
        assert_eq!(run(&mut log, &mut schedule, SimTime(20), |_, _| true), Ended::Horizon);
        assert_eq!(log.0.len(), 3);
        assert_eq!(schedule.pending(), 1);
    }

    #[test]
    #[should_panic(expected = "before now")]
    fn the_past_is_closed() {
        let mut schedule = Schedule::new();
        schedule.at(SimTime(10), Ping { entity: 1, class: 0, left: 0 });
        struct Back;
        impl Model for Back {
            type Event = Ping;
            fn handle(&mut self, _: SimTime, event: Ping, schedule: &mut Schedule<Ping>) {
                schedule.at(SimTime(9), event);
            }
        }
        run(&mut Back, &mut schedule, SimTime(100), |_, _| true);
    }
}
