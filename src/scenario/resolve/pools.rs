//! Pools: models, GPUs, engines, queues and step times.

use super::{Resolver, id_or_first};
use crate::catalog::{self, Dtype, Gpu, ModelDims};
use crate::id::{Id, IdVec, PoolId, RegionId};
use crate::replica::{Batching, EngineParams, Habits, QueueParams, ServerParams};
use crate::scenario::diagnostic::Diagnostic;
use crate::scenario::nearest::suggest;
use crate::scenario::plan::PoolFacts;
use crate::scenario::raw::{RawEngine, RawPool, RawQueue, RawServer};
use crate::time::Span;
use crate::timing::params::TimingError;
use crate::timing::{
    self, EngineKind, FittedOn, IngressParams, KvCapacity, LinearParams, RooflineParams, Status, TableParams,
    TimingParams,
};
use crate::world::PoolParams;

/// The default of `block_tokens` (vLLM's on CUDA).
const BLOCK_TOKENS: u32 = 16;
/// The default of `max_model_len` where the cache holds it.
const MAX_MODEL_LEN: u32 = 131_072;
/// The most replicas of a scenario.
const MAX_REPLICAS: u64 = 100_000;

/// A model with the types it is stored in.
#[derive(Clone)]
struct Served {
    name: String,
    dims: ModelDims,
    weights: Dtype,
    kv: Dtype,
    max_model_len: Option<u32>,
}

impl Resolver<'_> {
    /// The pools, what they were made from, and the tokens of a block.
    pub(super) fn pools(&mut self, regions: &[String]) -> (IdVec<PoolId, PoolParams>, Vec<PoolFacts>, u32) {
        self.check_names(&["models"]);
        let models: Vec<(String, Option<Served>)> =
            self.names(&["models"]).into_iter().map(|name| (name.clone(), self.model(&name))).collect();
        let (mut pools, mut facts) = (IdVec::new(), Vec::new());
        let mut block_tokens: Option<(u32, Vec<String>)> = None;
        for (index, region) in regions.iter().enumerate() {
            self.check_names(&["regions", region, "pools"]);
            for name in self.names(&["regions", region, "pools"]) {
                let Some(raw) = self.raw.regions.get(region).and_then(|raw| raw.pools.get(&name)).cloned()
                else {
                    pools.push(stand_in(region, &name, id_or_first(Some(index))));
                    facts.push(PoolFacts::default());
                    continue;
                };
                let path: Vec<String> = ["regions", region, "pools", &name].map(str::to_owned).to_vec();
                let (pool, fact) = self.pool(RegionId::new(index), region, &name, &raw, &models, &path);
                if let ServerParams::Engine(engine) = &pool.server {
                    match &block_tokens {
                        None => block_tokens = Some((engine.block_tokens, path)),
                        Some((first, other)) if *first != engine.block_tokens => {
                            let item = self
                                .error(
                                    &at(&path, &["engine", "block_tokens"]),
                                    "all pools have blocks of the same size",
                                )
                                .label(format!(
                                    "{} tokens here, {first} in `{}`",
                                    engine.block_tokens,
                                    other.join(".")
                                ))
                                .help("state it once, for all pools: `[engine]` `block_tokens = 16`");
                            self.push(item);
                        }
                        Some(_) => {}
                    }
                }
                pools.push(pool);
                facts.push(fact);
            }
        }
        let replicas: u64 = pools.iter().map(|pool: &PoolParams| u64::from(pool.replicas)).sum();
        if replicas > MAX_REPLICAS {
            let item = self
                .error_at_key(&["regions"], format!("a scenario has at most {MAX_REPLICAS} replicas"))
                .label(format!("this one has {replicas}"))
                .help("lower `replicas`");
            self.push(item);
        }
        if pools.is_empty() && self.document.has(&["regions"]) {
            let item =
                self.error_at_key(&["regions"], "at least one region has a pool").label("none has").help(
                    "add `pools.main = { model = \"chat\", gpu = \"h100-sxm\", replicas = 2 }` to a region",
                );
            self.push(item);
        }
        let from_engine = self.raw.engine.block_tokens.unwrap_or(BLOCK_TOKENS);
        (pools, facts, block_tokens.map_or(from_engine, |first| first.0))
    }

    fn model(&mut self, name: &str) -> Option<Served> {
        let raw = self.raw.models.get(name)?.clone();
        let dims = match (&raw.preset, raw.dims) {
            (Some(_), Some(_)) => {
                let item = self
                    .error_at_key(&["models", name, "dims"], "a model has `preset` or `dims`, not both")
                    .label("beside a preset")
                    .help("keep one of the two");
                self.push(item);
                return None;
            }
            (None, None) => {
                if !self.document.has(&["models", name, "preset"])
                    && !self.document.has(&["models", name, "dims"])
                {
                    let item = self
                        .error_at_key(&["models", name], format!("model `{name}` needs `preset` or `dims`"))
                        .label("neither is given")
                        .help("add `preset = \"llama-3.1-8b\"`; `regionsim catalog models` lists the names");
                    self.push(item);
                }
                return None;
            }
            (Some(preset), None) => {
                let Some(model) = catalog::model(preset) else {
                    let known = catalog::models().iter().map(|model| model.name);
                    let item = self
                        .error(&["models", name, "preset"], "`preset` must be a model of the catalogue")
                        .label(format!("the catalogue has no `{preset}`"))
                        .help(suggest(preset, "the models are", known))
                        .help(
                            "`regionsim catalog models` lists them; `dims` describes any other dense model",
                        );
                    self.push(item);
                    return None;
                };
                if model.experimental {
                    let place = self.place(&["models", name, "preset"], super::At::Value);
                    self.push(
                        Diagnostic::notice(place, "step times of mixtures of experts are experimental")
                            .label("no set of constants fits all measurements of such models"),
                    );
                }
                model.dims
            }
            (None, Some(dims)) => {
                if dims.heads % dims.kv_heads != 0 {
                    let item = self
                        .error(
                            &["models", name, "dims", "kv_heads"],
                            "attention heads are a multiple of KV heads",
                        )
                        .label(format!("{} is no multiple of {}", dims.heads, dims.kv_heads))
                        .help("correct `heads` or `kv_heads`");
                    self.push(item);
                }
                ModelDims {
                    layers: dims.layers,
                    hidden: dims.hidden,
                    heads: dims.heads,
                    kv_heads: dims.kv_heads,
                    head_dim: dims.head_dim,
                    ff: dims.ff,
                    vocab: dims.vocab,
                    tied: dims.tied,
                    moe: None,
                    mla: None,
                }
            }
        };
        Some(Served {
            name: raw.preset.unwrap_or_else(|| name.to_owned()),
            dims,
            weights: raw.weights.unwrap_or(Dtype::Bf16),
            kv: raw.kv_dtype.unwrap_or(Dtype::Bf16),
            max_model_len: raw.max_model_len,
        })
    }

    fn pool(
        &mut self,
        region: RegionId,
        region_name: &str,
        name: &str,
        raw: &RawPool,
        models: &[(String, Option<Served>)],
        path: &[String],
    ) -> (PoolParams, PoolFacts) {
        let mut pool = stand_in(region_name, name, region);
        pool.replicas = raw.replicas.unwrap_or(1);
        pool.gpus_per_replica = raw.tensor_parallel.unwrap_or(1);
        let stated =
            raw.ingress.map(|ingress| IngressParams { base: ingress.base.0, per_token: ingress.per_token.0 });
        if let Some(server) = &raw.server {
            self.refuse_beside_server(path);
            pool.server = match server {
                RawServer::Fifo(queue) => ServerParams::Fifo(queue_params(queue, queue.slots.unwrap_or(1))),
                RawServer::Ps(queue) => ServerParams::Ps(queue_params(queue, 1)),
            };
            pool.ingress = stated.unwrap_or(IngressParams::NONE);
            pool.gpus_per_replica = 0;
            return (pool, PoolFacts { timing: Some("queue".into()), ..PoolFacts::default() });
        }
        let model_names: Vec<String> = models.iter().map(|model| model.0.clone()).collect();
        let model_at = match &raw.model {
            Some(model) => self.find(&model_names, model, "model", "models", &at(path, &["model"])),
            None if models.len() == 1 => Some(0),
            None => {
                if raw.timing.linear.is_none() && raw.timing.table.is_none() {
                    self.missing(path, "model", "a name of `[models]`");
                }
                None
            }
        };
        let model = model_at.and_then(|index| models[index].1.clone());
        let model_broken = model_at.is_some() && model.is_none()
            || self.document.has(&at(path, &["model"])) && model.is_none();
        let gpu = raw.gpu.as_ref().and_then(|gpu| {
            let known = catalog::gpu(gpu);
            if known.is_none() {
                let item = self
                    .error(&at(path, &["gpu"]), "`gpu` must be a GPU of the catalogue")
                    .label(format!("the catalogue has no `{gpu}`"))
                    .help(suggest(gpu, "the GPUs are", catalog::gpus().iter().map(|gpu| gpu.name)))
                    .help("`regionsim catalog gpus` lists them");
                self.push(item);
            }
            known
        });
        let (timing, timing_name, trust) = self.timing(raw, model.as_ref(), gpu, pool.gpus_per_replica, path);
        let habits = Habits::of(trust.as_ref().map(|trust| trust.engine).unwrap_or_default());
        let ingress = timing.as_ref().map(TimingParams::ingress);
        pool.ingress = stated.or(ingress).unwrap_or(IngressParams::NONE);
        pool.timing = timing;
        let engine = raw.engine.over(&self.raw.engine);
        let broken = model_broken || (raw.gpu.is_some() && gpu.is_none());
        let engine = RawEngine {
            batching: engine.batching.or(Some(habits.batching)),
            admission: engine.admission.or(Some(habits.admission)),
            async_scheduling: engine.async_scheduling.or(Some(habits.async_scheduling)),
            ..engine
        };
        let (engine, kv) = self.engine(&engine, model.as_ref(), gpu, pool.gpus_per_replica, path, broken);
        pool.server = ServerParams::Engine(engine);
        let facts = PoolFacts {
            model: model.as_ref().map(|model| model.name.clone()),
            gpu: gpu.map(|gpu| gpu.name.to_owned()),
            weights: model.as_ref().map(|model| model.weights),
            kv_dtype: model.as_ref().map(|model| model.kv),
            timing: timing_name,
            timing_trust: trust.as_ref().map(|trust| trust.whole.clone()),
            timing_status: trust.as_ref().map(|trust| trust.status),
            timing_error: trust.map(|trust| trust.error),
            kv,
        };
        (pool, facts)
    }

    fn missing(&mut self, path: &[String], key: &str, what: &str) {
        if self.document.has(&at(path, &[key])) {
            return;
        }
        let names: Vec<&str> = path.iter().map(String::as_str).collect();
        let item = self
            .error_at_key(&names, format!("`{}` needs `{key}`", path.join(".")))
            .label(format!("`{key}` is missing"))
            .help(format!("add `{key}`: {what}"));
        self.push(item);
    }

    fn refuse_beside_server(&mut self, path: &[String]) {
        for key in ["engine", "timing"] {
            if self.document.has(&at(path, &[key])) {
                let item = self
                    .error_at_key(&at(path, &[key]), format!("a plain queue has no `{key}`"))
                    .label("beside `server`")
                    .context(self.place(&at(path, &["server"]), super::At::Key), "the plain queue")
                    .help(format!("remove `{key}`, or remove `server` for an engine"));
                self.push(item);
            }
        }
    }

    fn timing(
        &mut self,
        raw: &RawPool,
        model: Option<&Served>,
        gpu: Option<&'static Gpu>,
        tp: u32,
        path: &[String],
    ) -> (Option<TimingParams>, Option<String>, Option<Trust>) {
        let given: Vec<&str> = ["profile", "linear", "table"]
            .into_iter()
            .filter(|key| self.document.has(&at(path, &["timing", key])))
            .collect();
        if given.len() > 1 {
            let item = self
                .error_at_key(
                    &at(path, &["timing", given[1]]),
                    "`timing` has at most one of `profile`, `linear`, `table`",
                )
                .label("a second one")
                .context(self.place(&at(path, &["timing", given[0]]), super::At::Key), "the first")
                .help("keep one of them");
            self.push(item);
            return (None, None, None);
        }
        let ingress = IngressParams::NONE;
        if let Some(linear) = raw.timing.linear {
            let params = TimingParams::Linear(LinearParams {
                base_us: linear.base_us,
                per_prefill_token_us: linear.per_prefill_token_us,
                per_prefill_seq_us: linear.per_prefill_seq_us,
                per_decode_seq_us: linear.per_decode_seq_us,
                per_context_token_ns: linear.per_context_token_ns,
                captured_seqs: linear.captured_seqs,
                eager_us: linear.eager_us,
                ingress,
            });
            self.check_timing(&params, path, &["timing", "linear"]);
            return (Some(params), Some("linear".into()), None);
        }
        if let Some(table) = &raw.timing.table {
            let rows = std::fs::read_to_string(self.file(&table.path))
                .map_err(|error| format!("cannot read it: {error}"))
                .and_then(|text| timing::table::Table::parse_csv(&text).map_err(|error| error.to_string()));
            let rows = match rows {
                Ok(rows) => rows,
                Err(problem) => {
                    let item = self
                        .error(
                            &at(path, &["timing", "table", "path"]),
                            "a step table is a CSV file with the columns tokens, context_tokens and step_us",
                        )
                        .label(problem)
                        .help("paths start from the scenario's folder");
                    self.push(item);
                    return (None, None, None);
                }
            };
            let params = TimingParams::Table(TableParams { rows, ingress });
            self.check_timing(&params, path, &["timing", "table", "path"]);
            return (Some(params), Some("table".into()), None);
        }
        if self.document.has(&at(path, &["timing", "linear"]))
            || self.document.has(&at(path, &["timing", "table"]))
        {
            return (None, None, None);
        }
        let wanted = raw.timing.profile.as_deref().unwrap_or(timing::profile::DEFAULT);
        let is_file = std::path::Path::new(wanted).extension().is_some_and(|end| end == "toml");
        let own = is_file.then(|| {
            std::fs::read_to_string(self.file(wanted))
                .map_err(|error| format!("cannot read it: {error}"))
                .and_then(|text| timing::Profile::parse(&text))
        });
        let own = match own.transpose() {
            Ok(own) => own,
            Err(problem) => {
                let item = self
                    .error(
                        &at(path, &["timing", "profile"]),
                        "a profile of your own is a file of `regionsim calibrate`",
                    )
                    .label(problem)
                    .help("paths start from the scenario's folder; docs/CALIBRATE.md describes the file");
                self.push(item);
                return (None, None, None);
            }
        };
        let Some(profile) = own.as_ref().or_else(|| timing::profile(wanted)) else {
            let item = self
                .error(&at(path, &["timing", "profile"]), "`profile` must be a timing profile")
                .label(format!("there is no profile `{wanted}`"))
                .help(suggest(
                    wanted,
                    "the profiles are",
                    timing::profiles().iter().map(|profile| profile.name.as_str()),
                ));
            self.push(item);
            return (None, None, None);
        };
        if raw.gpu.is_none() {
            self.missing(path, "gpu", "a GPU of the catalogue such as \"h100-sxm\"");
        }
        let (Some(model), Some(gpu)) = (model, gpu) else { return (None, None, None) };
        let params = TimingParams::Roofline(RooflineParams {
            model: model.dims,
            gpu: timing::GpuRates::of(gpu, tp),
            tp,
            weight_dtype: model.weights,
            kv_dtype: model.kv,
            profile: profile.params(),
            fitted_on: profile.range.as_ref().and_then(FittedOn::of),
        });
        self.check_timing(&params, path, &["tensor_parallel"]);
        let name = format!("{} v{}", profile.name, profile.version);
        let beyond = match &profile.range {
            Some(range) => range.beyond(&model.name, gpu.name, tp),
            // Hand-set shares are those of dense kernels.
            None if model.dims.moe.is_some() => vec!["a mixture of experts".to_owned()],
            None => Vec::new(),
        };
        let mut status = profile.status;
        let trust = if beyond.is_empty() {
            profile.trust()
        } else {
            let beyond = beyond.join(", ");
            let place = self.place(&at(path, &["timing", "profile"]), super::At::Value);
            self.push(
                Diagnostic::notice(place, format!("profile `{}` is extrapolated here", profile.name))
                    .label(format!("it was not fitted on {beyond}")),
            );
            status = Status::Extrapolated;
            format!("extrapolated to {beyond}; {}", profile.trust())
        };
        let error = profile.known_error.clone();
        let whole = format!("{trust}; {error}");
        (Some(params), Some(name), Some(Trust { whole, status, engine: profile.engine, error }))
    }

    fn check_timing(&mut self, params: &TimingParams, path: &[String], inner: &[&str]) {
        let Err(problem) = params.build() else { return };
        let item = match &problem {
            TimingError::NoFp8 => self
                .error(&at(path, &["gpu"]), "fp8 weights need a GPU with FP8 units")
                .label("this GPU has none")
                .help("choose another GPU, or `weights = \"bf16\"` in the model"),
            TimingError::HeadsDoNotDivide { tp, heads } => self
                .error(&at(path, inner), "`tensor_parallel` must divide the model's attention heads")
                .label(format!("{tp} does not divide {heads}"))
                .help(format!("choose a divisor of {heads}, such as 1, 2, 4 or 8")),
            TimingError::OutOfRange { field, value, rule } => {
                let mut whole = inner.to_vec();
                whole.push(field);
                self.error(&at(path, &whole), format!("`{field}` must be {rule}"))
                    .label(format!("{value} is not"))
                    .help("correct it")
            }
            other => self
                .error(&at(path, inner), "a step-time model must be complete")
                .label(other.to_string())
                .help("correct the file"),
        };
        self.push(item);
    }

    fn engine(
        &mut self,
        raw: &RawEngine,
        model: Option<&Served>,
        gpu: Option<&'static Gpu>,
        tp: u32,
        path: &[String],
        broken: bool,
    ) -> (EngineParams, Option<KvCapacity>) {
        let block_tokens = raw.block_tokens.unwrap_or(BLOCK_TOKENS);
        let utilisation = raw.gpu_memory_utilization.map_or(0.9, |share| share.0);
        if !(utilisation > 0.0 && utilisation <= 1.0) {
            let item = self
                .error(
                    &self.engine_key(path, "gpu_memory_utilization"),
                    "`gpu_memory_utilization` must be above 0, at most 1",
                )
                .label(format!("{utilisation} is not"))
                .help("write a share such as 0.9 or \"90%\"");
            self.push(item);
            return (stand_in_engine(), None);
        }
        let large = gpu.is_some_and(|gpu| gpu.memory_bytes >= 70 << 30 && !gpu.name.starts_with("a100"));
        let (tokens_default, seqs_default) = if large { (8192, 1024) } else { (2048, 256) };
        let chunked_prefill = raw.chunked_prefill.unwrap_or(true);
        // Activations are sized by the budget. Without chunks the default budget is a whole context: a full one here.
        let sized_for = match raw.max_num_batched_tokens {
            Some(tokens) => tokens,
            None if !chunked_prefill => u32::MAX,
            None => tokens_default,
        };
        let mut derived = None;
        let kv_blocks = match (raw.kv_blocks, model, gpu) {
            (Some(blocks), _, _) => blocks,
            (None, Some(model), Some(gpu)) => {
                match timing::derive_kv_blocks(
                    &model.dims,
                    gpu.memory_bytes,
                    tp,
                    model.weights,
                    model.kv,
                    utilisation,
                    block_tokens,
                    timing::activation_bytes(&model.dims, sized_for),
                ) {
                    Ok(capacity) => {
                        let blocks = u32::try_from(capacity.blocks).unwrap_or(u32::MAX);
                        derived = Some(capacity);
                        blocks
                    }
                    Err(problem) => {
                        let item = self
                            .error(
                                &at(path, &["gpu"]),
                                "the model's weights and a KV cache must fit the GPUs",
                            )
                            .label(problem.to_string().split(';').next().unwrap_or_default().to_owned())
                            .help("raise `tensor_parallel`, choose a larger GPU, or `weights = \"fp8\"`");
                        self.push(item);
                        return (stand_in_engine(), None);
                    }
                }
            }
            _ if broken => return (stand_in_engine(), None),
            _ => {
                if raw.gpu_memory_utilization.is_some() || !self.document.has(&at(path, &["gpu"])) {
                    let names: Vec<&str> = path.iter().map(String::as_str).collect();
                    let item = self
                        .error_at_key(&names, "the size of the KV cache must be known")
                        .label("there is no model and GPU to derive it from")
                        .help("add `engine.kv_blocks`, or `model` and `gpu`");
                    // Without a GPU and a profile, the GPU was asked for already.
                    if !self.found.iter().any(|other| other.place == item.place) {
                        self.push(item);
                    }
                }
                return (stand_in_engine(), None);
            }
        };
        let held = u64::from(kv_blocks.saturating_sub(1)) * u64::from(block_tokens);
        let max_model_len = model
            .and_then(|model| model.max_model_len)
            .unwrap_or(MAX_MODEL_LEN.min(u32::try_from(held).unwrap_or(u32::MAX)).max(1));
        let max_num_batched_tokens = match raw.max_num_batched_tokens {
            Some(tokens) => tokens,
            // vLLM does the same: a prompt that may not be split must fit one step.
            None if !chunked_prefill => tokens_default.max(max_model_len),
            None => tokens_default,
        };
        if !chunked_prefill && max_num_batched_tokens < max_model_len {
            let item = self
                .error(
                    &self.engine_key(path, "max_num_batched_tokens"),
                    "without chunked prefill, `max_num_batched_tokens` must be at least `max_model_len`",
                )
                .label(format!("{max_num_batched_tokens} is less than {max_model_len}"))
                .help("raise it, lower the model's `max_model_len`, or turn `chunked_prefill` on");
            self.push(item);
        }
        let max_num_seqs = raw.max_num_seqs.unwrap_or(seqs_default.min(max_num_batched_tokens));
        // The budget of a prefill step does not bound how many decode.
        let batching = raw.batching.unwrap_or_default();
        if max_num_seqs > max_num_batched_tokens && batching == Batching::Mixed {
            let item = self
                .error(
                    &self.engine_key(path, "max_num_seqs"),
                    "`max_num_seqs` must be at most `max_num_batched_tokens`: each sequence takes a token of a step",
                )
                .label(format!("{max_num_seqs} is more than {max_num_batched_tokens}"))
                .help("lower it, or raise `max_num_batched_tokens`");
            self.push(item);
        }
        if let Some(model) = model
            && let Some(stated) = model.max_model_len.filter(|&stated| u64::from(stated) > held)
        {
            let names = at(path, &[]);
            let place = self.place(&names, super::At::Key);
            self.push(
                Diagnostic::notice(place, "`max_model_len` is more than the KV cache holds")
                    .label(format!("{held} tokens fit, {stated} may be asked for"))
                    .help("longer requests end as `too_large`; vLLM would refuse to start"),
            );
        }
        let watermark = raw.watermark.map_or(0.0, |share| share.0);
        if !(0.0..1.0).contains(&watermark) {
            let item = self
                .error(&self.engine_key(path, "watermark"), "`watermark` must be from 0 to below 1")
                .label(format!("{watermark} is not"))
                .help("write a share such as 0.01 or \"1%\"");
            self.push(item);
        }
        let checkpoint_tokens = raw.prefix_checkpoint_tokens.unwrap_or(block_tokens);
        if checkpoint_tokens == 0 || !checkpoint_tokens.is_multiple_of(block_tokens) {
            let item = self
                .error(
                    &self.engine_key(path, "prefix_checkpoint_tokens"),
                    "`prefix_checkpoint_tokens` must be a multiple of `block_tokens`: only full blocks are shared",
                )
                .label(format!("{checkpoint_tokens} is not a multiple of {block_tokens}"))
                .help("write SGLang's `chunked_prefill_size`, or leave it out for models without linear attention");
            self.push(item);
        }
        let engine = EngineParams {
            kv_blocks,
            block_tokens,
            max_num_batched_tokens,
            max_num_seqs,
            long_prefill_token_threshold: raw.long_prefill_token_threshold.unwrap_or(0),
            max_model_len,
            scheduler: raw.scheduler.unwrap_or_default(),
            admission: raw.admission.unwrap_or_default(),
            watermark_blocks: (watermark * f64::from(kv_blocks)) as u32,
            prefix_cache: raw.prefix_cache.unwrap_or(true),
            checkpoint_blocks: checkpoint_tokens / block_tokens,
            chunked_prefill,
            batching,
            async_scheduling: raw.async_scheduling.unwrap_or(false),
        };
        (engine, derived)
    }

    /// Where an engine key is stated: in the pool, else in `[engine]`.
    fn engine_key<'p>(&self, path: &'p [String], key: &'p str) -> Vec<&'p str> {
        let own = at(path, &["engine", key]);
        if self.document.has(&own) || !self.document.has(&["engine", key]) {
            own
        } else {
            vec!["engine", key]
        }
    }
}

/// What is known of a pool's timing profile.
struct Trust {
    /// Status, provenance and known error, in words.
    whole: String,
    status: Status,
    engine: EngineKind,
    error: String,
}

fn at<'p>(path: &'p [String], inner: &[&'p str]) -> Vec<&'p str> {
    path.iter().map(String::as_str).chain(inner.iter().copied()).collect()
}

fn queue_params(raw: &RawQueue, slots: u32) -> QueueParams {
    let span = |time: Option<crate::units::Duration>| time.map_or(Span::ZERO, |time| time.0);
    QueueParams {
        slots,
        capacity: raw.queue_limit.map(|waiting| waiting.saturating_add(slots)),
        per_request: span(raw.per_request),
        per_prompt_token: span(raw.per_prompt_token),
        per_output_token: span(raw.per_output_token),
    }
}

fn stand_in_engine() -> EngineParams {
    EngineParams {
        kv_blocks: 2,
        block_tokens: BLOCK_TOKENS,
        max_num_batched_tokens: 1,
        max_num_seqs: 1,
        long_prefill_token_threshold: 0,
        max_model_len: 1,
        scheduler: crate::replica::Scheduler::default(),
        admission: crate::replica::Admission::default(),
        watermark_blocks: 0,
        prefix_cache: true,
        checkpoint_blocks: 1,
        chunked_prefill: true,
        batching: Batching::Mixed,
        async_scheduling: false,
    }
}

fn stand_in(region_name: &str, name: &str, region: RegionId) -> PoolParams {
    PoolParams {
        name: format!("{region_name}/{name}"),
        region,
        replicas: 1,
        gpus_per_replica: 1,
        server: ServerParams::Ps(queue_params(&RawQueue::default(), 1)),
        timing: None,
        ingress: IngressParams::NONE,
    }
}

impl RawEngine {
    /// These settings, with `base` for those left out.
    fn over(&self, base: &RawEngine) -> RawEngine {
        macro_rules! first {
            ($($field:ident)*) => { RawEngine { $($field: self.$field.or(base.$field),)* } };
        }
        first!(block_tokens kv_blocks gpu_memory_utilization max_num_batched_tokens max_num_seqs
            long_prefill_token_threshold scheduler admission watermark prefix_cache prefix_checkpoint_tokens
            chunked_prefill batching
            async_scheduling)
    }
}
