//! Named, versioned constants of engines for the roofline. Knows profile files and how far to trust them; must not
//! know scenarios. The shipped ones are `data/*.toml`, embedded; `regionsim calibrate` writes more in the same form.
//! How each came about and what it misses: docs/model/timing.md.

use super::params::{IngressParams, ProfileParams};
use crate::time::Span;
use serde::{Deserialize, Serialize};
use std::sync::LazyLock;

/// How far a profile's numbers can be trusted, the best first.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Met measurements that had no part in its making.
    Validated,
    /// Fitted to measurements.
    Fitted,
    /// Chosen by a person.
    HandSet,
    /// Fitted to, or taken from, something else than what it is named for.
    Extrapolated,
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Status::Validated => "validated",
            Status::Fitted => "fitted",
            Status::HandSet => "hand-set",
            Status::Extrapolated => "extrapolated",
        })
    }
}

/// Whose scheduler a profile was fitted with: a pool's engine is like it unless the pool says otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EngineKind {
    /// vLLM V1 that composes a step when the one before it has ended: until about 0.13, and later without
    /// `async_scheduling`.
    #[default]
    Vllm,
    /// vLLM V1 that composes a step while the one before it runs.
    VllmAsync,
    /// SGLang: prompts in steps of their own, ahead of decoding.
    Sglang,
    /// SGLang with `--enable-mixed-chunk`: prompts and outputs share steps.
    SglangMixed,
    /// TensorRT-LLM: in-flight batching that never evicts.
    Trtllm,
}

impl EngineKind {
    /// All of them.
    pub const ALL: [EngineKind; 5] = [
        EngineKind::Vllm,
        EngineKind::VllmAsync,
        EngineKind::Sglang,
        EngineKind::SglangMixed,
        EngineKind::Trtllm,
    ];
    /// Its name in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            EngineKind::Vllm => "vllm",
            EngineKind::VllmAsync => "vllm-async",
            EngineKind::Sglang => "sglang",
            EngineKind::SglangMixed => "sglang-mixed",
            EngineKind::Trtllm => "trtllm",
        }
    }
    /// The one of that name.
    pub fn find(name: &str) -> Option<EngineKind> {
        EngineKind::ALL.into_iter().find(|kind| kind.name() == name)
    }
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
    fn is_default(&self) -> bool {
        *self == EngineKind::default()
    }
}

/// Median and 90th percentile of absolute relative errors, and the median of the signed ones, in percent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorLine {
    /// Which rows: a group, or a stratum that was left out of the fit.
    pub rows: String,
    /// How many.
    pub n: u32,
    /// What was compared: `step`, `tpot`, `ttft`, `e2e`.
    pub quantity: String,
    /// Median of the absolute errors, percent.
    pub median: f64,
    /// Their 90th percentile, percent.
    pub p90: f64,
    /// Median of the signed errors, percent: above zero is predicted too slow.
    pub bias: f64,
}

/// What a profile was fitted on: outside of it, it is a guess.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Range {
    /// Models, by their names in the catalogue.
    pub models: Vec<String>,
    /// GPUs, by their names in the catalogue.
    pub gpus: Vec<String>,
    /// Tensor parallelism.
    pub tp: Vec<u32>,
    /// Prompt lengths, least and most, tokens.
    pub input_tokens: Option<[u32; 2]>,
    /// Concurrent requests, least and most.
    pub concurrency: Option<[u32; 2]>,
    /// The longest context of a sequence, prompt and output, tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_tokens: Option<u32>,
}

impl Range {
    /// What of a pool lies outside, in words: its model, its GPU, its tensor parallelism.
    pub fn beyond(&self, model: &str, gpu: &str, tp: u32) -> Vec<String> {
        let mut beyond = Vec::new();
        if !self.models.iter().any(|name| name == model) {
            beyond.push(model.to_owned());
        }
        if !self.gpus.iter().any(|name| name == gpu) {
            beyond.push(gpu.to_owned());
        }
        if !self.tp.contains(&tp) {
            beyond.push(format!("tensor parallelism {tp}"));
        }
        beyond
    }
}

/// A profile: constants, and what is known about them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Its name in scenarios.
    pub name: String,
    /// Raised when a constant changes.
    pub version: u32,
    /// How far to trust it.
    pub status: Status,
    /// Whose scheduler it goes with.
    #[serde(default, skip_serializing_if = "EngineKind::is_default")]
    pub engine: EngineKind,
    /// How the constants came about.
    pub provenance: String,
    /// What was measured against them.
    pub known_error: String,
    /// What it was fitted on; `None` for constants that were not fitted by this program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<Range>,
    /// Terms that the data did not determine, with the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_identified: Vec<String>,
    /// The constants.
    pub constants: Constants,
    /// Errors, by group and left out by stratum.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<ErrorLine>,
}

/// The constants as a file states them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "they are those of `ProfileParams`, which says what they are")]
pub struct Constants {
    pub e_c_bf16: f64,
    pub e_c_fp8: f64,
    pub e_m_bf16: f64,
    pub e_m_fp8: f64,
    pub e_kv: f64,
    pub e_a: f64,
    pub t0_us: f64,
    pub t_layer_us: f64,
    pub t_prefill_layer_us: f64,
    pub t_sequence_us: f64,
    pub all_reduce_share: f64,
    pub hidden_passes: f64,
    pub ingress_us: f64,
    pub ingress_per_token_us: f64,
}

impl From<Constants> for ProfileParams {
    fn from(c: Constants) -> ProfileParams {
        let span = |us: f64| Span((us.clamp(0.0, 3.6e9) * 1e3).round() as u64);
        ProfileParams {
            e_c_bf16: c.e_c_bf16,
            e_c_fp8: c.e_c_fp8,
            e_m_bf16: c.e_m_bf16,
            e_m_fp8: c.e_m_fp8,
            e_kv: c.e_kv,
            e_a: c.e_a,
            t0_us: c.t0_us,
            t_layer_us: c.t_layer_us,
            t_prefill_layer_us: c.t_prefill_layer_us,
            t_sequence_us: c.t_sequence_us,
            all_reduce_share: c.all_reduce_share,
            hidden_passes: c.hidden_passes,
            ingress: IngressParams { base: span(c.ingress_us), per_token: span(c.ingress_per_token_us) },
        }
    }
}

/// The default profile's name.
pub const DEFAULT: &str = "p0";

static PROFILES: LazyLock<Vec<Profile>> = LazyLock::new(|| {
    [
        include_str!("data/p0.toml"),
        include_str!("data/vllm-h100.toml"),
        include_str!("data/vllm-async-h100.toml"),
        include_str!("data/vllm-0.12.toml"),
        include_str!("data/sglang-h100.toml"),
        include_str!("data/sglang-h200.toml"),
        include_str!("data/sglang-deepseek-h200.toml"),
        include_str!("data/trtllm-h100.toml"),
        include_str!("data/trtllm-h200.toml"),
        include_str!("data/trtllm-b200.toml"),
        include_str!("data/trtllm.toml"),
    ]
    .iter()
    .map(|text| Profile::parse(text).expect("a shipped profile is well-formed"))
    .collect()
});

impl Profile {
    /// Reads a profile file; a mistake is told in words.
    pub fn parse(text: &str) -> Result<Profile, String> {
        let profile: Profile =
            toml::from_str(text).map_err(|error| error.to_string().trim_end().replace('\n', " "))?;
        let times = [
            ("ingress_us", profile.constants.ingress_us),
            ("ingress_per_token_us", profile.constants.ingress_per_token_us),
        ];
        super::params::check_overheads(&times).map_err(|error| error.to_string())?;
        profile.params().check().map_err(|error| error.to_string())?;
        Ok(profile)
    }
    /// The profile as a file that [`Profile::parse`] reads.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a profile has nothing that TOML cannot say")
    }
    /// The constants as the roofline takes them.
    pub fn params(&self) -> ProfileParams {
        self.constants.into()
    }
    /// Status and where it comes from, in one line.
    pub fn trust(&self) -> String {
        format!("{}: {}", self.status, self.provenance)
    }
}

/// All shipped profiles.
pub fn profiles() -> &'static [Profile] {
    &PROFILES
}

/// The shipped profile called `name`.
pub fn profile(name: &str) -> Option<&'static Profile> {
    PROFILES.iter().find(|profile| profile.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_survives_its_file() {
        for profile in profiles() {
            assert_eq!(&Profile::parse(&profile.to_toml()).unwrap(), profile);
        }
        assert!(profile(DEFAULT).is_some());
    }

    #[test]
    fn a_broken_file_is_told() {
        let text = profile("p0").unwrap().to_toml();
        for (from, to, told) in [
            ("e_kv = 0.8", "e_kv = 1.8", "e_kv is 1.8"),
            ("t0_us = 1000.0", "t0_us = -1.0", "t0_us is -1"),
            ("ingress_us = 15000.0", "ingress_us = nan", "ingress_us is NaN"),
            ("hidden_passes = 0.0", "hidden_passes = -2.0", "hidden_passes is -2"),
            ("hand-set", "splendid", "splendid"),
            ("e_kv", "e_kw", "e_kw"),
        ] {
            let broken = text.replacen(from, to, 1);
            assert_ne!(broken, text, "{from}");
            let problem = Profile::parse(&broken).unwrap_err();
            assert!(problem.contains(told), "{problem}");
        }
    }
}
