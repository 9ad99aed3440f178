//! A policy put together from blocks: filters, guards, scorers and a picker over declared signals. Knows the blocks and
//! what each reads; must not know any named policy. The vocabulary follows what published routers are made of; where
//! a block has a default, it is the one of the router it comes from, as the block says.

pub mod check;
pub mod filter;
pub mod guard;
pub mod index;
pub mod key;
mod leaf;
pub mod learn;
pub mod pick;
mod run;
pub mod score;
pub mod signal;
#[cfg(test)]
mod tests;
pub mod vocabulary;
mod work;

use super::params::{Problems, Validate};
use super::{Decision, FleetView, Needs, Policy, RequestView, Target, TargetId};
use crate::rng::Stream;
use filter::Filter;
use guard::Condition;
use index::IndexBlock;
use key::KeyPart;
use learn::{HistogramBlock, LearnBlock};
use pick::{Pick, Tie};
use schemars::JsonSchema;
use score::{Combine, Term};
use serde::{Deserialize, Serialize};
use signal::{Reads, Signal, Tables};
use std::collections::BTreeMap;

/// A composition. Filters first, in order; then `if` chooses between `then` and `else`, or `score` and `pick` decide.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Compose")]
pub struct Params {
    /// The prefix index, where a signal reads one or can use one: `{ insert = "sent" }` and what it forgets.
    pub index: Option<IndexBlock>,
    /// What makes requests belong together for `ring`, `rendezvous`, `home` and `tie = "hash"`: the first of these that a
    /// request has. `session`, `tenant`, then the first 256 tokens of the prompt unless given.
    pub key: Option<Vec<KeyPart>>,
    /// How it learns from its answers, where a signal reads that: `{ alpha = 0.3, memory = "10s" }` unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub learn: Option<LearnBlock>,
    /// The prefix histogram, where a signal reads one: `{ window = "3m", tokens = 256 }` unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub histogram: Option<HistogramBlock>,
    /// The price of an hour of a GPU, by region, where the signal `price` is read; regions with a pool are all in it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub price: BTreeMap<String, f64>,
    /// Grams of CO₂ for a kilowatt-hour, by region, where the signal `carbon` is read; regions with a pool are all in it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub carbon: BTreeMap<String, f64>,
    /// Which targets stay, in order, and what happens where a filter leaves nobody.
    pub filters: Vec<Filter>,
    /// A condition on those left: `then` decides where it holds, `else` where it does not.
    #[serde(rename = "if")]
    pub condition: Option<Condition>,
    /// A body of its own: filters, `if` or `score` and `pick`, `otherwise`.
    pub then: Option<Box<Body>>,
    /// As `then`.
    #[serde(rename = "else")]
    pub other: Option<Box<Body>>,
    /// Scorers: signals turned, weighted and combined.
    pub score: Vec<Term>,
    /// How scorers become one score: `sum`, `lexicographic`, `product` or `max`; `sum` unless given.
    pub combine: Option<Combine>,
    /// Who of those left it is; `random` where nothing else is said.
    pub pick: Option<Pick>,
    /// A body that decides, over all targets again, where a filter with `on_empty = "next"` leaves nobody.
    pub otherwise: Option<Box<Body>>,
}

/// A part of a composition that decides among the candidates it is given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "ComposeBody")]
pub struct Body {
    /// Which candidates stay, in order.
    pub filters: Vec<Filter>,
    /// A condition on those left: `then` decides where it holds, `else` where it does not.
    #[serde(rename = "if")]
    pub condition: Option<Condition>,
    /// Decides where the condition holds.
    pub then: Option<Box<Body>>,
    /// Decides where it does not.
    #[serde(rename = "else")]
    pub other: Option<Box<Body>>,
    /// Scorers.
    pub score: Vec<Term>,
    /// How scorers become one score.
    pub combine: Option<Combine>,
    /// Who of those left it is.
    pub pick: Option<Pick>,
    /// Decides, over the candidates that this body began with, where a filter with `on_empty = "next"` leaves nobody.
    pub otherwise: Option<Box<Body>>,
}

impl Params {
    /// The outermost body.
    pub fn body(&self) -> Body {
        Body {
            filters: self.filters.clone(),
            condition: self.condition.clone(),
            then: self.then.clone(),
            other: self.other.clone(),
            score: self.score.clone(),
            combine: self.combine,
            pick: self.pick.clone(),
            otherwise: self.otherwise.clone(),
        }
    }
}

impl Body {
    fn combine(&self) -> Combine {
        self.combine.unwrap_or_default()
    }
    fn picks(&self) -> Pick {
        self.pick.clone().unwrap_or(Pick::Random)
    }
    /// The bodies within this one, each with its key.
    pub fn inner(&self) -> impl Iterator<Item = (&'static str, &Body)> {
        [("then", &self.then), ("else", &self.other), ("otherwise", &self.otherwise)]
            .into_iter()
            .filter_map(|(key, body)| Some((key, body.as_deref()?)))
    }
    /// Every signal that is read, here and further in.
    fn signals(&self, found: &mut Vec<Signal>) {
        found.extend(self.filters.iter().filter_map(|filter| Some(filter.test()?.0.signal)));
        found.extend(self.condition.iter().filter_map(|condition| Some(condition.reading()?.signal)));
        let read = self.score.iter().filter(|term| term.weight > 0.0);
        found.extend(read.map(|term| term.signal));
        self.inner().for_each(|(_, body)| body.signals(found));
    }
    /// Whether something here or further in asks for the request's key.
    fn keyed(&self) -> bool {
        self.pick.as_ref().is_some_and(Pick::keyed)
            || self.filters.iter().any(|filter| matches!(filter, Filter::Home(_)))
            || self.inner().any(|(_, body)| body.keyed())
    }
    fn recent(&self) -> bool {
        self.pick.as_ref().and_then(Pick::tie) == Some(Tie::LeastRecent)
            || self.inner().any(|(_, body)| body.recent())
    }
}

impl Validate for Params {
    fn check(&self, problems: &mut Problems) {
        check::check(self, problems);
    }
    fn regions(&self) -> Vec<(&'static str, String)> {
        let named = |key, table: &BTreeMap<String, f64>| {
            table.keys().map(move |region| (key, region.clone())).collect::<Vec<_>>()
        };
        named("price", &self.price).into_iter().chain(named("carbon", &self.carbon)).collect()
    }
    fn tables(&self) -> Vec<(&'static str, Vec<String>)> {
        let tables = [("price", &self.price), ("carbon", &self.carbon)];
        let given = tables.into_iter().filter(|(_, table)| !table.is_empty());
        given.map(|(key, table)| (key, table.keys().cloned().collect())).collect()
    }
}

/// The policy.
#[derive(Debug)]
pub struct Compose {
    needs: Needs,
    tie: Option<&'static str>,
    rule: Option<&'static str>,
    body: run::Body,
    work: work::Work,
    tables: Tables,
}

impl Compose {
    /// As `params` say, over `targets`.
    pub fn new(params: &Params, targets: &[Target]) -> Self {
        let written = params.body();
        let mut signals = Vec::new();
        written.signals(&mut signals);
        let reads = |what: Reads| signals.iter().any(|signal| signal.reads() == what);
        let index = params.index.as_ref().filter(|_| signals.iter().any(|signal| signal.uses_index()));
        let index = index.map(IndexBlock::options);
        let needs = Needs {
            load: reads(Reads::Load),
            index,
            active: reads(Reads::Active),
            learned: reads(Reads::Learned).then(|| params.learn.unwrap_or_default().options()),
            histogram: reads(Reads::Histogram).then(|| params.histogram.unwrap_or_default().options()),
            ..Needs::default()
        };
        let by_target = |table: &BTreeMap<String, f64>| -> Vec<f64> {
            let of = |target: &Target| table.get(target.region_name()).copied().unwrap_or(0.0);
            if table.is_empty() { Vec::new() } else { targets.iter().map(of).collect() }
        };
        let tables = Tables { price: by_target(&params.price), carbon: by_target(&params.carbon) };
        let key = written.keyed().then(|| params.key.clone().unwrap_or_else(|| key::DEFAULT.to_vec()));
        let looks_at = index.and_then(|index| index.prompt_blocks).unwrap_or(u32::MAX);
        // With bodies within bodies there is no one rule.
        let alone = written.inner().next().is_none();
        let tie = written.pick.as_ref().filter(|_| alone).and_then(Pick::tie).map(Tie::name);
        let rule = if alone { written.picks().rule() } else { None };
        let mut work = work::Work::new(targets, key, looks_at, written.recent());
        Compose { needs, tie, rule, body: run::Body::new(&written, targets, &mut work), work, tables }
    }
}

impl Policy for Compose {
    fn needs(&self) -> Needs {
        self.needs
    }
    fn route(&mut self, request: &RequestView<'_>, fleet: &FleetView<'_>, rng: &mut Stream) -> Decision {
        self.body.decide((request, fleet, &self.tables), &mut self.work, rng)
    }
    fn sent(&mut self, _: &RequestView<'_>, target: TargetId) {
        self.work.sent(target);
    }
    fn tie(&self) -> Option<&'static str> {
        self.tie
    }
    fn rule(&self) -> Option<&'static str> {
        self.rule
    }
    fn explain(
        &self,
        request: &RequestView<'_>,
        fleet: &FleetView<'_>,
        target: TargetId,
    ) -> Vec<(&'static str, f64)> {
        self.body.explain((request, fleet, &self.tables), &self.work, target)
    }
}
