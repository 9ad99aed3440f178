//! What a plan reaches: in the cases that it is held to, with each region gone, and under more traffic.

use super::super::super::planned::Plan;
use super::Member;
use crate::report::draw::labels::Named;
use crate::report::draw::scale::Axis;
use crate::report::draw::{Anchor, Ink, Mark, SIZE};
use crate::report::figure::Drawing;
use crate::report::figures::cast::{figure, rows};
use crate::report::plots::PlotError;

/// A share with its interval and what is asked, all in per cent.
struct Reached {
    named: Named,
    value: f64,
    ends: (f64, f64),
    asked: Option<f64>,
    words: String,
}

/// Rows of shares: bars from 0 where `bars`, else marks on an axis that begins near the least.
fn shares(
    id: &str,
    title: &str,
    caption: &str,
    all: &[Reached],
    bars: bool,
) -> Result<Option<Drawing>, PlotError> {
    if all.is_empty() {
        return Ok(None);
    }
    let names: Vec<Named> = all.iter().map(|one| one.named.clone()).collect();
    let mut rows = rows(title, &names, 28.0, 4.0, 250.0, 52.0);
    let least = all
        .iter()
        .flat_map(|one| [Some(one.ends.0), Some(one.value), one.asked])
        .flatten()
        .fold(100.0, f64::min);
    let low = if bars { 0.0 } else { (least - ((100.0 - least) * 0.08).max(0.05)).max(0.0) };
    let high = if bars { 104.0 } else { 100.0 + ((100.0 - low) * 0.05).max(0.02) };
    let plane = rows.across(Axis::between("attainment over all arrivals, %", (low, high), 6), all.len())?;
    let at = |value: f64| plane.at(value, 0.0).0;
    for (row, one) in all.iter().enumerate() {
        let y = rows.middle(row);
        let ink = one.named.style.ink();
        let says = format!("{}: {}", one.named.name, one.words);
        if bars {
            rows.scene.rect((at(0.0), y - 8.0), (at(one.value) - at(0.0), 16.0), ink, says);
        } else {
            rows.scene.dot((at(one.value), y), one.named.style, says);
        }
        let line = vec![vec![(at(one.ends.0), y), (at(one.ends.1), y)]];
        let ink = if bars { Ink::Text } else { ink };
        rows.scene.marks.push(Mark::Lines { lines: line, ink, width: if bars { 1.4 } else { 2.0 }, dash: 0 });
        if let Some(asked) = one.asked {
            let x = at(asked);
            rows.scene.marks.push(Mark::Lines {
                lines: vec![vec![(x, y - 12.0), (x, y + 12.0)]],
                ink: Ink::Text,
                width: 2.4,
                dash: 0,
            });
            rows.scene.rect((at(low), y - 11.0), (x - at(low), 22.0), Ink::Shade, "");
        }
        rows.scene.text((rows.x.1 + 10.0, y + 4.0), Anchor::Start, one.words.clone(), SIZE - 1.0, Ink::Text);
    }
    Ok(Some(figure(id, title, caption, &rows.scene)))
}

fn who(members: &[Member<'_>], member: &Member<'_>, what: String) -> Named {
    let name = if members.len() > 1 { format!("{}, {what}", member.named.name) } else { what };
    Named { name, ..member.named.clone() }
}

/// The cases that the plan is held to.
pub(super) fn cases(plan: &Plan, members: &[Member<'_>]) -> Result<Option<Drawing>, PlotError> {
    let all = members.iter().flat_map(|member| {
        member.found.confirmation.lines.iter().map(move |line| Reached {
            named: who(members, member, format!("{}: {}", line.scene, line.group)),
            value: line.attainment * 100.0,
            ends: (line.interval.0 * 100.0, line.interval.1 * 100.0),
            asked: Some(line.target * 100.0),
            words: format!(
                "{:.2} of {:.2} % asked, p99 {:.0} ms",
                line.attainment * 100.0,
                line.target * 100.0,
                line.ttft_p99_ms
            ),
        })
    });
    let title = format!("What the plan reaches in its cases, {}", plan.answer.scenario);
    let caption = format!(
        "Under seeds that the search has not seen, with {} % intervals; what is asked is the thick tick, and the shaded side would \
         be too little.",
        plan.answer.confidence * 100.0
    );
    shares("attainment", &title, &caption, &all.collect::<Vec<_>>(), false)
}

/// With each region gone.
pub(super) fn lost(plan: &Plan, members: &[Member<'_>]) -> Result<Option<Drawing>, PlotError> {
    let all = members.iter().flat_map(|member| {
        member.found.lost.iter().map(move |lost| {
            let (mean, low, high) = lost.attainment;
            Reached {
                named: who(members, member, format!("{} gone", lost.region)),
                value: mean * 100.0,
                ends: (low * 100.0, high * 100.0),
                asked: lost.asked.map(|asked| asked * 100.0),
                words: format!(
                    "{:.1} %, p99 {:.0} ms, unserved {:.1} %",
                    mean * 100.0,
                    lost.ttft_p99_ms,
                    lost.unserved * 100.0
                ),
            }
        })
    });
    let title = format!("With a region gone, {}", plan.answer.scenario);
    let all: Vec<Reached> = all.collect();
    let asked = if all.iter().any(|one| one.asked.is_some()) {
        "what is asked is the thick tick"
    } else {
        "nothing is asked of these cases (`plan.n_plus_1`)"
    };
    let caption = format!(
        "The least attainment over classes with its interval, the region gone from the start; {asked}."
    );
    shares("region-gone", &title, &caption, &all, true)
}

/// How much more traffic the plan stands.
pub(super) fn headroom(plan: &Plan, members: &[Member<'_>]) -> Result<Option<Drawing>, PlotError> {
    let all: Vec<_> =
        members.iter().filter_map(|member| Some((member.named.clone(), member.found.headroom?))).collect();
    if all.is_empty() {
        return Ok(None);
    }
    let title = format!("How much more traffic the plan stands, {}", plan.answer.scenario);
    let names: Vec<Named> = all.iter().map(|(named, _)| named.clone()).collect();
    let mut rows = rows(&title, &names, 30.0, 4.0, 170.0, 52.0);
    let most = all.iter().map(|(_, headroom)| headroom.falls.unwrap_or(headroom.stands)).fold(1.2, f64::max);
    let plane =
        rows.across(Axis::between("times the traffic of the scenario", (0.0, most * 1.06), 7), all.len())?;
    let at = |value: f64| plane.at(value, 0.0).0;
    for (row, (named, headroom)) in all.iter().enumerate() {
        let y = rows.middle(row);
        let falls =
            headroom.falls.map_or("no more was tried".to_owned(), |falls| format!("falls at {falls:.2}"));
        let words = format!("stands {:.2}, {falls}", headroom.stands);
        let says = format!("{}: {words}", named.name);
        rows.scene.rect((at(0.0), y - 8.0), (at(headroom.stands) - at(0.0), 16.0), named.style.ink(), says);
        if let Some(falls) = headroom.falls {
            let (from, to) = (at(headroom.stands), at(falls));
            rows.scene.rect((from, y - 8.0), (to - from, 16.0), Ink::Shade, "");
            rows.scene.line((to, y - 11.0), (to, y + 11.0), Ink::Text);
        }
        rows.scene.text((rows.x.1 + 10.0, y + 4.0), Anchor::Start, words, SIZE - 1.0, Ink::Text);
    }
    let bottom = rows.top + all.len() as f64 * rows.step;
    let line = vec![vec![(at(1.0), rows.top), (at(1.0), bottom)]];
    rows.scene.marks.push(Mark::Lines { lines: line, ink: Ink::Text, width: 1.2, dash: 1 });
    let caption = "The bar ends at the largest factor at which the plan was seen to stand in all usual cases, the thin line is where \
                   it was seen to fall; the broken line is the traffic that it is planned for.";
    Ok(Some(figure("headroom", &title, caption, &rows.scene)))
}
