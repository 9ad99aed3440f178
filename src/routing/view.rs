//! What a policy may see. These types are the rule "a policy sees only what has reached it": there is no field for
//! anything else.

use super::{Eligible, Histogram, Learner, Tally};
use crate::id::{ClassId, OriginId, RegionId, ReplicaId, RequestId, TenantId};
use crate::observe::Load;
use crate::time::{SimTime, Span};
use crate::workload::{Chain, Run};

/// A target of one stage: an index into its targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetId(pub u32);

/// Something a stage can choose: a replica, or a region with all its replicas.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// A stable name, for hash rings: the same whatever else is in the fleet.
    pub name: String,
    /// The replica, when the target is one; `None` for a whole region.
    pub replica: Option<ReplicaId>,
    /// The region it lies in.
    pub region: RegionId,
    /// Base round-trip time between the gateway of this stage and the region.
    pub rtt: Span,
    /// How many replicas stand behind it.
    pub replicas: u32,
}

impl Target {
    /// The name of its region: a region's target has that name, a replica's begins with it and a slash.
    pub fn region_name(&self) -> &str {
        self.name.split('/').next().unwrap_or_default()
    }
}

/// A request as a router sees it.
#[derive(Clone, Copy, Debug)]
pub struct RequestView<'a> {
    /// Its number.
    pub id: RequestId,
    /// Its session, 0 where there is none.
    pub session: u64,
    /// Its tenant.
    pub tenant: TenantId,
    /// Where its client is.
    pub origin: OriginId,
    /// Its SLO class.
    pub class: ClassId,
    /// Prompt length.
    pub prompt_tokens: u32,
    /// The prompt's full blocks.
    pub prompt: PromptBlocks<'a>,
}

/// The full blocks of a prompt, without those of the output to come.
#[derive(Clone, Copy, Debug)]
pub struct PromptBlocks<'a> {
    chain: &'a Chain,
    blocks: u32,
    block_tokens: u32,
}

impl<'a> PromptBlocks<'a> {
    /// The first `prompt_tokens / block_tokens` blocks of `chain`.
    pub fn new(chain: &'a Chain, prompt_tokens: u32, block_tokens: u32) -> Self {
        PromptBlocks { chain, blocks: (prompt_tokens / block_tokens).min(chain.blocks()), block_tokens }
    }
    /// How many full blocks the prompt has.
    pub fn len(&self) -> u32 {
        self.blocks
    }
    /// Whether the prompt fills no block.
    pub fn is_empty(&self) -> bool {
        self.blocks == 0
    }
    /// Tokens in a block.
    pub fn block_tokens(&self) -> u32 {
        self.block_tokens
    }
    /// The block ids in order.
    pub fn ids(&self) -> impl Iterator<Item = u64> + 'a {
        self.chain.ids(self.blocks)
    }
    /// The runs, the last one cut to the prompt.
    pub fn runs(&self) -> impl Iterator<Item = Run> + 'a {
        let mut left = self.blocks;
        self.chain.runs().iter().map_while(move |run| {
            let len = run.len.min(left);
            left -= len;
            (len > 0).then_some(Run { len, ..*run })
        })
    }
    /// The same runs, the last one first.
    pub fn runs_from_last(&self) -> impl Iterator<Item = Run> + 'a {
        let mut over = self.chain.blocks() - self.blocks;
        self.chain.runs().iter().rev().filter_map(move |run| {
            let len = run.len - over.min(run.len);
            over -= run.len - len;
            (len > 0).then_some(Run { len, ..*run })
        })
    }
    /// A hash of the first `tokens` tokens: the id of the last full block among them, which stands for the whole
    /// prefix. `None` where the prompt fills no block.
    pub fn prefix_hash(&self, tokens: u32) -> Option<u64> {
        let blocks = (tokens / self.block_tokens).clamp(1, self.blocks.max(1));
        (self.blocks > 0).then(|| self.chain.id(blocks - 1))
    }
}

/// What a gateway knows of a target from its own traffic. Exact, at once, and blind to other gateways.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Own {
    /// Requests sent there and not finished.
    pub requests: u32,
    /// Prompt tokens of those requests.
    pub prompt_tokens: u64,
    /// Requests sent there of which no first token has come back.
    pub queued_requests: u32,
    /// Prompt tokens of those requests.
    pub queued_tokens: u64,
    /// Prompt tokens of those requests that the target was believed not to hold when they were sent: the prefill that
    /// is owed there. All of them where there is no index.
    pub queued_uncached_tokens: u64,
    /// Requests ever sent there.
    pub sent: u64,
}

/// What of their loads policies read of all targets at once, each in a row of its own, by target.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Columns {
    /// Requests waiting for the batch.
    pub waiting: Vec<u32>,
    /// Requests in the running batch.
    pub running: Vec<u32>,
    /// The share of KV blocks in use.
    pub kv_usage: Vec<f64>,
}

impl Columns {
    /// Of these loads.
    pub fn of(loads: &[Load]) -> Columns {
        Columns {
            waiting: loads.iter().map(|load| load.waiting).collect(),
            running: loads.iter().map(|load| load.running).collect(),
            kv_usage: loads.iter().map(Load::kv_usage).collect(),
        }
    }
    /// A target's load is now this one.
    pub fn set(&mut self, target: TargetId, load: &Load) {
        let at = target.0 as usize;
        self.waiting[at] = load.waiting;
        self.running[at] = load.running;
        self.kv_usage[at] = load.kv_usage();
    }
}

/// The fleet as one stage of one gateway sees it at one moment.
#[derive(Clone, Copy, Debug)]
pub struct FleetView<'a> {
    /// All targets of the stage, by id.
    pub targets: &'a [Target],
    /// Those that this request may be sent to (residency, alive).
    pub eligible: &'a Eligible,
    /// The gateway's own counters, by target.
    pub own: &'a [Own],
    /// Its requests under way at the eligible targets, taken together: the sum, and the fewest and the most where the
    /// policy declared [`super::Needs::fewest`].
    pub tally: &'a Tally,
    /// Its requests under way at all targets of the stage.
    pub total: u64,
    /// The loads that reached this gateway, by target; empty unless the policy declared [`super::Needs::load`].
    pub load: &'a [Load],
    /// The same loads, in columns.
    pub columns: &'a Columns,
    /// Whether each target of the stage stands for one replica.
    pub single: bool,
    /// How many of the prompt's leading blocks each target holds as far as this gateway's index knows; empty
    /// unless the policy declared [`super::Needs::index`].
    pub matched: &'a [u32],
    /// Distinct prompt blocks of this gateway's requests under way, by target; empty unless the policy declared
    /// [`super::Needs::active`].
    pub active_blocks: &'a [u64],
    /// How many of the prompt's leading blocks are under way, by target; empty as above.
    pub active_shared: &'a [u32],
    /// Replicas behind each target that are in health, as far as this gateway has been told; by target.
    pub healthy: &'a [u32],
    /// It is now.
    pub now: SimTime,
    /// What the gateway's answers have taught it; none unless the policy declared [`super::Needs::learned`].
    pub learned: Option<&'a Learner>,
    /// What it sent of late; none unless the policy declared [`super::Needs::histogram`].
    pub histogram: Option<&'a Histogram>,
}

impl FleetView<'_> {
    /// The target.
    pub fn target(&self, id: TargetId) -> &Target {
        &self.targets[id.0 as usize]
    }
    /// The gateway's own counters for it.
    pub fn own(&self, id: TargetId) -> &Own {
        &self.own[id.0 as usize]
    }
    /// Its load, as it reached this gateway.
    pub fn load(&self, id: TargetId) -> &Load {
        &self.load[id.0 as usize]
    }
    /// Whether all targets of the stage are eligible.
    pub fn all_eligible(&self) -> bool {
        self.eligible.len() == self.targets.len()
    }
    /// How many leading blocks of the prompt it is believed to hold.
    pub fn matched_blocks(&self, id: TargetId) -> u32 {
        self.matched[id.0 as usize]
    }
    /// Distinct prompt blocks that would be under way at it if it took the request.
    pub fn active_blocks_with(&self, request: &RequestView<'_>, id: TargetId) -> u64 {
        let new = request.prompt.len() - self.active_shared[id.0 as usize];
        self.active_blocks[id.0 as usize] + u64::from(new)
    }
    /// Replicas behind it that are in health.
    pub fn healthy(&self, id: TargetId) -> u32 {
        self.healthy[id.0 as usize]
    }
    /// The share of the prompt's tokens, 0 to 1, that it is believed to hold; 0 of an empty prompt.
    pub fn matched_share(&self, request: &RequestView<'_>, id: TargetId) -> f64 {
        let uncached = self.uncached_tokens(request, id);
        f64::from(request.prompt_tokens - uncached) / f64::from(request.prompt_tokens.max(1))
    }
    /// The prompt tokens it is believed not to hold.
    pub fn uncached_tokens(&self, request: &RequestView<'_>, id: TargetId) -> u32 {
        request.prompt_tokens
            - (self.matched_blocks(id) * request.prompt.block_tokens()).min(request.prompt_tokens)
    }
}
