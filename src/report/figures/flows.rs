//! Which regions served which origins, a figure a policy.

use super::cast::{Member, figure, members, slug};
use crate::report::draw::labels;
use crate::report::draw::scale::{percent, short};
use crate::report::draw::{Anchor, Ink, SIZE, Scene, elide, on, width};
use crate::report::figure::Drawing;
use crate::report::loaded::LoadedRun;
use crate::report::plots::PlotError;

/// From little to much: the single-hue blues of ColorBrewer, whose lightness alone tells them apart.
const SHADES: [(u8, u8, u8); 6] =
    [(247, 251, 255), (222, 235, 247), (158, 202, 225), (107, 174, 214), (33, 113, 181), (8, 48, 107)];

/// The colour of a share, between the shades.
pub(crate) fn shade(share: f64) -> (u8, u8, u8) {
    let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
    let at = share * (SHADES.len() - 1) as f64;
    let (low, part) = (at.floor() as usize, at.fract());
    let high = (low + 1).min(SHADES.len() - 1);
    let mix = |a: u8, b: u8| (f64::from(a) + (f64::from(b) - f64::from(a)) * part).round() as u8;
    let ((r0, g0, b0), (r1, g1, b1)) = (SHADES[low], SHADES[high]);
    (mix(r0, r1), mix(g0, g1), mix(b0, b1))
}

/// A figure a policy.
pub(super) fn flows(runs: &[LoadedRun]) -> Result<Vec<Drawing>, PlotError> {
    Ok(members(runs).iter().filter_map(one).collect())
}

fn one(member: &Member<'_>) -> Option<Drawing> {
    let cell = member.first()?;
    let (origins, regions) = (&cell.origins, &cell.regions);
    let flows = &cell.flows;
    if flows.requests.iter().flatten().all(|&n| n == 0) {
        return None;
    }
    let name = member.name();
    let title = format!("Who served whom: {name}");
    let left =
        origins.iter().map(|origin| width(&origin.name, SIZE)).fold(60.0f64, f64::max).min(180.0) + 32.0;
    let wide = ((860.0 - left - 90.0) / regions.len().max(1) as f64).clamp(46.0, 130.0);
    let (high, top) = (38.0, 96.0);
    let right = left + wide * regions.len() as f64;
    let mut scene = Scene::new((right + 90.0).max(420.0), top + high * origins.len() as f64 + 16.0, &title);
    labels::title(&mut scene, &title);
    scene.text(
        (16.0, 46.0),
        Anchor::Start,
        "rows: where requests come from; columns: the region that served; share of the row",
        SIZE - 1.5,
        Ink::Muted,
    );
    scene.text((right + 80.0, top - 8.0), Anchor::End, "requests", SIZE - 1.0, Ink::Muted);
    let slanted = regions.iter().any(|region| width(&region.name, SIZE - 1.0) > wide - 4.0);
    for (column, region) in regions.iter().enumerate() {
        let words = elide(&region.name, SIZE - 1.0, if slanted { wide * 2.0 - 8.0 } else { wide - 4.0 });
        // Long names stand on two lines in turn.
        let y = top - 8.0 - if slanted && column % 2 == 1 { 15.0 } else { 0.0 };
        let x = left + (column as f64 + 0.5) * wide;
        let x = x.min(scene.size.0 - 8.0 - width(&words, SIZE - 1.0) / 2.0);
        scene.text((x, y), Anchor::Middle, words, SIZE - 1.0, Ink::Text);
    }
    for (row, (origin, counts)) in origins.iter().zip(&flows.requests).enumerate() {
        let y = top + row as f64 * high;
        let words = elide(&origin.name, SIZE, left - 26.0);
        scene.text((left - 10.0, y + high / 2.0 + 4.0), Anchor::End, words, SIZE, Ink::Text);
        let all: u64 = counts.iter().sum();
        for (column, &count) in counts.iter().enumerate() {
            let share = if all > 0 { count as f64 / all as f64 } else { 0.0 };
            let colour = shade(share);
            let mean = flows.ttft_mean_ms.get(row).and_then(|means| means.get(column).copied().flatten());
            let x = left + column as f64 * wide;
            let region = regions.get(column).map_or("", |region| region.name.as_str());
            let says = format!("{} → {region}: {count} requests", origin.name);
            if count == 0 {
                scene.text((x + wide / 2.0, y + high / 2.0 + 4.0), Anchor::Middle, "·", SIZE, Ink::Muted);
                continue;
            }
            scene.rect((x, y), (wide - 1.0, high - 1.0), Ink::Fixed(colour.0, colour.1, colour.2), says);
            let (ink, middle) = (on(colour), x + wide / 2.0);
            let part = if share < 0.001 { "<0.1 %".to_owned() } else { percent(round(share)) };
            scene.text((middle, y + 16.0), Anchor::Middle, part, SIZE - 1.0, ink);
            if let Some(mean) = mean {
                scene.text(
                    (middle, y + 30.0),
                    Anchor::Middle,
                    format!("{} ms", whole(mean)),
                    SIZE - 2.0,
                    ink,
                );
            }
        }
        scene.text(
            (right + 80.0, y + high / 2.0 + 4.0),
            Anchor::End,
            short(all as f64),
            SIZE - 1.0,
            Ink::Text,
        );
    }
    let caption = format!(
        "Under {name} (first seed), the share of each origin's completed requests that each region served, and their mean \
         TTFT: dark cells off the home region are traffic that crosses regions."
    );
    Some(figure(&format!("flows-{}", slug(&name)), &title, &caption, &scene))
}

/// Whole per cents, tenths below one.
fn round(share: f64) -> f64 {
    if share >= 0.01 { (share * 100.0).round() / 100.0 } else { (share * 1000.0).round() / 1000.0 }
}

fn whole(ms: f64) -> String {
    if ms >= 100.0 { short(ms.round()) } else { short((ms * 10.0).round() / 10.0) }
}
