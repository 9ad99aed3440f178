//! From what could be had to the cheapest plan that passes: a guess by rates, bisection region by region, then one
//! replica less where most money is saved, then exchanges, from several starts. Knows counts, costs and whether a plan
//! passes; must not know why. A local optimum of these moves: small instances are compared with all plans there are.

use super::cell::CellError;
use super::evaluate::Evaluator;
use super::market::Counts;
use super::scene::regions_of;
use crate::id::RegionId;

/// Pairs of replicas are exchanged for one where offers are at most so many: their number grows with its cube.
const FEW_OFFERS: usize = 6;

/// The cheapest plan found that passes under these seeds; `None` where not even the most generous does. `guess` is tried
/// first.
///
/// # Errors
/// When a cell cannot be played.
pub fn search(
    evaluator: &mut Evaluator<'_>,
    guess: &[u32],
    seeds: &[u64],
) -> Result<Option<Counts>, CellError> {
    let top = evaluator.top.clone();
    if !evaluator.passes(&top, seeds)? {
        return Ok(None);
    }
    let market = evaluator.market;
    let mut starts: Vec<Counts> = Vec::new();
    let alone = region_by_region(evaluator, guess, seeds)?;
    starts.push(between(evaluator, &alone, &top, seeds)?);
    starts.push(between(evaluator, guess, &top, seeds)?);
    // Each GPU type alone, where there are several.
    let mut gpus: Vec<&str> = market.offers.iter().map(|offer| offer.gpu.as_str()).collect();
    gpus.sort_unstable();
    gpus.dedup();
    if gpus.len() > 1 {
        for gpu in gpus {
            let only = |(offer, &most): (&super::market::Offer, &u32)| {
                let other = market.offers.iter().any(|o| o.pool == offer.pool && o.gpu == gpu);
                if other && offer.gpu != gpu { offer.min } else { most }
            };
            let most: Counts = market.offers.iter().zip(&top).map(only).collect();
            if most != top && evaluator.passes(&most, seeds)? {
                starts.push(between(evaluator, &market.bottom(), &most, seeds)?);
            }
        }
    }
    let mut best: Option<Counts> = None;
    starts.dedup();
    for (number, start) in starts.into_iter().enumerate() {
        let found = descend(evaluator, start, seeds, number % 2 == 1)?;
        if best.as_ref().is_none_or(|best| rank(evaluator, &found) < rank(evaluator, best)) {
            best = Some(found);
        }
    }
    Ok(best)
}

/// Cheaper first; of equal cost, fewer replicas, then the first offers fewer.
fn rank<'c>(evaluator: &Evaluator<'_>, counts: &'c [u32]) -> (u64, u32, &'c [u32]) {
    (evaluator.market.cost(counts).0, counts.iter().sum(), counts)
}

/// By region, the least of it with the others at their most; both ends by bisection, which holds as far as more is not worse.
fn region_by_region(
    evaluator: &mut Evaluator<'_>,
    guess: &[u32],
    seeds: &[u64],
) -> Result<Counts, CellError> {
    let market = evaluator.market;
    let (top, bottom) = (evaluator.top.clone(), market.bottom());
    let mut least = top.clone();
    for region in regions_of(market) {
        let here = |at: usize| market.offers[at].region == region;
        let height = (0..top.len()).filter(|&at| here(at)).map(|at| top[at] - bottom[at]).max().unwrap_or(0);
        if height == 0 {
            continue;
        }
        // At a level, every offer of the region has this share of what it may rise.
        let plan = |level: u32| -> Counts {
            let rise = |at: usize| {
                (u64::from(top[at] - bottom[at]) * u64::from(level)).div_ceil(u64::from(height)) as u32
            };
            (0..top.len()).map(|at| if here(at) { bottom[at] + rise(at) } else { top[at] }).collect()
        };
        let guessed =
            (0..top.len()).filter(|&at| here(at)).map(|at| guess[at].saturating_sub(bottom[at])).max();
        let level = bisect(height, guessed, |level| evaluator.passes(&plan(level), seeds))?;
        let found = plan(level);
        (0..top.len()).filter(|&at| here(at)).for_each(|at| least[at] = found[at]);
    }
    Ok(least)
}

/// The least level of `0..=height` that passes, where `height` is known to; looks at `guess` and the one below it first.
fn bisect(
    height: u32,
    guess: Option<u32>,
    mut passes: impl FnMut(u32) -> Result<bool, CellError>,
) -> Result<u32, CellError> {
    let (mut low, mut high) = (0, height);
    for probe in guess.into_iter().flat_map(|guess| [guess, guess.saturating_sub(1)]) {
        if (low..high).contains(&probe) {
            *(if passes(probe)? { &mut high } else { &mut low }) = probe;
            low += u32::from(low == probe && high != probe);
        }
    }
    while low < high {
        let middle = u32::midpoint(low, high);
        if passes(middle)? {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Ok(high)
}

/// The first plan on the way from `low` to `high`, which passes, that passes too.
fn between(
    evaluator: &mut Evaluator<'_>,
    low: &[u32],
    high: &[u32],
    seeds: &[u64],
) -> Result<Counts, CellError> {
    let height = low.iter().zip(high).map(|(low, high)| high.saturating_sub(*low)).max().unwrap_or(0);
    if height == 0 {
        return Ok(high.to_vec());
    }
    let plan = |level: u32| -> Counts {
        let step = |(&low, &high): (&u32, &u32)| {
            let low = low.min(high);
            low + (u64::from(high - low) * u64::from(level)).div_ceil(u64::from(height)) as u32
        };
        low.iter().zip(high).map(step).collect()
    };
    let level = bisect(height, None, |level| {
        let plan = plan(level);
        Ok(evaluator.market.fits(&plan) && evaluator.passes(&plan, seeds)?)
    })?;
    Ok(plan(level))
}

/// From a plan that passes to one from which no move that saves does.
fn descend(
    evaluator: &mut Evaluator<'_>,
    start: Counts,
    seeds: &[u64],
    backwards: bool,
) -> Result<Counts, CellError> {
    let mut now = start;
    loop {
        let mut moved = false;
        for next in cheaper(evaluator, &now, backwards) {
            if evaluator.passes(&next, seeds)? {
                now = next;
                moved = true;
                break;
            }
        }
        if !moved {
            return Ok(now);
        }
    }
}

/// Plans next to this one that cost less: one replica less, then exchanges; most saved first within each kind.
fn cheaper(evaluator: &Evaluator<'_>, now: &[u32], backwards: bool) -> Vec<Counts> {
    let market = evaluator.market;
    let cost = market.cost(now);
    let changed = |less: &[usize], more: Option<(usize, u32)>| {
        let mut next = now.to_vec();
        for &at in less {
            next[at] = next[at].checked_sub(1)?;
        }
        if let Some((at, n)) = more {
            next[at] += n;
        }
        (market.fits(&next) && market.cost(&next) < cost).then_some(next)
    };
    let free: Vec<usize> = market.free().collect();
    let mut kinds: [Vec<Counts>; 2] = Default::default();
    for &i in &free {
        kinds[0].extend(changed(&[i], None));
        for &j in free.iter().filter(|&&j| j != i) {
            // For one of these, as many of those as still save.
            let (mine, theirs) = (market.offers[i].price.0, market.offers[j].price.0);
            let most = mine.saturating_sub(1).checked_div(theirs).map_or(1, |most| most.min(4));
            kinds[1].extend((1..=most as u32).rev().filter_map(|n| changed(&[i], Some((j, n)))));
            kinds[1].extend(changed(&[i, i], Some((j, 1))));
            if free.len() <= FEW_OFFERS {
                for &k in free.iter().filter(|&&k| k > i && k != j) {
                    kinds[1].extend(changed(&[i, k], Some((j, 1))));
                }
            }
        }
    }
    for kind in &mut kinds {
        kind.sort_by_key(|next| market.cost(next));
        if backwards {
            // Of equal savings the other end first: another start goes another way.
            kind.sort_by(|a, b| market.cost(a).cmp(&market.cost(b)).then_with(|| a.cmp(b)));
        }
    }
    let mut all = kinds.concat();
    all.retain(|next| !evaluator.dominated(next));
    all
}

/// Replicas of a region.
pub fn in_region(evaluator: &Evaluator<'_>, counts: &[u32], region: RegionId) -> u32 {
    evaluator
        .market
        .offers
        .iter()
        .zip(counts)
        .filter(|(offer, _)| offer.region == region)
        .map(|(_, &n)| n)
        .sum()
}

#[cfg(test)]
mod tests {
    use super::bisect;

    #[test]
    fn bisection_finds_every_threshold_with_any_guess() {
        for height in 1..20 {
            for threshold in 0..=height {
                for guess in std::iter::once(None).chain((0..25).map(Some)) {
                    let mut looks = 0;
                    let found = bisect(height, guess, |level| {
                        looks += 1;
                        assert!(level < height);
                        Ok(level >= threshold)
                    });
                    assert_eq!(found.unwrap(), threshold, "height {height}, guess {guess:?}");
                    assert!(looks <= 7, "{looks} looks at {height}");
                }
            }
        }
    }
}
