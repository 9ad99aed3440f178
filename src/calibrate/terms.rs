//! The terms that may be fitted, each with its bounds. Knows the constants' names; must not know data.

use crate::timing::Constants;

/// A constant of a profile as a fit sees it.
#[derive(Clone, Copy, Debug)]
pub struct Term {
    /// Its name in a profile file; units end it, shares have none.
    pub name: &'static str,
    /// The least that is physical (our choice, far below anything measured).
    pub least: f64,
    /// The most that is physical: no share above its peak, no overhead above what engines were seen to spend.
    pub most: f64,
    /// Whether a fit to serving points frees it unless told otherwise. The others hide behind these there: weight reads
    /// and per-layer overheads are both a constant of a step, prefill attention is small beside the products.
    pub from_points: bool,
    get: fn(&mut Constants) -> &mut f64,
}

macro_rules! term {
    ($name:ident, $least:expr, $most:expr, $from_points:expr) => {
        Term {
            name: stringify!($name),
            least: $least,
            most: $most,
            from_points: $from_points,
            get: |constants| &mut constants.$name,
        }
    };
}

/// Every term, in the order of a profile file.
pub static TERMS: [Term; 14] = [
    term!(e_c_bf16, 0.2, 0.95, true),
    term!(e_c_fp8, 0.2, 0.95, true),
    term!(e_m_bf16, 0.3, 1.0, false),
    term!(e_m_fp8, 0.3, 1.0, false),
    term!(e_kv, 0.2, 1.0, true),
    term!(e_a, 0.1, 0.95, false),
    term!(t0_us, 0.0, 10_000.0, true),
    term!(t_layer_us, 0.0, 200.0, true),
    term!(t_prefill_layer_us, 0.0, 1_500.0, true),
    term!(t_sequence_us, 0.0, 200.0, true),
    term!(all_reduce_share, 0.2, 3.0, true),
    term!(hidden_passes, 0.0, 60.0, false),
    term!(ingress_us, 0.0, 100_000.0, true),
    term!(ingress_per_token_us, 0.0, 50.0, true),
];

impl Term {
    /// Its value among `constants`.
    pub fn get(&self, mut constants: Constants) -> f64 {
        *(self.get)(&mut constants)
    }
    /// Gives it a value.
    pub fn set(&self, constants: &mut Constants, value: f64) {
        *(self.get)(constants) = value;
    }
    /// The value at `unit` of the way from least to most.
    pub fn at(&self, unit: f64) -> f64 {
        self.least + (self.most - self.least) * unit.clamp(0.0, 1.0)
    }
    /// The way from least to most at which `value` lies.
    pub fn unit(&self, value: f64) -> f64 {
        ((value - self.least) / (self.most - self.least)).clamp(0.0, 1.0)
    }
}

/// The place of the term called `name`.
pub fn find(name: &str) -> Option<usize> {
    TERMS.iter().position(|term| term.name == name)
}
