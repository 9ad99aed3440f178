//! A capacity plan for people, and its points as CSV. Knows answers; must not know how they came about.

use crate::plan::answer::{Answer, Found, Infeasible, Planned, Point};
use crate::plan::confirm::Verdict;
use crate::sweep::emit::quoted;
use std::fmt::Write as _;
use std::io;

/// How many lines of neighbours are shown.
const NEIGHBOURS: usize = 12;

/// The answer as text. `scenario` is how a command names the scenario: its file, and the overrides it is planned with.
pub fn render(answer: &Answer, scenario: &str) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{} · {}", answer.scenario, answer.kind);
    let _ = writeln!(out, "cases    {}", answer.cases.join(" · "));
    let _ = writeln!(
        out,
        "seeds    search {} from {}, confirmation up to {} from {}; {:.0} requests count in a cell",
        answer.search_seeds.1,
        answer.search_seeds.0,
        answer.confirm_seeds.1,
        answer.confirm_seeds.0,
        answer.requests_per_cell,
    );
    match answer.events {
        Some(true) => {
            out.push_str("events   those of the scenario happen in every case, at their times of a run\n");
        }
        Some(false) => {
            out.push_str("events   those of the scenario are left out; `--set plan.events=true` has them in every case\n");
        }
        None => {}
    }
    for planned in &answer.plans {
        let _ = writeln!(out, "\npolicy {}", planned.policy);
        if let Some(found) = &planned.found {
            plan(&mut out, found, answer);
            let _ = writeln!(
                out,
                "\n  to use it: regionsim run {scenario} --policy {}{}",
                quoted(&planned.policy),
                overrides(&found.set)
            );
        }
        if let Some(infeasible) = &planned.infeasible {
            without(&mut out, infeasible);
        }
    }
    if answer.plans.len() > 1 {
        compared(&mut out, answer);
    }
    if let Some(sun) = &answer.sun {
        out.push_str("\ndemand by the clock\n");
        for (region, share, peak, when) in &sun.regions {
            let _ = writeln!(
                out,
                "  {region:<12} {:>3.0} % of it, peak {peak:.2} of its mean, {when} UTC",
                share * 100.0
            );
        }
        let _ = write!(out, "  sum of peaks over peak of the sum {:.2} ({} UTC)", sun.ratio, sun.peak);
        let _ = match sun.no_bound.as_slice() {
            [] => writeln!(
                out,
                ": one pool for all saves at most {:.0} % of pools for each, whole replicas aside (all are alike, anybody may serve \
                 anybody, and plans stand at these peaks)",
                sun.saved * 100.0
            ),
            broken => writeln!(out, "; what one pool would save is not bounded by it: {}", broken.join(", ")),
        };
    }
    let _ = writeln!(out, "\n{} cells played, {} recalled", answer.cells.0, answer.cells.1);
    out
}

/// Overrides as options of a command.
fn overrides(set: &[String]) -> String {
    set.iter().flat_map(|one| [" --set ".to_string(), quoted(one)]).collect()
}

/// Why there is none.
fn without(out: &mut String, infeasible: &Infeasible) {
    let _ = writeln!(out, "  infeasible: {}", infeasible.reason);
    let _ = writeln!(out, "  {}", infeasible.shown_by);
    if infeasible.relaxations.is_empty() {
        let _ = writeln!(out, "  no change helps, of those that were tried: {}", infeasible.tried.join("; "));
        return;
    }
    out.push_str("  what would help, each line by itself, confirmed as a plan is\n");
    let mut rows = vec![["change", "its tightest then", "%", "asked", ""].map(String::from).to_vec()];
    for change in &infeasible.relaxations {
        rows.push(vec![
            change.change.clone(),
            change.tightest.clone(),
            interval(change.attainment),
            percent(change.target),
            overrides(&change.set).trim_start().to_string(),
        ]);
    }
    grid(out, &rows);
}

/// A time in whole milliseconds, where there is one.
fn whole_ms(ms: Option<f64>) -> String {
    ms.map_or_else(|| "none".to_string(), |ms| format!("{ms:.0}"))
}

fn percent(share: f64) -> String {
    format!("{:.2}", share * 100.0)
}

fn interval((mean, low, high): (f64, f64, f64)) -> String {
    format!("{} ({} … {})", percent(mean), percent(low), percent(high))
}

fn grid(out: &mut String, rows: &[Vec<String>]) {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |at: usize| rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|at| width(at).unwrap_or(0)).collect();
    for row in rows {
        let mut line = String::from(" ");
        for (at, cell) in row.iter().enumerate() {
            let pad = widths[at] - cell.chars().count();
            if cell.parse::<f64>().is_ok() && at > 0 {
                let _ = write!(line, " {}{cell} ", " ".repeat(pad));
            } else {
                let _ = write!(line, " {cell}{} ", " ".repeat(pad));
            }
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Holds => "holds",
        Verdict::Fails => "fails",
        Verdict::Open => "open",
    }
}

fn money(cost: f64, unit: &str) -> String {
    if unit == "$/h" { format!("{cost:.2}") } else { format!("{cost:.0}") }
}

fn plan(out: &mut String, found: &Found, answer: &Answer) {
    let unit = &answer.unit;
    let mut rows = vec![["pool", "replicas", "GPUs", unit, "by rates alone"].map(String::from).to_vec()];
    for lot in &found.lots {
        let rates = lot.rates.map_or_else(String::new, |rates| {
            format!("{:.2} (batch {}, {})", lot.fluid, rates.batch, rates.held_by)
        });
        rows.push(vec![
            lot.offer.clone(),
            lot.replicas.to_string(),
            lot.gpus.to_string(),
            money(lot.cost, unit),
            rates,
        ]);
    }
    let replicas: u32 = found.lots.iter().map(|lot| lot.replicas).sum();
    let gpus: u32 = found.lots.iter().map(|lot| lot.gpus).sum();
    rows.push(vec!["all".into(), replicas.to_string(), gpus.to_string(), money(found.cost, unit)]);
    grid(out, &rows);
    if let Some(proposed) = &found.proposed {
        let words: Vec<String> = proposed.iter().map(u32::to_string).collect();
        let _ =
            writeln!(out, "  the search proposed {}; its confirmation moved on from there", words.join(", "));
    }
    let _ = writeln!(
        out,
        "\n  confirmed (attainment over all arrivals, %; intervals {:.0} % over all looks)",
        answer.confidence * 100.0
    );
    let mut rows =
        vec![["case", "class", "asked", "reached", "p99 TTFT ms", "seeds"].map(String::from).to_vec()];
    for line in &found.confirmation.lines {
        rows.push(vec![
            line.scene.clone(),
            line.group.clone(),
            percent(line.target),
            if line.arrivals == 0 {
                "no request counts".to_string()
            } else {
                interval((line.attainment, line.interval.0, line.interval.1))
            },
            whole_ms(line.ttft_p99_ms),
            line.seeds.to_string(),
        ]);
    }
    grid(out, &rows);
    if !found.neighbours.is_empty() {
        out.push_str("\n  neighbours, each beside the plan under equal seeds\n");
        let mut rows = vec![
            ["change", unit, "says", "at its tightest", "%", "against the plan, pp"]
                .map(String::from)
                .to_vec(),
        ];
        for neighbour in found.neighbours.iter().take(NEIGHBOURS) {
            let verdict = word(neighbour.verdict);
            let difference = neighbour.difference.map_or_else(String::new, |(mean, low, high)| {
                format!("{:+.2} ({:+.2} … {:+.2})", mean * 100.0, low * 100.0, high * 100.0)
            });
            rows.push(vec![
                neighbour.change.clone(),
                money(neighbour.cost, unit),
                verdict.to_string(),
                neighbour.tightest.clone(),
                interval(neighbour.attainment),
                difference,
            ]);
        }
        grid(out, &rows);
    }
    if !found.binding.is_empty() {
        out.push_str("\n  what binds\n");
        let rows: Vec<Vec<String>> = found
            .binding
            .iter()
            .map(|b| vec![b.region.clone(), b.constraint.clone(), b.shown_by.clone()])
            .collect();
        grid(out, &rows);
    }
    if !found.lost.is_empty() {
        out.push_str("\n  with a region gone\n");
        let head = ["region", "attainment %", "p99 TTFT ms", "elsewhere %", "unserved %", "seeds", "asked"];
        let mut rows = vec![head.map(String::from).to_vec()];
        for lost in &found.lost {
            rows.push(vec![
                lost.region.clone(),
                interval(lost.attainment),
                if lost.serves { whole_ms(lost.ttft_p99_ms) } else { "nothing is served".to_string() },
                format!("{:.1}", lost.served_elsewhere * 100.0),
                format!("{:.1}", lost.unserved * 100.0),
                lost.seeds.to_string(),
                lost.asked.map_or_else(|| "no".to_string(), percent),
            ]);
        }
        grid(out, &rows);
    }
    if let Some(headroom) = &found.headroom {
        let falls = headroom
            .falls
            .map_or_else(|| "no larger factor was tried".into(), |f| format!("falls at {f:.2}"));
        let _ = writeln!(out, "\n  headroom: stands {:.2} times the traffic, {falls}", headroom.stands);
    }
    if let Some(residency) = &found.residency {
        match (residency.price, residency.cost_without) {
            (Some(price), Some(without)) => {
                let _ = writeln!(
                    out,
                    "  price of residency: {} {unit} ({} without rules)",
                    money(price, unit),
                    money(without, unit)
                );
            }
            _ => out.push_str("  price of residency: there is no plan without the rules either\n"),
        }
    }
}

/// Policies side by side.
fn compared(out: &mut String, answer: &Answer) {
    out.push_str("\npolicies\n");
    let cost = |planned: &Planned| planned.found.as_ref().map(|found| found.cost);
    let dearest = answer.plans.iter().filter_map(cost).fold(0.0, f64::max);
    let mut rows = vec![
        ["policy", answer.unit.as_str(), "less than the dearest", "p99 TTFT ms"].map(String::from).to_vec(),
    ];
    for planned in &answer.plans {
        let mut row = vec![planned.policy.clone()];
        match &planned.found {
            None => row.push("infeasible".into()),
            Some(found) => {
                row.push(money(found.cost, &answer.unit));
                row.push(format!("{:.1} %", (1.0 - found.cost / dearest.max(1e-9)) * 100.0));
                let p99 = found.confirmation.lines.iter().filter_map(|line| line.ttft_p99_ms);
                row.push(whole_ms(p99.max_by(f64::total_cmp)));
            }
        }
        rows.push(row);
    }
    grid(out, &rows);
}

/// The points of all policies: a row each, by cost.
///
/// # Errors
/// When `to` cannot be written to.
pub fn pareto_csv(answer: &Answer, to: impl io::Write) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(to);
    let unit = if answer.unit == "$/h" { "usd_per_hour" } else { answer.unit.as_str() };
    let head = ["policy"].into_iter().chain(answer.offers.iter().map(String::as_str));
    writer.write_record(head.chain([unit, "ttft_p99_ms", "attainment", "holds", "frontier"]))?;
    for planned in &answer.plans {
        for Point { counts, cost, ttft_p99_ms, attainment, confirmed, frontier } in &planned.pareto {
            let mut row = vec![planned.policy.clone()];
            row.extend(counts.iter().map(u32::to_string));
            row.extend([
                cost.to_string(),
                ttft_p99_ms.map_or_else(String::new, |ms| format!("{ms:.3}")),
                format!("{attainment:.6}"),
                match confirmed {
                    Some(verdict) => word(*verdict).to_string(),
                    None => "not confirmed".to_string(),
                },
                frontier.to_string(),
            ]);
            writer.write_record(&row)?;
        }
    }
    writer.flush()
}
