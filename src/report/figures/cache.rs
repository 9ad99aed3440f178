//! What became of prompt tokens: cached, or why not.

use super::cast::{about, figure, members, rows};
use crate::report::draw::labels::{Named, fills};
use crate::report::draw::scale::{Axis, percent};
use crate::report::draw::{Anchor, Ink, SIZE, on, width};
use crate::report::figure::Drawing;
use crate::report::loaded::LoadedRun;
use crate::report::plots::PlotError;

/// Cached, and the reasons in the order of the summary: warm colours for what a policy or more memory could change.
const PARTS: [(&str, (u8, u8, u8)); 9] = [
    ("cached", (0, 109, 91)),
    ("compulsory", (224, 224, 224)),
    ("capacity", (253, 174, 97)),
    ("policy", (200, 62, 20)),
    ("residency", (150, 120, 180)),
    ("isolation", (202, 178, 214)),
    ("rollout", (158, 202, 225)),
    ("outage", (70, 70, 70)),
    ("not cached", (200, 200, 200)),
];

/// The shares of a policy, means over seeds, by the place in `PARTS`.
fn shares(policy: &crate::report::summary::PolicySummary) -> Option<[f64; PARTS.len()]> {
    let mut sums = [0.0; PARTS.len()];
    let mut cells = 0.0;
    for cell in &policy.cells {
        let Some(hit) = cell.all.hit_rate.filter(|hit| hit.is_finite()) else { continue };
        cells += 1.0;
        sums[0] += hit;
        if cell.misses.is_empty() {
            sums[PARTS.len() - 1] += (1.0 - hit).max(0.0);
        }
        for miss in &cell.misses {
            let part = PARTS.iter().position(|(name, _)| *name == miss.reason).unwrap_or(PARTS.len() - 1);
            sums[part] += miss.share.unwrap_or(0.0);
        }
    }
    (cells > 0.0).then(|| sums.map(|sum| sum / cells))
}

/// A bar a policy over all prompt tokens.
pub(super) fn cache(runs: &[LoadedRun]) -> Result<Vec<Drawing>, PlotError> {
    let all: Vec<(Named, [f64; PARTS.len()])> =
        members(runs).iter().filter_map(|member| Some((member.named(), shares(member.policy)?))).collect();
    if all.is_empty() {
        return Ok(Vec::new());
    }
    let names: Vec<Named> = all.iter().map(|(named, _)| named.clone()).collect();
    let title = format!("Prompt tokens found in a cache, {}", about(runs));
    let mut rows = rows(&title, &names, 28.0, 18.0, 90.0, 52.0);
    let plane = rows.across(Axis::shares("share of prompt tokens of completed requests", 5), all.len())?;
    let right = rows.scene.size.0 - 16.0;
    rows.scene.text((right, rows.top - 6.0), Anchor::End, "hit rate", SIZE - 1.0, Ink::Muted);
    for (row, (_, shares)) in all.iter().enumerate() {
        let (y, mut at) = (rows.middle(row), plane.x.0);
        for ((name, colour), share) in PARTS.iter().zip(shares) {
            let wide = share * (plane.x.1 - plane.x.0);
            if wide.is_nan() || wide < 0.05 {
                continue;
            }
            let says = format!("{name} {}", percent((share * 1e3).round() / 1e3));
            let (red, green, blue) = *colour;
            let gap = if wide > 2.5 { 0.8 } else { 0.0 };
            rows.scene.rect((at, y - 9.0), (wide - gap, 18.0), Ink::Fixed(red, green, blue), says);
            if width(name, SIZE - 2.0) + 6.0 < wide {
                rows.scene.text((at + wide / 2.0, y + 3.6), Anchor::Middle, *name, SIZE - 2.0, on(*colour));
            }
            at += wide;
        }
        let hit = percent((shares[0] * 1e3).round() / 1e3);
        rows.scene.text((right, y + 4.0), Anchor::End, hit, SIZE - 1.0, Ink::Text);
    }
    let used = |part: &usize| all.iter().any(|(_, shares)| shares[*part] > 0.0005);
    let keys: Vec<(String, Ink)> = (0..PARTS.len())
        .filter(used)
        .map(|part| (PARTS[part].0.to_owned(), Ink::Fixed(PARTS[part].1.0, PARTS[part].1.1, PARTS[part].1.2)))
        .collect();
    let (at, room) = ((16.0, rows.scene.size.1 - 4.0), rows.scene.size.0 - 32.0);
    let high = fills(&mut rows.scene, &keys, at, room);
    rows.scene.size.1 += high + 6.0;
    let told = runs
        .iter()
        .flat_map(|run| &run.summary.policies)
        .any(|p| p.cells.iter().any(|c| !c.misses.is_empty()));
    let caption = if told {
        "The share of prompt tokens that a cache had, and of the others the reason why not: compulsory ones were never seen \
         before, those of capacity were evicted, those of policy lay in another replica."
    } else {
        "The share of prompt tokens that a cache had; `run --misses` also tells why the others were not cached."
    };
    Ok(vec![figure("cache", &title, caption, &rows.scene)])
}
