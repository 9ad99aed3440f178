//! One bill in parts: in proportion to weights, in whole millionths, and exactly the whole.

use super::MicroUsd;

impl MicroUsd {
    /// The parts of this sum by these weights: each its quota rounded down, and the millionths left over one each to the
    /// largest remainders, the first of equals (Hare and Niemeyer). Without any weight there are no parts to give it to.
    pub fn split(self, weights: &[u64]) -> Option<Vec<MicroUsd>> {
        let whole: u128 = weights.iter().map(|&weight| u128::from(weight)).sum();
        if whole == 0 {
            return None;
        }
        let exact = |weight: u64| u128::from(self.0) * u128::from(weight);
        let mut parts: Vec<MicroUsd> =
            weights.iter().map(|&weight| MicroUsd((exact(weight) / whole) as u64)).collect();
        let left = self.0 - parts.iter().map(|part| part.0).sum::<u64>();
        let mut order: Vec<usize> = (0..weights.len()).collect();
        order.sort_by_key(|&index| std::cmp::Reverse(exact(weights[index]) % whole));
        for &index in order.iter().take(left as usize) {
            parts[index].0 += 1;
        }
        Some(parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn largest_remainders_by_hand() {
        let parts = |sum, weights: &[u64]| {
            let parts = MicroUsd(sum).split(weights)?;
            Some(parts.into_iter().map(|part| part.0).collect::<Vec<_>>())
        };
        // 10 by 1 : 1 : 1 is 3⅓ each, the first gets the one left over; 10 by 6 : 3 : 2 is 5.45, 2.73, 1.82.
        assert_eq!(parts(10, &[1, 1, 1]), Some(vec![4, 3, 3]));
        assert_eq!(parts(10, &[6, 3, 2]), Some(vec![5, 3, 2]));
        assert_eq!(parts(0, &[5]), Some(vec![0]));
        assert_eq!((parts(7, &[0, 0]), parts(7, &[])), (None, None));
    }

    proptest! {
        #[test]
        fn parts_add_up_and_are_within_a_millionth(
            sum in 0..u64::MAX / 2,
            weights in prop::collection::vec(0..u64::MAX >> 8, 1..40),
        ) {
            prop_assume!(weights.iter().any(|&weight| weight > 0));
            let parts = MicroUsd(sum).split(&weights).unwrap();
            prop_assert_eq!(parts.iter().map(|part| part.0).sum::<u64>(), sum);
            let whole: u128 = weights.iter().map(|&weight| u128::from(weight)).sum();
            for (part, &weight) in parts.iter().zip(&weights) {
                let quota = u128::from(sum) * u128::from(weight) / whole;
                prop_assert!(u128::from(part.0) == quota || u128::from(part.0) == quota + 1 && weight > 0);
            }
        }
    }
}
