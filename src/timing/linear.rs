//! Step time from coefficients. Knows five numbers; must not know what they were fitted to.

use super::params::{LinearParams, MAX_SLOPE_PS, TimingError, check_overheads};
use super::{BatchShape, Line, StepTime};

/// The most that one token or sequence may add, µs: a second. Larger ones are mistaken units.
const MAX_RATE_US: f64 = 1e6;

/// `base + prefill tokens × a + prefilling sequences × b + decoding sequences × c + context × d`, in whole
/// picoseconds; without the context at least `eager` where a step is not launched as one captured graph: where it has
/// prompts, or more sequences than the largest graph. Every decode computes one token, which is counted with its sequence.
#[derive(Clone, Debug)]
pub struct Linear {
    base_ps: i64,
    per_prefill_token_ps: i64,
    per_prefill_seq_ps: i64,
    per_decode_seq_ps: i64,
    per_context_token_ps: i64,
    captured_seqs: u32,
    eager_ps: i64,
}

impl Linear {
    /// Rounds the coefficients to whole picoseconds.
    pub fn new(params: &LinearParams) -> Result<Linear, TimingError> {
        check_overheads(&[("base_us", params.base_us), ("eager_us", params.eager_us)])?;
        let rates = [
            ("per_prefill_token_us", params.per_prefill_token_us, MAX_RATE_US),
            ("per_prefill_seq_us", params.per_prefill_seq_us, MAX_RATE_US),
            ("per_decode_seq_us", params.per_decode_seq_us, MAX_RATE_US),
            ("per_context_token_ns", params.per_context_token_ns, MAX_SLOPE_PS as f64 / 1e3),
        ];
        for (field, value, most) in rates {
            if !(0.0..=most).contains(&value) {
                let rule = format!("0 to {most}");
                return Err(TimingError::OutOfRange { field, value: value.to_string(), rule });
            }
        }
        let ps = |us: f64| (us * 1e6).round() as i64;
        Ok(Linear {
            base_ps: ps(params.base_us),
            per_prefill_token_ps: ps(params.per_prefill_token_us),
            per_prefill_seq_ps: ps(params.per_prefill_seq_us),
            per_decode_seq_ps: ps(params.per_decode_seq_us),
            per_context_token_ps: (params.per_context_token_ns * 1e3).round() as i64,
            captured_seqs: params.captured_seqs,
            eager_ps: ps(params.eager_us),
        })
    }
}

impl StepTime for Linear {
    #[inline]
    fn line(&self, shape: &BatchShape) -> Line {
        let decodes = i64::from(shape.sequences.saturating_sub(shape.prefills));
        let prefill_tokens = (i64::from(shape.tokens) - decodes).max(0);
        let base_ps = self.base_ps
            + self.per_prefill_token_ps * prefill_tokens
            + self.per_prefill_seq_ps * i64::from(shape.prefills)
            + self.per_decode_seq_ps * decodes;
        let captured =
            shape.prefills == 0 && (self.captured_seqs == 0 || shape.sequences <= self.captured_seqs);
        let base_ps = if captured { base_ps } else { base_ps.max(self.eager_ps) };
        Line { base_ps, slope_ps: self.per_context_token_ps, until_context: u64::MAX }
    }
}

#[cfg(test)]
#[path = "linear/tests.rs"]
mod tests;
