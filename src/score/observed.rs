//! What is kept of a finished cell to take measures of: of every request a few numbers, of every time window the loads. Knows
//! rows, rungs and results; must not know which measures there are.

use crate::id::{ReplicaId, TenantId};
use crate::observe::{Leg, Observation, Observer, Outcome, RequestRow};
use crate::run::{CellInput, RunResult, run_cell};
use crate::time::{SimTime, Span};
use crate::workload::rungs::Rung;
use crate::world::WorldError;

/// Why a cell gave no result.
#[derive(Debug, thiserror::Error)]
pub enum PlayError {
    /// The world cannot be built from its parameters.
    #[error(transparent)]
    World(#[from] WorldError),
    /// A law of conservation was broken.
    #[error("a law of conservation was broken, which is a fault in regionsim, please report it: {0}")]
    Conservation(String),
}

/// What is kept of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// When its client sent it.
    pub sent_at: SimTime,
    /// When it ended at its client.
    pub ended_at: SimTime,
    /// Whether all its output was produced.
    pub completed: bool,
    /// Time to first token at the client.
    pub ttft: Option<Span>,
    /// Of that, how long its gateway held it back on purpose.
    pub held: Span,
    /// Prompt length.
    pub prompt_tokens: u32,
    /// Prompt tokens found in the cache.
    pub cached_tokens: u32,
    /// Output tokens produced.
    pub output_tokens: u32,
    /// The replica that served it.
    pub replica: Option<ReplicaId>,
    /// Its tenant.
    pub tenant: TenantId,
}

impl Seen {
    /// What is kept of a row.
    pub fn of(row: &RequestRow) -> Seen {
        Seen {
            sent_at: row.sent_at,
            ended_at: row.ended_at,
            completed: row.outcome == Outcome::Completed,
            ttft: row.ttft(),
            held: row.legs.get(Leg::Hold),
            prompt_tokens: row.prompt_tokens,
            cached_tokens: row.cached_tokens,
            output_tokens: row.output_tokens,
            replica: row.replica,
            tenant: row.tenant,
        }
    }
    /// End-to-end latency, of a completed request.
    pub fn e2e(&self) -> Option<Span> {
        self.completed.then(|| self.ended_at - self.sent_at)
    }
    /// From the first token to the last, of a completed request with at least two.
    pub fn decode(&self) -> Option<Span> {
        let ttft = self.ttft.filter(|_| self.completed && self.output_tokens > 1)?;
        Some(self.ended_at - self.sent_at - ttft)
    }
}

/// Collects requests as they end.
#[derive(Debug, Default)]
struct Collector(Vec<Seen>);

impl Observer for Collector {
    fn observe(&mut self, _: SimTime, observation: &Observation<'_>) {
        if let Observation::Ended(row) = observation {
            self.0.push(Seen::of(row));
        }
    }
}

/// The loads of one time window, over all replicas.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Loads {
    /// When the window begins.
    pub start: SimTime,
    /// Requests waiting for a batch when it closed.
    pub waiting: u64,
    /// KV blocks in use over KV blocks when it closed, mean over regions.
    pub kv_use: Option<f64>,
}

/// What is kept of a cell.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// Every request, in the order in which they were sent.
    pub seen: Vec<Seen>,
    /// The rungs of the first ladder; none where there is no ladder.
    pub rungs: Vec<Rung>,
    /// Time lines.
    pub loads: Vec<Loads>,
    /// Requests sent before this time are not measured.
    pub warmup: SimTime,
    /// The last instant.
    pub ended_at: SimTime,
    /// Tokens that the KV cache of a replica of the first pool holds, if it has one.
    pub kv_tokens: Option<u64>,
    /// The fingerprint of the outcomes.
    pub digest: u64,
}

impl Observed {
    /// Runs a cell.
    ///
    /// # Errors
    /// When the world cannot be built from its parameters, or a law of conservation was broken.
    pub fn run(input: &CellInput<'_>) -> Result<Observed, PlayError> {
        let mut collector = Collector::default();
        let result = run_cell(input, None, &mut collector)?;
        if let Some(first) = result.conservation.first.first() {
            return Err(PlayError::Conservation(format!("{first:?}")));
        }
        Ok(Observed::of(&result, collector.0))
    }
    fn of(result: &RunResult, mut seen: Vec<Seen>) -> Observed {
        seen.sort_by_key(|seen| seen.sent_at);
        let mut loads: Vec<Loads> = Vec::new();
        let mut known = 0u32;
        for row in &result.series {
            if let Some(last) = loads.last_mut().filter(|last| last.start == row.start) {
                last.waiting += row.waiting;
                if let Some(kv_use) = row.kv_use {
                    let before = last.kv_use.unwrap_or_default() * f64::from(known);
                    known += 1;
                    last.kv_use = Some((before + kv_use) / f64::from(known));
                }
            } else {
                known = u32::from(row.kv_use.is_some());
                loads.push(Loads { start: row.start, waiting: row.waiting, kv_use: row.kv_use });
            }
        }
        Observed {
            seen,
            rungs: result
                .followed
                .iter()
                .map(|followed| followed.rungs.clone())
                .find(|rungs| !rungs.is_empty())
                .unwrap_or_default(),
            loads,
            warmup: SimTime(result.warmup.0),
            ended_at: result.ended_at,
            kv_tokens: result.capacity.first().map(|line| line.kv_blocks * u64::from(line.block_tokens)),
            digest: result.outcome_digest,
        }
    }
    /// All that is measured.
    pub fn all(&self) -> Share<'_> {
        Share { of: self, from: self.warmup, to: None }
    }
    /// The rung of this rate, the last of several, if it is measured.
    pub fn rung(&self, rate: f64) -> Option<Share<'_>> {
        let mut measured = self.rungs.iter().rev().filter(|rung| rung.from >= self.warmup);
        measured.find(|rung| rung.rate.0 == rate).map(|rung| self.share(rung))
    }
    /// The requests sent in a rung.
    pub fn share(&self, rung: &Rung) -> Share<'_> {
        Share { of: self, from: rung.from, to: Some(rung.to) }
    }
    /// The rungs that are measured and in which something was sent, in order: one of rate 0 is a pause.
    pub fn measured_rungs(&self) -> impl Iterator<Item = &Rung> {
        self.rungs.iter().filter(|rung| rung.from >= self.warmup && self.share(rung).sent().next().is_some())
    }
}

/// The requests of a cell that were sent in some part of its time.
#[derive(Clone, Copy, Debug)]
pub struct Share<'o> {
    /// The cell.
    pub of: &'o Observed,
    /// Its beginning.
    pub from: SimTime,
    /// Its end; `None` is the cell's.
    pub to: Option<SimTime>,
}

impl<'o> Share<'o> {
    /// Whether a time lies in it.
    pub fn covers(&self, at: SimTime) -> bool {
        at >= self.from && self.to.is_none_or(|to| at < to)
    }
    /// The requests sent in it.
    pub fn sent(&self) -> impl Iterator<Item = &'o Seen> + '_ {
        self.of.seen.iter().filter(|seen| self.covers(seen.sent_at))
    }
    /// The completed requests that its throughput counts, and the seconds that it is charged: of a rung all that were sent
    /// in it, and the time until the last of them had ended; of a whole cell what ended after the warm-up.
    pub fn done(&self) -> (Vec<&'o Seen>, f64) {
        let Some(to) = self.to else {
            let seen = self.of.seen.iter();
            let done = seen.filter(|seen| seen.completed && seen.ended_at >= self.from).collect();
            return (done, self.of.ended_at.since(self.from).as_secs_f64());
        };
        let done: Vec<&Seen> = self.sent().filter(|seen| seen.completed).collect();
        let last = done.iter().map(|seen| seen.ended_at).max().unwrap_or(to).max(to);
        (done, (last - self.from).as_secs_f64())
    }
    /// The time windows that begin in it.
    pub fn loads(&self) -> impl Iterator<Item = &'o Loads> + '_ {
        self.of.loads.iter().filter(|loads| self.covers(loads.start))
    }
}
