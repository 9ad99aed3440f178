//! What a capacity plan is asked for: names looked up, defaults filled in.

use super::Resolver;
use super::demand::time_of_week;
use crate::catalog;
use crate::id::{Id, IdVec, PoolId, RegionId};
use crate::scenario::nearest::suggest;
use crate::scenario::plan::PoolFacts;
use crate::scenario::planning::{
    ATTAINMENT, CONFIDENCE, Contingency, MAX_SEEDS, PlannedPool, Planning, SEEDS, Supply, usual_max,
};
use crate::time::Span;
use crate::units::Ratio;
use crate::world::{ClassParams, PolicyParams, PoolParams};

impl Resolver<'_> {
    /// What is asked, where the scenario says.
    pub(super) fn planning(
        &mut self,
        regions: &[String],
        pools: &IdVec<PoolId, PoolParams>,
        facts: &[PoolFacts],
        classes: &[ClassParams],
        policies: &[PolicyParams],
        warmup: Span,
    ) -> Option<Planning> {
        if !self.document.has(&["plan"]) {
            return None;
        }
        let raw = self.raw.plan.clone();
        let policy_names: Vec<String> = policies.iter().map(|policy| policy.name.clone()).collect();
        let chosen = raw.policies.unwrap_or_else(|| policy_names.first().cloned().into_iter().collect());
        for (index, name) in chosen.iter().enumerate() {
            let index = index.to_string();
            self.find(&policy_names, name, "policy", "policies", &["plan", "policies", &index]);
        }
        if chosen.is_empty() && self.document.has(&["plan", "policies"]) {
            let item = self
                .error(&["plan", "policies"], "a plan is for at least one policy")
                .label("none is named")
                .help("leave `policies` out for the first of the scenario");
            self.push(item);
        }
        let attainment = self.share(raw.attainment, &["plan", "attainment"]).unwrap_or(ATTAINMENT);
        let class_names: Vec<String> = classes.iter().map(|class| class.name.clone()).collect();
        let mut targets = vec![attainment; classes.len()];
        for (name, &ratio) in &raw.targets {
            let path = ["plan", "targets", name.as_str()];
            let share = self.share(Some(ratio), &path);
            if let (Some(index), Some(share)) = (self.find(&class_names, name, "class", "slo", &path), share)
            {
                targets[index] = share;
            }
        }
        let n_plus_1 = self.share(raw.n_plus_1, &["plan", "n_plus_1"]);
        let with_pools = (0..regions.len()).filter(|&at| pools.iter().any(|pool| pool.region.index() == at));
        if n_plus_1.is_some() && with_pools.count() < 2 {
            let item = self
                .error(&["plan", "n_plus_1"], "a region can be spared where two have pools")
                .label("one region alone has pools")
                .help("add pools in another region, or leave `n_plus_1` out");
            self.push(item);
        }
        let mut times_s = Vec::new();
        for (index, text) in raw.times.iter().enumerate() {
            if let Some(seconds) = time_of_week(text) {
                times_s.push(seconds);
            } else {
                let index = index.to_string();
                let item = self
                    .error(&["plan", "times", &index], "`times` are times of the week in UTC")
                    .label(format!("{text:?} is not"))
                    .help("write \"Mon 08:00\", or \"08:00\" for Monday");
                self.push(item);
            }
        }
        let span = raw.span.map(|span| span.0);
        if let Some(span) = span.filter(|&span| span <= warmup) {
            let item = self
                .error(&["plan", "span"], "`span` is longer than the warm-up, which is part of it")
                .label(format!("{span} is not longer than {warmup}"))
                .help("raise `span`, or shorten `warmup`: nothing would be counted");
            self.push(item);
        }
        let confidence = self.share(raw.confidence, &["plan", "confidence"]).unwrap_or(CONFIDENCE);
        if !(0.5..1.0).contains(&confidence) {
            let item = self
                .error(&["plan", "confidence"], "`confidence` is at least 50% and below 100%")
                .label(format!("{} % is not", confidence * 100.0))
                .help("write \"95%\"");
            self.push(item);
        }
        let supply = self.supply(regions);
        let planned = self.planned_pools(pools, facts);
        self.check_supply(&supply, &planned, pools, facts, regions);
        Some(Planning {
            policies: chosen,
            targets,
            targets_by_class: !raw.targets.is_empty(),
            by_origin: raw.by_origin.unwrap_or(false),
            n_plus_1,
            times_s,
            span,
            events: raw.events.unwrap_or(false),
            seeds: raw.seeds.unwrap_or(SEEDS),
            max_seeds: raw.max_seeds.unwrap_or(MAX_SEEDS),
            confidence,
            pools_named: !self.names(&["plan", "pools"]).is_empty(),
            pools: planned,
            supply,
            contingencies: self.contingencies(regions),
        })
    }

    /// A share above 0, up to 1.
    fn share(&mut self, ratio: Option<Ratio>, path: &[&str]) -> Option<f64> {
        let share = ratio?.0;
        if share > 0.0 && share <= 1.0 {
            return Some(share);
        }
        let key = path.last().copied().unwrap_or_default();
        let item = self
            .error(path, format!("`{key}` is a share above 0, up to 1"))
            .label(format!("{share} is not"))
            .help("write a share such as 0.95 or \"95%\"");
        self.push(item);
        None
    }

    fn known_gpu(&mut self, gpu: &str, path: &[&str], at_key: bool) -> bool {
        let known = catalog::gpu(gpu).is_some();
        if !known {
            let title = "GPU types are those of the catalogue";
            let item = if at_key { self.error_at_key(path, title) } else { self.error(path, title) };
            let names = catalog::gpus().iter().map(|gpu| gpu.name);
            let item = item
                .label(format!("the catalogue has no `{gpu}`"))
                .help(suggest(gpu, "the GPUs are", names))
                .help("`regionsim catalog gpus` lists them");
            self.push(item);
        }
        known
    }

    fn supply(&mut self, regions: &[String]) -> Vec<Supply> {
        let mut supply = Vec::new();
        let raw = self.raw.plan.supply.clone();
        for name in self.names(&["plan", "supply"]) {
            let Some(lots) = raw.get(&name) else { continue };
            let region = self.find(regions, &name, "region", "regions", &["plan", "supply", &name]);
            for (gpu, &gpus) in lots {
                let known = self.known_gpu(gpu, &["plan", "supply", &name, gpu], true);
                if let (Some(region), true) = (region, known) {
                    supply.push(Supply { region: RegionId::new(region), gpu: gpu.clone(), gpus });
                }
            }
        }
        supply
    }

    fn planned_pools(&mut self, pools: &IdVec<PoolId, PoolParams>, facts: &[PoolFacts]) -> Vec<PlannedPool> {
        let names: Vec<String> = pools.iter().map(|pool| pool.name.clone()).collect();
        let written = self.names(&["plan", "pools"]);
        if written.is_empty() {
            let all = pools.enumerate().map(|(pool, params)| PlannedPool {
                pool,
                min: 0,
                max: usual_max(params.replicas),
                gpus: Vec::new(),
            });
            return all.collect();
        }
        let mut planned = Vec::new();
        for name in written {
            let Some(raw) = self.raw.plan.pools.get(&name).cloned() else { continue };
            let path = ["plan", "pools", name.as_str()];
            let Some(index) = names.iter().position(|known| *known == name) else {
                let item = self
                    .error_at_key(&path, "pools of a plan are written \"region/pool\"")
                    .label(format!("there is no pool `{name}`"))
                    .help(suggest(&name, "the pools are", names.iter().map(String::as_str)));
                self.push(item);
                continue;
            };
            let pool = PoolId::new(index);
            let min = raw.min.unwrap_or(0);
            let max = raw.max.unwrap_or_else(|| usual_max(pools[pool].replicas).max(min));
            if min > max {
                let item = self
                    .error(&["plan", "pools", &name, "min"], "`min` is at most `max`")
                    .label(format!("{min} is more than {max}"))
                    .context(self.place(&["plan", "pools", &name, "max"], super::At::Value), "the most")
                    .help("lower `min`, or raise `max`");
                self.push(item);
            }
            let gpus = raw.gpus.unwrap_or_default();
            for (at, gpu) in gpus.iter().enumerate() {
                let at_text = at.to_string();
                let path = ["plan", "pools", name.as_str(), "gpus", &at_text];
                self.known_gpu(gpu, &path, false);
                if gpus[..at].contains(gpu) {
                    let item = self
                        .error(&path, "each GPU type is offered once")
                        .label(format!("`{gpu}` stands before"))
                        .help("remove it");
                    self.push(item);
                }
            }
            if !gpus.is_empty() && facts.get(index).is_none_or(|facts| facts.gpu.is_none()) {
                let item = self
                    .error(&["plan", "pools", &name, "gpus"], "GPU types are offered to pools of GPUs")
                    .label(format!(
                        "`{name}` has none: its replicas are queues, or its step times are stated"
                    ))
                    .help("leave `gpus` out");
                self.push(item);
            }
            planned.push(PlannedPool { pool, min, max, gpus });
        }
        planned
    }

    /// What must be there in any case fits what there is.
    fn check_supply(
        &mut self,
        supply: &[Supply],
        planned: &[PlannedPool],
        pools: &IdVec<PoolId, PoolParams>,
        facts: &[PoolFacts],
        regions: &[String],
    ) {
        for lot in supply {
            let least = |(id, pool): (PoolId, &PoolParams)| {
                let own = facts.get(id.index()).and_then(|facts| facts.gpu.clone());
                let replicas = match planned.iter().find(|planned| planned.pool == id) {
                    Some(planned) if planned.gpus.is_empty() && own.as_ref() == Some(&lot.gpu) => planned.min,
                    Some(planned) if planned.gpus.contains(&lot.gpu) => planned.min,
                    None if own.as_ref() == Some(&lot.gpu) => pool.replicas,
                    _ => 0,
                };
                u64::from(replicas) * u64::from(pool.gpus_per_replica)
            };
            let needed: u64 =
                pools.enumerate().filter(|(_, pool)| pool.region == lot.region).map(least).sum();
            if needed > u64::from(lot.gpus) {
                let region = regions[lot.region.index()].clone();
                let item = self
                    .error(&["plan", "supply", &region, &lot.gpu], "what must be there fits the supply")
                    .label(format!("{} GPUs, and the fewest replicas there take {needed}", lot.gpus))
                    .help("raise the supply, lower `min`, or let more pools change");
                self.push(item);
            }
        }
    }

    fn contingencies(&mut self, regions: &[String]) -> Vec<Contingency> {
        self.check_names(&["plan", "contingencies"]);
        let mut found = Vec::new();
        for name in self.names(&["plan", "contingencies"]) {
            let Some(raw) = self.raw.plan.contingencies.get(&name).cloned() else { continue };
            let path = ["plan", "contingencies", name.as_str()];
            let mut down = Vec::new();
            for (at, region) in raw.down.iter().flatten().enumerate() {
                let at = at.to_string();
                let path = ["plan", "contingencies", &name, "down", &at];
                down.extend(self.find(regions, region, "region", "regions", &path).map(RegionId::new));
            }
            let set = raw.set.unwrap_or_default();
            for (at, text) in set.iter().enumerate() {
                let at = at.to_string();
                let path = ["plan", "contingencies", &name, "set", &at];
                let key = text.split('=').next().unwrap_or_default().trim();
                if !text.contains('=') || key == "seed" || key.starts_with("plan.") || key == "plan" {
                    let item = self
                        .error(&path, "an override is `path=value`, and not of `seed` or `plan`")
                        .label(format!("{text:?} is not one"))
                        .help("write, for example, \"slo.chat.ttft=900ms\"");
                    self.push(item);
                }
            }
            // What is written and broken has been told already.
            let written = |key| self.document.has(&["plan", "contingencies", &name, key]);
            let nothing = !written("down") && !written("traffic") && !written("set");
            if nothing {
                let item = self
                    .error_at_key(&path, "a contingency has `down`, `traffic` or `set`")
                    .label("nothing happens in it")
                    .help("add `down = [\"us\"]`, `traffic = 1.5` or `set = [\"path=value\"]`");
                self.push(item);
            }
            let attainment = self.share(raw.attainment, &["plan", "contingencies", &name, "attainment"]);
            found.push(Contingency { name, down, traffic: raw.traffic.unwrap_or(1.0), set, attainment });
        }
        found
    }
}
