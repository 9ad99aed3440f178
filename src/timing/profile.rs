//! Named, versioned constants of engines for the roofline. Knows numbers and how far to trust them; must not know
//! scenarios. How each came about and what it misses: docs/model/timing.md.

use super::params::{IngressParams, ProfileParams};
use crate::time::Span;

/// A profile: constants, and what is known about them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Profile {
    /// Its name in scenarios.
    pub name: &'static str,
    /// Raised when a constant changes.
    pub version: u32,
    /// The constants.
    pub params: ProfileParams,
    /// How they came about.
    pub status: &'static str,
    /// What was measured against them.
    pub known_error: &'static str,
}

/// The default profile's name.
pub const DEFAULT: &str = "p0";

const VLLM_INGRESS: IngressParams = IngressParams { base: Span::from_ms(15), per_token: Span::from_us(2) };

static PROFILES: [Profile; 3] = [
    Profile {
        name: "p0",
        version: 1,
        params: ProfileParams {
            e_c_bf16: 0.70,
            e_c_fp8: 0.58,
            e_m_bf16: 0.80,
            e_m_fp8: 0.74,
            e_kv: 0.80,
            e_a: 0.55,
            t0_us: 1_000.0,
            t_layer_us: 40.0,
            t_prefill_layer_us: 30.0,
            t_sequence_us: 6.0,
            ingress: VLLM_INGRESS,
        },
        status: "set by hand: efficiencies from kernel measurements, overheads raised once against 24 rows of Qwen3-32B",
        known_error: "TPOT mean error 7 to 9 % on 135 vLLM 0.12 rows, 11 to 17 % on TensorRT-LLM; TTFT without \
                      saturation 17 to 50 % low",
    },
    Profile {
        name: "vllm-0.12",
        version: 1,
        params: ProfileParams {
            e_c_bf16: 0.56,
            e_c_fp8: 0.54,
            e_m_bf16: 0.90,
            e_m_fp8: 0.90,
            e_kv: 0.84,
            e_a: 0.41,
            t0_us: 1_500.0,
            t_layer_us: 40.0,
            t_prefill_layer_us: 120.0,
            t_sequence_us: 34.0,
            ingress: VLLM_INGRESS,
        },
        status: "fitted to 44 rows of vLLM up to 0.12 on H100; e_m and t_prefill_layer ended on the search bound: \
                 effective values, no physics; ingress not fitted",
        known_error: "TPOT mean error 3 % on groups that contain the training rows; TTFT 17 to 32 % off, low",
    },
    Profile {
        name: "trtllm",
        version: 1,
        params: ProfileParams {
            e_c_bf16: 0.70,
            e_c_fp8: 0.46,
            e_m_bf16: 0.92,
            e_m_fp8: 0.89,
            e_kv: 0.89,
            e_a: 0.55,
            t0_us: 600.0,
            t_layer_us: 40.0,
            t_prefill_layer_us: 150.0,
            t_sequence_us: 18.0,
            ingress: IngressParams { base: Span::from_ms(5), per_token: Span::ZERO },
        },
        status: "fitted to the TPOT of 42 TensorRT-LLM rows, one run; e_m_bf16 and t_prefill_layer ended on the search \
                 bound, e_a and ingress not fitted",
        known_error: "not checked on rows outside the fit",
    },
];

/// All profiles.
pub fn profiles() -> &'static [Profile] {
    &PROFILES
}

/// The profile called `name`.
pub fn profile(name: &str) -> Option<&'static Profile> {
    PROFILES.iter().find(|profile| profile.name == name)
}
