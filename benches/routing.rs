//! What one decision costs, by policy and number of replicas: the policy chooses, the request is sent, and an earlier
//! one ends, with four requests under way for each replica and an index of 131,072 blocks, or of 1,048,576. To repeat:
//! `cargo bench --no-default-features --bench routing`; `-- large` for the large index alone.

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use regionsim::id::{ClassId, OriginId, RegionId, ReplicaId, RequestId, TenantId};
use regionsim::observe::Load;
use regionsim::rng::{Key, Stream};
use regionsim::routing::{
    Decision, EligibleId, PolicySpec, PromptBlocks, RequestView, Stage, Target, TargetId, Ticket,
};
use regionsim::time::{SimTime, Span};
use regionsim::workload::{Chain, Run};
use std::collections::VecDeque;

const REPLICAS: [u32; 4] = [8, 64, 256, 1_024];
const POLICIES: [&str; 29] = [
    "round_robin = {}",
    "random = {}",
    "p2c = {}",
    "nearest = {}",
    "least_request = {}",
    "session = {}",
    "session = { soft = 4 }",
    "chwbl = {}",
    "chwbl = { load_factor = 1.0 }",
    "chwbl = { load_factor = 1.0, overflow = \"least_loaded\", bound = \"strict\" }",
    "chwbl = { load_factor = 1.0, overflow = \"seeded_shuffle\", bound = \"envoy\" }",
    "least_load = {}",
    "prefix = {}",
    "prefix = { guard = {}, min_match = 0.5 }",
    "prefix = { index = \"first_token\" }",
    "prefix = { index = \"oracle\" }",
    "gorgo = {}",
    "gorgo = { tie = \"random\" }",
    "cache_aware = {}",
    "epp = {}",
    "epp_precise = {}",
    "dynamo_kv = {}",
    "sticky_until_saturated = {}",
    "gorgo_v1 = { max_running = 99 }",
    "gorgo_distributed = { max_running = 99 }",
    "skywalker = {}",
    "waterfall = {}",
    "proportional = {}",
    "failover = {}",
];
/// Of those, the ones that look at an index or promise to be quick.
const LARGE: [&str; 17] = [
    "round_robin = {}",
    "p2c = {}",
    "chwbl = {}",
    "prefix = {}",
    "prefix = { index = \"oracle\" }",
    "gorgo = {}",
    "cache_aware = {}",
    "epp = {}",
    "epp = { faithful = true }",
    "epp = { no_hit_lru = 1, active = 1, token_load = 1, running = 1 }",
    "epp_precise = {}",
    "dynamo_kv = {}",
    "dynamo_kv = { temperature = 1 }",
    "sticky_until_saturated = {}",
    "gorgo_v1 = { max_running = 99 }",
    "gorgo_distributed = { max_running = 99 }",
    "skywalker = {}",
];
/// Prompts that differ, each of 64 blocks of which the first 8 are shared with fifteen others.
const PROMPTS: u64 = 2_048;
/// Enough of them for an index of 1,048,576 blocks.
const MANY_PROMPTS: u64 = 18_600;
const BLOCKS: u32 = 64;
const SHARED: u32 = 8;

fn main() {
    divan::main();
}

struct Fleet {
    stage: Stage,
    all: EligibleId,
    under_way: VecDeque<(Ticket, u64)>,
    chains: Vec<Chain>,
    draws: Stream,
    requests: u32,
    prompts: u64,
}

impl Fleet {
    fn new(spec: &str, replicas: u32, prompts: u64) -> Fleet {
        let spec: PolicySpec = toml::from_str(spec).expect("a policy");
        let target = |number| Target {
            name: format!("region/pool/{number}"),
            replica: Some(ReplicaId(number)),
            region: RegionId(number % 4),
            rtt: Span::from_ms(u64::from(number % 4) * 40),
            replicas: 1,
        };
        let targets: Vec<Target> = (0..replicas).map(target).collect();
        let mut stage = Stage::new(&spec, targets, Key::root(1));
        let ids: Vec<TargetId> = (0..replicas).map(TargetId).collect();
        let chain = |key: u64| {
            let mut chain = Chain::new();
            chain.push(Run { key: key / 16, start: 0, len: SHARED });
            chain.push(Run { key: 1_000_000 + key, start: 0, len: BLOCKS - SHARED });
            chain
        };
        let chains: Vec<Chain> = (0..prompts).map(chain).collect();
        let mut draws = Key::root(2).stream();
        for &id in &ids {
            let load =
                Load { running: draws.below(9), context_tokens: draws.next_u64() % 9_999, ..Load::default() };
            stage.set_load(id, load);
        }
        for chain in &chains {
            let target = TargetId(draws.below(replicas));
            chain.runs().iter().for_each(|&run| stage.cache_added(target, run));
        }
        let all = stage.eligible(&ids);
        let mut fleet = Fleet { stage, all, under_way: VecDeque::new(), chains, draws, requests: 0, prompts };
        for _ in 0..(prompts as u32).max(4 * replicas) {
            fleet.send();
        }
        while fleet.under_way.len() > 4 * replicas as usize {
            fleet.end();
        }
        fleet
    }
    fn send(&mut self) {
        let key = self.draws.next_u64() % self.prompts;
        self.requests += 1;
        self.stage.set_now(SimTime::ZERO + Span::from_ms(u64::from(self.requests)));
        let view = view(&self.chains[key as usize], self.requests, key);
        let Decision::To(target) = self.stage.decide(&view, self.all) else { unreachable!("none holds") };
        self.under_way.push_back((self.stage.sent(&view, target), key));
    }
    fn end(&mut self) {
        let (ticket, key) = self.under_way.pop_front().expect("some are under way");
        let view = view(&self.chains[key as usize], 0, key);
        self.stage.first_token(&ticket, Some(&view));
        self.stage.finished(&ticket, true, Some(&view));
    }
}

fn view(chain: &Chain, number: u32, key: u64) -> RequestView<'_> {
    let prompt_tokens = BLOCKS * 16;
    RequestView {
        id: RequestId(number),
        session: key + 1,
        tenant: TenantId(0),
        origin: OriginId(0),
        class: ClassId(0),
        prompt_tokens,
        prompt: PromptBlocks::new(chain, prompt_tokens, 16),
    }
}

#[divan::bench(args = POLICIES, consts = REPLICAS)]
fn decide<const N: u32>(bencher: Bencher<'_, '_>, spec: &str) {
    let mut fleet = Fleet::new(spec, N, PROMPTS);
    bencher.counter(ItemsCount::new(1u32)).bench_local(|| {
        fleet.send();
        fleet.end();
        black_box(fleet.under_way.len());
    });
}

#[divan::bench(args = LARGE)]
fn decide_with_a_large_index(bencher: Bencher<'_, '_>, spec: &str) {
    let mut fleet = Fleet::new(spec, 1_024, MANY_PROMPTS);
    bencher.counter(ItemsCount::new(1u32)).bench_local(|| {
        fleet.send();
        fleet.end();
        black_box(fleet.under_way.len());
    });
}
