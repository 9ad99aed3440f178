//! Capacity plans against all plans there are, against supply, against themselves; what cannot be is named.

use rayon::prelude::*;
use regionsim::plan::answer::{Answer, Found};
use regionsim::plan::confirm::{Confirmation, Rules, Verdict, confirm};
use regionsim::plan::{self, CONFIRM_FROM, Evaluator, Market, Question, Variant, scenes, variant};
use regionsim::rng::Key;
use regionsim::scenario::{Plan, Planning, parse};
use std::fmt::Write as _;
use std::path::Path;

fn scenario(text: &str, set: &[String]) -> Plan {
    parse("test.toml", text, Path::new("."), "test", set).unwrap_or_else(|found| panic!("{found}\n{text}"))
}

struct Asked {
    base: Variant,
    by_set: Vec<Variant>,
    planning: Planning,
}

impl Asked {
    fn of(text: &str) -> Asked {
        let plan = scenario(text, &[]);
        let planning = plan.planning.clone().expect("a [plan]");
        let read = |set: &[String]| Ok::<_, ()>(scenario(text, set));
        let base = variant(&plan, &planning, &[], read).unwrap();
        let with_set = planning.contingencies.iter().filter(|contingency| !contingency.set.is_empty());
        let by_set = with_set.map(|c| variant(&plan, &planning, &c.set, read).unwrap()).collect();
        Asked { base, by_set, planning }
    }
    fn answer(&self, quick: bool) -> Answer {
        let tick = || {};
        plan::solve(&Question {
            base: &self.base,
            by_set: &self.by_set,
            planning: &self.planning,
            quick,
            store: None,
            tick: &tick,
        })
        .unwrap()
    }
    fn market(&self) -> Market {
        Market::of(&self.base.plan, &self.planning, &self.base.typed)
    }
    fn rules(&self) -> Rules {
        Rules {
            first_seed: self.base.plan.seed.wrapping_add(CONFIRM_FROM),
            max_seeds: self.planning.max_seeds,
            confidence: self.planning.confidence,
        }
    }
    /// What confirmation says of every plan there is, cheapest first, up to the first that holds.
    fn by_hand(&self) -> Option<(Vec<u32>, Confirmation)> {
        let market = self.market();
        let policy = &self.base.plan.policies[0];
        let scenes = scenes(&self.planning, &market, policy, &self.base, &self.by_set);
        let mut all: Vec<Vec<u32>> = vec![Vec::new()];
        for offer in &market.offers {
            let grow = |head: &Vec<u32>| {
                (offer.min..=offer.max).map(|n| [head.as_slice(), &[n]].concat()).collect::<Vec<_>>()
            };
            all = all.iter().flat_map(grow).collect();
        }
        all.retain(|counts| market.fits(counts) && counts.iter().any(|&n| n > 0));
        all.sort_by_key(|counts| (market.cost(counts), counts.clone()));
        let tick = || {};
        let mut evaluator = Evaluator::new(&scenes, &market, self.planning.by_origin, None, &tick);
        all.into_iter().find_map(|counts| {
            let said = confirm(&mut evaluator, &counts, &self.rules()).unwrap();
            (said.verdict == Verdict::Holds).then_some((counts, said))
        })
    }
}

fn counts(found: &Found) -> Vec<u32> {
    found.lots.iter().map(|lot| lot.replicas).collect()
}

/// A small world: two or three regions with queues or engines at their own prices, round trips, perhaps a rule, perhaps a
/// region that may be lost, perhaps short supply.
fn instance(number: u64) -> String {
    let mut rng = Key::root(number).stream();
    let mut pick = |from: f64, to: f64| from + (to - from) * rng.unit();
    let regions = if number % 3 == 0 { 3 } else { 2 };
    let engines = number % 2 == 1;
    let most = if regions == 3 { 3 } else { 4 };
    let mut text = format!(
        "seed = {number}\nwarmup = \"3s\"\n[slo.chat]\nttft = \"{:.0}ms\"\ne2e = \"{:.0}ms\"\n",
        pick(700.0, 1100.0),
        pick(1500.0, 3000.0)
    );
    for region in 0..regions {
        let _ = write!(text, "[regions.r{region}]\n");
        if engines {
            let _ = writeln!(
                text,
                "pools.main = {{ gpu = \"l4\", price.gpu_hour = {:.2}, timing.linear = {{ base_us = {:.0}, \
                 per_prefill_token_us = {:.0} }}, engine = {{ kv_blocks = 400, max_num_seqs = 8 }} }}",
                pick(1.0, 3.0),
                pick(8e3, 2e4),
                pick(100.0, 400.0)
            );
        } else {
            let _ = writeln!(
                text,
                "pools.main = {{ server.fifo = {{ slots = 2, per_request = \"{:.0}ms\" }} }}",
                pick(200.0, 500.0)
            );
        }
        let rule = if number % 5 == 4 && region == 0 { "data_class = \"own\"\n" } else { "" };
        let _ = write!(
            text,
            "[origins.o{region}]\nnear = \"r{region}\"\nweight = {:.2}\nlast_mile = \"none\"\n{rule}",
            pick(0.3, 1.0)
        );
    }
    if number % 5 == 4 {
        text.push_str("[residency.own]\nprocess_in = [\"r0\"]\n");
    }
    for region in 1..regions {
        for other in 0..region {
            let _ = write!(
                text,
                "[network.rtt]\n\"r{other}<->r{region}\" = \"{:.0}ms\"\n",
                pick(20.0, 150.0)
            );
        }
    }
    // One table for all round trips.
    let mut seen = false;
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !(*line == "[network.rtt]" && std::mem::replace(&mut seen, true)))
        .collect();
    let mut text = lines.join("\n");
    let _ = write!(
        text,
        "\n[workloads.main.synthetic]\nsessions_per_s = {:.1}\nduration = \"33s\"\nmessage.constant.value = {:.0}\n\
         output.constant.value = {:.0}\n",
        pick(5.0, if engines { 11.0 } else { 14.0 }),
        pick(100.0, 400.0),
        pick(4.0, 20.0),
    );
    let policy = if number % 4 == 0 { "replica.least_request = {}" } else { "global.waterfall = { capacity = 4 }\nreplica.least_request = {}" };
    let _ = write!(text, "[policies.only]\n{policy}\n[plan]\nattainment = 0.9\nmax_seeds = 8\n");
    if number % 7 == 6 {
        text.push_str("n_plus_1 = 0.3\n");
    }
    for region in 0..regions {
        let _ = write!(text, "[plan.pools.\"r{region}/main\"]\nmax = {most}\n");
    }
    if engines && number % 3 == 1 {
        text.push_str("[plan.supply.r1]\nl4 = 2\n");
    }
    text
}

fn equals_brute_force(numbers: std::ops::Range<u64>) {
    let answers: Vec<(u64, Option<(f64, f64, bool)>)> = numbers
        .into_par_iter()
        .map(|number| {
            let asked = Asked::of(&instance(number));
            let answer = asked.answer(true);
            let found = answer.plans[0].found.as_ref();
            let by_hand = asked.by_hand();
            let market = asked.market();
            match (found, by_hand) {
                (None, None) => (number, None),
                (Some(found), Some((least, said))) => {
                    // What was returned is what its confirmation upholds, and there is as much of it.
                    assert_eq!(found.confirmation.verdict, Verdict::Holds, "{number}");
                    assert!(market.fits(&counts(found)), "{number}: {:?}", counts(found));
                    let (cost, best) = (found.cost, market.cost(&least).usd());
                    assert!(cost >= best - 1e-9, "{number}: {:?} is cheaper than every plan that holds", counts(found));
                    let (mine, theirs) = (found.confirmation.tightest().unwrap(), said.tightest().unwrap());
                    let overlap = mine.interval.0 <= theirs.interval.1 && theirs.interval.0 <= mine.interval.1;
                    (number, Some((cost, best, overlap)))
                }
                (found, by_hand) => panic!("{number}: {} against {:?}", found.is_some(), by_hand.map(|b| b.0)),
            }
        })
        .collect();
    let mut equal = 0;
    for (number, pair) in &answers {
        let Some((cost, best, overlap)) = pair else { continue };
        if (cost - best).abs() < 1e-9 {
            equal += 1;
            continue;
        }
        let asked = Asked::of(&instance(*number));
        let dearest = asked.market().offers.iter().map(|offer| offer.price.usd()).fold(0.0, f64::max);
        assert!(cost - best <= dearest + 1e-9 && *overlap, "{number}: {cost} against {best}");
    }
    let feasible = answers.iter().filter(|(_, pair)| pair.is_some()).count();
    eprintln!("{equal} of {feasible} plans cost as little as any; {} infeasible", answers.len() - feasible);
    assert!(feasible * 10 >= answers.len() * 7, "{feasible} of {} have a plan", answers.len());
    assert!(equal * 10 >= feasible * 9, "{equal} of {feasible}");
}

#[test]
fn plans_cost_as_little_as_the_best_of_all() {
    equals_brute_force(0..30);
}

/// Longer: `cargo test --release --test planning -- --ignored`.
#[test]
#[ignore = "some minutes; run at night"]
fn plans_cost_as_little_as_the_best_of_all_on_many() {
    equals_brute_force(0..300);
}
