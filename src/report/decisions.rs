//! Decisions as JSON: decisions.jsonl, a line a decision, of the chosen target and the best one, and a line for each request
//! that was turned away before one; and one decision in full. Times are integer nanoseconds.

use crate::id::{Id, ReplicaId};
use crate::observe::{
    AdmissionRecord, Barrier, Client, DecisionRecord, Filter, Load, Observation, Observer, Sight,
    StageRecord, Truth,
};
use crate::run::Labels;
use crate::run::result::name_of;
use crate::time::SimTime;
use serde_json::{Map, Value, json};
use std::io::{self, Write};

/// Targets that each filter took out, by stage of the decision; filters that took none are left out.
pub fn removed(stage: &StageRecord) -> Vec<(Filter, Vec<&str>)> {
    let by = |filter: Filter| {
        let taken = stage.sights.iter().filter(|sight| sight.removed_by == Some(filter));
        (filter, taken.map(|sight| sight.target.as_str()).collect::<Vec<_>>())
    };
    Filter::ALL.into_iter().map(by).filter(|(_, targets)| !targets.is_empty()).collect()
}

fn terms(sight: &Sight) -> Value {
    Value::Object(sight.terms.iter().map(|&(name, value)| (name.to_string(), json!(value))).collect())
}

fn load(load: &Load) -> Value {
    json!({
        "running": load.running,
        "waiting": load.waiting,
        "waiting_tokens": load.waiting_tokens,
        "kv_used_blocks": load.kv_used_blocks,
        "kv_total_blocks": load.kv_total_blocks,
        "context_tokens": load.context_tokens,
    })
}

fn sight(sight: &Sight) -> Value {
    json!({
        "target": sight.target,
        "rtt_ns": sight.rtt.0,
        "rtt_age_ns": sight.rtt_age.map(|age| age.0),
        "removed_by": sight.removed_by.map(Filter::name),
        "own_requests": sight.own_requests,
        "believed_load": sight.load.as_ref().map(|(believed, _)| load(believed)),
        "load_age_ns": sight.load.map(|(_, age)| age.0),
        "believed_tokens": sight.believed_tokens,
        "terms": terms(sight),
    })
}

fn truth(truth: &Truth, labels: &Labels) -> Value {
    json!({
        "replica": labels.replica(truth.replica),
        "down": truth.down,
        "load": load(&truth.load),
        "cached_tokens": truth.cached_tokens,
        "network_ns": truth.network.0,
        "ingress_ns": truth.ingress.0,
        "queue_ns": truth.queue.0,
        "prefill_ns": truth.prefill.0,
        "estimate_ns": truth.estimate().0,
    })
}

/// A client in words.
pub fn client(client: Client, labels: &Labels) -> String {
    match client {
        Client::Origin(id) => format!("origin {}", labels.origin(id)),
        Client::Tenant(id) => format!("tenant {}", id.0),
    }
}

/// What kept a request out.
pub fn turned_away(record: &AdmissionRecord, labels: &Labels) -> Value {
    let mut all = json!({
        "id": record.id.0,
        "key": format!("{:016x}", record.key),
        "attempt": record.attempt,
        "at_ns": record.at.0,
        "gateway": record.gateway.map(|id| name_of(&labels.gateways, id.index())),
        "outcome": record.barrier.outcome().name(),
        "by": record.barrier.key(),
        "signal": record.signal,
        "saturation": record.saturation,
    });
    let more = match record.barrier {
        Barrier::Throttle { client: by, window, requests, accepts, probability } => json!({
            "client": client(by, labels),
            "window_ns": window.0,
            "requests": requests,
            "accepted": accepts,
            "probability": probability,
        }),
        Barrier::Shed { probability } => json!({ "probability": probability }),
        Barrier::Gate { closes_at } => json!({ "closes_at": closes_at }),
        Barrier::Line { capacity, closes_at } => json!({ "capacity": capacity, "closes_at": closes_at }),
        Barrier::Timeout { timeout, closes_at } => json!({ "timeout_ns": timeout.0, "closes_at": closes_at }),
        Barrier::Left { left_at, place, waited } => {
            json!({ "left_at_ns": left_at.0, "place": place.name(), "waited_ns": waited.0 })
        }
        Barrier::Lost { place, waited } => json!({ "place": place.name(), "waited_ns": waited.0 }),
        Barrier::NoDoor => json!({}),
    };
    if let (Value::Object(all), Value::Object(more)) = (&mut all, more) {
        all.extend(more);
    }
    all
}

/// What stands at the head of every decision.
fn head(record: &DecisionRecord, labels: &Labels) -> Map<String, Value> {
    let chosen = record.chosen.map(|replica| labels.replica(replica));
    let Value::Object(head) = json!({
        "id": record.id.0,
        "key": format!("{:016x}", record.key),
        "attempt": record.attempt,
        "at_ns": record.at.0,
        "gateway": name_of(&labels.gateways, record.gateway.index()),
        "held_ns": record.held.0,
        "prompt_tokens": record.prompt_tokens,
        "candidates": record.truths.len(),
        "outcome": chosen.as_ref().err().map(|outcome| outcome.name()),
        "target": chosen.as_ref().ok(),
        "best": record.best().map(|best| labels.replica(best.replica)),
        "regret_ns": record.regret().map(|regret| regret.0),
    }) else {
        return Map::new();
    };
    head
}

/// A decision in full.
pub fn full(record: &DecisionRecord, labels: &Labels) -> Value {
    let mut all = head(record, labels);
    let stage = |stage: &StageRecord| {
        let removed =
            removed(stage).into_iter().map(|(filter, targets)| (filter.name().to_string(), json!(targets)));
        json!({
            "tier": stage.tier,
            "policy": stage.policy,
            "index": stage.index,
            "cache_news_delay_ns": stage.cache_delay.map(|delay| delay.0),
            "removed": Value::Object(removed.collect()),
            "targets": stage.sights.iter().map(sight).collect::<Vec<_>>(),
            "chosen": stage.chosen.map(|chosen| &stage.sights[chosen].target),
            "tied": stage.tied,
            "tie": stage.tie,
            "drew": stage.drew,
        })
    };
    all.insert("stages".into(), record.stages.iter().map(stage).collect());
    all.insert("truth".into(), record.truths.iter().map(|one| truth(one, labels)).collect());
    Value::Object(all)
}

/// A decision of many: counts of what was taken out, and the chosen target beside the best one.
fn brief(record: &DecisionRecord, labels: &Labels) -> Value {
    let mut line = head(record, labels);
    let stage = |stage: &StageRecord| {
        let removed = removed(stage).into_iter();
        let removed = removed.map(|(filter, targets)| (filter.name().to_string(), json!(targets.len())));
        let best = record.best().map(|best| best.replica);
        let is_best = |sight: &&Sight| {
            sight.replica.map_or_else(|| Some(sight.region) == region_of(record, best), |id| Some(id) == best)
        };
        let best = stage.sights.iter().find(is_best);
        let chosen = stage.chosen.map(|chosen| &stage.sights[chosen]);
        json!({
            "tier": stage.tier,
            "removed": Value::Object(removed.collect()),
            "tied": stage.tied,
            "chosen": chosen.map(sight),
            "best": best.filter(|best| chosen.is_none_or(|chosen| chosen.target != best.target)).map(sight),
        })
    };
    line.insert("stages".into(), record.stages.iter().map(stage).collect());
    line.insert("truth".into(), json!(record.taken().map(|taken| truth(taken, labels))));
    let other = record.best().filter(|best| Ok(best.replica) != record.chosen);
    line.insert("best_truth".into(), json!(other.map(|best| truth(best, labels))));
    Value::Object(line)
}

fn region_of(record: &DecisionRecord, replica: Option<ReplicaId>) -> Option<crate::id::RegionId> {
    record.truths.iter().find(|truth| Some(truth.replica) == replica).map(|truth| truth.region)
}

/// Writes decisions.jsonl as decisions are told.
pub struct DecisionsJsonl<'l, W: Write> {
    out: W,
    labels: &'l Labels,
    error: Option<io::Error>,
}

impl<'l, W: Write> DecisionsJsonl<'l, W> {
    /// A writer of decisions of a cell with these names.
    pub fn new(out: W, labels: &'l Labels) -> Self {
        DecisionsJsonl { out, labels, error: None }
    }
    /// Ends the file: the writer, or the first error.
    pub fn finish(mut self) -> io::Result<W> {
        match self.error {
            Some(error) => Err(error),
            None => self.out.flush().map(|()| self.out),
        }
    }
}

impl<W: Write> Observer for DecisionsJsonl<'_, W> {
    fn observe(&mut self, _: SimTime, observation: &Observation<'_>) {
        let line = match observation {
            Observation::Decided(record) if self.error.is_none() => brief(record, self.labels),
            Observation::TurnedAway(record) if self.error.is_none() => turned_away(record, self.labels),
            _ => return,
        };
        self.error = writeln!(self.out, "{line}").err();
    }
}
