//! Models and their dimensions. Numbers: `data/models.csv`, after the models' published configurations. The head
//! dimension is always explicit: `hidden / heads` is wrong for several of them.

use super::Provenance;
use serde::{Deserialize, Serialize};
use std::sync::LazyLock;

/// How a number is stored.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// Two bytes.
    Bf16,
    /// One byte.
    Fp8,
}

impl Dtype {
    /// Bytes of one number.
    pub const fn bytes(self) -> u64 {
        match self {
            Dtype::Bf16 => 2,
            Dtype::Fp8 => 1,
        }
    }
}

/// The dimensions of a decoder-only transformer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelDims {
    /// Layers.
    pub layers: u32,
    /// Width of the residual stream.
    pub hidden: u32,
    /// Query heads.
    pub heads: u32,
    /// Key-value heads.
    pub kv_heads: u32,
    /// Width of a head.
    pub head_dim: u32,
    /// Inner width of a dense feed-forward layer (gated: three matrices).
    pub ff: u32,
    /// Vocabulary.
    pub vocab: u32,
    /// Whether the output head is the embedding matrix.
    pub tied: bool,
    /// Mixture of experts.
    pub moe: Option<MoeDims>,
    /// Multi-head latent attention.
    pub mla: Option<MlaDims>,
}

/// A mixture of experts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MoeDims {
    /// Routed experts in a layer.
    pub experts: u32,
    /// Experts that a token goes through.
    pub top_k: u32,
    /// Experts that every token goes through besides.
    pub shared: u32,
    /// Inner width of one expert.
    pub ff: u32,
    /// Leading layers that are dense.
    pub dense_layers: u32,
}

/// Multi-head latent attention: keys and values compressed into one latent vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MlaDims {
    /// Rank of the query compression.
    pub q_lora: u32,
    /// Rank of the key-value compression.
    pub kv_lora: u32,
    /// Width of a head's part with positions, shared by all heads on the key side.
    pub rope: u32,
    /// Width of a head's part without positions.
    pub nope: u32,
    /// Width of a value head.
    pub v: u32,
}

/// A dimension out of its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DimsProblem {
    /// The field.
    pub field: &'static str,
    /// What it is.
    pub value: u32,
    /// The least it may be.
    pub least: u32,
    /// The most it may be: far beyond any model, so that every product below fits 64 bits.
    pub most: u32,
}

impl ModelDims {
    /// Whether every dimension is one a model can have: the first that is not.
    pub fn check(&self) -> Result<(), DimsProblem> {
        let mut ranges = vec![
            ("layers", self.layers, 1, 1_000),
            ("hidden", self.hidden, 1, 100_000),
            ("heads", self.heads, 1, 4_096),
            ("kv_heads", self.kv_heads, 1, self.heads.min(4_096)),
            ("head_dim", self.head_dim, 1, 4_096),
            ("ff", self.ff, u32::from(self.dense_layers() > 0), 1_000_000),
            ("vocab", self.vocab, 1, 100_000_000),
        ];
        if let Some(moe) = self.moe {
            ranges.extend([
                ("experts", moe.experts, 1, 10_000),
                ("top_k", moe.top_k, 1, moe.experts),
                ("shared", moe.shared, 0, 1_000),
                ("moe_ff", moe.ff, 1, 100_000),
                ("dense_layers", moe.dense_layers, 0, self.layers),
            ]);
        }
        if let Some(mla) = self.mla {
            ranges.extend([
                ("q_lora", mla.q_lora, 1, 100_000),
                ("kv_lora", mla.kv_lora, 1, 100_000),
                ("rope", mla.rope, 0, 4_096),
                ("nope", mla.nope, 1, 4_096),
                ("v", mla.v, 1, 4_096),
            ]);
        }
        let bad = ranges.into_iter().find(|&(_, value, least, most)| !(least..=most).contains(&value));
        bad.map_or(Ok(()), |(field, value, least, most)| Err(DimsProblem { field, value, least, most }))
    }
    /// Parameters of one layer's attention.
    pub fn attention_params(&self) -> u64 {
        let [d, h, kv, dh] = [self.hidden, self.heads, self.kv_heads, self.head_dim].map(u64::from);
        match self.mla {
            None => 2 * d * h * dh + 2 * d * kv * dh,
            Some(mla) => {
                let [q_lora, kv_lora, rope, nope, v] =
                    [mla.q_lora, mla.kv_lora, mla.rope, mla.nope, mla.v].map(u64::from);
                d * q_lora
                    + q_lora * h * (nope + rope)
                    + d * (kv_lora + rope)
                    + kv_lora * h * (nope + v)
                    + h * v * d
            }
        }
    }
    /// Parameters of one dense feed-forward layer.
    pub fn dense_ff_params(&self) -> u64 {
        3 * u64::from(self.hidden) * u64::from(self.ff)
    }
    /// Parameters of one expert.
    pub fn expert_params(&self) -> u64 {
        self.moe.map_or(0, |moe| 3 * u64::from(self.hidden) * u64::from(moe.ff))
    }
    /// Layers whose feed-forward part is dense.
    pub fn dense_layers(&self) -> u32 {
        self.moe.map_or(self.layers, |moe| moe.dense_layers)
    }
    /// Layers of experts.
    pub fn moe_layers(&self) -> u32 {
        self.layers - self.dense_layers()
    }
    /// Parameters that every token goes through in the layers: attention, dense parts, shared experts and routers.
    pub fn common_layer_params(&self) -> u64 {
        let common = u64::from(self.layers) * self.attention_params()
            + u64::from(self.dense_layers()) * self.dense_ff_params();
        let moe = self.moe.map_or(0, |moe| {
            u64::from(self.moe_layers())
                * (u64::from(moe.shared) * self.expert_params()
                    + u64::from(self.hidden) * u64::from(moe.experts))
        });
        common + moe
    }
    /// Parameters of the embedding matrix, and of the output head.
    pub fn embedding_params(&self) -> u64 {
        u64::from(self.hidden) * u64::from(self.vocab)
    }
    /// All parameters (norms and biases left out: under 0.1 %).
    pub fn params(&self) -> u64 {
        let routed = self
            .moe
            .map_or(0, |moe| u64::from(self.moe_layers()) * u64::from(moe.experts) * self.expert_params());
        let embeddings = if self.tied { 1 } else { 2 } * self.embedding_params();
        self.common_layer_params() + routed + embeddings
    }
    /// Parameters that one token goes through, embeddings included.
    pub fn active_params(&self) -> u64 {
        let routed = self
            .moe
            .map_or(0, |moe| u64::from(self.moe_layers()) * u64::from(moe.top_k) * self.expert_params());
        let embeddings = if self.tied { 1 } else { 2 } * self.embedding_params();
        self.common_layer_params() + routed + embeddings
    }
    /// Bytes of all weights. Embeddings and the output head stay BF16 in FP8 checkpoints.
    pub fn weight_bytes(&self, dtype: Dtype) -> u64 {
        let embeddings = if self.tied { 1 } else { 2 } * self.embedding_params();
        (self.params() - embeddings) * dtype.bytes() + embeddings * Dtype::Bf16.bytes()
    }
    /// Bytes of one token's keys and values over all layers, one copy.
    pub fn kv_bytes_per_token(&self, dtype: Dtype) -> u64 {
        let per_layer = match self.mla {
            None => 2 * u64::from(self.kv_heads) * u64::from(self.head_dim),
            Some(mla) => u64::from(mla.kv_lora) + u64::from(mla.rope),
        };
        u64::from(self.layers) * per_layer * dtype.bytes()
    }
    /// Over how many of `tp` GPUs one copy of the KV cache is spread: the latent of MLA is kept whole on each.
    pub fn kv_shards(&self, tp: u32) -> u32 {
        if self.mla.is_some() { 1 } else { tp.min(self.kv_heads).max(1) }
    }
}

/// A model of the catalogue.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Model {
    /// Its name in scenarios, such as `llama-3.1-8b`.
    pub name: &'static str,
    /// Its dimensions.
    pub dims: ModelDims,
    /// Whether step times for it are an experiment (mixtures of experts: no constant fits all measurements).
    pub experimental: bool,
    /// Parameters as published, billions.
    pub published_params_b: f64,
    /// KV bytes of a token in BF16 as published or derived elsewhere, for the check against `dims`.
    pub published_kv_bytes: u64,
    /// What a reader should know.
    pub note: &'static str,
}

/// Where the table comes from.
pub const PROVENANCE: Provenance = Provenance {
    source: "the models' published configuration files",
    date: "2023 to 2025",
    statistic: "exact dimensions",
    licence: "facts; the models' own licences cover their weights, which are not here",
};

static MODELS: LazyLock<Vec<Model>> = LazyLock::new(|| {
    super::rows(include_str!("data/models.csv"))
        .map(|row| {
            let moe = row.optional("experts").map(|experts| MoeDims {
                experts,
                top_k: row.number("top_k"),
                shared: row.number("shared"),
                ff: row.number("moe_ff"),
                dense_layers: row.number("dense_layers"),
            });
            let mla = row.optional("q_lora").map(|q_lora| MlaDims {
                q_lora,
                kv_lora: row.number("kv_lora"),
                rope: row.number("rope"),
                nope: row.number("nope"),
                v: row.number("v"),
            });
            Model {
                name: row.text("name"),
                dims: ModelDims {
                    layers: row.number("layers"),
                    hidden: row.number("hidden"),
                    heads: row.number("heads"),
                    kv_heads: row.number("kv_heads"),
                    head_dim: row.number("head_dim"),
                    ff: row.number("ff"),
                    vocab: row.number("vocab"),
                    tied: row.text("tied") == "yes",
                    moe,
                    mla,
                },
                experimental: moe.is_some(),
                published_params_b: row.number("params_b"),
                published_kv_bytes: row.number("kv_bytes"),
                note: row.text("note"),
            }
        })
        .collect()
});

/// All models.
pub fn models() -> &'static [Model] {
    &MODELS
}

/// The model called `name`.
pub fn model(name: &str) -> Option<&'static Model> {
    MODELS.iter().find(|model| model.name == name)
}
