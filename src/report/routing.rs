//! How requests were routed, as numbers of the summary and lines under the table. Only arithmetic on what was counted.

use super::groups::distribution;
use super::numbers::{ratio, rounded};
use super::summary::{
    CellSummary, GatewayRouting, MissSummary, OutcomeCounts, PolicySummary, RegretSummary, RoutingSummary,
    Summary,
};
use crate::observe::{Miss, Outcome};
use crate::run::result::name_of;
use crate::run::{RunResult, Runs};
use std::fmt::Write;

/// How requests were routed in a cell.
pub(super) fn routing(result: &RunResult) -> RoutingSummary {
    let routed = &result.routed;
    let made = |count: fn(&Runs) -> u64| routed.gateways.iter().map(count).sum::<u64>();
    let shuffled: f64 = routed.gateways.iter().map(Runs::shuffled).sum();
    let over = |sends: u64, runs: f64| (runs > 0.0).then(|| rounded(sends as f64 / runs));
    let mean = |runs: f64| over(made(|runs| runs.sends), runs);
    let gateway = |(index, runs): (usize, &Runs)| GatewayRouting {
        gateway: name_of(&result.labels.gateways, index),
        sends: runs.sends,
        longest_run: runs.longest,
        mean_run: over(runs.sends, runs.runs as f64),
        shuffled_run: over(runs.sends, runs.shuffled()),
    };
    let several = routed.gateways.len() > 1;
    let mut regrets = routed.regrets_ns.clone();
    RoutingSummary {
        sends_per_request: ratio(routed.sends, routed.requests),
        forwards_per_request: ratio(routed.forwards, routed.requests),
        retries: routed.sends - routed.requests,
        longest_run: routed.gateways.iter().map(|runs| runs.longest).max().unwrap_or(0),
        mean_run: mean(made(|runs| runs.runs) as f64),
        shuffled_run: mean(shuffled),
        random_run: (routed.replicas > 1)
            .then(|| rounded(routed.replicas as f64 / (routed.replicas - 1) as f64)),
        gateways: routed.gateways.iter().enumerate().filter(|_| several).map(gateway).collect(),
        oracles: result.oracles.iter().map(ToString::to_string).collect(),
        regret: (routed.told > 0).then(|| RegretSummary {
            decisions: routed.told,
            best: ratio(regrets.iter().filter(|&&regret| regret == 0).count() as u64, regrets.len() as u64),
            regret: distribution(&mut regrets),
        }),
    }
}

/// Why prompts missed in a cell; nothing where nobody asked.
pub(super) fn misses(result: &RunResult, prompt_tokens: u64) -> Vec<MissSummary> {
    let Some(sums) = result.routed.misses else { return Vec::new() };
    let one = |(miss, tokens): (Miss, u64)| MissSummary {
        reason: miss.name().to_string(),
        tokens,
        share: ratio(tokens, prompt_tokens),
    };
    Miss::ALL.into_iter().zip(sums).map(one).collect()
}

/// Lines under the table: what did not end well, and who saw what nobody can.
pub(super) fn notes(summary: &Summary, out: &mut String) {
    for policy in &summary.policies {
        if let Some(line) = ends(policy) {
            let _ = writeln!(out, "! {}: {line}", policy.policy);
        }
    }
    let who = |what: &str| {
        let reads = |policy: &&PolicySummary| policy.cells.iter().any(|cell| reads(cell, what));
        let names: Vec<&str> =
            summary.policies.iter().filter(reads).map(|policy| policy.policy.as_str()).collect();
        (!names.is_empty()).then(|| format!("{what} ({})", names.join(", ")))
    };
    let seen: Vec<String> = ["loads", "caches"].into_iter().filter_map(who).collect();
    if !seen.is_empty() {
        let _ = writeln!(
            out,
            "! oracle: {} are read as they are, which no system can; see `views`",
            seen.join(" and ")
        );
    }
}

fn reads(cell: &CellSummary, what: &str) -> bool {
    cell.routing.oracles.iter().any(|oracle| oracle == what)
}

/// How the requests of all seeds ended that did not complete, and the retries; nothing where all went well.
fn ends(policy: &PolicySummary) -> Option<String> {
    let sum = |of: &dyn Fn(&OutcomeCounts) -> u64| -> u64 {
        policy.cells.iter().map(|cell| of(&cell.conservation.total)).sum()
    };
    let (arrivals, completed) = (sum(&|counts| counts.arrivals), sum(&|counts| counts.completed));
    let retries: u64 = policy.cells.iter().map(|cell| cell.routing.retries).sum();
    let mut parts = Vec::new();
    if completed < arrivals {
        let others = Outcome::ALL.into_iter().filter(|&outcome| outcome != Outcome::Completed);
        let some = others.map(|outcome| (outcome.name(), sum(&|counts| counts.of(outcome))));
        let some: Vec<String> =
            some.filter(|&(_, count)| count > 0).map(|(name, count)| format!("{count} {name}")).collect();
        parts.push(format!(
            "{} of {arrivals} requests not completed: {}",
            arrivals - completed,
            some.join(", ")
        ));
    }
    if retries > 0 {
        parts.push(format!("{retries} retries"));
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}

#[cfg(test)]
mod tests {
    use super::super::sample::{cell, summary};
    use super::super::table;
    use crate::observe::{Miss, Outcome};

    #[test]
    fn what_did_not_end_well_and_what_nobody_can_see_stand_under_the_table() {
        let mut fast = cell("fast", 1, 1);
        fast.oracles = vec!["loads"];
        (fast.routed.requests, fast.routed.sends) = (90, 97);
        let text =
            table::render(&summary(&[("fast", vec![fast]), ("slow", vec![cell("slow", 1, 2)])]), false);
        assert!(text.contains("! fast: 10 of 100 requests not completed: 10 shed; 7 retries\n"), "{text}");
        assert!(text.contains("! slow: 10 of 100 requests not completed: 10 shed\n"), "{text}");
        assert!(text.contains("! oracle: loads (fast) are read as they are"), "{text}");
    }

    #[test]
    fn every_end_is_named_and_the_parts_add_up_to_what_did_not_complete() {
        // One request of the first end, two of the second and so on.
        let mut summary = summary(&[("a", vec![cell("a", 1, 1)])]);
        let total = &mut summary.policies[0].cells[0].conservation.total;
        let mut json = serde_json::to_value(&*total).unwrap();
        for (outcome, count) in Outcome::ALL.into_iter().zip(1u64..) {
            json[outcome.name()] = count.into();
        }
        // 1 + … + 11, of which one is completed.
        json["arrivals"] = 66.into();
        *total = serde_json::from_value(json).unwrap();
        for (outcome, count) in Outcome::ALL.into_iter().zip(1u64..) {
            assert_eq!(total.of(outcome), count, "{}", outcome.name());
        }
        let text = table::render(&summary, false);
        let line = text.lines().find(|line| line.starts_with("! a: ")).expect("not all completed");
        let (head, parts) = line.split_once(" requests not completed: ").expect("it says how");
        assert_eq!(head, "! a: 65 of 66");
        let parts = parts.split("; ").next().unwrap().split(", ").map(|part| part.split_once(' ').unwrap());
        let (counts, names): (Vec<u64>, Vec<&str>) =
            parts.map(|(count, name)| (count.parse::<u64>().unwrap(), name)).unzip();
        assert_eq!(counts.iter().sum::<u64>(), 65);
        let others: Vec<&str> = Outcome::ALL[1..].iter().map(|outcome| outcome.name()).collect();
        assert_eq!(names, others);
    }

    #[test]
    fn reasons_are_shares_of_the_prompts_and_add_up_to_what_was_not_cached() {
        let mut result = cell("a", 1, 1);
        // 90 prompts of 100 tokens, 25 of them cached.
        let mut sums = [0; Miss::COUNT];
        (sums[Miss::Compulsory as usize], sums[Miss::Policy as usize]) = (4_500, 2_250);
        result.routed.misses = Some(sums);
        let summary = summary(&[("a", vec![result])]);
        let cell = &summary.policies[0].cells[0];
        let shares: f64 = cell.misses.iter().filter_map(|miss| miss.share).sum();
        assert_eq!(shares + cell.all.hit_rate.unwrap(), 1.0);
        let text = table::render(&summary, false);
        assert!(text.contains("compulsory") && text.contains("50.0") && text.contains("25.0"), "{text}");
    }

    #[test]
    fn regret_is_over_the_decisions_that_have_one() {
        let mut result = cell("a", 1, 1);
        (result.routed.told, result.routed.regrets_ns) = (4, vec![0, 2_000_000, 1_000_000]);
        let summary = summary(&[("a", vec![result])]);
        let regret = summary.policies[0].cells[0].routing.regret.clone().unwrap();
        assert_eq!((regret.decisions, regret.regret.n, regret.best), (4, 3, Some(0.333333)));
        assert_eq!((regret.regret.mean_ms, regret.regret.at(50.0).unwrap().ms), (Some(1.0), 1.0));
        assert!(table::render(&summary, false).contains("regret ms"));
    }
}
