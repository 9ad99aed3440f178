//! A pool of clients as recorded: each with its own rate over time, its own burstiness and its own lengths, and no prompts
//! of anybody's. Knows rates and lengths; must not know files (`pool/read`). Each client is a renewal process in its
//! integrated rate, so that the sum has the pool's shares, day curve and bursts. A gap keeps the law of the bin in which
//! it begins.

use super::arrivals::weibull;
use super::assign::{Asks, Assigner};
use super::params::{OriginTable, PoolParams, WorkloadParams};
use super::request::{Request, Source};
use super::trace::scope_of;
use super::{Run, Tokens};
use crate::dist::Dist;
use crate::id::{ClassId, DataClassId, Id, TenantId};
use crate::observe::Outcome;
use crate::rng::{Key, Stream, hash_name, mix2};
use crate::time::{MAX_TIME, SimTime};
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

pub(super) mod read;
pub use read::read_pool;

/// The clients of a pool.
#[derive(Clone, Debug, PartialEq)]
pub struct ClientPool {
    pub(super) summary: PoolSummary,
    pub(super) clients: Vec<PoolClient>,
    pub(super) notices: Vec<String>,
}

/// What a plan and a manifest show of a pool.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct PoolSummary {
    /// Where its rates were read from.
    pub rates: String,
    /// Where its lengths were read from.
    pub lengths: String,
    /// 64-bit hash of both.
    pub content_hash: u64,
    /// Clients.
    pub clients: u64,
    /// Seconds that the rates cover.
    pub seconds: u64,
    /// Requests per second in the mean.
    pub requests_per_s: f64,
}

/// A client.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PoolClient {
    /// Its number in the file.
    pub number: u32,
    /// Its rate over time, without holes.
    pub bins: Vec<Bin>,
    /// From when on, in seconds, which quantiles of input and output tokens hold; at least one.
    pub lengths: Vec<Lengths>,
}

/// A piece of time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bin {
    /// Where it begins and ends, in seconds.
    pub from_s: f64,
    pub to_s: f64,
    /// Requests per second.
    pub rate: f64,
    /// The law of its gaps.
    pub law: Law,
}

/// The law of gaps, by shape.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Law {
    Gamma(f64),
    Weibull(f64),
}

impl Law {
    /// Gaps of mean 1.
    fn gap(self, stream: &mut Stream) -> f64 {
        match self {
            Law::Gamma(shape) => Dist::Gamma { mean: 1.0, cv: 1.0 / shape.sqrt() }.sample(stream),
            Law::Weibull(shape) => weibull(shape, 1.0).sample(stream),
        }
    }
}

/// Lengths from a time on.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Lengths {
    pub from_s: f64,
    pub input: Tokens,
    pub output: Tokens,
}

impl ClientPool {
    /// What it is.
    pub fn summary(&self) -> &PoolSummary {
        &self.summary
    }
    /// The same with its files named as people write them, so that a plan does not depend on where it lies.
    pub fn named(mut self, rates: &str, lengths: &str) -> ClientPool {
        (self.summary.rates, self.summary.lengths) = (rates.replace('\\', "/"), lengths.replace('\\', "/"));
        self
    }
    /// What the user should know.
    pub fn notices(&self) -> &[String] {
        &self.notices
    }
}

/// A client under way.
struct Running {
    stream: Stream,
    bin: usize,
    now_s: f64,
    sent: u64,
}

pub(super) struct Pool {
    recorded: Arc<ClientPool>,
    scale: f64,
    from_s: f64,
    to_s: f64,
    running: Vec<Running>,
    /// The next request of each client that has one, in nanoseconds of the run.
    next: BinaryHeap<Reverse<(u64, usize)>>,
    lengths: Key,
    system: Vec<u32>,
    assigner: Assigner,
    block_tokens: u32,
    scope: u64,
    name_hash: u64,
    class: ClassId,
    data_class: Option<DataClassId>,
    priority: u8,
    origin_data_class: Vec<DataClassId>,
}

impl Pool {
    pub(super) fn new(
        workload: &WorkloadParams,
        params: &PoolParams,
        table: &OriginTable,
        block_tokens: u32,
        key: Key,
    ) -> Pool {
        let from_s = params.window.from.as_secs_f64();
        let clients = key.named("client");
        let start = |client: &PoolClient| Running {
            stream: clients.at(u64::from(client.number)).stream(),
            bin: client.bins.partition_point(|bin| bin.to_s <= from_s),
            now_s: from_s,
            sent: 0,
        };
        let system = |client: &PoolClient| {
            let draw = |tokens: &Tokens| {
                tokens.sample(&mut key.named("system").at(u64::from(client.number)).stream())
            };
            params.system.as_ref().map_or(0, draw)
        };
        let mut pool = Pool {
            scale: params.scale,
            from_s,
            to_s: from_s + params.window.lasts.as_secs_f64(),
            running: params.pool.clients.iter().map(start).collect(),
            next: BinaryHeap::new(),
            lengths: key.named("lengths"),
            system: params.pool.clients.iter().map(system).collect(),
            assigner: Assigner::new(workload, table, key.named("origin")),
            block_tokens,
            scope: scope_of(&workload.name),
            name_hash: hash_name(&workload.name),
            class: workload.class,
            data_class: workload.data_class,
            priority: workload.priority,
            origin_data_class: table.origins.iter().map(|origin| origin.data_class).collect(),
            recorded: params.pool.clone(),
        };
        (0..pool.running.len()).for_each(|client| pool.go_on(client));
        pool
    }
    /// Finds a client's next request.
    fn go_on(&mut self, client: usize) {
        let (running, bins) = (&mut self.running[client], &self.recorded.clients[client].bins);
        let Some(bin) = bins[running.bin..].iter().find(|bin| bin.rate > 0.0) else { return };
        let mut work = bin.law.gap(&mut running.stream);
        while let Some(bin) = bins.get(running.bin) {
            let rate = bin.rate * self.scale;
            let area = rate * (bin.to_s - running.now_s).max(0.0);
            if work < area {
                running.now_s += work / rate;
                if running.now_s < self.to_s {
                    let at_ns = ((running.now_s - self.from_s) * 1e6).round() as u64 * 1_000;
                    self.next.push(Reverse((at_ns.min(MAX_TIME.0), client)));
                }
                return;
            }
            work -= area;
            running.now_s = bin.to_s;
            running.bin += 1;
        }
    }
}

impl Source for Pool {
    fn peek(&mut self) -> Option<SimTime> {
        self.next.peek().map(|Reverse((at, _))| SimTime(*at))
    }

    fn pull(&mut self, request: &mut Request) {
        let Reverse((at, index)) = self.next.pop().expect("pull after peek gave a time");
        let client = &self.recorded.clients[index];
        let number = self.running[index].sent;
        self.running[index].sent += 1;
        let key = mix2(mix2(self.name_hash, u64::from(client.number)), number);
        let now_s = self.from_s + at as f64 / 1e9;
        let window = client.lengths.partition_point(|lengths| lengths.from_s <= now_s).saturating_sub(1);
        let mut stream = self.lengths.at(u64::from(client.number)).at(number).stream();
        let Lengths { input, output, .. } = &client.lengths[window];
        request.at = SimTime(at);
        request.key = key;
        request.session = 0;
        request.turn = 0;
        request.tenant = TenantId(index as u32);
        let asks = Asks { identity: key, group: index as u64, begins: request.at };
        request.origin = self.assigner.origin(None, asks);
        request.class = self.class;
        let of_origin = || self.origin_data_class.get(request.origin.index()).copied();
        request.data_class = self.data_class.or_else(of_origin).unwrap_or_default();
        request.allowed = None;
        request.priority = self.priority;
        request.prompt_tokens = input.sample(&mut stream);
        request.output_tokens = output.sample(&mut stream);
        let head = self.system[index].min(request.prompt_tokens) / self.block_tokens;
        let total = (request.prompt_tokens + request.output_tokens) / self.block_tokens;
        request.chain.clear();
        request.chain.push(Run { key: mix2(self.scope, index as u64), start: 0, len: head });
        request.chain.push(Run { key: mix2(self.scope, !key), start: 0, len: total - head });
        self.go_on(index);
    }

    fn ended(&mut self, _: u64, _: SimTime, _: Outcome) -> bool {
        false
    }
}
