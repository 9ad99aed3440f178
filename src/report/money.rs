//! What a cell cost in dollars: provisioned GPU-hours and bytes at the scenario's prices, whose they were, what misses came
//! to, and the same tokens at an API. Every part is whole millionths, and parts add up to their whole exactly.

mod egress;
mod fleet;
mod shares;

use super::numbers::rounded;
use super::summary::{ApiCost, EgressCost, Group, MissSummary, UsdCost};
use crate::cost::MicroUsd;
use crate::run::RunResult;

/// In dollars, and the bytes that were moved; `None` where the scenario has no prices.
pub(super) fn usd(result: &RunResult, all: &Group, completed: u64) -> Option<(UsdCost, Option<EgressCost>)> {
    (!result.provenance.prices.is_empty()).then_some(())?;
    let paid = fleet::paid(result);
    let gpus: MicroUsd = paid.pools.iter().copied().sum();
    let traffic = egress::traffic(result);
    let egress = traffic.as_ref().and_then(|traffic| traffic.usd);
    let total = gpus + egress.unwrap_or_default();
    let work = || result.replicas.iter().map(|totals| &totals.whole);
    let million = |tokens: u64| total.per(tokens).map(|usd| rounded(usd * 1e6));
    // Only requests after the warm-up are judged: theirs is the share of the time that they were measured in.
    let whole = result.ended_at.0;
    let measured = (whole > 0).then(|| total.usd() * result.measured_span().0 as f64 / whole as f64);
    let shares = shares::shares(result, &paid.pools, traffic.as_ref());
    let usd = UsdCost {
        total: total.usd(),
        gpus: gpus.usd(),
        egress: egress.map(MicroUsd::usd),
        fleet_per_hour: paid.hour.usd(),
        pools: paid.pools.iter().copied().map(MicroUsd::usd).collect(),
        regions: paid.regions.iter().copied().map(MicroUsd::usd).collect(),
        busy: paid.busy.usd(),
        spare: paid.spare.usd(),
        fleet: paid.lines,
        classes: shares.classes,
        tenants: shares.tenants,
        unshared: shares.unshared.usd(),
        misses: shares::misses(result),
        per_1m_input_tokens: million(work().map(|work| work.prompt_tokens).sum()),
        per_1m_output_tokens: million(work().map(|work| work.output_tokens).sum()),
        per_request: total.per(completed).map(rounded),
        per_good_request: measured.filter(|_| all.met_slo > 0).map(|usd| rounded(usd / all.met_slo as f64)),
    };
    Some((usd, traffic.map(egress::Traffic::told)))
}

/// At an API; `None` where the scenario has no prices of one.
pub(super) fn api(result: &RunResult, all: &Group, misses: &[MissSummary]) -> Option<ApiCost> {
    let prices = result.provenance.api_prices?;
    let missed = |tokens| prices.missed(tokens).usd();
    let by_reason = misses.iter().map(|miss| (miss.reason.clone(), missed(miss.tokens)));
    Some(ApiCost {
        total: prices.bill(all.prompt_tokens, all.cached_tokens, all.output_tokens).usd(),
        without_cache: prices.bill(all.prompt_tokens, 0, all.output_tokens).usd(),
        missed: missed(all.prompt_tokens.saturating_sub(all.cached_tokens)),
        missed_by_reason: by_reason.collect(),
    })
}
