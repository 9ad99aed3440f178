//! The engine's semantics, one behaviour a test, each with its arithmetic. Steps take 1 ms unless a test says
//! otherwise; a block has 16 tokens.

use super::*;
use crate::kvcache::{BlockCache, Lru};
use crate::replica::{Admission, Batching};

type Engine = super::Engine<BlockCache<Lru>>;
use crate::timing::Line;
use crate::workload::{Chain, Run};
use std::sync::Arc;

const MS: u64 = 1_000_000;

/// One millisecond a step, and `per_token_ps` for each token in it.
#[derive(Debug)]
struct Constant {
    per_token_ps: i64,
}
impl StepTime for Constant {
    fn line(&self, shape: &BatchShape) -> Line {
        let base_ps = 1_000_000_000 + self.per_token_ps * i64::from(shape.tokens);
        Line { base_ps, slope_ps: 0, until_context: u64::MAX }
    }
}

fn params() -> EngineParams {
    EngineParams {
        kv_blocks: 101,
        block_tokens: 16,
        max_num_batched_tokens: 2048,
        max_num_seqs: 8,
        long_prefill_token_threshold: 0,
        max_model_len: 100_000,
        scheduler: Scheduler::Fcfs,
        admission: Admission::FullIsl,
        watermark_blocks: 0,
        prefix_cache: true,
        checkpoint_blocks: 1,
        chunked_prefill: true,
        batching: Batching::Mixed,
        async_scheduling: false,
    }
}
fn engine(params: EngineParams) -> Engine {
    Engine::new(params, Arc::new(Constant { per_token_ps: 0 }), Stepping::Stepwise)
}
/// A job whose first `shared` blocks are those of `key`, and the rest its own.
fn job(id: u32, prompt: u32, output: u32, key: u64, shared: u32) -> Job {
    let mut chain = Chain::new();
    let blocks = (prompt + output) / 16;
    chain.push(Run { key, start: 0, len: shared.min(blocks) });
    let rest = blocks.saturating_sub(shared);
    chain.push(Run { key: 1_000 + u64::from(id), start: shared, len: rest });
    Job { id: JobId(id), prompt_tokens: prompt, output_tokens: output, priority: 0, chain }
}
/// Runs until idle or `until`, checking the slow invariants after each step.
fn drain(engine: &mut Engine, until: u64) -> (Vec<Output>, Vec<StepRecord>) {
    let (mut out, mut steps) = (Vec::new(), Vec::new());
    while let Some(at) = engine.wake_at().filter(|at| at.0 <= until) {
        steps.extend(engine.wake(at, &mut out));
        engine.check();
    }
    (out, steps)
}
fn ended(out: &[Output], id: u32) -> (u64, Tokens) {
    let found = out.iter().find_map(|output| match output {
        Output::Ended { job, at, outcome: Outcome::Completed, tokens } if job.0 == id => {
            Some((at.0, *tokens))
        }
        _ => None,
    });
    found.unwrap_or_else(|| panic!("job {id} did not complete: {out:?}"))
}

#[test]
fn one_request_takes_one_prefill_step_and_a_decode_step_for_each_further_token() {
    let mut engine = engine(params());
    let mut out = Vec::new();
    engine.deliver(SimTime(5 * MS), &job(0, 100, 4, 1, 0), &mut out);
    let (out, steps) = drain(&mut engine, u64::MAX);
    // 100 tokens, then 3 steps of one token; the fourth output token is never computed.
    assert_eq!(steps.iter().map(|step| step.tokens).collect::<Vec<_>>(), [100, 1, 1, 1]);
    let first = Output::FirstToken { job: JobId(0), scheduled_at: SimTime(5 * MS), at: SimTime(6 * MS) };
    assert_eq!(out[0], first);
    let tokens = Tokens { computed: 100, output: 4, ..Tokens::default() };
    assert_eq!(ended(&out, 0), (9 * MS, tokens));
    // 103 tokens were computed: 7 blocks at the end.
    assert_eq!(engine.work().kv_peak_blocks, 7);
    assert_eq!(engine.load(), Load { kv_total_blocks: 100, ..Load::default() });
}

#[test]
fn a_fully_cached_prompt_computes_exactly_one_block() {
    let mut engine = engine(params());
    let mut out = Vec::new();
    engine.deliver(SimTime(0), &job(0, 160, 1, 1, 10), &mut out);
    drain(&mut engine, u64::MAX);
    engine.deliver(SimTime(10 * MS), &job(1, 160, 1, 1, 10), &mut out);
    let (out, steps) = drain(&mut engine, u64::MAX);
    // 160 tokens are 10 blocks; a hit covers at most 159 tokens, so 9 blocks; 16 tokens remain.
    assert_eq!(steps[0].tokens, 16);
    let (_, tokens) = ended(&out, 1);
    assert_eq!((tokens.cached, tokens.computed), (144, 16));
}

#[test]
fn a_state_is_there_at_checkpoints_alone() {
    // Checkpoints every 4 blocks, 64 tokens. Of 10 cached blocks 9 could be used (the last token is computed), and 8 are:
    // 128 tokens, so 32 remain. Of 3 cached blocks none is.
    let mut engine = engine(EngineParams { checkpoint_blocks: 4, ..params() });
    let mut out = Vec::new();
    engine.deliver(SimTime(0), &job(0, 160, 1, 1, 10), &mut out);
    drain(&mut engine, u64::MAX);
    assert_eq!(engine.holds(&job(1, 160, 1, 1, 10).chain, 9), 8);
    engine.deliver(SimTime(10 * MS), &job(1, 160, 1, 1, 10), &mut out);
    engine.deliver(SimTime(10 * MS), &job(2, 160, 1, 1, 3), &mut out);
    let (out, steps) = drain(&mut engine, u64::MAX);
    assert_eq!(steps[0].tokens, 32 + 160);
    assert_eq!((ended(&out, 1).1.cached, ended(&out, 2).1.cached), (128, 0));
}

#[test]
fn a_long_prompt_is_computed_in_chunks_and_shared_chunk_by_chunk() {
    let mut engine = engine(EngineParams { max_num_batched_tokens: 64, ..params() });
    let mut out = Vec::new();
    engine.deliver(SimTime(0), &job(0, 160, 1, 1, 10), &mut out);
    // Another asks for the same prompt while the first is in its second chunk: three chunks of 64, 64 and 32.
    let (_, steps) = drain(&mut engine, MS);
    assert_eq!(steps.iter().map(|step| step.tokens).collect::<Vec<_>>(), [64, 64]);
    engine.deliver(SimTime(MS + 1), &job(1, 160, 1, 1, 10), &mut out);
    let (out, steps) = drain(&mut engine, u64::MAX);
    // Step 3: the first's last 32, and 32 of the second, which finds the 8 + 2 blocks scheduled so far, capped at 9.
    // So it needs only 16 tokens.
    assert_eq!(steps[0].tokens, 32 + 16);
    assert_eq!(ended(&out, 1).1.cached, 144);
}

#[test]
fn two_requests_admitted_in_the_same_step_share_their_prefix() {
    let mut engine = engine(params());
    let mut out = Vec::new();
    engine.deliver(SimTime(0), &job(0, 160, 1, 1, 8), &mut out);
    engine.deliver(SimTime(0), &job(1, 160, 1, 1, 8), &mut out);
    let (out, steps) = drain(&mut engine, u64::MAX);
    // 160 for the first; the second finds its 8 blocks, 128 tokens, visible already.
    assert_eq!(steps[0].tokens, 160 + 32);
    assert_eq!(ended(&out, 1).1.cached, 128);
    assert_eq!(engine.work().cached_tokens, 128);
}

#[test]
fn shortage_preempts_the_last_which_resumes_on_its_own_surviving_blocks() {
    // 12 usable blocks. Two requests of 80 tokens (5 blocks) with 40 output tokens: each grows to 119 computed
    // tokens, 8 blocks; together 16 > 12.
    let mut engine = engine(EngineParams { kv_blocks: 13, ..params() });
    let mut out = Vec::new();
    engine.deliver(SimTime(0), &job(0, 80, 40, 1, 0), &mut out);
    engine.deliver(SimTime(0), &job(1, 80, 40, 2, 0), &mut out);
    let (out, _) = drain(&mut engine, u64::MAX);
    let (first_end, first) = ended(&out, 0);
    let (second_end, second) = ended(&out, 1);
    assert_eq!((first.preemptions, first.recomputed), (0, 0));
    assert_eq!(first_end, 40 * MS);
    // Step s (from 1) computes up to token 80 + s - 1. Both hold 6 blocks from step 2 on and want a seventh in
    // step 18 (token 97): the first takes one of none, so the second, last, is preempted with 96 tokens computed,
    // 6 full blocks. It frees them tail first and the first takes its tail: 1 block at step 18, 1 more at step 34
    // (token 113). It ends with step 40; the second could come back as soon as its whole sequence fits.
    assert_eq!(second.preemptions, 1);
    // 97 tokens are known then: 7 blocks in all, of which its first 5 survive. It is admitted in step 19 or later
    // only if 7 blocks fit 12 - 7 = 5 free: they do not until the first ends. At step 34 the first took another of
    // its blocks, the then-last: 4 survive, 64 tokens found, 32 computed again.
    assert_eq!(second.recomputed, 32);
    assert_eq!((second.cached, second.computed), (0, 80));
    // It resumes with step 41 and has 40 - 17 = 23 tokens to go: 97 known, so steps 41 to 63.
    assert_eq!(second_end, 63 * MS);
    assert_eq!(engine.work().preemptions, 1);
}

#[test]
fn a_request_that_cannot_fit_ends_refused_and_blocks_nobody() {
    let mut engine = engine(EngineParams { kv_blocks: 11, max_model_len: 500, ..params() });
    let mut out = Vec::new();
    // 10 usable blocks hold 160 computed tokens; prompt + output - 1 are computed.
    engine.deliver(SimTime(0), &job(0, 161, 1, 1, 0), &mut out);
    engine.deliver(SimTime(0), &job(1, 100, 62, 2, 0), &mut out);
    engine.deliver(SimTime(0), &job(2, 100, 61, 3, 0), &mut out);
    let refused: Vec<u32> = out
        .iter()
        .filter_map(|output| match output {
            Output::Ended { job, outcome: Outcome::TooLarge, .. } => Some(job.0),
            _ => None,
        })
        .collect();
    assert_eq!(refused, [0, 1]);
    let (out, _) = drain(&mut engine, u64::MAX);
    assert_eq!(ended(&out, 2).1.output, 61);
    // Longer than the model's context, though the cache would hold it.
    let mut roomy = Engine::new(
        EngineParams { max_model_len: 150, ..params() },
        Arc::new(Constant { per_token_ps: 0 }),
        Stepping::Stepwise,
    );
    let mut out = Vec::new();
    roomy.deliver(SimTime(0), &job(0, 100, 51, 1, 0), &mut out);
    assert!(matches!(out[..], [Output::Ended { outcome: Outcome::TooLarge, .. }]));
}

#[test]
fn nothing_is_admitted_in_a_step_that_preempts() {
    // 12 usable blocks; the second is preempted in step 18 as above. A short third request waits from the start,
    // kept out by max_num_seqs = 2; at step 18 a place is free and its one block would fit, and still it waits a
    // step.
    let mut engine = engine(EngineParams { kv_blocks: 13, max_num_seqs: 2, ..params() });
    let mut out = Vec::new();
    for id in 0..2 {
        engine.deliver(SimTime(0), &job(id, 80, 40, u64::from(id), 0), &mut out);
    }
    let (_, steps) = drain(&mut engine, 17 * MS);
    assert_eq!(steps.len(), 18);
    assert_eq!(steps[16].sequences, 2);
    assert_eq!(steps[17].sequences, 1, "step 18 preempted");
    assert_eq!(engine.load().waiting, 1);
}

#[test]
fn a_full_batch_makes_the_rest_wait_in_order() {
    let mut engine = engine(EngineParams { max_num_seqs: 2, ..params() });
    let mut out = Vec::new();
    for id in 0..4 {
        engine.deliver(SimTime(0), &job(id, 16, 1 + id, u64::from(id), 0), &mut out);
    }
    let (out, _) = drain(&mut engine, u64::MAX);
    // 0 and 1 in step 1; 0 ends and 2 enters in step 2; 1 ends at 2 ms and 3 enters in step 3.
    let ends = [0, 1, 2, 3].map(|id| ended(&out, id).0 / MS);
    assert_eq!(ends, [1, 2, 4, 6]);
}

#[test]
fn priority_admits_and_preempts_by_priority() {
    let scheduler = Scheduler::Priority;
    let mut engine = engine(EngineParams { max_num_seqs: 1, scheduler, ..params() });
    let mut out = Vec::new();
    for (id, priority) in [(0, 5), (1, 5), (2, 1)] {
        engine.deliver(SimTime(0), &Job { priority, ..job(id, 16, 2, u64::from(id), 0) }, &mut out);
    }
    let (out, _) = drain(&mut engine, u64::MAX);
    assert_eq!([2, 0, 1].map(|id| ended(&out, id).0 / MS), [2, 4, 6]);

    // 12 blocks, the urgent one admitted last: the other is preempted although it came first.
    let mut engine = Engine::new(
        EngineParams { kv_blocks: 13, scheduler, ..params() },
        Arc::new(Constant { per_token_ps: 0 }),
        Stepping::Stepwise,
    );
    let mut out = Vec::new();
    engine.deliver(SimTime(0), &Job { priority: 5, ..job(0, 80, 40, 1, 0) }, &mut out);
    let (_, _) = drain(&mut engine, 0);
    engine.deliver(SimTime(1), &Job { priority: 1, ..job(1, 80, 40, 2, 0) }, &mut out);
    let (out, _) = drain(&mut engine, u64::MAX);
    assert_eq!([ended(&out, 0).1.preemptions, ended(&out, 1).1.preemptions], [1, 0]);
}

#[test]
fn guaranteed_no_evict_reserves_the_output() {
    // Two requests that need 8 blocks each at their end: with 12 blocks only one is admitted at a time.
    let admission = Admission::IslPlusOsl;
    let mut engine = engine(EngineParams { kv_blocks: 13, admission, ..params() });
    let mut out = Vec::new();
    for id in 0..2 {
        engine.deliver(SimTime(0), &job(id, 80, 40, u64::from(id), 0), &mut out);
    }
    let (out, _) = drain(&mut engine, u64::MAX);
    assert_eq!(engine.work().preemptions, 0);
    assert_eq!([ended(&out, 0).0 / MS, ended(&out, 1).0 / MS], [40, 80]);
}

#[test]
fn without_chunks_a_prompt_waits_for_a_step_with_room() {
    let chunked_prefill = false;
    let mut engine = engine(EngineParams { max_num_batched_tokens: 100, chunked_prefill, ..params() });
    let mut out = Vec::new();
    for id in 0..2 {
        engine.deliver(SimTime(0), &job(id, 60, 3, u64::from(id), 0), &mut out);
    }
    // 60 + 60 > 100: the second prompt starts in step 2, beside the first one's decode.
    let (out, steps) = drain(&mut engine, u64::MAX);
    assert_eq!(steps.iter().map(|step| step.tokens).collect::<Vec<_>>(), [60, 61, 2, 1]);
    assert_eq!([ended(&out, 0).0 / MS, ended(&out, 1).0 / MS], [3, 4]);
}

#[test]
fn with_prompts_first_decoding_pauses() {
    // Steps take 1 ms and 10 us a token. A: 60 tokens in, 4 out. B comes at 1 ms, 100 in, 2 out; 64 tokens a prefill step.
    // 0 to 1.60 A's prompt; 1.60 to 3.24 and 3.24 to 4.60 B's 64 and 36, while A waits; then both decode, 1.02 ms: B ends
    // at 5.62 ms; A's third and fourth take 1.01 each: its outputs are at 1.60, 5.62, 6.63, 7.64.
    let first = EngineParams { max_num_batched_tokens: 64, batching: Batching::PrefillFirst, ..params() };
    let timing = Arc::new(Constant { per_token_ps: 10_000_000 });
    let mut engine = Engine::new(first, timing, Stepping::Stepwise);
    let mut out = Vec::new();
    engine.deliver(SimTime(0), &job(0, 60, 4, 1, 0), &mut out);
    engine.wake(SimTime(0), &mut out);
    engine.deliver(SimTime(MS), &job(1, 100, 2, 2, 0), &mut out);
    let (out, steps) = drain(&mut engine, u64::MAX);
    assert_eq!(steps.iter().map(|step| step.tokens).collect::<Vec<_>>(), [64, 36, 2, 1, 1]);
    assert_eq!([ended(&out, 1).0 / 10_000, ended(&out, 0).0 / 10_000], [562, 764]);
}

#[test]
fn a_decode_step_is_not_held_to_the_budget_of_prompts() {
    // Budget 2: each prompt of 2 is a step of its own; then all three decode in one step of 3 tokens.
    let first = EngineParams { max_num_batched_tokens: 2, batching: Batching::PrefillFirst, ..params() };
    let mut engine = engine(first);
    let mut out = Vec::new();
    for id in 0..3 {
        engine.deliver(SimTime(0), &job(id, 2, 3, u64::from(id), 0), &mut out);
    }
    let (_, steps) = drain(&mut engine, u64::MAX);
    assert_eq!(steps.iter().map(|step| step.tokens).collect::<Vec<_>>(), [2, 2, 2, 3, 3]);
}

#[test]
fn a_step_composed_ahead_misses_who_comes_while_its_predecessor_runs() {
    // Steps of 1 ms. A runs from 0; B comes at 0.5: the step from 1 was composed at 0, so B's only step is that from 2.
    // C comes at 3 exactly, when the step from 3 starts and that from 4 is composed: it is in that from 4.
    let ahead = EngineParams { async_scheduling: true, ..params() };
    let mut engine = engine(ahead);
    let mut out = Vec::new();
    engine.deliver(SimTime(0), &job(0, 40, 20, 1, 0), &mut out);
    for (at, id) in [(MS / 2, 1), (3 * MS, 2)] {
        while let Some(wake) = engine.wake_at().filter(|wake| wake.0 < at) {
            engine.wake(wake, &mut out);
        }
        engine.deliver(SimTime(at), &job(id, 40, 1, 2 + u64::from(id), 0), &mut out);
    }
    let (rest, _) = drain(&mut engine, u64::MAX);
    out.extend(rest);
    assert_eq!([ended(&out, 1).0 / MS, ended(&out, 2).0 / MS, ended(&out, 0).0 / MS], [3, 5, 20]);
    // An idle engine waits for nobody.
    let mut out = Vec::new();
    engine.deliver(SimTime(50 * MS), &job(3, 40, 1, 9, 0), &mut out);
    let (out, _) = drain(&mut engine, u64::MAX);
    assert_eq!(ended(&out, 3).0 / MS, 51);
}

#[test]
fn an_estimate_of_output_is_kept_free_and_shrinks() {
    // 24 blocks. Each job: 16 in, 160 out, 16 + 160 - 1 = 175 tokens, 11 blocks. A has 1 block after its first step, 2 after
    // its second; of its 159 tokens to come 0.7 are kept, 7 blocks: B, with 11, fits the 22 that are free. C does not beside
    // the two: 11 + 0.7 x 318 tokens, 14 blocks, are more than the 20 that are free, and both grow as fast as the share
    // shrinks, so that it waits until A has ended.
    let admission = Admission::EstimatedOsl;
    let mut engine =
        engine(EngineParams { kv_blocks: 25, max_num_batched_tokens: 16, admission, ..params() });
    let mut out = Vec::new();
    engine.deliver(SimTime(0), &job(0, 16, 160, 1, 0), &mut out);
    engine.wake(SimTime(0), &mut out);
    let share = |engine: &Engine| engine.reserved_blocks();
    assert_eq!(share(&engine), 10, "all of 160 tokens, while its prompt is computed");
    engine.wake(SimTime(MS), &mut out);
    // 159 x (0.7 - 2 x 0.602 / 600) = 110.98 tokens.
    assert_eq!(share(&engine), 7);
    engine.deliver(SimTime(MS), &job(1, 16, 160, 2, 0), &mut out);
    engine.deliver(SimTime(MS), &job(2, 16, 160, 3, 0), &mut out);
    let (out, _) = drain(&mut engine, u64::MAX);
    assert_eq!(engine.work().preemptions, 0);
    let ends = [0, 1, 2].map(|id| ended(&out, id).0 / MS);
    // B's prompt takes 15 of 16 beside A's decode, and its last token the next step: from 2 to 4, so it ends at 163.
    assert_eq!(ends[..2], [160, 163]);
    assert!(ends[2] > 160 + 159, "the third waited for the first to end: {ends:?}");
}

#[test]
fn a_session_reuses_the_blocks_of_its_last_answer() {
    // Turn 1: 40 + 24 = 64 tokens, of which 63 computed, 3 full blocks. Turn 2's prompt is those 64 and 36 more.
    let mut engine = engine(params());
    let mut out = Vec::new();
    let turn = |id, prompt, output| {
        let mut chain = Chain::new();
        chain.push(Run { key: 9, start: 0, len: (prompt + output) / 16 });
        Job { id: JobId(id), prompt_tokens: prompt, output_tokens: output, priority: 0, chain }
    };
    engine.deliver(SimTime(0), &turn(0, 40, 24), &mut out);
    drain(&mut engine, u64::MAX);
    engine.deliver(SimTime(100 * MS), &turn(1, 100, 4), &mut out);
    let (out, _) = drain(&mut engine, u64::MAX);
    assert_eq!(ended(&out, 1).1.cached, 48);
}

#[test]
fn picoseconds_add_up_and_are_rounded_up_once() {
    // 1 ms and 0.1 ps... a step of 100 tokens at 7 ps each ends at 1,000,000,700 ps; nine decode steps add
    // 1,000,000,007 ps each: 10,000,000,763 ps, which is 10,000,001 ns rounded up once.
    let mut engine = Engine::new(params(), Arc::new(Constant { per_token_ps: 7 }), Stepping::Stepwise);
    let mut out = Vec::new();
    engine.deliver(SimTime(0), &job(0, 100, 10, 1, 0), &mut out);
    let (out, _) = drain(&mut engine, u64::MAX);
    assert_eq!(ended(&out, 0).0, 10_000_001);
}

proptest::proptest! {
    /// Random loads on small pools, all admission rules: everything ends, tokens add up, no invariant breaks.
    #[test]
    fn every_job_ends_and_every_token_is_accounted_for(
        kv_blocks in 9u32..40,
        seqs in 1u32..6,
        budget in 16u32..200,
        threshold in proptest::sample::select(vec![0u32, 24]),
        mode in 0usize..3,
        priority in proptest::bool::ANY,
        watermark_blocks in 0u32..3,
        jobs in proptest::collection::vec((1u32..150, 1u32..40, 0u64..3, 0u32..6, 0u64..30, 0u8..3), 1..25),
    ) {
        let admission = [Admission::FullIsl, Admission::FirstChunk, Admission::IslPlusOsl][mode];
        let mut engine = engine(EngineParams {
            kv_blocks,
            max_num_seqs: seqs,
            max_num_batched_tokens: budget,
            long_prefill_token_threshold: threshold,
            admission,
            watermark_blocks,
            scheduler: if priority { Scheduler::Priority } else { Scheduler::Fcfs },
            ..params()
        });
        let mut arrivals: Vec<(u64, Job)> = Vec::new();
        for (id, &(prompt, output, key, shared, gap, priority)) in jobs.iter().enumerate() {
            let at = arrivals.last().map_or(0, |(at, _)| at + gap * MS / 2);
            arrivals.push((at, Job { priority, ..job(id as u32, prompt, output, key, shared) }));
        }
        let mut out = Vec::new();
        let total = arrivals.len();
        for (at, job) in arrivals {
            // Steps that end at the instant of an arrival come after it.
            let (more, _) = drain(&mut engine, at.saturating_sub(1));
            out.extend(more);
            engine.deliver(SimTime(at), &job, &mut out);
        }
        let (more, _) = drain(&mut engine, u64::MAX);
        out.extend(more);
        let mut seen = 0;
        for output in &out {
            let Output::Ended { job, outcome, tokens, .. } = output else { continue };
            seen += 1;
            if *outcome == Outcome::Completed {
                let (prompt, output, ..) = jobs[job.0 as usize];
                proptest::prop_assert_eq!(tokens.cached + tokens.computed, prompt);
                proptest::prop_assert_eq!(tokens.output, output);
                proptest::prop_assert!(tokens.preemptions > 0 || tokens.recomputed == 0);
            }
        }
        proptest::prop_assert_eq!(seen, total);
        let work = engine.work();
        proptest::prop_assert_eq!(work.prompt_tokens, work.cached_tokens + work.computed_tokens);
        let idle = Load { kv_total_blocks: kv_blocks - 1, ..Load::default() };
        proptest::prop_assert_eq!(engine.load(), idle);
    }
}

#[test]
fn who_leaves_goes_between_two_steps_with_its_blocks() {
    // Steps of 1 ms. Job 0 (80 tokens, 6 blocks with its second token) runs from 0; job 1 waits behind the limit of one
    // sequence. At 0.5 ms both leave: job 1 at once; job 0 at 1 ms, with the token of the step that ended then.
    let mut engine = engine(EngineParams { max_num_seqs: 1, kv_blocks: 21, ..params() });
    let mut out = Vec::new();
    engine.deliver(SimTime(0), &job(0, 80, 40, 1, 0), &mut out);
    engine.deliver(SimTime(0), &job(1, 80, 40, 2, 0), &mut out);
    engine.deliver(SimTime(0), &job(2, 80, 1, 3, 0), &mut out);
    engine.wake(SimTime(0), &mut out);
    engine.cancel(SimTime(MS / 2), JobId(1), &mut out);
    let gone = |job, at, tokens| Output::Ended {
        job: JobId(job),
        at: SimTime(at),
        outcome: Outcome::TimedOut,
        tokens,
    };
    assert_eq!(out, [gone(1, MS / 2, Tokens::default())]);
    engine.cancel(SimTime(MS / 2), JobId(0), &mut out);
    assert_eq!(out.len(), 1, "a step under way is not disturbed");
    out.clear();
    engine.wake(SimTime(MS), &mut out);
    engine.check();
    let first = Output::FirstToken { job: JobId(0), scheduled_at: SimTime(0), at: SimTime(MS) };
    assert_eq!(out, [first, gone(0, MS, Tokens { computed: 80, output: 1, ..Tokens::default() })]);
    // Its place is free for the next in the same instant: job 2 ends a step later, complete.
    assert_eq!((engine.load().running, engine.load().waiting), (1, 0));
    out.clear();
    engine.wake(SimTime(2 * MS), &mut out);
    assert!(
        matches!(out[..], [_, Output::Ended { job: JobId(2), outcome: Outcome::Completed, .. }]),
        "{out:?}"
    );
    // One that has ended, or never was here, is not told of again.
    out.clear();
    engine.cancel(SimTime(2 * MS), JobId(2), &mut out);
    engine.cancel(SimTime(2 * MS), JobId(9), &mut out);
    assert_eq!((out.len(), engine.wake_at()), (0, None));
    assert_eq!(engine.load().kv_used_blocks, 0);
}
