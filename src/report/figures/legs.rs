//! Where the time before the first token goes: the legs of TTFT, on average and by how slow a request was.

use super::cast::{Member, about, figure, members, rows};
use crate::observe::Leg;
use crate::report::draw::labels::{Named, fills};
use crate::report::draw::scale::{Axis, percent, short};
use crate::report::draw::{Anchor, Ink, SIZE, on, width};
use crate::report::figure::Drawing;
use crate::report::loaded::LoadedRun;
use crate::report::plots::PlotError;
use crate::report::summary::LegBand;

/// The legs' colours: ways over the network blue, gateways purple, engines orange; neighbours differ in lightness.
const COLOURS: [(u8, u8, u8); 10] = [
    (158, 202, 225),
    (66, 130, 190),
    (203, 201, 226),
    (117, 107, 177),
    (8, 69, 148),
    (254, 217, 176),
    (217, 72, 1),
    (120, 190, 110),
    (253, 174, 97),
    (107, 174, 214),
];

fn leg_name(leg: usize) -> String {
    Leg::ALL.get(leg).map_or_else(String::new, |leg| leg.name().replace('_', " "))
}

fn ink(leg: usize) -> Ink {
    let (red, green, blue) = COLOURS[leg % COLOURS.len()];
    Ink::Fixed(red, green, blue)
}

/// The bands of all seeds of a policy together: means weighted by requests.
fn bands(member: &Member<'_>) -> Vec<LegBand> {
    let mut all: Vec<LegBand> = Vec::new();
    for band in member.policy.cells.iter().flat_map(|cell| &cell.ttft_bands) {
        match all.iter_mut().find(|known| known.from == band.from) {
            None => all.push(band.clone()),
            Some(known) => *known = merged(known, band),
        }
    }
    all.sort_by(|a, b| a.from.total_cmp(&b.from));
    all
}

fn merged(a: &LegBand, b: &LegBand) -> LegBand {
    let requests = a.requests + b.requests;
    let mean =
        |(&x, &y): (&f64, &f64)| (x * a.requests as f64 + y * b.requests as f64) / requests.max(1) as f64;
    LegBand {
        from: a.from.min(b.from),
        to: a.to.max(b.to),
        requests,
        network_bound: a.network_bound + b.network_bound,
        legs_ms: a.legs_ms.iter().zip(&b.legs_ms).map(mean).collect(),
    }
}

fn everything(bands: &[LegBand]) -> Option<LegBand> {
    bands.iter().cloned().reduce(|a, b| merged(&a, &b))
}

/// Legs that are worth a key: at least half a per cent of some bar.
fn shown<'b>(bars: impl Iterator<Item = &'b LegBand>) -> Vec<usize> {
    let mut seen = [false; Leg::ALL.len()];
    for bar in bars {
        let total: f64 = bar.legs_ms.iter().sum();
        for (seen, &ms) in seen.iter_mut().zip(&bar.legs_ms) {
            *seen |= ms > 0.0 && ms >= total * 0.005;
        }
    }
    (0..seen.len()).filter(|&leg| seen[leg]).collect()
}

/// One stacked bar from `x.0`; `scale` pixels a millisecond.
fn bar(
    scene: &mut crate::report::draw::Scene,
    band: &LegBand,
    x: f64,
    (y, thick): (f64, f64),
    scale: f64,
) -> f64 {
    let total: f64 = band.legs_ms.iter().sum();
    let mut at = x;
    for (leg, &ms) in band.legs_ms.iter().enumerate() {
        let wide = ms * scale;
        if wide.is_nan() || wide < 0.05 {
            continue;
        }
        let name = leg_name(leg);
        let share = if total > 0.0 { percent((ms / total * 1e3).round() / 1e3) } else { String::new() };
        let says = format!("{name} {} ms, {share}", short(ms));
        // A gap of paper tells neighbours apart without colour.
        let gap = if wide > 2.5 { 0.8 } else { 0.0 };
        scene.rect((at, y), (wide - gap, thick), ink(leg), says);
        if thick >= 13.0 && width(&name, SIZE - 2.0) + 6.0 < wide {
            let dark = on(COLOURS[leg % COLOURS.len()]);
            scene.text((at + wide / 2.0, y + thick / 2.0 + 3.6), Anchor::Middle, name, SIZE - 2.0, dark);
        }
        at += wide;
    }
    at
}

fn network(band: &LegBand) -> String {
    let share = band.network_bound as f64 / band.requests.max(1) as f64;
    percent((share * 1e3).round() / 1e3)
}

fn keys(legs: &[usize]) -> Vec<(String, Ink)> {
    legs.iter().map(|&leg| (leg_name(leg), ink(leg))).collect()
}

/// Means by leg, stacked, and the share of requests that the network rules.
pub(super) fn legs(runs: &[LoadedRun]) -> Result<Vec<Drawing>, PlotError> {
    let all: Vec<(Named, LegBand)> = members(runs)
        .iter()
        .filter_map(|member| Some((member.named(), everything(&bands(member))?)))
        .collect();
    if all.is_empty() {
        return Ok(Vec::new());
    }
    let names: Vec<Named> = all.iter().map(|(named, _)| named.clone()).collect();
    let title = format!("Where the time to first token goes, {}", about(runs));
    let keys = keys(&shown(all.iter().map(|(_, band)| band)));
    let mut rows = rows(&title, &names, 28.0, 18.0, 190.0, 52.0);
    let totals = all.iter().map(|(_, band)| band.legs_ms.iter().sum::<f64>());
    let plane = rows.across(Axis::linear("mean TTFT at the client, ms", totals, 7), all.len())?;
    let scale = plane.at(1.0, 0.0).0 - plane.at(0.0, 0.0).0;
    let right = rows.scene.size.0 - 16.0;
    rows.scene.text((right, rows.top - 6.0), Anchor::End, "network-bound", SIZE - 1.0, Ink::Muted);
    for (row, (_, band)) in all.iter().enumerate() {
        let y = rows.middle(row);
        let scale = if scale.is_finite() { scale } else { 0.0 };
        let end = bar(&mut rows.scene, band, plane.x.0, (y - 9.0, 18.0), scale);
        let total: f64 = band.legs_ms.iter().sum();
        rows.scene.label(
            (end + 6.0, y + 4.0),
            Anchor::Start,
            format!("{} ms", short(total)),
            SIZE - 1.0,
            Ink::Text,
        );
        rows.scene.text((right, y + 4.0), Anchor::End, network(band), SIZE - 1.0, Ink::Text);
    }
    let (at, room) = ((16.0, rows.scene.size.1 - 4.0), rows.scene.size.0 - 32.0);
    let high = fills(&mut rows.scene, &keys, at, room);
    rows.scene.size.1 += high + 6.0;
    let caption = "The mean TTFT of completed requests in its legs, in the order in which they happen; at the right the share \
                   of requests whose ways over the network are more than half of their TTFT.";
    Ok(vec![figure("ttft-legs", &title, caption, &rows.scene)])
}

/// The same by rank, each bar as shares of its mean.
pub(super) fn by_rank(runs: &[LoadedRun]) -> Result<Vec<Drawing>, PlotError> {
    let all: Vec<(Named, Vec<LegBand>)> = members(runs)
        .iter()
        .map(|member| (member.named(), bands(member)))
        .filter(|(_, bands)| !bands.is_empty())
        .collect();
    if all.is_empty() {
        return Ok(Vec::new());
    }
    let names: Vec<Named> = all.iter().map(|(named, _)| named.clone()).collect();
    let title = format!("What makes slow requests slow, {}", about(runs));
    let keys = keys(&shown(all.iter().flat_map(|(_, bands)| bands)));
    let mut rows = rows(&title, &names, 70.0, 18.0, 190.0, 52.0);
    rows.x.0 += 84.0;
    let plane = rows.across(Axis::shares("share of the band's mean TTFT", 5), all.len())?;
    let right = rows.scene.size.0 - 16.0;
    rows.scene.text((right, rows.top - 6.0), Anchor::End, "network-bound", SIZE - 1.0, Ink::Muted);
    rows.scene.text((right - 100.0, rows.top - 6.0), Anchor::End, "mean", SIZE - 1.0, Ink::Muted);
    for (row, (_, bands)) in all.iter().enumerate() {
        for band in bands {
            let slot = [0.0, 50.0, 90.0, 99.0].iter().position(|&from| from == band.from).unwrap_or(0);
            let y = rows.top + row as f64 * rows.step + 4.0 + slot as f64 * 15.5;
            let total: f64 = band.legs_ms.iter().sum();
            let scale = if total > 0.0 { (plane.x.1 - plane.x.0) / total } else { 0.0 };
            bar(&mut rows.scene, band, plane.x.0, (y, 14.0), scale);
            let name = if band.to >= 100.0 {
                "slowest 1 %".to_owned()
            } else {
                format!("p{}–p{}", short(band.from), short(band.to))
            };
            let size = SIZE - 1.5;
            rows.scene.text((plane.x.0 - 6.0, y + 11.0), Anchor::End, name, size, Ink::Muted);
            let mean = format!("{} ms", short(total));
            rows.scene.text((right - 100.0, y + 11.0), Anchor::End, mean, size, Ink::Text);
            rows.scene.text((right, y + 11.0), Anchor::End, network(band), size, Ink::Text);
        }
    }
    let (at, room) = ((16.0, rows.scene.size.1 - 4.0), rows.scene.size.0 - 32.0);
    let high = fills(&mut rows.scene, &keys, at, room);
    rows.scene.size.1 += high + 6.0;
    let caption = "Completed requests ranked by TTFT, in four bands: the share of each leg in a band's mean TTFT; what grows \
                   downwards is what makes requests slow.";
    Ok(vec![figure("ttft-legs-by-rank", &title, caption, &rows.scene)])
}
