//! What was asked for: parameters, objective, and weights to be held against; all mistakes at once.

use super::wanted::Wanted;
use crate::cli::exit::Failure;
use crate::gate::{Margin, Metric, Tolerance};
use crate::report::CellSummary;
use crate::report::measures::Better;
use crate::report::summary::{Group, NamedGroup};
use crate::scenario::nearest::suggest;
use crate::scenario::tuning::{DEFAULT, OBJECTIVE};
use crate::tune::{Aim, Allowance, Knob, Limit, Objective, Sense};
use crate::world::WorldParams;
use anyhow::anyhow;

/// What must not be lost on the way, and by how much it may be: our choice, both ends of a request's time, the pace between
/// them, and what the fleet gets done. TTFT alone is best where everything goes next door.
const KEPT: [&str; 5] = ["ttft.p95", "e2e.p95", "tpot.p95", "throughput.output_tokens", "slo.attainment"];
const MARGIN: Margin = Margin::Relative(0.02);
/// The loss of the aim that does not matter to a verdict: as `compare` has it.
const AIM_MARGIN: Margin = Margin::Relative(0.01);
/// The share of a margin that the search allows.
const SEARCHED: f64 = 0.5;
/// Shown beside them.
const SHOWN: [&str; 4] = ["ttft.p50", "cache.hit_rate", "cross_region", "load.top_replica"];

/// What was asked for.
pub(super) struct Asked {
    /// The parameters.
    pub knobs: Vec<Knob>,
    /// What better means to the search, whose limits allow half: what is chosen for lying just within a limit on some worlds
    /// lies beyond it on half of the others.
    pub objective: Objective,
    /// What it means where it is judged.
    pub judging: Objective,
    /// What verdicts are about: the aim, what is kept, and what is kept by default in any case.
    pub gated: Vec<Tolerance>,
    /// Others that are shown.
    pub shown: Vec<Metric>,
    /// Weights to be held against, by their text.
    pub against: Vec<(String, Vec<f64>)>,
}

fn metric(text: &str) -> Result<Metric, String> {
    Metric::parse(text, |name, known| suggest(name, "known", known.iter().copied())).map_err(|error| error.0)
}

fn sense(metric: &Metric) -> Option<Sense> {
    match metric.better() {
        Better::Lower => Some(Sense::Lower),
        Better::Higher => Some(Sense::Higher),
        Better::Neither => None,
    }
}

/// With this share of the margin.
fn limit(tolerance: &Tolerance, of: f64) -> Option<Limit> {
    let allowance = match tolerance.margin {
        Margin::Relative(share) => Allowance::Relative(of * share),
        Margin::Absolute(amount) => Allowance::Absolute(of * amount),
    };
    Some(Limit { measure: tolerance.metric.to_string(), better: sense(&tolerance.metric)?, allowance })
}

impl Asked {
    /// Reads what is wanted; `wrong` has what is known to be wrong already.
    pub(super) fn read(wanted: &Wanted<'_>, mut wrong: Vec<String>) -> Result<Asked, Failure> {
        let (policy, knobs) = (wanted.policy, wanted.knobs.clone());
        let complete = wrong.is_empty();
        let mut note = |found: Result<(), String>| wrong.extend(found.err());
        let aim_text = wanted.objective.as_deref().unwrap_or(OBJECTIVE);
        let aim = metric(aim_text).and_then(|metric| {
            sense(&metric).map(|sense| (metric, sense)).ok_or_else(|| {
                format!("`{aim_text}` is neither better for more nor for less; choose another, such as {OBJECTIVE}")
            })
        });
        let aim = aim.map_err(|error| note(Err(format!("--objective: {error}")))).ok();
        let kept_by_default = |margin: Margin| {
            let known = KEPT.iter().filter_map(|name| metric(name).ok());
            known.map(|metric| Tolerance { metric, margin }).collect::<Vec<_>>()
        };
        let mut kept: Vec<Tolerance> = Vec::new();
        if wanted.objective.is_none() && wanted.keep.is_empty() {
            kept = kept_by_default(MARGIN);
        }
        for (before, text) in &wanted.keep {
            let all = match text.strip_prefix(DEFAULT) {
                Some("") => Some(Ok(MARGIN)),
                // One margin for measures of several units: a share.
                Some(rest) => rest.strip_prefix('=').map(|margin| Margin::parse(margin, "")),
                None => None,
            };
            if let Some(all) = all {
                note(match all {
                    Ok(margin @ Margin::Relative(_)) => {
                        // What is said of one measure goes before what is said of all.
                        for more in kept_by_default(margin) {
                            if kept.iter().all(|known| known.metric.to_string() != more.metric.to_string()) {
                                kept.push(more);
                            }
                        }
                        Ok(())
                    }
                    _ => Err(format!(
                        "{before}{text}: the measures have different units; write a share such as {DEFAULT}=3%"
                    )),
                });
                continue;
            }
            let found = Tolerance::parse(text, |name, known| suggest(name, "known", known.iter().copied()));
            note(match found {
                Err(error) => Err(format!("{before}{text}: {}", error.0)),
                Ok(found) if sense(&found.metric).is_none() => Err(format!(
                    "{before}{text}: it is neither better for more nor for less, so it cannot be lost"
                )),
                Ok(found) => {
                    // What is said last holds.
                    kept.retain(|other| other.metric.to_string() != found.metric.to_string());
                    kept.push(found);
                    Ok(())
                }
            });
        }
        let mut against = Vec::new();
        // Of parameters that could not be read nothing can be said.
        for text in wanted.against.iter().filter(|_| complete) {
            match Knob::weights(text, policy, &knobs) {
                Ok(point) => against.push((text.clone(), point)),
                Err(error) => note(Err(format!("--against {text}: {error}"))),
            }
        }
        let Some((aim, better)) = aim.filter(|_| wrong.is_empty()) else {
            return Err(Failure::usage(anyhow!(wrong.join("\n"))));
        };
        let is_aim = |other: &Tolerance| other.metric.to_string() == aim.to_string();
        kept.retain(|other| !is_aim(other));
        let mut gated = vec![Tolerance { metric: aim.clone(), margin: AIM_MARGIN }];
        for more in kept.iter().cloned().chain(kept_by_default(MARGIN)) {
            if gated.iter().all(|known| known.metric.to_string() != more.metric.to_string()) {
                gated.push(more);
            }
        }
        let shown = SHOWN.iter().filter_map(|name| metric(name).ok());
        let shown = shown
            .filter(|metric| gated.iter().all(|gate| gate.metric.to_string() != metric.to_string()))
            .collect();
        let objective = |of: f64| Objective {
            aim: Aim { measure: aim.to_string(), better },
            limits: kept.iter().filter_map(|kept| limit(kept, of)).collect(),
        };
        Ok(Asked { knobs, objective: objective(SEARCHED), judging: objective(1.0), gated, shown, against })
    }
    /// Whether the groups that measures name are there; before anything is run.
    pub(super) fn check_groups(&self, world: &WorldParams) -> Result<(), Failure> {
        let group = |name: &String| NamedGroup { name: name.clone(), group: Group::default() };
        let cell = CellSummary {
            origins: world.origins.iter().map(|origin| group(&origin.name)).collect(),
            classes: world.classes.iter().map(|class| group(&class.name)).collect(),
            regions: world.regions.iter().map(|region| group(&region.name)).collect(),
            ..CellSummary::default()
        };
        let missing = |metric: &&Metric| {
            let (name, known) = metric.missing_group(&cell)?;
            Some(format!("{metric}: there is no `{name}`; there are {}", known.join(", ")))
        };
        let wrong: Vec<String> = self.metrics().iter().filter_map(missing).collect();
        if wrong.is_empty() { Ok(()) } else { Err(Failure::usage(anyhow!(wrong.join("\n")))) }
    }
    /// Whether the aim is all that is looked at.
    pub(super) fn is_alone(&self) -> bool {
        self.objective.limits.is_empty()
    }
    /// Everything that is measured.
    pub(super) fn metrics(&self) -> Vec<&Metric> {
        self.gated.iter().map(|gate| &gate.metric).chain(&self.shown).collect()
    }
    /// Their names.
    pub(super) fn measures(&self) -> Vec<String> {
        self.metrics().iter().map(ToString::to_string).collect()
    }
}
