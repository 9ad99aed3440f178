//! `compare --price-of residency`: a scenario without its residency rules, and as it is. The fleet is the same on both
//! sides, so what rules cost is in attainment, latency and dollars for a good request, not in GPU-hours.

use super::{Args, Failure, Margin, Metric, Rules, Side, Tolerance};
use crate::run::Prepared;
use crate::scenario::Plan;
use crate::world::ResidencyParams;
use anyhow::anyhow;

/// What can be priced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum What {
    /// The rules of `[residency]`.
    Residency,
}

/// The side without the rules, and the one as it is.
pub(super) fn sides(args: &Args) -> Result<(Side, Side), Failure> {
    let as_it_is = Side::open(&args.before, &args.set_both, args.quiet)?;
    let Side::Plan(prepared) = &as_it_is else {
        return Err(Failure::usage(anyhow!(
            "{} is the folder of a run that is over, and --price-of runs it again without the rules; give its scenario",
            args.before
        )));
    };
    if !prepared.plan.has_residency() {
        return Err(Failure::usage(anyhow!(
            "{} has no residency rule that keeps anything from any region, so there is nothing to price; add \
             `[residency.X]` with a `process_in`, and `data_class = \"X\"` to an origin",
            args.before
        )));
    }
    let without = Side::Plan(Box::new(Prepared::of(prepared.plan.without_residency())));
    Ok((without, as_it_is))
}

/// What decides where nothing is named: what is kept of the promise, the tail and dollars for a good request, and the first
/// two of each origin that is bound by a rule.
pub(super) fn rules(plan: &Plan, confidence: f64, margin: Margin) -> Rules {
    let mut names: Vec<String> = ["slo.attainment", "ttft.p99"].map(str::to_owned).to_vec();
    let free = |rule: &ResidencyParams| *rule == ResidencyParams::unrestricted(&rule.name);
    if plan.world.origins.len() > 1 {
        for origin in
            plan.world.origins.iter().filter(|origin| !free(&plan.world.data_classes[origin.data_class]))
        {
            names.extend(
                ["slo.attainment", "ttft.p99"].map(|name| format!("{name}{{origin=\"{}\"}}", origin.name)),
            );
        }
    }
    if !plan.facts.prices.is_empty() {
        names.push("cost.usd_per_good_request".to_owned());
    }
    let metrics = names.iter().filter_map(|name| Metric::parse(name, |_, _| String::new()).ok());
    Rules::of(confidence, metrics.map(|metric| Tolerance { metric, margin }).collect())
}
