//! What a cell cost in dollars: provisioned GPU-hours at the scenario's prices, and the same tokens at an API.

use super::numbers::rounded;
use super::summary::{ApiCost, Group, MissSummary, UsdCost};
use crate::cost::MicroUsd;
use crate::id::Id;
use crate::run::RunResult;
use crate::time::{PS_PER_NS, Span};

/// In dollars; `None` where the scenario has no prices.
pub(super) fn usd(result: &RunResult, all: &Group, completed: u64) -> Option<UsdCost> {
    let (labels, prices) = (&result.labels, &result.provenance.prices);
    (!prices.is_empty()).then_some(())?;
    let mut pools = vec![MicroUsd(0); labels.pools.len()];
    let mut regions = vec![MicroUsd(0); labels.regions.len()];
    let (mut busy, mut hour) = (MicroUsd(0), MicroUsd(0));
    for (id, totals) in result.replicas.enumerate() {
        let Some(label) = labels.replicas.get(id) else { continue };
        let Some(pool) = labels.pools.get(label.pool) else { continue };
        let Some(price) = prices.iter().find(|price| price.pool == pool.name) else { continue };
        let (price, gpus) = (price.gpu_hour(), u64::from(pool.gpus_per_replica));
        let paid = price.for_hours(gpus, totals.provisioned);
        pools[label.pool.index()] = pools[label.pool.index()] + paid;
        regions[label.region.index()] = regions[label.region.index()] + paid;
        busy = busy + price.for_hours(gpus, Span(totals.whole.busy_ps / PS_PER_NS));
        hour = hour + price.for_hours(gpus, Span::from_secs(3600));
    }
    let total: MicroUsd = pools.iter().copied().sum();
    let work = || result.replicas.iter().map(|totals| &totals.whole);
    let million = |tokens: u64| total.per(tokens).map(|usd| rounded(usd * 1e6));
    // Only requests after the warm-up are judged: theirs is the share of the time that they were measured in.
    let whole = result.ended_at.0;
    let measured = (whole > 0).then(|| total.usd() * result.measured_span().0 as f64 / whole as f64);
    Some(UsdCost {
        total: total.usd(),
        fleet_per_hour: hour.usd(),
        pools: pools.into_iter().map(MicroUsd::usd).collect(),
        regions: regions.into_iter().map(MicroUsd::usd).collect(),
        busy: busy.usd(),
        per_1m_input_tokens: million(work().map(|work| work.prompt_tokens).sum()),
        per_1m_output_tokens: million(work().map(|work| work.output_tokens).sum()),
        per_request: total.per(completed).map(rounded),
        per_good_request: measured.filter(|_| all.met_slo > 0).map(|usd| rounded(usd / all.met_slo as f64)),
    })
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
