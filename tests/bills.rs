//! Bills of random small worlds, with outages and second tries: every part adds up to its whole to the millionth, bytes are
//! those of a plain recount, GPU time is the sum of spans, and prices change no outcome.

#![allow(clippy::format_push_string)] // Text of tests: clear before quick.

use proptest::prelude::*;
use regionsim::id::{Id, RegionId};
use regionsim::observe::{Observation, Observer};
use regionsim::report::{CellSummary, summarise_cell};
use regionsim::run::{Prepared, RunResult, run_cell};
use regionsim::scenario::parse;
use regionsim::time::SimTime;
use regionsim::world::{Look, gateway_regions};
use std::collections::BTreeMap;
use std::path::Path;

/// Bytes between regions, the internet last: what each message is, written down as it goes.
#[derive(Default)]
struct Wire {
    gateways: Vec<RegionId>,
    bytes: BTreeMap<(usize, usize), u64>,
}

const INTERNET: usize = usize::MAX;

impl Wire {
    fn send(&mut self, from: usize, to: usize, bytes: u64) {
        if from != to && bytes > 0 {
            *self.bytes.entry((from, to)).or_default() += bytes;
        }
    }
}

impl Observer for Wire {
    fn observe(&mut self, _: SimTime, observation: &Observation<'_>) {
        match *observation {
            Observation::Sent { gateway, region, prompt_tokens, .. } => {
                let gateway = self.gateways[gateway.index()].index();
                self.send(gateway, region.index(), u64::from(prompt_tokens) * TEXT);
            }
            Observation::Ended(row) => {
                let Some(gateway) = row.gateway.map(|id| self.gateways[id.index()].index()) else { return };
                self.send(INTERNET, gateway, u64::from(row.prompt_tokens) * TEXT);
                let answer = u64::from(row.output_tokens) * (TEXT + FRAMING);
                if let Some(region) = row.region {
                    self.send(region.index(), gateway, answer);
                }
                self.send(gateway, INTERNET, answer);
            }
            _ => {}
        }
    }
}

const TEXT: u64 = 3;
const FRAMING: u64 = 50;

#[derive(Clone, Debug)]
struct World {
    regions: usize,
    replicas: Vec<u32>,
    gpus: Vec<u32>,
    prices: Vec<f64>,
    internet: f64,
    between: f64,
    instance: u32,
    tenants: u32,
    central: bool,
    outage: Option<u32>,
    rate: f64,
    misses: bool,
    seed: u64,
}

fn world() -> impl Strategy<Value = World> {
    let fleet = (1..4usize, prop::collection::vec(1..4u32, 3), prop::collection::vec(0..3u32, 3));
    let money = (prop::collection::vec(0.0..9.0f64, 3), 0.0..0.3f64, 0.0..0.2f64, 0..9u32);
    let rest = (1..60u32, any::<bool>(), prop::option::of(0..3u32), 2.0..30.0f64, any::<bool>(), 0..1_000u64);
    (fleet, money, rest).prop_map(|(fleet, money, rest)| World {
        regions: fleet.0,
        replicas: fleet.1,
        gpus: fleet.2.into_iter().map(|power| 1 << power).collect(),
        // A third of what is free is worth a test of its own.
        prices: money.0.into_iter().map(|price| if price < 1.5 { 0.0 } else { price }).collect(),
        internet: money.1,
        between: money.2,
        instance: money.3,
        tenants: rest.0,
        central: rest.1,
        outage: rest.2,
        rate: rest.3,
        misses: rest.4,
        seed: rest.5,
    })
}

fn text(world: &World, priced: bool) -> String {
    let mut text = format!(
        "seed = {}\nwarmup = \"1s\"\n[models.m]\npreset = \"llama-3.1-8b\"\n[slo.a]\nttft = \"200ms\"\n[slo.b]\n\
         [engine]\nkv_blocks = 400\n",
        world.seed
    );
    let places = ["aws:us-east-1", "aws:eu-west-1", "aws:ap-northeast-1"];
    for (index, place) in places.iter().enumerate().take(world.regions) {
        let (replicas, gpus, price) = (world.replicas[index], world.gpus[index], world.prices[index]);
        let price = if priced { format!(", price.gpu_hour = {price:.6}") } else { String::new() };
        text += &format!(
            "[regions.r{index}]\nlocation = \"{place}\"\n\
             pools.main = {{ gpu = \"h100-sxm\", tensor_parallel = {gpus}, replicas = {replicas}{price} }}\n"
        );
    }
    // A region with a gateway and no replicas, by its own.
    text += "[regions.edge]\nlocation = { lat = 50, lon = 8 }\n[origins.far]\nnear = \"edge\"\n[origins.near]\nnear = \"r0\"\n";
    for (name, class) in [("one", "a"), ("two", "b")] {
        text += &format!(
            "[workloads.{name}]\nclass = \"{class}\"\n[workloads.{name}.synthetic]\nsessions_per_s = {:.3}\nrequests = 40\n\
             tenants = {}\nmessage = {{ uniform = {{ min = 20, max = 1500 }} }}\noutput = {{ uniform = {{ min = 1, max = 60 }} }}\n\
             turns = {{ constant = {{ value = 2 }} }}\nthink_s = {{ constant = {{ value = 0.2 }} }}\n",
            world.rate, world.tenants
        );
    }
    if let Some(region) = world.outage.filter(|&region| (region as usize) < world.regions) {
        text += &format!(
            "[[events]]\nkind = \"down\"\nregion = \"r{region}\"\nat = \"1s\"\nfor = \"2s\"\nin_flight = \"lost\"\n\
             [retry]\nattempts = 3\nbudget = \"100%\"\n"
        );
    }
    text += if world.central {
        "[policies.p]\ncentral.least_request = { at = \"r0\" }\n"
    } else {
        "[policies.p]\nreplica.round_robin = {}\n"
    };
    if priced {
        text += &format!(
            "[prices.egress]\ninternet = {:.6}\nbetween = {:.6}\ntext_bytes_per_token = {TEXT}\n\
             framing_bytes_per_token = {FRAMING}\n",
            world.internet, world.between
        );
        if world.instance > 0 {
            text += &format!("[prices.instance_gpus]\nh100-sxm = {}\n", world.instance);
        }
    }
    text
}

fn run(world: &World, priced: bool) -> (CellSummary, RunResult, Wire) {
    let text = text(world, priced);
    let plan =
        parse("bills", &text, Path::new("."), "bills", &[]).unwrap_or_else(|found| panic!("{found}\n{text}"));
    let prepared = Prepared::of(plan);
    let policy = &prepared.plan.policies[0];
    let mut wire = Wire { gateways: gateway_regions(&prepared.plan.world, policy), ..Wire::default() };
    let mut input = prepared.cell(policy, world.seed);
    input.look = Look { misses: world.misses, ..Look::default() };
    let result = run_cell(&input, None, &mut wire).expect("a world");
    (summarise_cell(&result), result, wire)
}

/// In millionths.
fn micro(usd: f64) -> u64 {
    let millionths = usd * 1e6;
    assert!((millionths - millionths.round()).abs() < 1e-3, "{usd} is not in whole millionths");
    millionths.round() as u64
}

fn check(world: &World) -> Result<(), TestCaseError> {
    let (cell, result, wire) = run(world, true);
    let (usd, egress) = (cell.cost.usd.as_ref().unwrap(), cell.cost.egress.as_ref().unwrap());
    let sum = |parts: &[f64]| parts.iter().copied().map(micro).sum::<u64>();

    // The whole is its parts, each way.
    prop_assert_eq!(micro(usd.gpus) + micro(usd.egress.unwrap()), micro(usd.total));
    prop_assert_eq!((sum(&usd.pools), sum(&usd.regions)), (micro(usd.gpus), micro(usd.gpus)));
    prop_assert_eq!(usd.fleet.iter().map(|line| micro(line.usd)).sum::<u64>(), micro(usd.gpus));
    prop_assert_eq!(usd.fleet.iter().map(|line| micro(line.busy_usd)).sum::<u64>(), micro(usd.busy));
    prop_assert_eq!(
        egress.links.iter().map(|link| micro(link.usd.unwrap())).sum::<u64>(),
        micro(egress.usd.unwrap())
    );
    prop_assert_eq!(egress.usd, usd.egress);
    for parts in [&usd.classes, &usd.tenants] {
        if parts.is_empty() {
            continue;
        }
        prop_assert_eq!(
            parts.iter().map(|part| micro(part.total)).sum::<u64>() + micro(usd.unshared),
            micro(usd.total)
        );
        prop_assert_eq!(
            parts.iter().map(|part| micro(part.gpus)).sum::<u64>() + micro(usd.unshared),
            micro(usd.gpus)
        );
        prop_assert_eq!(
            parts.iter().map(|part| part.requests).sum::<u64>(),
            result.conservation.total.ended()
        );
        for part in parts {
            prop_assert_eq!(micro(part.gpus) + micro(part.egress.unwrap()), micro(part.total));
        }
    }
    let told: u64 = usd.tenants.iter().map(|part| part.of).sum();
    prop_assert!(usd.tenants.len() <= 21 && (told == 0 || told == result.conservation.tenants.len() as u64));

    // GPU time is the sum of spans; instances are whole.
    let gpu_ns: u128 = result
        .replicas
        .enumerate()
        .map(|(id, totals)| {
            let pool = result.labels.replicas[id].pool;
            u128::from(result.labels.pools[pool].gpus_per_replica) * u128::from(totals.provisioned.0)
        })
        .sum();
    let hours = gpu_ns as f64 / 3.6e12;
    prop_assert!((cell.cost.gpu_hours - hours).abs() <= 5.1e-7);
    let lines: f64 = usd.fleet.iter().map(|line| line.gpu_hours).sum();
    prop_assert!((lines - hours).abs() <= 5.1e-7 * usd.fleet.len() as f64);
    prop_assert!(world.instance > 1 || micro(usd.spare) == 0);

    // Bytes, message by message.
    let name = |end: usize| {
        if end == INTERNET { "internet".to_string() } else { result.labels.region(RegionId::new(end)) }
    };
    let plain: BTreeMap<(String, String), u64> =
        wire.bytes.iter().map(|(&(from, to), &bytes)| ((name(from), name(to)), bytes)).collect();
    let counted: BTreeMap<(String, String), u64> =
        egress.links.iter().map(|link| ((link.from.clone(), link.to.clone()), link.bytes)).collect();
    prop_assert_eq!(&plain, &counted);
    prop_assert_eq!(egress.bytes, plain.values().sum::<u64>());
    for link in &egress.links {
        let per_gb = match (link.from.as_str(), link.to.as_str()) {
            ("internet", _) => 0.0,
            (_, "internet") => world.internet,
            _ => world.between,
        };
        // Prices are rounded to millionths, and so is what they make.
        let exact = link.bytes as f64 * (per_gb * 1e6).round() / 1e9;
        prop_assert!((micro(link.usd.unwrap()) as f64 - exact).abs() <= 0.5 + 1e-6, "{:?}", link);
    }

    // Misses are told where they were asked for, and with the tokens that are told elsewhere.
    prop_assert_eq!(usd.misses.is_empty(), cell.misses.is_empty());
    for (paid, told) in usd.misses.iter().zip(&cell.misses) {
        prop_assert_eq!((&paid.reason, paid.tokens), (&told.reason, told.tokens));
    }

    // Prices change nothing else.
    let (free, _, _) = run(world, false);
    prop_assert_eq!(&free.outcome_digest, &cell.outcome_digest);
    prop_assert!(free.cost.usd.is_none() && free.cost.egress.is_none());
    let mut bare = cell.clone();
    (bare.cost.usd, bare.cost.egress) = (None, None);
    // What is old or not known is told where it is used.
    (bare.warnings, bare.notices) = (free.warnings.clone(), free.notices.clone());
    prop_assert_eq!(serde_json::to_string(&bare).unwrap(), serde_json::to_string(&free).unwrap());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn parts_are_wholes_and_prices_change_nothing_else(world in world()) {
        check(&world)?;
    }
}

#[test]
fn the_interesting_cases_are_among_those_tested() {
    // One of each: tries that went elsewhere, more tenants than are told, a pool that nobody used.
    let base = World {
        regions: 2,
        replicas: vec![2, 1, 1],
        gpus: vec![2, 4, 1],
        prices: vec![6.88, 3.5, 0.0],
        internet: 0.09,
        between: 0.02,
        instance: 8,
        tenants: 50,
        central: true,
        outage: Some(1),
        rate: 20.0,
        misses: true,
        seed: 3,
    };
    let (cell, result, _) = run(&base, true);
    check(&base).unwrap();
    assert!(result.routed.sends > result.routed.requests, "no second try");
    let usd = cell.cost.usd.unwrap();
    assert_eq!(usd.tenants.len(), 21);
    assert_eq!(usd.tenants[20].name, "others");
    assert!(usd.tenants[..20].windows(2).all(|pair| pair[0].total >= pair[1].total));
    assert!(usd.spare > 0.0, "two replicas of two, and one of four, in instances of eight");
    assert!(cell.cost.egress.unwrap().links.iter().any(|link| link.from == "r0" && link.to == "r1"));
}
