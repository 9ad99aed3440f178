//! A plain queue: a number of slots, first in first out within a priority class, not preemptive, with an optional
//! bound. It has no batch and no cache, so the formulas of queueing theory hold for it exactly.

use super::params::QueueParams;
use super::{Job, JobId, Output, Tokens, service_time};
use crate::observe::{Load, Outcome, Work};
use crate::time::{PS_PER_NS, SimTime, Span};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

#[derive(Clone, Copy, Debug)]
struct Waiting {
    job: JobId,
    service: Span,
    prompt_tokens: u32,
    output_tokens: u32,
}

/// A first-in-first-out server.
#[derive(Debug)]
pub struct Fifo {
    params: QueueParams,
    /// By (priority, order of arrival).
    waiting: BTreeMap<(u8, u64), Waiting>,
    /// By (end of service, order of arrival): the job and its tokens.
    serving: BinaryHeap<Reverse<(SimTime, u64, JobId, u32)>>,
    arrivals: u64,
    /// Thousandths of the usual time that a service takes which begins now.
    slow_per_mille: u32,
    waiting_tokens: u64,
    work: Work,
}

impl Fifo {
    /// An empty server.
    pub fn new(params: QueueParams) -> Fifo {
        Fifo {
            params,
            waiting: BTreeMap::new(),
            serving: BinaryHeap::new(),
            arrivals: 0,
            slow_per_mille: 1000,
            waiting_tokens: 0,
            work: Work::default(),
        }
    }
    /// A job arrives: it is served, waits, or is refused because the server is full.
    pub fn deliver(&mut self, now: SimTime, job: &Job, out: &mut Vec<Output>) {
        let here = self.waiting.len() + self.serving.len();
        if self.params.capacity.is_some_and(|capacity| here >= capacity as usize) {
            let outcome = Outcome::QueueFull;
            out.push(Output::Ended { job: job.id, at: now, outcome, tokens: Tokens::default() });
            return;
        }
        let order = self.arrivals;
        self.arrivals += 1;
        let waiting = Waiting {
            job: job.id,
            service: service_time(&self.params, job),
            prompt_tokens: job.prompt_tokens,
            output_tokens: job.output_tokens,
        };
        self.waiting_tokens += u64::from(job.prompt_tokens);
        self.waiting.insert((job.priority, order), waiting);
        self.serve(now, out);
    }
    /// Services that begin from now on take so many thousandths of their time.
    pub fn set_slow(&mut self, per_mille: u32) {
        self.slow_per_mille = per_mille;
    }
    /// A job that waits goes; one in service is served to its end.
    pub fn cancel(&mut self, now: SimTime, job: JobId, out: &mut Vec<Output>) {
        let Some(key) = self.waiting.iter().find(|(_, waiting)| waiting.job == job).map(|(&key, _)| key)
        else {
            return;
        };
        if let Some(waiting) = self.waiting.remove(&key) {
            self.waiting_tokens -= u64::from(waiting.prompt_tokens);
        }
        out.push(Output::Ended { job, at: now, outcome: Outcome::TimedOut, tokens: Tokens::default() });
    }
    fn serve(&mut self, now: SimTime, out: &mut Vec<Output>) {
        while self.serving.len() < self.params.slots as usize {
            let Some(((_, order), next)) = self.waiting.pop_first() else { break };
            self.waiting_tokens -= u64::from(next.prompt_tokens);
            let service = stretched(next.service, self.slow_per_mille);
            let end = now + service;
            self.serving.push(Reverse((end, order, next.job, next.output_tokens)));
            self.work.steps += 1;
            self.work.sequence_steps += 1;
            self.work.busy_ps += service.0 * PS_PER_NS;
            self.work.prompt_tokens += u64::from(next.prompt_tokens);
            self.work.computed_tokens += u64::from(next.prompt_tokens);
            // Known now: nothing can change the end of a service that has begun.
            out.push(Output::FirstToken { job: next.job, scheduled_at: now, at: end });
            let tokens =
                Tokens { computed: next.prompt_tokens, output: next.output_tokens, ..Tokens::default() };
            out.push(Output::Ended { job: next.job, at: end, outcome: Outcome::Completed, tokens });
        }
    }
    /// When the next service ends.
    pub fn wake_at(&self) -> Option<SimTime> {
        self.serving.peek().map(|Reverse((end, ..))| *end)
    }
    /// Ends the services that end now and begins the next ones.
    pub fn wake(&mut self, now: SimTime, out: &mut Vec<Output>) {
        while let Some(&Reverse((end, _, _, output_tokens))) = self.serving.peek() {
            if end > now {
                break;
            }
            self.serving.pop();
            self.work.completed += 1;
            self.work.output_tokens += u64::from(output_tokens);
        }
        self.serve(now, out);
    }
    /// Its load now.
    pub fn load(&self) -> Load {
        Load {
            running: self.serving.len() as u32,
            waiting: self.waiting.len() as u32,
            waiting_tokens: self.waiting_tokens,
            ..Load::default()
        }
    }
    /// How long a job that came now would wait: for the services that are before it, shared by the slots; and its own
    /// service.
    pub fn estimate(&self, now: SimTime, job: &Job) -> (Span, Span) {
        let stretched = |service| stretched(service, self.slow_per_mille).0;
        let own = Span(stretched(service_time(&self.params, job)));
        if self.serving.len() < self.params.slots as usize {
            return (Span::ZERO, own);
        }
        let under_way: u64 = self.serving.iter().map(|Reverse((end, ..))| end.since(now).0).sum();
        let waiting: u64 = self.waiting.values().map(|waiting| stretched(waiting.service)).sum();
        (Span((under_way + waiting) / u64::from(self.params.slots.max(1))), own)
    }
    /// Its work so far.
    pub fn work(&self) -> Work {
        self.work
    }
}

fn stretched(service: Span, per_mille: u32) -> Span {
    Span((u128::from(service.0) * u128::from(per_mille) / 1000) as u64)
}
