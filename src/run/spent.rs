//! What a bill is made of, counted as it happens: prompts that go in, prompts that gateways send on, answers that come back
//! and tokens that are computed, by tenant, class, gateway's region and pool. Knows observations; must not know prices.
//! Two look-ups a request, and none where nothing has a price.

use crate::id::{ClassId, GatewayId, Id, PoolId, RegionId, ReplicaId, TenantId};
use crate::observe::{Miss, Observation, Observer, Outcome, RequestRow, Work};
use crate::replica::ServerParams;
use crate::time::{SimTime, Span};
use crate::timing::BatchShape;
use crate::world::{PoolParams, WorldParams};
use rustc_hash::FxHashMap;

/// Whose, through which gateway's region, and with which pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lane {
    /// Whose request.
    pub tenant: TenantId,
    /// Its class.
    pub class: ClassId,
    /// The region of its gateway, where it came to one.
    pub gateway: Option<RegionId>,
    /// The pool it was sent to, where it was.
    pub pool: Option<PoolId>,
}

/// What went that way, over the whole run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Requests that ended there.
    pub requests: u64,
    /// Tokens of their prompts, as clients sent them.
    pub asked_tokens: u64,
    /// Tokens of prompts that the gateway sent to the pool, each try counted.
    pub sent_tokens: u64,
    /// Tokens of answers.
    pub answer_tokens: u64,
    /// Tokens of prompts that were computed for them, again after preemption too.
    pub computed_tokens: u64,
}

/// What was counted of one cell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// In the order of lanes.
    pub lanes: Vec<(Lane, Moved)>,
    /// By pool, uncached prompt tokens of completed measured requests by reason, in the order of [`Miss::ALL`]; nothing where
    /// nobody asked.
    pub misses: Option<Vec<[u64; Miss::COUNT]>>,
    /// By pool, how long a token takes; `None` for plain queues.
    pub token_times: Vec<Option<TokenTime>>,
}

/// How long an engine takes for a token: what bills are split by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenTime {
    /// Picoseconds of a prompt's token: a step of one prompt that fills it, over its tokens.
    pub prefill_ps: u64,
    /// Picoseconds of an answer's token: a step of the run's mean batch at its mean context, over its sequences.
    pub decode_ps: u64,
}

impl TokenTime {
    /// Of a pool whose replicas did this.
    pub fn of(pool: &PoolParams, works: &[Work]) -> Option<TokenTime> {
        let ServerParams::Engine(engine) = &pool.server else { return None };
        let timing = pool.timing.as_ref()?.build().ok()?;
        let sum = |count: fn(&Work) -> u64| works.iter().map(count).sum::<u64>();
        let mean = |whole: u64, parts: u64| (whole + parts / 2).checked_div(parts).unwrap_or(0);
        let budget = engine.max_num_batched_tokens.min(engine.max_model_len).max(1);
        let full = BatchShape {
            tokens: budget,
            sequences: 1,
            prefills: 1,
            prefill_pairs2: u64::from(budget) * (u64::from(budget) + 1),
            context_tokens: 0,
        };
        let batch = mean(sum(|work| work.sequence_steps), sum(|work| work.steps)).max(1);
        let batch = u32::try_from(batch).unwrap_or(u32::MAX).min(engine.max_num_seqs.max(1));
        let lengths = sum(|work| work.prompt_tokens) + sum(|work| work.output_tokens) / 2;
        let context = mean(lengths, sum(|work| work.completed)).min(u64::from(engine.max_model_len));
        let decode = BatchShape {
            tokens: batch,
            sequences: batch,
            prefills: 0,
            prefill_pairs2: 0,
            context_tokens: u64::from(batch) * context,
        };
        Some(TokenTime {
            prefill_ps: mean(timing.step(&full).0, u64::from(budget)).max(1),
            decode_ps: mean(timing.step(&decode).0, u64::from(batch)).max(1),
        })
    }
}

/// Counts as it watches.
#[derive(Debug, Default)]
pub struct SpentSink {
    places: Vec<RegionId>,
    pools: Vec<PoolId>,
    warmup: Span,
    index: FxHashMap<Lane, u32>,
    lanes: Vec<(Lane, Moved)>,
    misses: Option<Vec<[u64; Miss::COUNT]>>,
}

impl SpentSink {
    /// For gateways in these regions.
    pub fn new(world: &WorldParams, places: Vec<RegionId>, warmup: Span) -> SpentSink {
        let each = world.pools.enumerate();
        let pools = each.flat_map(|(id, pool)| (0..pool.replicas).map(move |_| id)).collect();
        SpentSink { places, pools, warmup, ..SpentSink::default() }
    }
    /// What was counted, but for the times of tokens.
    pub fn finish(mut self) -> Spent {
        self.lanes.sort_unstable_by_key(|lane| lane.0);
        Spent { lanes: self.lanes, misses: self.misses, token_times: Vec::new() }
    }
    fn lane(
        &mut self,
        tenant: TenantId,
        class: ClassId,
        gateway: Option<GatewayId>,
        replica: Option<ReplicaId>,
    ) -> &mut Moved {
        let place = |gateway: GatewayId| self.places.get(gateway.index()).copied();
        let pool = |replica: ReplicaId| self.pools.get(replica.index()).copied();
        let lane = Lane { tenant, class, gateway: gateway.and_then(place), pool: replica.and_then(pool) };
        let next = self.lanes.len() as u32;
        let index = *self.index.entry(lane).or_insert(next);
        if index == next {
            self.lanes.push((lane, Moved::default()));
        }
        &mut self.lanes[index as usize].1
    }
    fn ended(&mut self, row: &RequestRow) {
        let moved = self.lane(row.tenant, row.class, row.gateway, row.replica);
        moved.requests += 1;
        moved.asked_tokens += u64::from(row.prompt_tokens);
        moved.answer_tokens += u64::from(row.output_tokens);
        moved.computed_tokens += u64::from(row.computed_tokens) + u64::from(row.recomputed_tokens);
        if let Some(misses) = row.misses
            && row.sent_at.0 >= self.warmup.0
            && row.outcome == Outcome::Completed
            && let Some(pool) = row.replica.and_then(|replica| self.pools.get(replica.index()))
        {
            let by_pool = self.misses.get_or_insert_default();
            if by_pool.len() <= pool.index() {
                by_pool.resize(pool.index() + 1, [0; Miss::COUNT]);
            }
            let sums = &mut by_pool[pool.index()];
            Miss::ALL.iter().zip(sums).for_each(|(&miss, sum)| *sum += u64::from(misses.get(miss)));
        }
    }
}

impl Observer for SpentSink {
    #[inline]
    fn observe(&mut self, _: SimTime, observation: &Observation<'_>) {
        match *observation {
            Observation::Sent { gateway, replica, class, tenant, prompt_tokens, .. } => {
                let moved = self.lane(tenant, class, Some(gateway), Some(replica));
                moved.sent_tokens += u64::from(prompt_tokens);
            }
            Observation::Ended(row) => self.ended(row),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::RequestId;

    #[test]
    fn every_try_sends_a_prompt_and_one_answer_comes_back() {
        // Gateways in 0 and 1; two replicas of pool 0, one of pool 1.
        let mut sink = SpentSink {
            places: vec![RegionId(0), RegionId(1)],
            pools: vec![PoolId(0), PoolId(0), PoolId(1)],
            ..SpentSink::default()
        };
        let mut sent = |replica| {
            sink.observe(
                SimTime(0),
                &Observation::Sent {
                    id: RequestId(0),
                    gateway: GatewayId(1),
                    replica: ReplicaId(replica),
                    region: RegionId(0),
                    class: ClassId(2),
                    tenant: TenantId(7),
                    prompt_tokens: 100,
                },
            );
        };
        sent(0);
        sent(2);
        let row = RequestRow {
            tenant: TenantId(7),
            class: ClassId(2),
            gateway: Some(GatewayId(1)),
            replica: Some(ReplicaId(2)),
            prompt_tokens: 100,
            output_tokens: 20,
            computed_tokens: 60,
            recomputed_tokens: 5,
            ..RequestRow::default()
        };
        sink.observe(SimTime(1), &Observation::Ended(&row));
        let spent = sink.finish();
        let lane = |pool| Lane {
            tenant: TenantId(7),
            class: ClassId(2),
            gateway: Some(RegionId(1)),
            pool: Some(PoolId(pool)),
        };
        let lost = Moved { sent_tokens: 100, ..Moved::default() };
        let served = Moved {
            requests: 1,
            asked_tokens: 100,
            sent_tokens: 100,
            answer_tokens: 20,
            computed_tokens: 65,
        };
        assert_eq!(spent.lanes, [(lane(0), lost), (lane(1), served)]);
        assert_eq!(spent.misses, None);
    }
}
