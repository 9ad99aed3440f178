//! What a workload's parameters must satisfy. Every mistake is reported, not the first alone.

use super::curve::Curve;
use super::error::{TraceFinding, WorkloadError};
use super::geography;
use super::params::{
    Arrivals, Clients, OriginAssignment, OriginTable, PoolParams, SharedPrefix, SyntheticParams, Tenancy,
    Tokens, TraceParams, Until, Window, WorkloadKind, WorkloadParams,
};
use super::trace::CompiledTrace;
use crate::dist::Dist;
use crate::id::Id;
use crate::time::{MAX_TIME, Span};
use std::fmt::Display;

struct Errors(Vec<WorkloadError>);

impl Errors {
    fn need(&mut self, ok: bool, field: &str, value: impl Display, rule: &str, next: &str) {
        if !ok {
            self.0.push(WorkloadError {
                field: field.to_owned(),
                value: value.to_string(),
                rule: rule.to_owned(),
                next: next.to_owned(),
            });
        }
    }
    fn dist(&mut self, field: &str, dist: &Dist) {
        if let Err(error) = dist.validate() {
            let path = format!("{field}.{}", error.field);
            self.need(false, &path, error.value, error.rule, "Correct the distribution");
        }
    }
    fn tokens(&mut self, field: &str, tokens: &Tokens) {
        self.dist(field, &tokens.dist);
        let next = "Give bounds that some length satisfies";
        let most = super::data::MAX_TOKENS as u32;
        self.need(
            tokens.min <= tokens.max,
            &format!("{field}.min"),
            tokens.min,
            "must not exceed `max`",
            next,
        );
        let rule = "must lie in 1..=16777216 tokens";
        self.need((1..=most).contains(&tokens.max), &format!("{field}.max"), tokens.max, rule, next);
        self.need(tokens.min >= 1, &format!("{field}.min"), tokens.min, "must be at least 1", next);
    }
}

/// Every reason why `open` could not do what `params` mean: values out of range, and origins, classes and data
/// classes that a trace names and the table has not. Empty when all is well.
pub fn check(params: &WorkloadParams, table: &OriginTable, block_tokens: u32) -> Vec<WorkloadError> {
    let mut errors = Errors(Vec::new());
    origins(&mut errors, params, table);
    if let Some((what, value, rule)) = params.setting.rate_curve.as_ref().and_then(Curve::problem) {
        let next = "Give as many values as hours, or \"chat\", \"office\" or \"flat\"";
        errors.need(false, &format!("rate_curve.{what}"), value, rule, next);
    }
    let shift = params.setting.shift;
    let limits =
        [("timeout", params.setting.timeout), ("first_token_timeout", params.setting.first_token_timeout)];
    for (field, limit) in limits {
        let Some(limit) = limit else { continue };
        let next = "Leave it out for clients that wait for ever";
        errors.need(limit.0 > 0, field, limit, "must be above 0", next);
    }
    errors.need(shift.0 <= MAX_TIME.0, "shift", shift, "must be at most 200 days", "Start it earlier");
    match &params.kind {
        WorkloadKind::Trace(trace) => replay(&mut errors, trace, table, block_tokens),
        WorkloadKind::Synthetic(synthetic) => generator(&mut errors, synthetic),
        WorkloadKind::Pool(pool) => self::pool(&mut errors, pool),
    }
    errors.0
}

fn origins(errors: &mut Errors, params: &WorkloadParams, table: &OriginTable) {
    errors.need(!table.origins.is_empty(), "origins", "empty", "clients must be somewhere", "Add an origin");
    for origin in &table.origins {
        let field = format!("origins.{}.weight", origin.name);
        let sound = origin.weight >= 0.0 && origin.weight <= 1e12;
        errors.need(sound, &field, origin.weight, "must lie in 0..=1e12", "Give each origin its share");
        if let Some((what, value, rule)) = origin.geography.day_curve.as_ref().and_then(Curve::problem) {
            let next = "Give as many values as hours, or \"chat\", \"office\" or \"flat\"";
            errors.need(false, &format!("origins.{}.day_curve.{what}", origin.name), value, rule, next);
        }
        let offset = origin.geography.utc_offset_min;
        let field = format!("origins.{}.utc_offset", origin.name);
        let rule = "must lie between -18 and 18 hours";
        errors.need(offset.abs() <= 1080, &field, offset, rule, "Give local time minus UTC");
    }
    match params.origins {
        OriginAssignment::Single(origin) => {
            let known = origin.index() < table.origins.len();
            errors.need(known, "origins.single", origin.index(), "there is no such origin", "Name an origin");
        }
        OriginAssignment::Weighted { affinity, .. } => {
            let total: f64 = table.origins.iter().map(|origin| origin.weight).sum();
            let next = "Give at least one origin a weight above 0";
            let some = table.origins.is_empty() || total > 0.0;
            errors.need(some, "origins", "all of weight 0", "requests must come from somewhere", next);
            let sound = (0.0..=1.0).contains(&affinity);
            let next = "Give the share of sessions that start at their group's home";
            errors.need(sound, "origins.affinity", affinity, "must lie in 0..=1", next);
        }
    }
}

fn replay(errors: &mut Errors, params: &TraceParams, table: &OriginTable, block_tokens: u32) {
    let (speed, summary) = (params.speed, params.trace.summary());
    let sound = (1e-3..=1e3).contains(&speed);
    errors.need(sound, "trace.speed", speed, "must lie in 0.001..=1000", "1 replays at the recorded pace");
    let lasts = params.trace.last_time() as f64 / speed;
    let rule = "the replay must end within 200 days";
    errors.need(!sound || lasts <= MAX_TIME.0 as f64, "trace.speed", speed, rule, "Replay it faster");
    errors.need(
        params.limit != Some(0),
        "trace.limit",
        0,
        "must be at least 1",
        "Leave it out to replay all",
    );
    let sample = params.sample;
    let sound = sample > 0.0 && sample <= 1e3;
    let next = "Give the share of sessions to replay; above 1 they are copied";
    errors.need(sound, "scale", sample, "must be above 0 and at most 1000", next);
    let rows = summary.requests as f64 * sample.max(1.0).ceil();
    let rule = "a trace and its copies have less than 4,294,967,295 rows";
    errors.need(!sound || rows < f64::from(u32::MAX), "scale", sample, rule, "Copy it fewer times");
    if let Some(window) = params.window {
        let rule = "must be above 0";
        errors.need(window.lasts.0 > 0, "trace.window.for", window.lasts, rule, "Give how long it is");
        let some = window.from.0 <= params.trace.last_time();
        let rule = format!("the trace ends at {}", Span(params.trace.last_time()));
        errors.need(some, "trace.window.from", window.from, &rule, "Begin the window earlier");
    }
    let rule = format!("the trace was compiled for blocks of {} tokens", summary.block_tokens);
    errors.need(
        summary.block_tokens == block_tokens,
        "block_tokens",
        block_tokens,
        &rule,
        "Compile it again",
    );
    for finding in unknown_names(&params.trace, table) {
        let place = match finding.line {
            0 => summary.path.clone(),
            line => format!("{}:{line}", summary.path),
        };
        let rule = format!("{place} names it, and {}", finding.rule);
        errors.need(false, &format!("trace.{}", finding.field), finding.value, &rule, &finding.next);
    }
}

/// The names in a trace that the scenario has not: each with the line of the trace that names it first.
pub fn unknown_names(trace: &CompiledTrace, table: &OriginTable) -> Vec<TraceFinding> {
    let names = trace.names();
    let origins: Vec<String> = table.origins.iter().map(|origin| origin.name.clone()).collect();
    let mut unknown = Vec::new();
    for (kind, (what, used, known)) in [
        ("origin", &names.origins, &origins),
        ("class", &names.classes, &table.classes),
        ("data_class", &names.data_classes, &table.data_classes),
        ("allowed_regions", &names.regions, &table.regions),
    ]
    .into_iter()
    .enumerate()
    {
        let country = |name: &String| what == "origin" && geography::is_country(name, table);
        let unknown_here = |(_, name): &(usize, &String)| !known.contains(name) && !country(name);
        for (index, name) in used.iter().enumerate().filter(unknown_here) {
            let rule = format!("the scenario knows {}", listed(known));
            let next = "Name one so in the scenario, or rename it in the trace";
            let line = names.line(kind, index).unwrap_or(0);
            unknown.push(TraceFinding::new(line, what, format!("\"{name}\""), rule, next));
        }
    }
    unknown
}

fn pool(errors: &mut Errors, params: &PoolParams) {
    let scale = params.scale;
    let sound = scale > 0.0 && scale <= 1e3;
    errors.need(sound, "scale", scale, "must be above 0 and at most 1000", "1 is as recorded");
    let Window { from, lasts } = params.window;
    errors.need(lasts.0 > 0, "pool.for", lasts, "must be above 0", "Leave it out for all of it");
    let ends = Span::from_secs(params.pool.summary().seconds);
    let rule = format!("the recorded rates end at {ends}");
    errors.need(from < ends, "pool.from", from, &rule, "Begin earlier");
    if let Some(system) = &params.system {
        errors.tokens("pool.system", system);
    }
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn shares(errors: &mut Errors, field: &str, share: f64, next: &str) {
    errors.need((0.0..=1.0).contains(&share), field, share, "must lie in 0..=1", next);
}

fn arrivals(errors: &mut Errors, arrivals: Arrivals) {
    match arrivals {
        Arrivals::Poisson => {}
        Arrivals::Gamma { cv } => {
            let sound = (0.0..=100.0).contains(&cv);
            errors.need(sound, "synthetic.arrivals.cv", cv, "must lie in 0..=100", "1 is Poisson");
        }
        Arrivals::Weibull { shape } => {
            let sound = (0.1..=100.0).contains(&shape);
            errors.need(sound, "synthetic.arrivals.shape", shape, "must lie in 0.1..=100", "1 is Poisson");
        }
        Arrivals::OnOff { on_fraction, on_rate, mean_on_s } => {
            let sound = on_fraction > 0.0 && on_fraction < 1.0;
            let next = "Give the share of time that is on";
            let rule = "must lie between 0 and 1";
            errors.need(sound, "synthetic.arrivals.on_fraction", on_fraction, rule, next);
            let fits = !sound || on_rate >= 1.0 && on_rate * on_fraction <= 1.0 + 1e-9;
            let rule = "must lie between 1 and 1 / `on_fraction`: while off the rate cannot be below 0";
            let next = "Lower it, or lower `on_fraction`";
            errors.need(fits, "synthetic.arrivals.on_rate", on_rate, rule, next);
            // Shorter ones would take minutes to count through a long run.
            let sound = (0.1..=1e6).contains(&mean_on_s);
            let rule = "must lie in 0.1..=1000000 seconds";
            let next = "Give the mean length of a burst";
            errors.need(sound, "synthetic.arrivals.mean_on_s", mean_on_s, rule, next);
        }
    }
}

fn generator(errors: &mut Errors, params: &SyntheticParams) {
    let rate = params.sessions_per_s;
    let sound = (1e-6..=1e6).contains(&rate);
    errors.need(
        sound,
        "synthetic.sessions_per_s",
        rate,
        "must lie in 1e-6..=1e6",
        "Give sessions per second",
    );
    if let Some(Clients { count, pause_s, ramp }) = &params.clients {
        let sound = (1..=1_000_000).contains(count);
        let next = "Give how many clients there are";
        errors.need(sound, "synthetic.clients.count", count, "must lie in 1..=1000000", next);
        errors.dist("synthetic.clients.pause_s", pause_s);
        let rule = "must be at most 200 days";
        errors.need(ramp.0 <= MAX_TIME.0, "synthetic.clients.ramp", ramp, rule, "Start them sooner");
    }
    arrivals(errors, params.arrivals);
    for (index, stage) in params.stages.iter().enumerate() {
        let field = |part: &str| format!("synthetic.stages.{index}.{part}");
        for (part, rate) in [("rate", stage.from), ("to", stage.to)] {
            let sound = (0.0..=1e6).contains(&rate);
            errors.need(sound, &field(part), rate, "must lie in 0..=1e6", "Give sessions per second");
        }
        let sound = stage.lasts.0 > 0 && stage.lasts.0 <= MAX_TIME.0;
        let rule = "must be above 0 and at most 200 days";
        errors.need(sound, &field("for"), stage.lasts, rule, "Give how long the rate holds");
    }
    let none = !params.stages.is_empty() && params.stages.iter().all(|stage| stage.from + stage.to <= 0.0);
    errors.need(!none, "synthetic.stages", "0 throughout", "some stage has a rate", "Give it a rate above 0");
    match params.until {
        Until::Duration(span) => {
            let sound = span.0 > 0 && span.0 <= MAX_TIME.0;
            errors.need(
                sound,
                "synthetic.duration",
                span,
                "must be above 0 and at most 200 days",
                "Shorten it",
            );
        }
        Until::Requests(count) => {
            errors.need(
                count > 0,
                "synthetic.requests",
                count,
                "must be at least 1",
                "Give a number of requests",
            );
        }
    }
    let tenants = params.tenants;
    errors.need(
        tenants > 0,
        "synthetic.tenants",
        tenants,
        "must be at least 1",
        "Leave it out for one tenant",
    );
    if let Some(Tenancy { zipf, heavy, heavy_share }) = params.tenancy {
        let field = "synthetic.tenant_zipf";
        errors.need((0.0..=20.0).contains(&zipf), field, zipf, "must lie in 0..=20", "0 is uniform");
        let next = "Lower it, or raise `tenants`";
        errors.need(heavy <= tenants, "synthetic.heavy_tenants", heavy, "must not exceed `tenants`", next);
        let next = "Give the heavy hitters' share of the sessions";
        shares(errors, "synthetic.heavy_share", heavy_share, next);
        let idle = heavy_share > 0.0 && heavy == 0;
        let next = "Add `heavy_tenants = 3`, or leave it out";
        errors.need(!idle, "synthetic.heavy_share", heavy_share, "a share needs heavy hitters", next);
    }
    let layers = [("system", &params.system), ("documents", &params.documents), ("users", &params.users)];
    for (name, layer) in layers {
        if let Some(SharedPrefix { count, tokens, zipf, .. }) = layer {
            let field = |part: &str| format!("synthetic.{name}.{part}");
            let next = "Leave the layer out if there is none";
            errors.need(*count > 0, &field("count"), count, "must be at least 1", next);
            errors.need(
                (0.0..=20.0).contains(zipf),
                &field("zipf"),
                zipf,
                "must lie in 0..=20",
                "0 is uniform",
            );
            errors.tokens(&field("tokens"), tokens);
        }
    }
    errors.tokens("synthetic.message", &params.message);
    errors.tokens("synthetic.later_message", &params.later_message);
    errors.tokens("synthetic.output", &params.output);
    if let Some(input) = &params.first_input {
        errors.tokens("synthetic.first_input", input);
    }
    if let Some(growth) = &params.growth {
        errors.tokens("synthetic.growth", growth);
        for (field, dist) in [("synthetic.growth", &growth.dist), ("synthetic.output", &params.output.dist)] {
            let can = dist.at_normal(0.0).is_some();
            let rule = "growth and output are drawn at one rank, which gamma and zipf have no formula for";
            errors.need(can, field, "gamma or zipf", rule, "Use a lognormal, or a table of quantiles");
        }
    }
    let next = "Give the share of later turns";
    shares(errors, "synthetic.tool_share", params.tool_share, next);
    shares(errors, "synthetic.reset_share", params.reset_share, next);
    errors.dist("synthetic.tool_wait_s", &params.tool_wait_s);
    errors.dist("synthetic.turns", &params.turns);
    errors.dist("synthetic.think_s", &params.think_s);
    let head = |layer: &Option<SharedPrefix>| layer.as_ref().map_or(0, |layer| layer.tokens.max as u64);
    let global = params.global.as_ref().map_or(0, |global| global.tokens as u64);
    let heads = head(&params.system) + head(&params.documents) + head(&params.users);
    let least = global + heads + 1 + params.output.min as u64;
    let context = params.max_context_tokens;
    let rule = format!("the longest shared head, a message and an answer need {least} tokens");
    let next = "Raise it, or lower the heads' `max`";
    errors.need(context as u64 >= least, "synthetic.max_context_tokens", context, &rule, next);
    let most = super::data::MAX_TOKENS;
    let rule = "must be at most 16777216";
    errors.need(context as u64 <= most, "synthetic.max_context_tokens", context, rule, "Lower it");
}
