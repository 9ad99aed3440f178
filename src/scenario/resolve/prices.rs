//! Prices: whose they are and where they come from. All pools have one, or the sum would be of a part.

mod egress;

use super::Resolver;
use crate::catalog::{self, Term};
use crate::cost::{ApiPrices, EgressRates, MicroUsd, Owned, PoolPrice, Reserved};
use crate::id::{IdVec, PoolId};
use crate::scenario::nearest::suggest;
use crate::scenario::plan::{PoolFacts, RegionFacts};
use crate::scenario::raw::prices::RawPoolPrice;
use crate::world::PoolParams;
use std::collections::BTreeMap;

/// Of the building, where none is stated: what large operators report.
const PUE: f64 = 1.2;
/// Dollars for a kilowatt-hour, where none is stated: our choice, an industrial tariff.
const USD_PER_KWH: f64 = 0.08;

impl Resolver<'_> {
    /// What each pool's GPUs cost, where the scenario asks for that at all.
    pub(super) fn prices(
        &mut self,
        pools: &IdVec<PoolId, PoolParams>,
        facts: &[PoolFacts],
        names: &[String],
        regions: &[RegionFacts],
    ) -> (Vec<PoolPrice>, Option<EgressRates>) {
        let stated_of = |this: &Self, pool: &PoolParams| {
            let (region, name) = pool.name.split_once('/')?;
            this.raw.regions.get(region)?.pools.get(name)?.price
        };
        let any = pools.iter().any(|pool| stated_of(self, pool).is_some());
        if !any && !self.document.has(&["prices"]) {
            return (Vec::new(), None);
        }
        let raw = self.raw.prices.clone();
        for gpu in raw.gpu_hour.keys().filter(|gpu| catalog::gpu(gpu).is_none()) {
            let known = catalog::gpus().iter().map(|gpu| gpu.name);
            let item = self
                .error_at_key(&["prices", "gpu_hour", gpu], "`gpu_hour` is by GPUs of the catalogue")
                .label(format!("the catalogue has no `{gpu}`"))
                .help(suggest(gpu, "the GPUs are", known));
            self.push(item);
        }
        for (gpu, &usd) in raw.gpu_hour.iter().filter(|(_, usd)| !(0.0..=100_000.0).contains(*usd)) {
            let item = self
                .error(&["prices", "gpu_hour", gpu], "a price is between 0 and 100000 dollars")
                .label(format!("{usd} is not"))
                .help("write dollars for one GPU and one hour");
            self.push(item);
        }
        self.check_instances(&raw.instance_gpus);
        let reserved = raw.reserved.map(|some| Reserved { share: some.share.0, discount: some.discount.0 });
        let term = raw.term.unwrap_or(Term::OnDemand);
        let mut prices = Vec::new();
        for (id, pool) in pools.enumerate() {
            // Plain queues have no GPUs.
            let Some(gpu) = facts.get(crate::id::Id::index(id)).and_then(|facts| facts.gpu.as_deref()) else {
                continue;
            };
            let location =
                regions.get(crate::id::Id::index(pool.region)).and_then(|region| region.catalogue.as_deref());
            let found = match stated_of(self, pool) {
                Some(RawPoolPrice::GpuHour(usd)) => Some((MicroUsd::from_usd(usd), "stated".to_string())),
                Some(RawPoolPrice::Owned(owned)) => {
                    let board = || catalog::gpu(gpu).map_or(0.0, |gpu| f64::from(gpu.power_w));
                    let hour = Owned {
                        purchase_usd: owned.purchase,
                        years: owned.years,
                        power_w: owned.power_w.unwrap_or_else(board),
                        pue: owned.pue.unwrap_or(PUE),
                        usd_per_kwh: owned.kwh.unwrap_or(USD_PER_KWH),
                    };
                    Some((hour.gpu_hour(), format!("owned, written off over {} years", owned.years)))
                }
                None => match raw.gpu_hour.get(gpu) {
                    Some(&usd) => Some((MicroUsd::from_usd(usd), "stated".to_string())),
                    None => location.and_then(|location| catalog::price(location, gpu, term)).map(|price| {
                        let list = MicroUsd(price.micro_usd_per_gpu_hour());
                        let words =
                            format!("{} {}, {}, {}", price.instance, term.name(), price.source, price.date);
                        match reserved {
                            None => (list, words),
                            Some(some) => {
                                let (share, off) = (some.share * 100.0, some.discount * 100.0);
                                (some.price(list), format!("{words}; {share} % of it {off} % off"))
                            }
                        }
                    }),
                },
            };
            let Some((price, source)) = found else {
                let (region, name) = pool.name.split_once('/').unwrap_or((&pool.name, ""));
                let place = location.map_or("a place outside of it".to_string(), str::to_owned);
                let item = self
                    .error_at_key(&["regions", region, "pools", name], "with prices, every pool has one")
                    .label(format!("the catalogue has none for {gpu}, {}, at {place}", term.name()))
                    .help(format!("state it: `price.gpu_hour = 2.5` in the pool, or `gpu_hour = {{ \"{gpu}\" = 2.5 }}` in `[prices]`"))
                    .help("`regionsim catalog prices` lists what there is");
                self.push(item);
                continue;
            };
            prices.push(PoolPrice {
                pool: pool.name.clone(),
                micro_usd_per_gpu_hour: price.0,
                source,
                gpus_per_instance: raw.instance_gpus.get(gpu).copied().unwrap_or(0),
            });
        }
        for key in ["share", "discount"] {
            let value = raw
                .reserved
                .map(|reserved| if key == "share" { reserved.share.0 } else { reserved.discount.0 });
            if let Some(value) = value.filter(|value| !(0.0..=1.0).contains(value)) {
                let item = self
                    .error(&["prices", "reserved", key], format!("`{key}` is between 0 and 1"))
                    .label(format!("{value} is not"))
                    .help("write a share such as 0.4 or \"40%\"");
                self.push(item);
            }
        }
        let egress = (!prices.is_empty()).then(|| self.egress(names, regions));
        (prices, egress)
    }

    fn check_instances(&mut self, sizes: &BTreeMap<String, u32>) {
        for (gpu, &size) in sizes {
            let path = ["prices", "instance_gpus", gpu.as_str()];
            if catalog::gpu(gpu).is_none() {
                let known = catalog::gpus().iter().map(|gpu| gpu.name);
                let item = self
                    .error_at_key(&path, "`instance_gpus` is by GPUs of the catalogue")
                    .label(format!("the catalogue has no `{gpu}`"))
                    .help(suggest(gpu, "the GPUs are", known));
                self.push(item);
            }
            if !(1..=1024).contains(&size) {
                let item = self
                    .error(&path, "an instance has between 1 and 1024 GPUs")
                    .label(format!("{size} is not"))
                    .help("write how many, such as 8; `regionsim catalog prices` lists instances");
                self.push(item);
            }
        }
    }

    /// What an API asks.
    pub(super) fn api_prices(&mut self) -> Option<ApiPrices> {
        let api = self.raw.prices.api?;
        if api.cached_input > api.input {
            let title = "a cached token costs at most what a fresh one does";
            let item = self
                .error(&["prices", "api", "cached_input"], title)
                .label(format!("{} is more than {}", api.cached_input, api.input))
                .help("exchange the two, or leave `cached_input` at the price of `input`");
            self.push(item);
        }
        let micro = |usd: f64| MicroUsd::from_usd(usd).0;
        Some(ApiPrices {
            micro_usd_input: micro(api.input),
            micro_usd_cached_input: micro(api.cached_input),
            micro_usd_output: micro(api.output),
        })
    }
}
