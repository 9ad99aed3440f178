//! From what is written to what it means. Knows names, catalogues and defaults; gathers every mistake instead of
//! stopping at the first. Where something is broken, a stand-in keeps the ids in step and the plan is thrown away.

mod admission;
mod client_pool;
mod demand;
mod gates;
mod geography;
mod operations;
mod paths;
mod planning;
mod policies;
mod pools;
mod prices;
mod regions;
mod residency;
mod rules;
mod tuning;
mod views;
mod workloads;

use super::diagnostic::{Diagnostic, Diagnostics, Place};
use super::document::{At, Document};
use super::nearest::suggest;
use super::plan::{Facts, Plan};
use super::raw::RawScenario;
use crate::id::{Id, IdVec};
use crate::network::RegionSet;
use crate::time::{MAX_TIME, SimTime, Span};
use crate::units::Duration;
use crate::workload::Shelf;
use crate::world::{ClassParams, SloParams, WorldParams};
use std::path::{Path, PathBuf};

/// The tables of named entries.
const TABLES: [&str; 7] = ["slo", "models", "regions", "origins", "residency", "workloads", "policies"];

fn most_entries(table: &str) -> usize {
    if table == "regions" { RegionSet::MAX_REGIONS } else { 1_000 }
}

/// What resolving needs to see, and what it has found.
pub(super) struct Resolver<'a> {
    /// The file as written, with what was cut out of `raw`.
    pub document: &'a Document<'a>,
    /// What is written, without what is broken.
    pub raw: &'a RawScenario,
    /// The folder that paths in the scenario start from.
    pub folder: &'a Path,
    /// Traces that are read already.
    pub shelf: &'a Shelf,
    /// Mistakes and notices.
    pub found: Vec<Diagnostic>,
    /// Residency classes as written, by id.
    written: Vec<rules::Written>,
}

impl Resolver<'_> {
    fn place(&self, path: &[&str], at: At) -> Place {
        self.document.place(path, at)
    }
    /// An error at the value at `path`.
    fn error(&self, path: &[&str], title: impl Into<String>) -> Diagnostic {
        Diagnostic::error(self.place(path, At::Value), title)
    }
    /// An error at the key at `path`.
    fn error_at_key(&self, path: &[&str], title: impl Into<String>) -> Diagnostic {
        Diagnostic::error(self.place(path, At::Key), title)
    }
    fn push(&mut self, item: Diagnostic) {
        self.found.push(item);
    }
    /// The names of the table at `path` in file order, broken ones with them.
    fn names(&self, path: &[&str]) -> Vec<String> {
        self.document.names(path)
    }
    /// The index of `name` in `known`; else a message, at `path`.
    fn find(
        &mut self,
        known: &[String],
        name: &str,
        what: &str,
        table: &str,
        path: &[&str],
    ) -> Option<usize> {
        let index = known.iter().position(|other| other == name);
        if index.is_none() {
            let article = if what.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
            let item = self
                .error(path, format!("`{}` must be {article} {what} of this scenario", path.join(".")))
                .label(format!("there is no {what} `{name}`"))
                .help(suggest(
                    name,
                    &format!("the names in `[{table}]` are"),
                    known.iter().map(String::as_str),
                ));
            self.push(item);
        }
        index
    }
    fn file(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }
    fn errors(&self) -> bool {
        self.found.iter().any(|item| item.severity == super::diagnostic::Severity::Error)
    }

    /// Names become parts of other names (`region/pool`), of columns and of random streams.
    fn check_names(&mut self, path: &[&str]) {
        const LONGEST: usize = 64;
        for name in self.names(path) {
            let fine = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
            if name.is_empty() || name.chars().count() > LONGEST || !name.chars().all(fine) {
                let mut whole = path.to_vec();
                whole.push(&name);
                let item = self
                    .error_at_key(&whole, "a name has 1 to 64 letters, digits, `-`, `_` or `.`")
                    .label(format!("{name:?} does not"))
                    .help("choose another name");
                self.push(item);
            }
        }
    }

    /// Tables too large to be meant would take long to check.
    fn check_sizes(&mut self) {
        for table in TABLES {
            let (most, count) = (most_entries(table), self.names(&[table]).len());
            if count > most {
                let item = self
                    .error_at_key(&[table], format!("`{table}` has at most {most} entries"))
                    .label(format!("this one has {count}"))
                    .help("leave some out, or merge them");
                self.push(item);
            }
        }
    }
    fn too_large(&self) -> bool {
        TABLES.iter().any(|table| self.names(&[table]).len() > most_entries(table))
    }

    fn classes(&mut self) -> IdVec<crate::id::ClassId, ClassParams> {
        self.check_names(&["slo"]);
        let classes: Vec<ClassParams> = self
            .names(&["slo"])
            .into_iter()
            .map(|name| {
                let raw = self.raw.slo.get(&name).cloned().unwrap_or_default();
                let span = |limit: Option<Duration>| limit.map(|limit| limit.0);
                let slo = SloParams { ttft: span(raw.ttft), itl: span(raw.itl), e2e: span(raw.e2e) };
                ClassParams { name, slo, priority: raw.priority.unwrap_or(0) }
            })
            .collect();
        for class in &classes {
            let SloParams { ttft, e2e, .. } = class.slo;
            if let (Some(ttft), Some(e2e)) = (ttft, e2e)
                && e2e < ttft
            {
                let item = self
                    .error(
                        &["slo", &class.name, "e2e"],
                        "`e2e` must be at least `ttft`: the last token is not before the first",
                    )
                    .label(format!("{e2e} is less than {ttft}"))
                    .context(self.place(&["slo", &class.name, "ttft"], At::Value), "the first token's limit")
                    .help(format!("raise `e2e` above \"{ttft}\", or leave one of them out"));
                self.push(item);
            }
        }
        if classes.is_empty() {
            return vec![ClassParams { name: "default".into(), slo: SloParams::default(), priority: 0 }]
                .into();
        }
        classes.into()
    }

    fn horizon(&mut self, warmup: Span) -> SimTime {
        let Some(Duration(horizon)) = self.raw.horizon else { return MAX_TIME };
        if horizon <= warmup || horizon == Span::ZERO {
            let item = self
                .error(&["horizon"], "`horizon` must be after the warm-up")
                .label(format!("{horizon} is not after {warmup}"))
                .help("raise `horizon`, or shorten `warmup`: nothing would be counted");
            self.push(item);
        }
        SimTime(horizon.0)
    }

    /// A hundredth of `length`, rounded up to a step that people like.
    fn sample_every(&mut self, length: Option<Span>) -> Span {
        const STEPS_S: [u64; 15] = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400];
        if let Some(Duration(every)) = self.raw.sample_every {
            if every < Span::from_ms(1) {
                let item = self
                    .error(&["sample_every"], "`sample_every` must be at least a millisecond")
                    .label(format!("{every} is not"))
                    .help("leave it out for a hundredth of the run's length");
                self.push(item);
            }
            return every;
        }
        let hundredth = length.map_or(10, |length| length.0.div_ceil(100 * crate::time::NS_PER_SEC));
        Span::from_secs(STEPS_S.into_iter().find(|&step| step >= hundredth).unwrap_or(86_400))
    }
}

/// Resolves; with any error, all of them.
pub(super) fn resolve(
    document: &Document<'_>,
    raw: &RawScenario,
    folder: &Path,
    file_stem: &str,
    shelf: &Shelf,
    found: Vec<Diagnostic>,
) -> Result<Plan, Vec<Diagnostic>> {
    let mut this = Resolver { document, raw, folder, shelf, found, written: Vec::new() };
    this.check_sizes();
    if this.errors() && this.too_large() {
        return Err(this.found);
    }
    let mut facts = Facts { rtt_source: raw.network.rtt_source.clone(), ..Facts::default() };
    let classes = this.classes();
    let (regions, region_facts) = this.regions();
    let names: Vec<String> = regions.iter().map(|region| region.name.clone()).collect();
    let (network, sources) = this.network(&names);
    let (pools, pool_facts, block_tokens) = this.pools(&names);
    let with_pools: Vec<bool> = regions.ids().map(|id| pools.iter().any(|pool| pool.region == id)).collect();
    let data_classes = this.residency(&names, &region_facts, &with_pools);
    let origins = this.origins(&names, &with_pools, &data_classes);
    let (workloads, length) =
        this.workloads(&names, &with_pools, &origins, &classes, &data_classes, block_tokens);
    let policies = this.policies(&names, &origins, &data_classes, &workloads);
    let operations = this.operations(&names, &pools);
    if !this.errors() {
        let fleet = paths::Fleet {
            regions: &names,
            with_pools: &with_pools,
            rtt: &network.rtt,
            data_classes: &data_classes,
        };
        this.check_served(&fleet, &origins, &workloads, &policies);
        if !this.errors() {
            let table = workloads::origin_table(&names, &with_pools, &origins, &classes, &data_classes);
            this.check_allowed(&fleet, &origins, &workloads, &policies, &table);
        }
    }
    let known = gates::Names {
        origins: origins.iter().map(|origin| origin.name.as_str()).collect(),
        classes: classes.iter().map(|class| class.name.as_str()).collect(),
        regions: names.iter().map(String::as_str).collect(),
        policies: policies.iter().map(|policy| policy.name.as_str()).collect(),
    };
    let gates = this.gates(&known);
    let tuning = this.tuning(&known, &policies, &workloads);
    let warmup = raw.warmup.unwrap_or_default().0;
    let horizon = this.horizon(warmup);
    if raw.horizon.is_none()
        && let Some(length) = length.filter(|&length| warmup > Span::ZERO && length <= warmup)
    {
        let item = this
            .error(&["warmup"], "`warmup` must end before the last arrival")
            .label(format!("the last request arrives at about {length}"))
            .help("shorten `warmup`, or send more requests: nothing would be counted");
        this.push(item);
    }
    let planning = this.planning(&names, &pools, &pool_facts, classes.as_slice(), &policies, warmup);
    let length = if raw.horizon.is_some() { Some(Span(horizon.0)) } else { length };
    let sample_every = this.sample_every(length);
    (facts.prices, facts.egress_prices) = this.prices(&pools, &pool_facts, &names, &region_facts);
    facts.api_prices = this.api_prices();
    facts.regions = region_facts;
    facts.pools = pool_facts;
    facts.rtt_sources = sources;
    if this.errors() {
        return Err(this.found);
    }
    let isolation = raw.isolation.unwrap_or_default();
    Ok(Plan {
        gates,
        name: raw.name.clone().unwrap_or_else(|| file_stem.to_owned()),
        description: raw.description.clone().unwrap_or_default(),
        seed: raw.seed.unwrap_or(1),
        warmup,
        world: WorldParams {
            regions,
            pools,
            origins,
            classes,
            data_classes,
            workloads,
            network,
            block_tokens,
            isolation,
            operations,
            horizon,
            sample_every,
        },
        policies,
        planning,
        tuning,
        facts,
        notices: Diagnostics { file: String::new(), text: String::new(), items: this.found },
    })
}

/// The id of the `index`-th entry, 0 where there is none: only in plans that are thrown away.
fn id_or_first<I: Id>(index: Option<usize>) -> I {
    I::new(index.unwrap_or(0))
}
