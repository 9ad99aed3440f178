//! Why prompts miss the cache. Knows, while somebody asks for it, which blocks were ever computed in which regions and
//! what was lost with a replica; judges each prompt when it is sent, from what every replica holds at that moment. Must
//! not know policies, and changes nothing: a run without it has the same outcomes. The rules, in this order, for each
//! block that the chosen replica does not hold (docs/model/reports.md has them for users):
//!
//! 1. `policy`: a replica holds it that the router could have chosen.
//! 2. `outage`: only replicas hold it that it could not have chosen at that moment (believed down, draining, failed the
//!    request before, beyond the spill limit), all in regions that are allowed.
//! 3. `residency`: only replicas in regions that are not allowed hold it.
//! 4. Nobody holds it. `outage`: a copy in an allowed region went with its replica's cache, and nobody has computed it
//!    since. Else `capacity`: it was computed in an allowed region before. Else `isolation`: the same content was, for
//!    another tenant. Else `compulsory`.
//!
//! "Holds" is as engines see it: a block is held with all blocks before it, because that is what can be used. Tokens
//! behind the last block that can be found (the rest of the prompt, and a block that ends at its last token) are
//! `compulsory`. A block that the chosen replica holds when the request is sent and has lost by the time it is
//! scheduled is `capacity`. The uncached tokens of a request are taken to be its last ones, which they are unless it was
//! preempted.

mod history;
mod twin;

use super::World;
use crate::id::{IdVec, RegionId, ReplicaId};
use crate::kvcache::ChangeLog;
use crate::network::RegionSet;
use crate::observe::{Miss, Misses, Observer, RequestRow};
use crate::rng::mix2;
use crate::workload::{Chain, Run};
use history::History;
use rustc_hash::FxHashMap;
use twin::Twin;

/// What each replica holds of a prompt, by the reason it gives for a miss elsewhere. All are leading blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Held {
    /// The chosen replica.
    here: u32,
    /// The most that any other holds which could have been chosen.
    policy: u32,
    /// The most that any holds in allowed regions which could not.
    outage: u32,
    /// The most that any holds elsewhere.
    residency: u32,
}

/// What is remembered to judge by.
#[derive(Debug, Default)]
pub(super) struct MissBook {
    /// By run key, as engines know it.
    history: History,
    /// By the key that a run has before tenants are told apart, and that key by the engines'; empty without isolation.
    contents: History,
    content_of: FxHashMap<u64, u64>,
    /// By slot: the findable blocks of the prompt as last sent, cut into pieces of one reason, head first.
    verdicts: Vec<Vec<(u32, Miss)>>,
    /// The plain form that each judgement is compared with.
    twin: Option<Twin>,
}

impl MissBook {
    /// `check` keeps the twin beside it.
    pub(super) fn new(replicas: usize, check: bool) -> MissBook {
        MissBook { twin: check.then(|| Twin::new(replicas)), ..MissBook::default() }
    }
    /// What it needs of a replica's change log.
    pub(super) fn follow(&self, log: &mut ChangeLog) {
        log.keep_computed();
        if self.twin.is_some() {
            log.subscribe();
        }
    }
    /// A request whose chain is about to get this salt.
    pub(super) fn salted(&mut self, chain: &Chain, salt: u64) {
        for &run in chain.runs() {
            let key = mix2(run.key, salt);
            self.content_of.insert(key, run.key);
            if let Some(twin) = &mut self.twin {
                twin.named(Run { key, ..run }, run);
            }
        }
    }
    /// What a replica's log has kept.
    #[cold]
    #[inline(never)]
    pub(super) fn take(&mut self, replica: ReplicaId, region: RegionId, log: &ChangeLog) {
        for &run in log.computed() {
            self.history.computed(run, region);
            let content = self.content_of.get(&run.key).map(|&key| Run { key, ..run });
            if let Some(content) = content {
                self.contents.computed(content, region);
            }
            if let Some(twin) = &mut self.twin {
                twin.computed(run, region);
            }
        }
        if let Some(twin) = &mut self.twin {
            twin.changed(replica, &log.changes());
        }
    }
    /// A replica has lost its cache.
    pub(super) fn lost(&mut self, replica: ReplicaId, region: RegionId, runs: &[Run]) {
        runs.iter().for_each(|&run| self.history.lost(run, region));
        if let Some(twin) = &mut self.twin {
            twin.lost(replica, region);
        }
    }

    /// Judges the findable blocks of a prompt.
    fn judge(&mut self, slot: u32, chain: &Chain, findable: u32, held: Held, allowed: RegionSet) {
        let slot = slot as usize;
        if self.verdicts.len() <= slot {
            self.verdicts.resize_with(slot + 1, Vec::new);
        }
        let MissBook { history, contents, content_of, verdicts, .. } = self;
        let verdict = &mut verdicts[slot];
        verdict.clear();
        let mut done = 0;
        for (upto, miss) in [
            (held.here, Miss::Capacity),
            (held.policy, Miss::Policy),
            (held.outage, Miss::Outage),
            (held.residency, Miss::Residency),
        ] {
            if upto > done {
                verdict.push((upto - done, miss));
                done = upto;
            }
        }
        for run in chain.runs_range(done, findable) {
            history.each(run, |piece, past| {
                if !past.lost.and(allowed).is_empty() {
                    return verdict.push((piece.len, Miss::Outage));
                }
                if !past.by.and(allowed).is_empty() {
                    return verdict.push((piece.len, Miss::Capacity));
                }
                let Some(&key) = content_of.get(&piece.key) else {
                    return verdict.push((piece.len, Miss::Compulsory));
                };
                contents.each(Run { key, ..piece }, |part, past| {
                    let elsewhere = !past.by.and(allowed).is_empty();
                    verdict.push((part.len, if elsewhere { Miss::Isolation } else { Miss::Compulsory }));
                });
            });
        }
    }

    /// The reasons of a completed request's uncached prompt tokens.
    #[cold]
    #[inline(never)]
    pub(super) fn of(&self, slot: u32, row: &RequestRow, block_tokens: u32) -> Misses {
        let mut misses = Misses::default();
        let found = row.cached_tokens + row.fetched_tokens;
        let mut at = 0;
        for &(blocks, miss) in self.verdicts.get(slot as usize).map_or(&[][..], Vec::as_slice) {
            let end = at + blocks * block_tokens;
            misses.add(miss, end.max(found) - at.max(found));
            at = end;
        }
        misses.add(Miss::Compulsory, row.prompt_tokens - at.max(found));
        misses
    }
}

impl<O: Observer> World<'_, O> {
    /// Judges the prompt of a request that is about to be sent to `chosen`; it could have gone to each of `candidates`.
    /// All replicas are up to date.
    pub(super) fn judge_misses(
        &mut self,
        slot: u32,
        chosen: ReplicaId,
        candidates: &[ReplicaId],
        allowed: RegionSet,
    ) {
        let Some(book) = &mut self.misses else { return };
        let chain = &self.slots.asked(slot).chain;
        let prompt_tokens = self.slots.get(slot).prompt_tokens;
        let findable = (prompt_tokens.saturating_sub(1) / self.params.block_tokens).min(chain.blocks());
        let mut held = Held::default();
        let mut places = IdVec::<ReplicaId, Miss>::new();
        for (id, site) in self.sites.enumerate() {
            let count = site.replica.holds(chain, findable);
            let (most, reason) = if id == chosen {
                (&mut held.here, Miss::Capacity)
            } else if candidates.contains(&id) {
                (&mut held.policy, Miss::Policy)
            } else if allowed.contains(site.region) {
                (&mut held.outage, Miss::Outage)
            } else {
                (&mut held.residency, Miss::Residency)
            };
            *most = count.max(*most);
            if book.twin.is_some() {
                places.push(reason);
            }
        }
        book.judge(slot, chain, findable, held, allowed);
        if let Some(twin) = &book.twin {
            twin.compare(chain, findable, &places, allowed, &book.verdicts[slot as usize]);
        }
    }

    /// The caches of all replicas as of their start: what the book needs of them from now on.
    pub(super) fn follow_misses(&mut self) {
        let Some(book) = &self.misses else { return };
        self.follows_caches = true;
        for site in &mut self.sites {
            if let Some(log) = site.replica.cache_log() {
                book.follow(log);
            }
        }
    }
}
