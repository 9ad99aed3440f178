//! What is wanted: the scenario's `[tune]`, with the flags before it.

use super::Args;
use crate::cli::exit::Failure;
use crate::cli::no_such;
use crate::scenario::Plan;
use crate::scenario::tuning::{Cut, Knob, Strategy, Tuning};
use crate::world::PolicyParams;
use anyhow::anyhow;

/// What is wanted; each field as its flag.
pub(super) struct Wanted<'p> {
    pub policy: &'p PolicyParams,
    pub knobs: Vec<Knob>,
    pub method: Strategy,
    pub objective: Option<String>,
    /// `METRIC=MARGIN` or `default`, with the words that stand before it in messages.
    pub keep: Vec<(&'static str, String)>,
    pub budget: u32,
    pub seed: u64,
    pub seeds: Option<u32>,
    pub judge_seeds: Option<u32>,
    /// What is searched on, and what is judged on.
    pub cuts: Option<(Cut, Cut)>,
    pub against: Vec<String>,
    pub oracle: u32,
    pub confidence: f64,
}

/// The policy that is tuned.
fn chosen<'p>(plan: &'p Plan, name: Option<&str>) -> Result<&'p PolicyParams, Failure> {
    let names = || plan.policies.iter().map(|policy| policy.name.as_str());
    if let Some(name) = name {
        let named = plan.policies.iter().find(|policy| policy.name == name);
        return named.ok_or_else(|| no_such("the scenario has no policy", name, names()));
    }
    if let [only] = plan.policies.as_slice() {
        return Ok(only);
    }
    let known = names().collect::<Vec<_>>().join(", ");
    Err(Failure::usage(anyhow!("which policy? add --policy with one of {known}")))
}

impl<'p> Wanted<'p> {
    /// Reads both; mistakes with parameters go to `wrong`, so that they are told with those of the rest.
    pub(super) fn of(args: &Args, plan: &'p Plan, wrong: &mut Vec<String>) -> Result<Wanted<'p>, Failure> {
        let table = plan.tuning.clone().unwrap_or_default();
        let policy = chosen(plan, args.policy.as_deref().or(table.policy.as_deref()))?;
        // What the table says of parameters is about its own policy.
        let own = table.policy.as_ref().is_none_or(|name| *name == policy.name);
        let knobs = knobs(args, if own { &table.over } else { &[] }, policy, wrong);
        if knobs.is_empty() && wrong.is_empty() {
            let but = match &table.policy {
                Some(name) if !own => format!("; `[tune.over]` is about `{name}`"),
                _ => String::new(),
            };
            return Err(Failure::usage(anyhow!(
                "what is to be tuned? add --over with a parameter of `{}` and its range, such as rtt=0.05..2, or \
                 `[tune.over]` to the scenario{but}",
                policy.name
            )));
        }
        let own_keep =
            table.keep.iter().map(|(metric, margin)| ("tune.keep: ", format!("{metric}={margin}")));
        let keep = match args.keep.as_slice() {
            [] => own_keep.collect(),
            given => given.iter().map(|text| ("--keep ", text.clone())).collect(),
        };
        let against = match args.against.as_slice() {
            [] if own => table.against.clone(),
            given => given.to_vec(),
        };
        Ok(Wanted {
            policy,
            knobs,
            method: args.method.unwrap_or(table.method),
            objective: args.objective.clone().or_else(|| table.objective.clone()),
            keep,
            budget: args.budget.unwrap_or(table.budget),
            seed: args.seed.unwrap_or(plan.seed),
            seeds: args.seeds.or(table.seeds),
            judge_seeds: args.judge_seeds.or(table.judge_seeds),
            cuts: cuts(args, &table)?,
            against,
            oracle: args.oracle.unwrap_or(table.oracle),
            confidence: args.confidence.unwrap_or(table.confidence),
        })
    }
}

/// The table's, with those of the flags in their places or behind them.
fn knobs(
    args: &Args,
    over: &[(String, String)],
    policy: &PolicyParams,
    wrong: &mut Vec<String>,
) -> Vec<Knob> {
    let mut knobs: Vec<Knob> = Vec::new();
    for (path, range) in over {
        match Knob::ranged(path, range, policy) {
            Ok(knob) => knobs.push(knob),
            Err(why) => wrong.push(format!("tune.over.{path}: {}", why.into_text())),
        }
    }
    let mut flagged: Vec<String> = Vec::new();
    for text in &args.over {
        match Knob::parse(text, policy) {
            Err(error) => wrong.push(format!("--over {error}")),
            Ok(knob) if flagged.contains(&knob.path) => {
                wrong.push(format!("--over {text}: `{}` is given twice", knob.name));
            }
            Ok(knob) => {
                flagged.push(knob.path.clone());
                match knobs.iter_mut().find(|known| known.path == knob.path) {
                    Some(known) => *known = knob,
                    None => knobs.push(knob),
                }
            }
        }
    }
    knobs
}

/// What is searched on, and what is judged on.
fn cuts(args: &Args, table: &Tuning) -> Result<Option<(Cut, Cut)>, Failure> {
    let train = args.train.as_ref().or(table.train.as_ref());
    let judge = args.judge.as_ref().or(table.judge.as_ref());
    let read = |text: &String| Cut::parse(text).map_err(Failure::usage);
    match (train, judge) {
        (None, None) => Ok(None),
        (Some(train), Some(judge)) => Ok(Some((read(train)?, read(judge)?))),
        (train, _) => {
            let (given, missing) =
                if train.is_some() { ("--train", "--judge") } else { ("--judge", "--train") };
            Err(Failure::usage(anyhow!(
                "{given} needs {missing}: what was searched on says nothing about the rest; leave both out for halves of the trace"
            )))
        }
    }
}
