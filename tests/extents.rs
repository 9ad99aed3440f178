//! The cache of runs and the cache of single blocks behind the same engine: random jobs under random settings,
//! everything that comes out compared after each step.

use regionsim::kvcache::{BlockCache, ExtentCache, KvCache, Lru};
use regionsim::observe::Work;
use regionsim::replica::params::Stepping;
use regionsim::replica::{
    Admission, Batching, Engine, EngineParams, Job, JobId, Output, Scheduler, StepRecord,
};
use regionsim::rng::{Key, Stream, mix2};
use regionsim::time::SimTime;
use regionsim::timing::{BatchShape, Line, StepTime};
use regionsim::workload::{Chain, Run};
use std::sync::Arc;

/// A millisecond a step, and 10 µs for each token in it.
#[derive(Debug)]
struct Steps;
impl StepTime for Steps {
    fn line(&self, shape: &BatchShape) -> Line {
        let base_ps = 1_000_000_000 + 10_000_000 * i64::from(shape.tokens);
        Line { base_ps, slope_ps: 0, until_context: u64::MAX }
    }
}

fn below(stream: &mut Stream, limit: u32) -> u32 {
    (stream.next_u64() % u64::from(limit)) as u32
}

fn random_params(stream: &mut Stream) -> EngineParams {
    EngineParams {
        kv_blocks: [9, 14, 30, 80][below(stream, 4) as usize],
        block_tokens: 4,
        max_num_batched_tokens: [8, 24, 200][below(stream, 3) as usize],
        max_num_seqs: 1 + below(stream, 8),
        long_prefill_token_threshold: [0, 0, 7][below(stream, 3) as usize],
        max_model_len: 1_000,
        scheduler: [Scheduler::Fcfs, Scheduler::Priority][below(stream, 2) as usize],
        admission: [
            Admission::FullIsl,
            Admission::FirstChunk,
            Admission::IslPlusOsl,
            Admission::EstimatedOsl,
        ][below(stream, 4) as usize],
        watermark_blocks: below(stream, 3),
        prefix_cache: below(stream, 12) > 0,
        checkpoint_blocks: 1,
        chunked_prefill: below(stream, 4) > 0,
        batching: [Batching::Mixed, Batching::PrefillFirst][below(stream, 2) as usize],
        async_scheduling: below(stream, 3) == 0,
    }
}

/// Jobs that share a system prompt, a session's history or a whole prompt, and some that share nothing.
fn random_job(stream: &mut Stream, id: u32, sessions: &mut [u32]) -> Job {
    let mut chain = Chain::new();
    let system = below(stream, 3);
    chain.push(Run { key: u64::from(system), start: 0, len: 2 * system });
    let kind = below(stream, 4);
    let (mut prompt, mut output) = (8 * system, 1 + below(stream, 20));
    match kind {
        // A turn of a session: its history grows by this prompt and output.
        0 => {
            let session = below(stream, sessions.len() as u32);
            let history = &mut sessions[session as usize];
            let added = 1 + below(stream, 12);
            prompt += *history + added;
            *history = (*history + added + output) % 60;
            let key = mix2(100 + u64::from(system), u64::from(session));
            chain.push(Run { key, start: 0, len: (prompt + output) / 4 - chain.blocks() });
        }
        // One of a few prompts, word by word, in a whole number of blocks.
        1 => {
            let which = below(stream, 4);
            let blocks = 1 + which;
            prompt += 4 * blocks;
            chain.push(Run { key: mix2(200 + u64::from(system), u64::from(which)), start: 0, len: blocks });
        }
        _ => prompt += 1 + below(stream, 30),
    }
    if below(stream, 4) == 0 {
        output = 1;
        chain.truncate((prompt + output) / 4);
    }
    let rest = ((prompt + output) / 4).saturating_sub(chain.blocks());
    chain.push(Run { key: 10_000 + u64::from(id), start: 0, len: rest });
    Job {
        id: JobId(id),
        prompt_tokens: prompt,
        output_tokens: output,
        priority: below(stream, 3) as u8,
        chain,
    }
}

type Lived = (Vec<(Vec<Output>, Option<StepRecord>)>, Vec<u64>, Work);

fn live<C: KvCache>(seed: u64) -> Lived {
    let mut stream = Key::root(seed).named("engines").stream();
    let mut engine = Engine::<C>::new(random_params(&mut stream), Arc::new(Steps), Stepping::Stepwise);
    let mut sessions = [0; 3];
    let (mut steps, mut digests) = (Vec::new(), Vec::new());
    let (mut next_id, mut now) = (0, 0u64);
    while next_id < 30 || engine.wake_at().is_some() {
        let arrival = (next_id < 30).then(|| now + u64::from(below(&mut stream, 6)) * 700_000);
        if let Some(at) = arrival {
            let job = random_job(&mut stream, next_id, &mut sessions);
            while let Some(wake) = engine.wake_at().filter(|wake| wake.0 <= at) {
                let mut out = Vec::new();
                let record = engine.wake(wake, &mut out);
                engine.check();
                steps.push((out, record));
                digests.push(engine.cache_log().digest());
            }
            now = at;
            let mut out = Vec::new();
            engine.deliver(SimTime(at), &job, &mut out);
            steps.push((out, None));
            next_id += 1;
        } else if let Some(wake) = engine.wake_at() {
            let mut out = Vec::new();
            let record = engine.wake(wake, &mut out);
            engine.check();
            steps.push((out, record));
            digests.push(engine.cache_log().digest());
        }
    }
    (steps, digests, engine.work())
}

#[test]
fn both_caches_give_one_engine() {
    let mut sum = Work::default();
    for seed in 0..2_000 {
        let (steps, digests, work) = live::<ExtentCache>(seed);
        let single = live::<BlockCache<Lru>>(seed);
        assert_eq!(steps, single.0, "outputs of seed {seed}");
        assert_eq!(digests, single.1, "digests of seed {seed}");
        assert_eq!(work, single.2, "work of seed {seed}");
        sum.preemptions += work.preemptions;
        sum.evicted_blocks += work.evicted_blocks;
        sum.cached_tokens += work.cached_tokens;
        sum.completed += work.completed;
    }
    assert!(sum.completed > 30_000 && sum.preemptions > 2_000, "{sum:?}");
    assert!(sum.evicted_blocks > 50_000 && sum.cached_tokens > 50_000, "{sum:?}");
}
