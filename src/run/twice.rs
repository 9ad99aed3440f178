//! The same cell twice, in lock-step: stops at the first event that differs and names it. Knows events only by
//! time, word and rank; must not know what they mean. Holds a few batches of events, whatever the run's length.

use crate::engine::Event;
use crate::time::SimTime;
use std::fmt::Debug;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// What a run tells before each event; it stops when told false.
pub type Watch<'w, E> = &'w mut dyn FnMut(SimTime, &E) -> bool;

/// Where two runs parted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// How many events were equal before.
    pub equal_events: u64,
    /// The first run's event; `None` where it had ended.
    pub first: Option<String>,
    /// The second run's event; `None` where it had ended.
    pub second: Option<String>,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let show = |event: &Option<String>| event.clone().unwrap_or_else(|| "had ended".to_string());
        write!(
            f,
            "after {} equal events the two runs differ\n  first:  {}\n  second: {}",
            self.equal_events,
            show(&self.first),
            show(&self.second)
        )
    }
}

/// Events of one message between the two runs.
const BATCH: usize = 4096;
/// Messages that may wait.
const WAITING: usize = 4;

/// Runs `first` and `second` side by side, each on its own thread, and compares them event by event. Gives both
/// results, and where they differ; a run that is stopped for it gives what it has.
pub fn lockstep<E, A, B>(
    first: impl FnOnce(Watch<'_, E>) -> A + Send,
    second: impl FnOnce(Watch<'_, E>) -> B,
) -> (A, B, Option<Difference>)
where
    E: Event + Debug + Send + 'static,
    A: Send,
{
    let (sender, receiver) = sync_channel::<Vec<(SimTime, E)>>(WAITING);
    std::thread::scope(|scope| {
        let leader = scope.spawn(move || tell(first, sender));
        let mut follower =
            Follower { receiver: Some(receiver), batch: Vec::new().into_iter(), equal: 0, found: None };
        let b = second(&mut |time, event| follower.compare(time, event));
        follower.close();
        let found = follower.found.take();
        drop(follower);
        let a = leader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (a, b, found)
    })
}

fn tell<E: Event, A>(run: impl FnOnce(Watch<'_, E>) -> A, sender: SyncSender<Vec<(SimTime, E)>>) -> A {
    let mut batch = Vec::with_capacity(BATCH);
    let result = run(&mut |time, event| {
        batch.push((time, *event));
        if batch.len() < BATCH {
            return true;
        }
        sender.send(std::mem::replace(&mut batch, Vec::with_capacity(BATCH))).is_ok()
    });
    let _ = sender.send(batch);
    result
}

struct Follower<E> {
    receiver: Option<Receiver<Vec<(SimTime, E)>>>,
    batch: std::vec::IntoIter<(SimTime, E)>,
    equal: u64,
    found: Option<Difference>,
}

impl<E: Event + Debug> Follower<E> {
    fn next(&mut self) -> Option<(SimTime, E)> {
        loop {
            if let Some(event) = self.batch.next() {
                return Some(event);
            }
            self.batch = self.receiver.as_ref()?.recv().ok()?.into_iter();
        }
    }
    fn compare(&mut self, time: SimTime, event: &E) -> bool {
        let show = |time: SimTime, event: &E| format!("{event:?} at {time} (word {:016x})", event.word());
        let theirs = self.next();
        if theirs.is_some_and(|(at, other)| {
            at == time && other.word() == event.word() && other.rank() == event.rank()
        }) {
            self.equal += 1;
            return true;
        }
        self.found = Some(Difference {
            equal_events: self.equal,
            first: theirs.map(|(at, other)| show(at, &other)),
            second: Some(show(time, event)),
        });
        self.receiver = None;
        false
    }
    /// The second run is over: the first must be, too.
    fn close(&mut self) {
        if self.found.is_none()
            && let Some((at, event)) = self.next()
        {
            let first = Some(format!("{event:?} at {at} (word {:016x})", event.word()));
            self.found = Some(Difference { equal_events: self.equal, first, second: None });
        }
        self.receiver = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Rank;

    #[derive(Clone, Copy, Debug)]
    struct Tick(u32);
    impl Event for Tick {
        fn rank(&self) -> Rank {
            Rank { class: 0, entity: 0, sequence: 0 }
        }
        fn word(&self) -> u64 {
            self.0 as u64
        }
    }

    fn ticks(count: u32, odd: Option<u32>) -> impl FnOnce(Watch<'_, Tick>) -> u32 + Send {
        move |watch| {
            for i in 0..count {
                if !watch(SimTime(i as u64), &Tick(if odd == Some(i) { 7_000_000 } else { i })) {
                    return i;
                }
            }
            count
        }
    }

    #[test]
    fn equal_runs_do_not_differ_whatever_their_length() {
        for count in [0, 1, BATCH as u32, 3 * BATCH as u32 + 5] {
            assert_eq!(lockstep(ticks(count, None), ticks(count, None)), (count, count, None));
        }
    }

    #[test]
    fn the_first_difference_is_named_and_both_runs_stop() {
        let (_, second, difference) = lockstep(ticks(1_000_000, None), ticks(1_000_000, Some(5_000)));
        let difference = difference.unwrap();
        assert_eq!((difference.equal_events, second), (5_000, 5_000));
        assert!(difference.first.as_ref().unwrap().starts_with("Tick(5000) at 5us"), "{difference}");
        assert!(difference.second.as_ref().unwrap().starts_with("Tick(7000000)"), "{difference}");
    }

    #[test]
    fn a_run_that_ends_early_differs_there() {
        let (_, _, difference) = lockstep(ticks(10, None), ticks(9, None));
        assert_eq!(difference.map(|d| (d.equal_events, d.second)), Some((9, None)));
        let (_, _, difference) = lockstep(ticks(9, None), ticks(10, None));
        assert_eq!(difference.map(|d| (d.equal_events, d.first)), Some((9, None)));
    }
}
