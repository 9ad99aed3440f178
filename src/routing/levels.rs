//! Shares by health. Knows percentages, in whole numbers; must not know what is healthy or why. The rules are Envoy's:
//! a level or locality counts as whole while its healthy share times an overprovisioning factor is 100 % or more.

/// The health of a level in percent: min(100, `percent` · healthy / total); 0 of an empty one. Envoy's `percent` is 140.
pub fn health(healthy: u64, total: u64, percent: u32) -> u32 {
    if total == 0 { 0 } else { (u64::from(percent) * healthy / total).min(100) as u32 }
}

/// Writes the share of requests, in percent, of each level, the first first: min(what is left, health · 100 / min(100,
/// Σ health)), to the nearest whole number; what rounding leaves goes to the first level in health. All 0 where none is.
pub fn priority_shares(health: &[u32], shares: &mut Vec<u32>) {
    let total: u32 = health.iter().sum::<u32>().min(100);
    shares.clear();
    if total == 0 {
        shares.resize(health.len(), 0);
        return;
    }
    let mut left = 100;
    for &health in health {
        let share = ((health * 100 + total / 2) / total).min(left);
        shares.push(share);
        left -= share;
    }
    if let Some(first) = health.iter().position(|&health| health > 0) {
        shares[first] += left;
    }
}

/// The effective weight of a locality: its weight times its health, 0 to 1.
pub fn locality_weight(weight: f64, healthy: u64, total: u64, percent: u32) -> f64 {
    weight * f64::from(health(healthy, total, percent)) / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shares(percents: &[u32]) -> Vec<u32> {
        let levels: Vec<u32> = percents.iter().map(|&percent| health(u64::from(percent), 100, 140)).collect();
        let mut shares = vec![7];
        priority_shares(&levels, &mut shares);
        shares
    }

    #[test]
    fn envoys_documented_levels() {
        // 71 %: 1.4 · 71 = 99. 72 %: 100. 50 %: 70, then 30. 25 %: 35 each, scaled to 50. 25, 25, 20: 35 + 35 + 28 =
        // 98: 35.7, 35.7 and 28.6, and the last gets what is left, 28.
        for (percents, expected) in [
            (&[100, 100][..], &[100, 0][..]),
            (&[72, 72], &[100, 0]),
            (&[71, 71], &[99, 1]),
            (&[50, 50], &[70, 30]),
            (&[50, 100], &[70, 30]),
            (&[25, 100], &[35, 65]),
            (&[25, 25], &[50, 50]),
            (&[25, 25, 20], &[36, 36, 28]),
            (&[0, 60], &[0, 100]),
            (&[0, 0], &[0, 0]),
        ] {
            assert_eq!(shares(percents), expected, "{percents:?}");
        }
    }

    #[test]
    fn envoys_documented_localities() {
        // Weights 1 and 2, X with half of its hosts: 1 · 70 % and 2: 0.7/2.7 = 26 %, 74 %.
        let (x, y) = (locality_weight(1.0, 50, 100, 140), locality_weight(2.0, 100, 100, 140));
        assert_eq!((x, y), (0.7, 2.0));
        assert_eq!((100.0 * x / (x + y)).round(), 26.0);
        assert_eq!(locality_weight(3.0, 0, 0, 140), 0.0);
    }

    proptest! {
        #[test]
        fn shares_add_up_to_all_and_a_dead_level_gets_none(percents in prop::collection::vec(0u32..101, 1..6)) {
            let shares = shares(&percents);
            let alive = percents.iter().any(|&percent| percent > 0);
            prop_assert_eq!(shares.iter().sum::<u32>(), if alive { 100 } else { 0 });
            for (share, percent) in shares.iter().zip(&percents) {
                prop_assert!(*percent > 0 || *share == 0);
            }
        }
    }
}
