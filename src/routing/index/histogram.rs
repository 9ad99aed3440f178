//! A prefix histogram: how often each prompt head was sent to each target of late, and what prefill that was. Knows heads by
//! their hash, targets and times; must not know what a policy makes of it.
//!
//! Two originals keep such windows: Preble (WukLab/preble at 8e7906a) sums the prefill of what each GPU was sent within three
//! minutes, AIBrix (aibrix at e3e10f9, prefix-cache-preble) ports that. Both share a node's prefill among the GPUs that hold
//! it; here each request's prefill stands where it was sent.

use crate::routing::{RequestView, TargetId, affinity};
use crate::time::{SimTime, Span};
use rustc_hash::FxHashMap;
use std::collections::VecDeque;

/// What it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistogramOptions {
    /// How long a request counts after it was sent.
    pub window: Span,
    /// The first tokens of a prompt that are its head.
    pub tokens: u32,
}

impl Default for HistogramOptions {
    /// Preble's window of three minutes, and SGLang's hash of 256 tokens.
    fn default() -> HistogramOptions {
        HistogramOptions { window: Span::from_secs(180), tokens: 256 }
    }
}

/// Requests of a window, by head and by target.
#[derive(Clone, Debug)]
pub struct Histogram {
    options: HistogramOptions,
    sent: VecDeque<Sent>,
    /// By head, a row; looked up, never iterated.
    rows: FxHashMap<u64, u32>,
    /// Targets and how often each.
    table: Vec<Vec<(u32, u32)>>,
    free: Vec<u32>,
    /// By target: uncached tokens of the window.
    uncached: Vec<u64>,
    /// By target: requests of the head looked up last.
    alike: Vec<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Sent {
    at: SimTime,
    head: u64,
    target: u32,
    uncached: u32,
}

impl Histogram {
    /// Empty, over `targets` targets.
    pub fn new(options: HistogramOptions, targets: usize) -> Histogram {
        Histogram {
            options,
            sent: VecDeque::new(),
            rows: FxHashMap::default(),
            table: Vec::new(),
            free: Vec::new(),
            uncached: vec![0; targets],
            alike: vec![0; targets],
        }
    }
    /// Looks a request's head up at `now`.
    pub fn look_up(&mut self, request: &RequestView<'_>, now: SimTime) {
        self.forget(now);
        self.alike.fill(0);
        let head = affinity::of_prefix(request, self.options.tokens);
        for &(target, count) in self.rows.get(&head).map_or(&[][..], |&row| &self.table[row as usize]) {
            self.alike[target as usize] = count;
        }
    }
    /// It was sent to `target`, which was believed to lack so many of its tokens.
    pub fn sent(&mut self, request: &RequestView<'_>, now: SimTime, target: TargetId, uncached: u32) {
        self.forget(now);
        let (head, target) = (affinity::of_prefix(request, self.options.tokens), target.0);
        let row = *self.rows.entry(head).or_insert_with(|| {
            self.free.pop().unwrap_or_else(|| {
                self.table.push(Vec::new());
                (self.table.len() - 1) as u32
            })
        });
        let row = &mut self.table[row as usize];
        match row.iter_mut().find(|entry| entry.0 == target) {
            Some(entry) => entry.1 += 1,
            None => row.push((target, 1)),
        }
        self.uncached[target as usize] += u64::from(uncached);
        self.sent.push_back(Sent { at: now, head, target, uncached });
    }
    /// Requests of the window with the head looked up last that were sent to `target`.
    pub fn alike(&self, target: TargetId) -> u32 {
        self.alike[target.0 as usize]
    }
    /// Uncached tokens of the window that were sent to `target`.
    pub fn uncached(&self, target: TargetId) -> u64 {
        self.uncached[target.0 as usize]
    }
    fn forget(&mut self, now: SimTime) {
        while let Some(&Sent { at, head, target, uncached }) = self.sent.front()
            && at + self.options.window <= now
        {
            self.sent.pop_front();
            self.uncached[target as usize] -= u64::from(uncached);
            let Some(&number) = self.rows.get(&head) else { continue };
            let row = &mut self.table[number as usize];
            if let Some(place) = row.iter().position(|entry| entry.0 == target) {
                row[place].1 -= 1;
                if row[place].1 == 0 {
                    row.swap_remove(place);
                }
            }
            if row.is_empty() {
                self.rows.remove(&head);
                self.free.push(number);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::scene::Scene;

    fn at(secs: u64) -> SimTime {
        SimTime::ZERO + Span::from_secs(secs)
    }

    #[test]
    fn requests_count_for_their_window_by_head_and_by_target() {
        let mut scene = Scene::new(3);
        let options = HistogramOptions { window: Span::from_secs(10), tokens: 32 };
        let mut histogram = Histogram::new(options, 3);
        // Head 1 twice to target 0 and once to 2, head 2 once to 2.
        for (second, head, target, uncached) in [(0, 1, 0, 100), (3, 1, 0, 40), (4, 2, 2, 100), (8, 1, 2, 7)]
        {
            scene.prompt(head);
            scene.with(&[0], |request, _| histogram.sent(request, at(second), TargetId(target), uncached));
        }
        let mut seen = |second: u64, head: u64| {
            scene.prompt(head);
            scene.with(&[0], |request, _| histogram.look_up(request, at(second)));
            let of = |target| (histogram.alike(TargetId(target)), histogram.uncached(TargetId(target)));
            [of(0), of(1), of(2)]
        };
        assert_eq!(seen(9, 1), [(2, 140), (0, 0), (1, 107)]);
        assert_eq!(seen(9, 2), [(0, 140), (0, 0), (1, 107)]);
        assert_eq!(seen(9, 3), [(0, 140), (0, 0), (0, 107)]);
        // What was sent at 0 s is out at 10 s, what was sent at 4 s at 14 s.
        assert_eq!(seen(10, 1), [(1, 40), (0, 0), (1, 107)]);
        assert_eq!(seen(14, 2), [(0, 0), (0, 0), (0, 7)]);
        assert_eq!(seen(18, 1), [(0, 0); 3]);
        assert_eq!((histogram.rows.len(), histogram.free.len(), histogram.sent.len()), (0, 2, 0));
    }
}
