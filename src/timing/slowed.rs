//! Step time of a replica that is not itself: another's, stretched. Knows a factor; must not know why.

use super::{BatchShape, Line, StepTime};
use std::sync::Arc;

/// So many thousandths of another step time, rounded down to picoseconds once for each line.
#[derive(Clone, Debug)]
pub struct Slowed {
    inner: Arc<dyn StepTime>,
    per_mille: i64,
}

impl Slowed {
    /// `per_mille` is over 1000 for slower.
    pub fn new(inner: Arc<dyn StepTime>, per_mille: u32) -> Slowed {
        Slowed { inner, per_mille: i64::from(per_mille) }
    }
}

impl StepTime for Slowed {
    #[inline]
    fn line(&self, shape: &BatchShape) -> Line {
        let line = self.inner.line(shape);
        let scaled = |ps: i64| (i128::from(ps) * i128::from(self.per_mille)).div_euclid(1000) as i64;
        Line { base_ps: scaled(line.base_ps), slope_ps: scaled(line.slope_ps), ..line }
    }
    fn extrapolates(&self, shape: &BatchShape) -> bool {
        self.inner.extrapolates(shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timing::{IngressParams, LinearParams, TimingParams};

    #[test]
    fn a_line_is_stretched_as_a_whole() {
        // 1000 µs + 2 ns a context token at 2.5 times: 2500 µs + 5 ns.
        let linear = LinearParams {
            base_us: 1000.0,
            per_prefill_token_us: 0.0,
            per_prefill_seq_us: 0.0,
            per_decode_seq_us: 0.0,
            per_context_token_ns: 2.0,
            captured_seqs: 0,
            eager_us: 0.0,
            ingress: IngressParams::NONE,
        };
        let inner: Arc<dyn StepTime> = Arc::from(TimingParams::Linear(linear).build().unwrap());
        let shape = BatchShape { tokens: 1, sequences: 1, context_tokens: 100, ..BatchShape::default() };
        let slowed = Slowed::new(inner.clone(), 2500);
        assert_eq!(slowed.line(&shape).base_ps, 2_500_000_000);
        assert_eq!(slowed.line(&shape).slope_ps, 5_000);
        assert_eq!(slowed.step(&shape).0, 2_500_000_000 + 5_000 * 100);
        assert_eq!(Slowed::new(inner.clone(), 1000).line(&shape), inner.line(&shape));
    }
}
