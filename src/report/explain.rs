//! Why a request went where it went, as text and as JSON. Knows decisions and names; must not know the world.

use super::decisions::{self, client, full, removed};
use super::grid;
use crate::id::Id;
use crate::observe::{
    AdmissionRecord, Barrier, DecisionRecord, Leg, Miss, Outcome, RequestRow, Sight, StageRecord, Truth,
    Waiting,
};
use crate::run::result::name_of;
use crate::run::{Explained, Labels};
use crate::time::Span;
use serde_json::{Value, json};
use std::fmt::Write;

/// What the estimate is, in words.
pub const ESTIMATE: &str = "network there and back + front end + prefill owed there and the step under way + own uncached \
                            prefill, as of the decision";

fn ms(span: Span) -> String {
    format!("{:.1}", span.as_ms_f64())
}

/// A number as people write it: few digits, none that say nothing.
fn number(value: f64) -> String {
    if value == value.trunc() && value.abs() < 1e15 {
        return format!("{value:.0}");
    }
    let text = if value.abs() >= 100.0 { format!("{value:.1}") } else { format!("{value:.3}") };
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

/// The explanation as text.
pub fn render(policy: &str, seed: u64, found: &Explained, labels: &Labels) -> String {
    let mut out = String::new();
    if let Some(row) = &found.row {
        story(&mut out, policy, seed, row, labels);
    }
    for decision in &found.decisions {
        self::decision(&mut out, decision, labels);
    }
    if let Some(record) = &found.turned_away {
        turned_away(&mut out, record, labels);
    }
    if found.decisions.is_empty() && found.turned_away.is_none() {
        let _ = match &found.row {
            Some(row) if row.outcome == Outcome::InFlight => {
                writeln!(out, "\nthe run ended before a gateway had decided about it")
            }
            _ => writeln!(out, "\nno gateway decided about it"),
        };
    }
    out
}

fn story(out: &mut String, policy: &str, seed: u64, row: &RequestRow, labels: &Labels) {
    let _ = write!(
        out,
        "request {} under {policy}, seed {seed}: {} from {}, {} prompt tokens",
        row.id.0,
        name_of(&labels.sources, row.source.index()),
        labels.origin(row.origin),
        row.prompt_tokens,
    );
    if row.session > 0 {
        let _ = write!(out, ", turn {} of session {}", u64::from(row.turn) + 1, row.session);
    }
    let _ = write!(out, "\nsent at {:.3} s; {}", row.sent_at.as_secs_f64(), row.outcome.name());
    if let Some(replica) = row.replica {
        let _ = write!(out, " at {}", labels.replica(replica));
    }
    if let Some(ttft) = row.ttft() {
        let legs = Leg::ALL.iter().filter(|&&leg| row.legs.get(leg) > Span::ZERO);
        let legs: Vec<String> =
            legs.map(|&leg| format!("{} {}", leg.name(), ms(row.legs.get(leg)))).collect();
        let _ = write!(out, "; TTFT {} ms = {}", ms(ttft), legs.join(" + "));
    }
    let _ = writeln!(out);
    if let Some(misses) = row.misses {
        let some = Miss::ALL.iter().filter(|&&miss| misses.get(miss) > 0);
        let some: Vec<String> = some.map(|&miss| format!("{} {}", misses.get(miss), miss.name())).collect();
        let _ = writeln!(out, "{} tokens were cached; not cached: {}", row.cached_tokens, some.join(", "));
    }
}

fn decision(out: &mut String, decision: &DecisionRecord, labels: &Labels) {
    let _ = write!(
        out,
        "\ntry {} at {:.3} s, gateway {}",
        decision.attempt,
        decision.at.as_secs_f64(),
        name_of(&labels.gateways, decision.gateway.index()),
    );
    if decision.held > Span::ZERO {
        let _ = write!(out, ", held for {} ms", ms(decision.held));
    }
    let _ = match decision.chosen {
        Ok(replica) => writeln!(out, ": sent to {}", labels.replica(replica)),
        Err(outcome) => writeln!(out, ": ended as {}", outcome.name()),
    };
    for stage in &decision.stages {
        self::stage(out, stage);
    }
    if !decision.truths.is_empty() {
        truths(out, decision, labels);
    }
}

/// Where a request waited, in words.
fn whereabouts(place: Waiting, waited: Span) -> String {
    let place = match place {
        Waiting::OnTheWay => return "on its way to the gateway".to_string(),
        Waiting::Worker => "in line for a worker",
        Waiting::Deciding => "with a worker",
        Waiting::Gate => "in line, stopped by the gate",
        Waiting::Held => "in line, held by the policy or behind others",
    };
    format!("{place}, {} ms after it had come", ms(waited))
}

fn turned_away(out: &mut String, record: &AdmissionRecord, labels: &Labels) {
    let who = match (record.gateway, record.barrier) {
        (Some(gateway), _) => format!("gateway {}", name_of(&labels.gateways, gateway.index())),
        (None, Barrier::Throttle { client: by, .. }) => client(by, labels),
        (None, _) => "no gateway".to_string(),
    };
    let _ = write!(out, "\ntry {} at {:.3} s, {who}: ", record.attempt, record.at.as_secs_f64());
    let _ = match record.barrier {
        Barrier::Left { .. } => writeln!(out, "not decided about, because its client had left"),
        Barrier::Lost { .. } => writeln!(out, "not decided about, because the gateway was lost"),
        Barrier::NoDoor => writeln!(out, "not sent to any"),
        _ => writeln!(out, "not let in by {}", record.barrier.key()),
    };
    let gate = |closes_at: Option<f64>| match closes_at {
        Some(closes_at) => format!("the gate, which closes at saturation {}, stopped it", number(closes_at)),
        None => "others waited before it or the policy held it".to_string(),
    };
    let _ = match record.barrier {
        Barrier::Throttle { window, requests, accepts, probability, .. } => writeln!(
            out,
            "  held back before it was sent: of {requests} requests in the last {} s {accepts} were accepted, \
             which holds back with probability {}",
            number(window.as_secs_f64()),
            number(probability),
        ),
        Barrier::Shed { probability } => {
            writeln!(out, "  shed by a draw of probability {}", number(probability))
        }
        Barrier::Gate { closes_at } => writeln!(
            out,
            "  the gate closes at saturation {}, and there is no line to wait in",
            number(closes_at)
        ),
        Barrier::Line { capacity, closes_at } => {
            writeln!(out, "  {}; all {capacity} places in the line were taken", gate(closes_at))
        }
        Barrier::Timeout { timeout, closes_at } => {
            writeln!(out, "  {}; it had waited {} ms, which is the longest", gate(closes_at), ms(timeout))
        }
        Barrier::Left { left_at, place, waited } => writeln!(
            out,
            "  the client left at {:.3} s; the news found the request {}",
            left_at.as_secs_f64(),
            whereabouts(place, waited)
        ),
        Barrier::Lost { place, waited } => writeln!(out, "  it was {} then", whereabouts(place, waited)),
        Barrier::NoDoor => writeln!(out, "  none may read data of its class that comes in there"),
    };
    if let (Some(signal), Some(saturation)) = (record.signal, record.saturation) {
        let _ = writeln!(out, "  saturation by {signal}, as the gateway saw it then: {}", number(saturation));
    }
}

fn stage(out: &mut String, stage: &StageRecord) {
    let _ = write!(out, "\n  what the router saw: {} picks a {}", stage.policy, stage.tier);
    match stage.cache_delay {
        Some(Span::ZERO) => out.push_str(", caches as they are"),
        Some(delay) => {
            let _ = write!(out, ", news of caches {} ms late", ms(delay));
        }
        None => {
            if let Some(index) = stage.index {
                let _ = write!(out, ", an index of its own traffic ({index})");
            }
        }
    }
    out.push('\n');
    for (filter, targets) in removed(stage) {
        let _ = writeln!(out, "  taken out by {}: {}", filter.name(), targets.join(", "));
    }
    let left: Vec<(usize, &Sight)> =
        stage.sights.iter().enumerate().filter(|(_, sight)| sight.removed_by.is_none()).collect();
    let Some((_, first)) = left.first() else {
        out.push_str("  nobody is left\n");
        return;
    };
    let mut head = vec!["", "target", "rtt ms"];
    if stage.measures_rtt {
        head.push("rtt age ms");
    }
    head.push("own");
    if first.load.is_some() {
        head.extend(["running", "waiting", "age ms"]);
    }
    if first.believed_tokens.is_some() {
        head.push("believed cached");
    }
    head.extend(first.terms.iter().map(|(name, _)| *name));
    let rows: Vec<Vec<String>> = left
        .iter()
        .map(|&(index, sight)| {
            let mark = if stage.chosen == Some(index) { "  >" } else { "   " };
            let mut row = vec![mark.to_string(), sight.target.clone(), ms(sight.rtt)];
            if stage.measures_rtt {
                row.push(sight.rtt_age.map_or_else(|| "-".to_string(), ms));
            }
            row.push(sight.own_requests.to_string());
            if let Some((load, age)) = &sight.load {
                row.extend([load.running.to_string(), load.waiting.to_string(), ms(*age)]);
            }
            row.extend(sight.believed_tokens.map(|tokens| tokens.to_string()));
            row.extend(sight.terms.iter().map(|&(_, value)| number(value)));
            row
        })
        .collect();
    out.push_str(&grid::render(&head, &rows));
    if stage.tied > 0 {
        let rule = match (stage.tie, stage.rule) {
            (Some(tie), _) => format!("tie = \"{tie}\""),
            (None, Some(rule)) => format!("{rule} decides"),
            (None, None) => "the policy names no rule for them".to_string(),
        };
        let draw = if stage.drew { "a draw was made" } else { "no draw was made" };
        let _ = writeln!(out, "  {} more had the same terms: {rule}, {draw}", stage.tied);
    }
}

fn truths(out: &mut String, decision: &DecisionRecord, labels: &Labels) {
    let _ = writeln!(out, "\n  what was true (estimate = {ESTIMATE})");
    let best = decision.best().map(|best| best.replica);
    let head = [
        "",
        "replica",
        "running",
        "waiting",
        "cached",
        "network",
        "front end",
        "queue",
        "prefill",
        "estimate ms",
    ];
    let row = |truth: &Truth| {
        let taken = if Ok(truth.replica) == decision.chosen { ">" } else { " " };
        let star = if Some(truth.replica) == best { "*" } else { " " };
        vec![
            format!(" {star}{taken}"),
            labels.replica(truth.replica) + if truth.down { " (down)" } else { "" },
            truth.load.running.to_string(),
            truth.load.waiting.to_string(),
            truth.cached_tokens.to_string(),
            ms(truth.network),
            ms(truth.ingress),
            ms(truth.queue),
            ms(truth.prefill),
            ms(truth.estimate()),
        ]
    };
    let rows: Vec<Vec<String>> = decision.truths.iter().map(row).collect();
    out.push_str(&grid::render(&head, &rows));
    let _ = match (decision.regret(), decision.best()) {
        (Some(Span::ZERO), _) => writeln!(out, "  regret 0: nothing else was better"),
        (Some(regret), Some(best)) => {
            writeln!(
                out,
                "  regret {} ms: {} would have been better",
                ms(regret),
                labels.replica(best.replica)
            )
        }
        (None, Some(best)) => writeln!(out, "  the best was {}", labels.replica(best.replica)),
        (_, None) => writeln!(out, "  none of them was up"),
    };
}

/// The explanation as JSON.
pub fn json(policy: &str, seed: u64, found: &Explained, labels: &Labels) -> Value {
    let row = found.row.as_ref().map(|row| {
        let legs = Leg::ALL.iter().map(|&leg| (leg.name().to_string(), json!(row.legs.get(leg).0)));
        let misses = row.misses.map(|misses| {
            let reasons = Miss::ALL.iter().map(|&miss| (miss.name().to_string(), json!(misses.get(miss))));
            Value::Object(reasons.collect())
        });
        json!({
            "id": row.id.0,
            "key": format!("{:016x}", row.key),
            "workload": name_of(&labels.sources, row.source.index()),
            "origin": labels.origin(row.origin),
            "class": labels.class(row.class),
            "data_class": name_of(&labels.data_classes, row.data_class.index()),
            "session": row.session,
            "turn": row.turn,
            "sent_at_ns": row.sent_at.0,
            "outcome": row.outcome.name(),
            "replica": row.replica.map(|id| labels.replica(id)),
            "attempts": row.attempts,
            "prompt_tokens": row.prompt_tokens,
            "cached_tokens": row.cached_tokens,
            "misses": misses,
            "ttft_ns": row.ttft().map(|span| span.0),
            "legs_ns": Value::Object(legs.collect()),
        })
    });
    json!({
        "policy": policy,
        "seed": seed,
        "request": row,
        "estimate": ESTIMATE,
        "turned_away": found.turned_away.as_ref().map(|record| decisions::turned_away(record, labels)),
        "decisions": found.decisions.iter().map(|decision| full(decision, labels)).collect::<Vec<_>>(),
    })
}
