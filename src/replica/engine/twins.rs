//! The fast engine against the stepwise one: the same jobs at the same times give the same outputs, work, loads at
//! any moment, and cache changes. The fast one stands over runs of blocks, the other over single blocks. Counters say
//! how often the interesting cases were met.

use super::*;
use crate::kvcache::{BlockCache, ExtentCache, Lru};
use crate::replica::{Admission, Batching};
use crate::timing::Line;
use crate::workload::{Chain, Run};
use proptest::prelude::*;
use std::sync::Arc;

type Fast = Engine<ExtentCache>;
type Plain = Engine<BlockCache<Lru>>;

/// A base, a price for each token and each context token, and a knot beyond which context costs more.
#[derive(Clone, Copy, Debug)]
struct Bent {
    base_ps: i64,
    token_ps: i64,
    context_ps: i64,
    knot: u64,
}
impl StepTime for Bent {
    fn line(&self, shape: &BatchShape) -> Line {
        let base_ps = self.base_ps + self.token_ps * i64::from(shape.tokens);
        if shape.context_tokens <= self.knot {
            return Line { base_ps, slope_ps: self.context_ps, until_context: self.knot };
        }
        let base_ps = base_ps - self.context_ps * self.knot as i64;
        Line { base_ps, slope_ps: 2 * self.context_ps, until_context: u64::MAX }
    }
    /// As a table whose grid is narrower than what comes.
    fn extrapolates(&self, shape: &BatchShape) -> bool {
        !(100..=700).contains(&shape.context_tokens) || shape.tokens > 9
    }
}

/// What is done to both engines.
#[derive(Clone, Debug)]
enum Act {
    Deliver(Job),
    /// The client of the n-th job, modulo those delivered so far, leaves.
    Cancel(u32),
    Look,
    /// The same, at the very instant the step under way ends.
    DeliverAtEnd(Job),
}

#[derive(Default, Debug)]
struct Met {
    stretches_with_evictions: u64,
    preemptions: u64,
    arrivals_at_a_steps_end: u64,
    cut_stretches: u64,
    looks_inside: u64,
    cancelled_running: u64,
    closed_for_others: u64,
    decoding_paused: u64,
    composed_before: u64,
    turns_at_once: u64,
}

struct Pair {
    fast: Fast,
    plain: Plain,
    out: [Vec<Output>; 2],
    delivered: u32,
    met: Met,
}

impl Pair {
    /// Where changes are told, each is compared; otherwise blocks may be published many at once, and digests are compared.
    fn new(params: &EngineParams, timing: Bent, told: bool) -> Pair {
        let mut fast = Fast::new(params.clone(), Arc::new(timing), Stepping::Fast);
        let mut plain = Plain::new(params.clone(), Arc::new(timing), Stepping::Stepwise);
        if told {
            fast.cache.log_mut().subscribe();
            plain.cache.log_mut().subscribe();
        }
        Pair { fast, plain, out: Default::default(), delivered: 0, met: Met::default() }
    }
    /// Wakes both engines in their own rhythm for all that happens before `now`.
    fn run_before(&mut self, now: SimTime) {
        let [fast_out, plain_out] = &mut self.out;
        while let Some(at) = self.fast.wake_at().filter(|&at| at < now) {
            let evicted = self.fast.cache.evicted();
            let stretch = self.fast.stretch.is_some();
            self.fast.finish_stretch();
            self.met.stretches_with_evictions += u64::from(stretch && self.fast.cache.evicted() > evicted);
            let unseen = self.fast.params.async_scheduling
                && self.fast.step_end_ps.is_some()
                && self.fast.seen < self.fast.arrivals;
            self.met.composed_before += u64::from(unseen);
            self.fast.wake(at, fast_out);
            let lockstep = &self.fast.lockstep;
            self.met.decoding_paused +=
                u64::from(!self.fast.batch.is_empty() && lockstep.count() > 0 && !lockstep.stepping);
            self.fast.check();
        }
        self.fast.advance_to(now);
        while let Some(at) = self.plain.wake_at().filter(|&at| at < now) {
            self.plain.wake(at, plain_out);
        }
        self.plain.check();
        self.fast.check();
    }
    fn compare(&self) {
        assert_eq!(self.out[0], self.out[1]);
        assert_eq!(self.fast.load(), self.plain.load());
        assert_eq!(self.fast.work(), self.plain.work());
        assert_eq!(self.fast.cache.log().changes(), self.plain.cache.log().changes());
        assert_eq!(self.fast.cache.log().digest(), self.plain.cache.log().digest());
    }
    fn deliver(&mut self, now: SimTime, job: &Job) {
        let job = &Job { id: JobId(self.delivered), ..job.clone() };
        self.delivered += 1;
        let stretch = self.fast.stretch.is_some();
        self.fast.deliver(now, job, &mut self.out[0]);
        self.met.cut_stretches += u64::from(stretch && self.fast.stretch.is_none());
        self.plain.deliver(now, job, &mut self.out[1]);
    }
    fn act(&mut self, gap_ns: u64, act: &Act) {
        let now = match act {
            Act::DeliverAtEnd(_) => self.plain.wake_at(),
            _ => None,
        };
        let now = now.unwrap_or(SimTime(self.plain.step_end_ps.unwrap_or(0) / PS_PER_NS + gap_ns));
        self.run_before(now);
        match act {
            Act::Deliver(job) => self.deliver(now, job),
            Act::DeliverAtEnd(job) => {
                let ends_now = self.plain.step_end_ps.is_some_and(|ps| visible(ps) == now);
                self.met.arrivals_at_a_steps_end += u64::from(ends_now);
                self.deliver(now, job);
            }
            Act::Cancel(which) => {
                let job = JobId(which % self.delivered.max(1));
                let running = self.fast.load().running;
                self.fast.cancel(now, job, &mut self.out[0]);
                self.plain.cancel(now, job, &mut self.out[1]);
                self.met.cancelled_running += u64::from(!self.fast.leaving.is_empty() && running > 1);
            }
            Act::Look => self.met.looks_inside += u64::from(self.fast.stretch.is_some()),
        }
        self.compare();
    }
}

fn job() -> impl Strategy<Value = Job> {
    (1u32..200, 1u32..400, 0u64..4, 0u32..8, 0u64..1000, 0u8..3).prop_map(
        |(prompt_tokens, output_tokens, key, shared, own, priority)| {
            let mut chain = Chain::new();
            let blocks = (prompt_tokens + output_tokens) / 16;
            chain.push(Run { key, start: 0, len: shared.min(blocks) });
            // Its own, or, now and then, a session whose answer another request knows. Equal ids mean equal prefixes:
            // the key tells what stands before.
            let own = if own < 200 { 0 } else { own };
            let key = 1_000 + own * 1_000 + key * 10 + u64::from(shared);
            chain.push(Run { key, start: 0, len: blocks.saturating_sub(shared) });
            Job { prompt_tokens, output_tokens, priority, chain, ..Job::default() }
        },
    )
}

fn acts() -> impl Strategy<Value = Vec<(u64, Act)>> {
    let act = prop_oneof![
        4 => job().prop_map(Act::Deliver),
        3 => Just(Act::Look),
        2 => (0u32..20).prop_map(Act::Cancel),
        2 => job().prop_map(Act::DeliverAtEnd),
    ];
    let gap = prop_oneof![Just(0u64), 1u64..2_000, 1u64..100_000];
    prop::collection::vec((gap, act), 1..40)
}

fn params() -> impl Strategy<Value = EngineParams> {
    let admission = prop::sample::select(vec![
        Admission::FullIsl,
        Admission::FirstChunk,
        Admission::IslPlusOsl,
        Admission::EstimatedOsl,
    ]);
    let switches = (
        any::<bool>(),
        prop::bool::weighted(0.9),
        prop::bool::weighted(0.8),
        prop::bool::weighted(0.4),
        prop::bool::weighted(0.3),
    );
    let kv_blocks = prop_oneof![4 => 20u32..90, 1 => 90u32..900];
    let sizes = (kv_blocks, 1u32..10, prop::sample::select(vec![4u32, 16, 40, 300]), 0u32..3);
    let rare = (prop::sample::select(vec![0u32, 24]), prop::sample::select(vec![1u32, 1, 1, 3]));
    (sizes, admission, switches, rare).prop_map(
        |((kv_blocks, max_num_seqs, budget, watermark_blocks), admission, switches, rare)| {
            let (threshold, checkpoint_blocks) = rare;
            let (priority, prefix_cache, chunked_prefill, prefill_first, async_scheduling) = switches;
            EngineParams {
                kv_blocks,
                block_tokens: 16,
                max_num_batched_tokens: budget,
                max_num_seqs,
                long_prefill_token_threshold: threshold,
                max_model_len: 100_000,
                scheduler: if priority { Scheduler::Priority } else { Scheduler::Fcfs },
                admission,
                watermark_blocks,
                prefix_cache,
                checkpoint_blocks,
                chunked_prefill,
                batching: if prefill_first { Batching::PrefillFirst } else { Batching::Mixed },
                async_scheduling,
            }
        },
    )
}

fn timing() -> impl Strategy<Value = Bent> {
    (prop::sample::select(vec![1i64, 900, 1_000_000, 20_000_700]), 0i64..5_000, 0i64..300, 1u64..4_000)
        .prop_map(|(base_ps, token_ps, context_ps, knot)| Bent { base_ps, token_ps, context_ps, knot })
}

fn check(params: &EngineParams, timing: Bent, acts: &[(u64, Act)], told: bool) -> Met {
    let mut pair = Pair::new(params, timing, told);
    let mut number = 0;
    for (gap, act) in acts {
        let mut act = act.clone();
        if let Act::Deliver(job) | Act::DeliverAtEnd(job) = &mut act {
            job.id = JobId(number);
            number += 1;
        }
        pair.act(*gap, &act);
    }
    pair.run_before(SimTime(u64::MAX / PS_PER_NS));
    pair.compare();
    let ended = pair.out[0].iter().filter(|output| matches!(output, Output::Ended { .. })).count();
    assert_eq!(ended as u32, number);
    pair.met.preemptions = pair.fast.work().preemptions;
    pair.met.closed_for_others = pair.fast.lockstep.closed_for_others;
    pair.met.turns_at_once = pair.fast.lockstep.turns_at_once;
    pair.met
}

proptest! {
    #[test]
    fn the_fast_engine_equals_the_stepwise_one(
        params in params(),
        timing in timing(),
        acts in acts(),
        told in any::<bool>(),
    ) {
        check(&params, timing, &acts, told);
    }
}

/// The cases that a fast engine can get wrong are met, and often.
#[test]
fn the_property_meets_what_it_is_about() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::{Config, TestRng, TestRunner};
    let rng = TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let mut met = Met::default();
    for number in 0..1_800 {
        let (params, timing, acts) = (params(), timing(), acts()).new_tree(&mut runner).unwrap().current();
        let case = check(&params, timing, &acts, number % 2 == 0);
        met.stretches_with_evictions += case.stretches_with_evictions;
        met.preemptions += case.preemptions;
        met.arrivals_at_a_steps_end += case.arrivals_at_a_steps_end;
        met.cut_stretches += case.cut_stretches;
        met.looks_inside += case.looks_inside;
        met.cancelled_running += case.cancelled_running;
        met.closed_for_others += case.closed_for_others;
        met.decoding_paused += case.decoding_paused;
        met.composed_before += case.composed_before;
        met.turns_at_once += case.turns_at_once;
    }
    let least = [
        met.stretches_with_evictions,
        met.preemptions,
        met.arrivals_at_a_steps_end,
        met.cut_stretches,
        met.looks_inside,
        met.cancelled_running,
        met.closed_for_others,
        met.decoding_paused,
        met.composed_before,
        met.turns_at_once,
    ];
    assert!(least.iter().all(|&count| count >= 200), "{met:?}");
}
