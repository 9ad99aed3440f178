//! Workloads: traces are read and compiled here, generators get their defaults.

use super::Resolver;
use super::demand::length_of;
use super::rules::quoted;
use crate::dist::Dist;
use crate::id::{ClassId, DataClassId, Id, IdVec, OriginId, RegionId, RegionSet, SourceId};
use crate::rng::hash_name;
use crate::scenario::diagnostic::Diagnostic;
use crate::scenario::document::At;
use crate::scenario::raw::workload::{RawArrivals, RawShared};
use crate::scenario::raw::{RawSynthetic, RawTokens, RawTrace, RawWorkload};
use crate::time::{NS_PER_SEC, Span};
use crate::units::Ratio;
use crate::workload::curve::WEEK_S;
use crate::workload::geography::geography_notice;
use crate::workload::kinds::Kind;
use crate::workload::{
    Apart, Arrivals, Clients, CopiesShare, GlobalPrefix, OriginAssignment, OriginRow, OriginTable,
    ReadOptions, SharedPrefix, SyntheticParams, Tenancy, Tokens, TraceFinding, TraceFormat, TraceParams,
    Until, Window, WorkloadKind, WorkloadParams,
};
use crate::world::{ClassParams, OriginParams, ResidencyParams};

/// The default of a length's `max` where the distribution has no end (our choice: contexts of usual models hold it).
const MAX_TOKENS: u32 = 32_768;

/// What workloads know of the scenario's names and places.
pub(super) fn origin_table(
    regions: &[String],
    with_pools: &[bool],
    origins: &IdVec<OriginId, OriginParams>,
    classes: &IdVec<ClassId, ClassParams>,
    data_classes: &IdVec<DataClassId, ResidencyParams>,
) -> OriginTable {
    let with_pools: RegionSet =
        with_pools.iter().enumerate().filter(|(_, has)| **has).map(|(i, _)| RegionId::new(i)).collect();
    OriginTable {
        regions: regions.to_vec(),
        served_in: data_classes.iter().map(|class| class.ever_served_in().and(with_pools)).collect(),
        origins: origins
            .iter()
            .map(|origin| OriginRow {
                name: origin.name.clone(),
                weight: origin.weight,
                data_class: origin.data_class,
                geography: origin.geography.clone(),
            })
            .collect(),
        classes: classes.iter().map(|class| class.name.clone()).collect(),
        data_classes: data_classes.iter().map(|class| class.name.clone()).collect(),
    }
}

impl Resolver<'_> {
    /// The workloads, and about how long arrivals go on.
    pub(super) fn workloads(
        &mut self,
        regions: &[String],
        with_pools: &[bool],
        origins: &IdVec<OriginId, OriginParams>,
        classes: &IdVec<ClassId, ClassParams>,
        data_classes: &IdVec<DataClassId, ResidencyParams>,
        block_tokens: u32,
    ) -> (IdVec<SourceId, WorkloadParams>, Option<Span>) {
        self.check_names(&["workloads"]);
        let names = self.names(&["workloads"]);
        if names.is_empty() && self.document.has(&["workloads"]) {
            let item = self
                .error_at_key(&["workloads"], "a scenario has at least one workload")
                .label("none is given")
                .help("add `[workloads.main.synthetic]`, or `[workloads.main.trace]` with `path`");
            self.push(item);
        }
        let table = origin_table(regions, with_pools, origins, classes, data_classes);
        let mut workloads = IdVec::new();
        let mut longest = None;
        for name in &names {
            let Some(raw) = self.raw.workloads.get(name).cloned() else { continue };
            if let Some((workload, length)) = self.workload(name, &raw, &table, classes, block_tokens) {
                longest = longest.max(length);
                workloads.push(workload);
            }
        }
        self.keep_apart(&mut workloads);
        (workloads, longest)
    }

    fn workload(
        &mut self,
        name: &str,
        raw: &RawWorkload,
        table: &OriginTable,
        classes: &IdVec<ClassId, ClassParams>,
        block_tokens: u32,
    ) -> Option<(WorkloadParams, Option<Span>)> {
        let class = raw
            .class
            .as_ref()
            .and_then(|class| self.find(&table.classes, class, "class", "slo", &["workloads", name, "class"]))
            .unwrap_or(0);
        let data_class = raw.data_class.as_ref().and_then(|class| {
            self.find(
                &table.data_classes,
                class,
                "residency class",
                "residency",
                &["workloads", name, "data_class"],
            )
        });
        let origin_names: Vec<String> = table.origins.iter().map(|origin| origin.name.clone()).collect();
        let origins = match &raw.origin {
            Some(origin) => {
                let index =
                    self.find(&origin_names, origin, "origin", "origins", &["workloads", name, "origin"]);
                OriginAssignment::Single(OriginId::new(index.unwrap_or(0)))
            }
            None => self.assignment(name, raw),
        };
        let given: Vec<&str> = ["trace", "synthetic", "pool"]
            .into_iter()
            .filter(|key| self.document.has(&["workloads", name, key]))
            .collect();
        match given.as_slice() {
            [] => {
                let item = self
                    .error_at_key(
                        &["workloads", name],
                        format!("workload `{name}` needs `trace`, `synthetic` or `pool`"),
                    )
                    .label("none is given")
                    .help(format!(
                        "add `[workloads.{name}.synthetic]`, or `[workloads.{name}.trace]` with `path`"
                    ));
                self.push(item);
                return None;
            }
            [first, second, ..] => {
                let item = self
                    .error_at_key(&["workloads", name, second], "a workload has one source")
                    .label("a second source")
                    .context(self.place(&["workloads", name, first], At::Key), "the first")
                    .help("make two workloads of them, with different names");
                self.push(item);
                return None;
            }
            _ => {}
        }
        let (kind, length) = match (&raw.trace, &raw.synthetic) {
            _ if raw.pool.is_some() => {
                let pool = raw.pool.as_ref()?;
                self.client_pool(name, pool, raw.scale.unwrap_or(1.0))?
            }
            (Some(trace), _) => self.trace(name, trace, raw.scale.unwrap_or(1.0), block_tokens)?,
            (None, Some(synthetic)) => self.synthetic(name, synthetic, raw.scale.unwrap_or(1.0))?,
            (None, None) => return None,
        };
        let mut setting = self.setting(name, raw);
        if let (None, WorkloadKind::Trace(params)) = (&raw.utc_start, &kind)
            && let Some(start) = params.trace.utc_start()
        {
            // What is replayed first, the trace's or the window's beginning, is `shift` after the run's.
            let from = params.window.map_or(Span::ZERO, |window| window.from);
            let ahead_s = from.0 as i64 / NS_PER_SEC as i64 - setting.shift.0 as i64 / NS_PER_SEC as i64;
            let begins = i64::from(start.second_of_week()) + ahead_s;
            setting.utc_start_s = begins.rem_euclid(i64::from(WEEK_S)) as u32;
        }
        let workload = WorkloadParams {
            name: name.to_owned(),
            class: ClassId::new(class),
            data_class: data_class.map(DataClassId::new),
            priority: raw
                .priority
                .unwrap_or_else(|| classes.get(ClassId::new(class)).map_or(0, |class| class.priority)),
            origins,
            kind,
            setting,
        };
        if let (WorkloadKind::Trace(params), Some(raw)) = (&workload.kind, &raw.trace) {
            self.names_of_trace(name, raw, params, table);
            let served = |_, class: DataClassId| table.served_in[class.index()];
            let found = crate::workload::nowhere(&workload, table, served);
            self.requests_that_go_nowhere(name, &raw.path, &found, None);
        }
        self.classes_that_go_nowhere(name, &workload, table);
        for problem in crate::workload::check(&workload, table, block_tokens) {
            // Said already, with the trace's own lines.
            const SAID: [&str; 4] =
                ["trace.origin", "trace.class", "trace.data_class", "trace.allowed_regions"];
            if SAID.contains(&problem.field.as_str()) {
                continue;
            }
            // Said already, where origins are read.
            if problem.field.starts_with("origins") && problem.field != "origins.affinity" {
                continue;
            }
            let mut path = vec!["workloads", name];
            match problem.field.as_str() {
                "origins.affinity" if raw.prefix_affinity.is_some() => path.push("prefix_affinity"),
                "origins.affinity" => path.push("tenant_affinity"),
                field => path.extend(field.split('.')),
            }
            let shown = path[2..].join(".");
            let item = self
                .error(&path, format!("`{shown}` of workload `{name}`: {}", problem.rule))
                .label(format!("it is {}", problem.value))
                .help(problem.next);
            self.push(item);
        }
        if let Some(notice) = geography_notice(&workload, table) {
            let place = self.place(&["workloads", name, "trace", "path"], At::Value);
            self.push(Diagnostic::notice(place, notice));
        }
        let length = length.map(|length| Span(length.0.saturating_add(workload.setting.shift.0)));
        Some((workload, length))
    }

    /// Workloads that replay what an earlier one replays have blocks of their own, unless the trace has a declared scope.
    /// The first keeps its ids, so that a workload added behind it moves nothing.
    fn keep_apart(&mut self, workloads: &mut IdVec<SourceId, WorkloadParams>) {
        let mut seen: Vec<(u64, String)> = Vec::new();
        for workload in workloads.iter_mut() {
            let name = workload.name.clone();
            let WorkloadKind::Trace(params) = &mut workload.kind else { continue };
            let hash = params.trace.content_hash();
            let Some((_, first)) = seen.iter().find(|(other, _)| *other == hash) else {
                seen.push((hash, name));
                continue;
            };
            let shares = params.trace.has_id_scope();
            params.apart = Some(Apart { salt: hash_name(&name), shares });
            if !shares {
                let notice = format!(
                    "`{name}` and `{first}` replay the same trace, each with blocks of its own; they share them if both \
                     have one `trace.id_scope`"
                );
                let place = self.place(&["workloads", &name, "trace", "path"], At::Value);
                self.push(Diagnostic::notice(place, notice));
            }
        }
    }

    /// Names in a trace that the scenario has not.
    fn names_of_trace(&mut self, name: &str, raw: &RawTrace, params: &TraceParams, table: &OriginTable) {
        let unknown = crate::workload::unknown_names(&params.trace, table);
        if unknown.is_empty() {
            return;
        }
        let place = self.place(&["workloads", name, "trace", "path"], At::Value);
        let mut item =
            Diagnostic::error(place, "a trace names only origins, classes and regions that the scenario has")
                .label(match unknown.len() {
                    1 => "it names one that is not here".to_owned(),
                    count => format!("it names {count} that are not here"),
                });
        for finding in unknown.iter().take(crate::workload::TraceErrors::LIMIT) {
            item = item.note(match finding.line {
                0 => format!("{}: {finding}", raw.path),
                line => format!("{}:{line}: {finding}", raw.path),
            });
        }
        if let more @ 1.. = unknown.len().saturating_sub(crate::workload::TraceErrors::LIMIT) {
            item = item.note(format!("and {more} more"));
        }
        self.push(item.help("name them in the scenario, or rename them in the trace"));
    }

    /// Data classes that no region of the workload's own may serve.
    fn classes_that_go_nowhere(&mut self, name: &str, workload: &WorkloadParams, table: &OriginTable) {
        let place = ["workloads", name, "allowed_regions"];
        // A region that is not there has its own message.
        let told = self.found.iter().filter_map(|item| item.place.as_ref());
        if told.filter(|told| self.document.covers(&place, told)).count() > 0 {
            return;
        }
        for class in crate::workload::unserved(workload, table) {
            let (rule, served) = (&table.data_classes[class.index()], table.served_in[class.index()]);
            // So has a class that nobody may serve.
            if served.is_empty() {
                continue;
            }
            let ids = (0..table.regions.len()).filter(|&id| served.contains(RegionId::new(id)));
            let serve = quoted(ids.map(|id| &table.regions[id]));
            let origin = table.origins.iter().find(|row| row.data_class == class);
            let mut item = self
                .error(
                    &place,
                    format!("a workload's `{rule}` data must be allowed in a region that may serve it"),
                )
                .label("none of these may");
            if let Some(origin) = origin.filter(|_| workload.data_class.is_none()) {
                let context = self.place(&["origins", &origin.name, "data_class"], At::Value);
                if class.index() > 0 {
                    item = item.context(context, "where the class comes in");
                }
            }
            self.push(
                item.help(format!(
                    "add one that may: {serve}; or leave `allowed_regions` out for all of them"
                )),
            );
        }
    }

    /// Rows that no region may serve; under a policy, that it can send to none.
    pub(super) fn requests_that_go_nowhere(
        &mut self,
        name: &str,
        path: &str,
        found: &[TraceFinding],
        under: Option<&str>,
    ) {
        if found.is_empty() {
            return;
        }
        let under = under.map_or_else(String::new, |policy| format!(" under policy `{policy}`"));
        let place = self.place(&["workloads", name, "trace", "path"], At::Value);
        let mut item = Diagnostic::error(place, "a request of a trace may go to some region with a pool")
            .label(match found.len() {
                1 => format!("it has one that may go nowhere{under}"),
                count => format!("it has {count} kinds that may go nowhere{under}"),
            });
        for finding in found.iter().take(crate::workload::TraceErrors::LIMIT) {
            item = item.note(format!("{path}:{}: {finding}", finding.line));
        }
        if let more @ 1.. = found.len().saturating_sub(crate::workload::TraceErrors::LIMIT) {
            item = item.note(format!("and {more} more"));
        }
        let paths = if under.is_empty() { "" } else { ", or open a path in `[network.paths]`" };
        self.push(
            item.help(format!("allow more regions in the trace, the workload or the residency class{paths}")),
        );
    }

    fn trace(
        &mut self,
        name: &str,
        raw: &RawTrace,
        scale: f64,
        block_tokens: u32,
    ) -> Option<(WorkloadKind, Option<Span>)> {
        let options = ReadOptions {
            format: raw.format.unwrap_or(TraceFormat::Auto),
            trace_block_tokens: raw.trace_block_tokens,
            on_bad_line: raw.on_bad_line.unwrap_or_default(),
            columns: raw.columns.clone().unwrap_or_default(),
            time_unit: raw.time_unit,
            session_rate: raw.session_rate,
            restore_shared_prefix: raw.restore_shared_prefix.unwrap_or(false),
            id_scope: raw.id_scope.clone().filter(|scope| !scope.is_empty()),
        };
        let place = self.place(&["workloads", name, "trace", "path"], At::Value);
        let file = self.file(&raw.path);
        if !file.is_file() {
            let item = Diagnostic::error(place, "a trace is a file that can be read")
                .label(if file.exists() { "this is not a file" } else { "there is no such file" })
                .help(format!("looked for {}; paths start from the scenario's folder", shown(&file)))
                .help(format!("`--set workloads.{name}.trace.path=FILE` names another"));
            self.push(item);
            return None;
        }
        let trace = match self.shelf.load(&file, &options, block_tokens) {
            Ok(trace) => trace,
            Err(problems) => {
                let count = problems.findings.len() as u64 + problems.more;
                let mut item =
                    Diagnostic::error(place, "a trace must be readable from the first line to the last")
                        .label(if count == 1 {
                            "it has a mistake".to_owned()
                        } else {
                            format!("it has {count} mistakes")
                        });
                for finding in &problems.findings {
                    item = item.note(match finding.line {
                        0 => format!("{}: {finding}", raw.path),
                        line => format!("{}:{line}: {finding}", raw.path),
                    });
                }
                if problems.more > 0 {
                    item = item.note(format!("and {} more", problems.more));
                }
                self.push(item.help(format!(
                    "correct the file, or name another with `--set workloads.{name}.trace.path=FILE`"
                )));
                return None;
            }
        };
        for notice in trace.notices() {
            let place = self.place(&["workloads", name, "trace", "path"], At::Value);
            self.push(Diagnostic::notice(place, notice.clone()));
        }
        if scale <= 1.0 && raw.copies_share.is_some() {
            let item = self
                .error_at_key(
                    &["workloads", name, "trace", "copies_share"],
                    "copies share what copies there are",
                )
                .label(format!("`scale` is {scale}: there are no copies"))
                .help("leave it out, or set `scale` above 1");
            self.push(item);
        }
        if scale > 1.0 {
            let place = self.place(&["workloads", name, "scale"], At::Value);
            let copies = 100.0 * (1.0 - 1.0 / scale);
            self.push(Diagnostic::notice(
                place,
                format!(
                    "about {copies:.0} % of the requests of `{name}` are copies that nobody sent: sessions of the trace once \
                     more, at drawn times, with {}",
                    match raw.copies_share.unwrap_or_default() {
                        CopiesShare::Nothing => "blocks of their own",
                        CopiesShare::Universal => "blocks of their own behind the universal ones",
                    }
                ),
            ));
        }
        let speed = raw.speed.unwrap_or(1.0);
        let window = raw.window.map(|window| Window {
            from: window.from.map_or(Span::ZERO, |from| from.0),
            lasts: window.lasts.0,
        });
        let span = Span(trace.summary().span_ns);
        let span =
            window.map_or(span, |window| Span(window.lasts.0.min(span.0.saturating_sub(window.from.0))));
        let length = Span::from_secs_f64(span.as_secs_f64() / speed);
        let params = TraceParams {
            trace,
            speed,
            limit: raw.limit,
            raw_times: !raw.dejitter.unwrap_or(true),
            sample: scale,
            copies_share: raw.copies_share.unwrap_or_default(),
            apart: None,
            window,
        };
        Some((WorkloadKind::Trace(params), Some(length)))
    }

    fn synthetic(
        &mut self,
        name: &str,
        raw: &RawSynthetic,
        scale: f64,
    ) -> Option<(WorkloadKind, Option<Span>)> {
        let default = raw.kind.map_or_else(SyntheticParams::default, Kind::params);
        let path = ["workloads", name, "synthetic"];
        let mut stages = self.stages(name, raw)?;
        for stage in &mut stages {
            (stage.from, stage.to) = (stage.from * scale, stage.to * scale);
        }
        let clients = raw.clients.as_ref().map(|raw| Clients {
            count: (f64::from(raw.count) * scale).round() as u32,
            pause_s: raw.pause_s.clone().map_or(Dist::Constant { value: 0.0 }, Dist::from),
            ramp: raw.ramp.map_or(Span::ZERO, |ramp| ramp.0),
        });
        // Where there is no rate, one a second stands for it; nothing reads it.
        let rate = raw.sessions_per_s.unwrap_or(1.0) * scale;
        let until = match (raw.duration, raw.requests) {
            (None, None) if !stages.is_empty() => Until::Duration(length_of(&stages)),
            (Some(duration), None) => Until::Duration(duration.0),
            (None, Some(requests)) => Until::Requests(requests),
            (None, None) => {
                let has = |key| self.document.has(&["workloads", name, "synthetic", key]);
                if !has("duration") && !has("requests") {
                    let item = self
                        .error_at_key(&path, "a generator has an end")
                        .label("`duration` or `requests` is missing")
                        .help("add `duration = \"10m\"` or `requests = 10000`");
                    self.push(item);
                }
                return None;
            }
            (Some(_), Some(_)) => {
                let item = self
                    .error_at_key(&["workloads", name, "synthetic", "requests"], "a generator has one end")
                    .label("beside `duration`")
                    .context(self.place(&["workloads", name, "synthetic", "duration"], At::Key), "the first")
                    .help("keep `duration` or `requests`");
                self.push(item);
                return None;
            }
        };
        let share = |raw: Option<Ratio>, default: f64| raw.map_or(default, |share| share.0);
        let tenancy = if raw.tenant_zipf.is_some() || raw.heavy_tenants.is_some() || raw.heavy_share.is_some()
        {
            let default = default.tenancy.unwrap_or_default();
            Some(Tenancy {
                zipf: raw.tenant_zipf.unwrap_or(default.zipf),
                heavy: raw.heavy_tenants.unwrap_or(default.heavy),
                heavy_share: share(raw.heavy_share, default.heavy_share),
            })
        } else {
            default.tenancy
        };
        let global = match raw.global.or(default.global.as_ref().map(|global| global.tokens)) {
            None | Some(0) => None,
            Some(tokens) => Some(GlobalPrefix { tokens, shared_as: raw.global_shared_as.clone() }),
        };
        // What is written goes over the kind's: a message over its first input, a later message over its growth.
        let first_input = match (&raw.first_input, &raw.message) {
            (None, Some(_)) => None,
            (None, None) => default.first_input,
            (Some(raw), _) => Some(tokens(Some(raw), Tokens::fixed(1))),
        };
        let growth = match (&raw.growth, &raw.later_message) {
            (None, Some(_)) => None,
            (None, None) => default.growth,
            (Some(raw), _) => Some(tokens(Some(raw), Tokens::fixed(1))),
        };
        let params = SyntheticParams {
            arrivals: raw.arrivals.map_or(default.arrivals, arrivals),
            sessions_per_s: rate,
            stages,
            clients,
            until,
            tenants: raw.tenants.unwrap_or(default.tenants),
            tenancy,
            global,
            system: shared(raw.system.as_ref()).or(default.system),
            documents: shared(raw.documents.as_ref()).or(default.documents),
            users: shared(raw.users.as_ref()).or(default.users),
            first_input,
            message: tokens(raw.message.as_ref(), default.message),
            later_message: tokens(raw.later_message.as_ref(), default.later_message),
            growth,
            output: tokens(raw.output.as_ref(), default.output),
            turns: raw.turns.clone().map_or(default.turns, Dist::from),
            think_s: raw.think_s.clone().map_or(default.think_s, Dist::from),
            tool_share: share(raw.tool_share, default.tool_share),
            tool_wait_s: raw.tool_wait_s.clone().map_or(default.tool_wait_s, Dist::from),
            reset_share: share(raw.reset_share, default.reset_share),
            at_limit: raw.at_limit.unwrap_or(default.at_limit),
            max_context_tokens: raw.max_context_tokens.unwrap_or(default.max_context_tokens),
        };
        let length = match until {
            Until::Duration(span) => Some(span),
            // How long clients take depends on how they are served.
            Until::Requests(_) if params.clients.is_some() => None,
            // A rough length, for a sampling step alone: turns are counted as sessions' starts.
            Until::Requests(requests) => Some(Span::from_secs_f64(requests as f64 / rate)),
        };
        Some((WorkloadKind::Synthetic(params), length))
    }
}

fn arrivals(raw: RawArrivals) -> Arrivals {
    match raw {
        RawArrivals::Poisson => Arrivals::Poisson,
        RawArrivals::Gamma { cv } => Arrivals::Gamma { cv },
        RawArrivals::Weibull { shape } => Arrivals::Weibull { shape },
        RawArrivals::OnOff => Arrivals::ON_OFF,
        RawArrivals::Bursts { on_fraction, on_rate, mean_on } => {
            Arrivals::OnOff { on_fraction, on_rate, mean_on_s: mean_on.0.as_secs_f64() }
        }
    }
}

fn shared(raw: Option<&RawShared>) -> Option<SharedPrefix> {
    raw.map(|raw| SharedPrefix {
        count: raw.count,
        tokens: tokens(Some(&raw.tokens), Tokens::fixed(1)),
        zipf: raw.zipf,
        shared_as: raw.shared_as.clone(),
    })
}

pub(super) fn tokens(raw: Option<&RawTokens>, default: Tokens) -> Tokens {
    match raw {
        None => default,
        Some(RawTokens::Fixed(tokens)) => Tokens::fixed(*tokens),
        Some(RawTokens::Drawn { dist, min, max }) => {
            let end = match dist {
                Dist::Constant { value } => *value,
                Dist::Uniform { max, .. } => *max,
                Dist::Zipf { n, .. } => f64::from(*n),
                Dist::Quantiles { table } => table.last().map_or(0.0, |point| point.1),
                _ => f64::from(MAX_TOKENS),
            };
            // A cast saturates; the generator's own check refuses what is out of range.
            Tokens { dist: dist.clone(), min: min.unwrap_or(1), max: max.unwrap_or(end.ceil() as u32) }
        }
    }
}

/// A path as people write it, the same on every machine.
fn shown(path: &std::path::Path) -> String {
    path.to_string_lossy().replace('\\', "/")
}
