//! Tests of the catalogue: what its numbers must keep among themselves.

use super::*;
use crate::time::Span;
use std::collections::BTreeSet;

#[test]
fn no_gpu_prints_its_sparse_rate_as_dense() {
    for gpu in gpus() {
        if let Some(fp8) = gpu.fp8_tflops {
            // Twice, and 1.3 % for the L40S, whose data sheet says 362 and 733; a sparse figure would be four times.
            assert!(
                fp8 <= 2.0 * 1.013 * gpu.bf16_tflops,
                "{}: fp8 {fp8}, bf16 {}",
                gpu.name,
                gpu.bf16_tflops
            );
        }
    }
}

#[test]
fn every_gpu_has_sane_rates_and_its_own_name() {
    let names: BTreeSet<&str> = gpus().iter().map(|gpu| gpu.name).collect();
    assert_eq!(names.len(), gpus().len());
    assert_eq!(gpus().len(), 15);
    for gpu in gpus() {
        // The ridge of every accelerator of this decade lies at 100 to 450 FLOP a byte.
        let ridge = gpu.bf16_tflops * 1e3 / gpu.memory_gb_per_s;
        assert!((100.0..450.0).contains(&ridge), "{}: ridge {ridge}", gpu.name);
        // An all-reduce cannot carry payload faster than the link does.
        assert!(gpu.all_reduce.iter().all(|&rate| rate > 0.0 && rate <= gpu.link_gb_per_s), "{}", gpu.name);
        assert!((20_000_000_000..300_000_000_000).contains(&gpu.memory_bytes), "{}", gpu.name);
    }
    assert_eq!(gpu("h100-sxm").unwrap().memory_bytes, 80 << 30);
    assert_eq!(gpu("h100"), None);
}

#[test]
fn parameter_counts_follow_from_the_dimensions() {
    for model in models() {
        let params_b = model.dims.params() as f64 / 1e9;
        let off = params_b / model.published_params_b - 1.0;
        assert!(
            off.abs() < 0.01,
            "{}: {params_b} B by dimensions, {} B stated",
            model.name,
            model.published_params_b
        );
    }
}

#[test]
fn active_parameters_of_the_mixtures_are_as_published() {
    // Mixtral's paper: 12.9 B active; Qwen3-235B: 22.1 B of its dimensions, 22 B published; DeepSeek-V3's report: 37 B
    // (the input embedding, which is looked up and not multiplied, left out).
    let active = |name: &str| model(name).unwrap().dims.active_params() as f64 / 1e9;
    assert!((active("mixtral-8x7b") / 12.9 - 1.0).abs() < 0.01, "{}", active("mixtral-8x7b"));
    assert!((active("qwen3-235b-a22b") / 22.1 - 1.0).abs() < 0.01, "{}", active("qwen3-235b-a22b"));
    let embedding = model("deepseek-v3").unwrap().dims.embedding_params() as f64 / 1e9;
    assert!(((active("deepseek-v3") - embedding) / 37.0 - 1.0).abs() < 0.02, "{}", active("deepseek-v3"));
}

#[test]
fn kv_bytes_follow_from_the_dimensions() {
    for model in models() {
        let dims = &model.dims;
        assert_eq!(dims.kv_bytes_per_token(Dtype::Bf16), model.published_kv_bytes, "{}", model.name);
        assert_eq!(2 * dims.kv_bytes_per_token(Dtype::Fp8), model.published_kv_bytes, "{}", model.name);
    }
}

#[test]
fn mixtures_are_flagged_as_experiments() {
    let flagged: Vec<&str> =
        models().iter().filter(|model| model.experimental).map(|model| model.name).collect();
    assert_eq!(flagged, ["mixtral-8x7b", "qwen3-235b-a22b", "deepseek-v3", "gpt-oss-120b"]);
}

#[test]
fn tables_have_the_cells_they_claim() {
    let sizes = |name: &str| {
        let table = rtt_table(name).unwrap();
        let cells = table.rtt.iter().flatten().flatten().count();
        (table.regions.len(), cells)
    };
    assert_eq!(sizes("aws"), (21, 21 * 21), "complete, diagonal included");
    assert_eq!(sizes("azure"), (12, 12 * 11), "complete but for the diagonal");
    assert_eq!(sizes("gcp"), (12, 7 * 11), "seven rows of twelve");
    assert_eq!(catalogue_rtt("aws:us-east-1", "aws:af-south-1"), Some((Span::from_ms(232), "aws", false)));
    assert_eq!(
        catalogue_rtt("azure:brazilsouth", "azure:eastus"),
        Some((Span::from_ms(121), "azure", false))
    );
    assert_eq!(catalogue_rtt("aws:us-east-1", "azure:eastus"), None);
}

#[test]
fn every_region_of_a_table_has_a_place() {
    for table in rtt_tables() {
        for id in &table.regions {
            assert!(region(id).is_some(), "{id} has no coordinates");
        }
    }
    assert_eq!(regions().len(), 45);
    for region in regions() {
        assert!(
            (-60.0..=70.0).contains(&region.lat) && (-180.0..=180.0).contains(&region.lon),
            "{}",
            region.id
        );
        assert_eq!(region.jurisdictions[0], region.country.to_lowercase(), "{}", region.id);
        let eu = region.jurisdictions.contains(&"eu");
        assert_eq!(eu, ["BE", "DE", "FR", "IE", "IT", "SE"].contains(&region.country), "{}", region.id);
    }
}

#[test]
fn no_published_round_trip_is_faster_than_light_in_fibre() {
    // 200 km/ms both ways; the haversine here is the test's own.
    let km = |a: &CloudRegion, b: &CloudRegion| {
        let unit = |region: &CloudRegion| {
            let (lat, lon) = (region.lat.to_radians(), region.lon.to_radians());
            [libm::cos(lat) * libm::cos(lon), libm::cos(lat) * libm::sin(lon), libm::sin(lat)]
        };
        let (a, b) = (unit(a), unit(b));
        6_371.0 * libm::acos((a[0] * b[0] + a[1] * b[1] + a[2] * b[2]).clamp(-1.0, 1.0))
    };
    let mut checked = 0;
    let mut faster = Vec::new();
    for table in rtt_tables() {
        for from in &table.regions {
            for to in table.regions.iter().filter(|to| *to != from) {
                let Some(rtt) = table.directed(from, to) else { continue };
                let least_ms = km(region(from).unwrap(), region(to).unwrap()) / 100.0;
                checked += 1;
                if rtt.as_ms_f64() < least_ms {
                    faster.push(format!("{from} to {to}: {rtt}, light {least_ms:.2} ms"));
                }
            }
        }
    }
    assert_eq!(checked, 21 * 20 + 12 * 11 + 7 * 11);
    assert!(faster.is_empty(), "{faster:#?}");
}

#[test]
fn misspelt_regions_find_their_neighbour() {
    assert_eq!(nearest_region_id("aws:us-east1"), Some("aws:us-east-1"));
    assert_eq!(nearest_region_id("azure:east-us"), Some("azure:eastus"));
    assert_eq!(nearest_region_id("moon:base-alpha"), None);
}

#[test]
fn every_table_says_where_it_comes_from() {
    let rows: Vec<_> = tables().iter().map(|table| (table.name, table.rows)).collect();
    let expected = [
        ("egress", 80),
        ("gpus", 15),
        ("models", 22),
        ("prices", 54),
        ("regions", 45),
        ("rtt/aws", 21),
        ("rtt/azure", 12),
        ("rtt/gcp", 7),
        ("countries", 249),
    ];
    assert_eq!(rows, expected);
    for (table, info) in rtt_tables().iter().zip(&tables()[5..]) {
        assert_eq!(info.name, format!("rtt/{}", table.name));
    }
}

#[test]
fn every_model_passes_its_own_check_and_absurd_ones_do_not() {
    assert!(models().iter().all(|model| model.dims.check().is_ok()));
    let dims = model("deepseek-v3").unwrap().dims;
    let moe = dims.moe.map(|moe| MoeDims { top_k: 257, ..moe });
    let problem = ModelDims { moe, ..dims }.check().unwrap_err();
    assert_eq!(problem, DimsProblem { field: "top_k", value: 257, least: 1, most: 256 });
    assert_eq!(ModelDims { kv_heads: 0, ..dims }.check().unwrap_err().field, "kv_heads");
    assert_eq!(ModelDims { layers: u32::MAX, ..dims }.check().unwrap_err().field, "layers");
    // The largest model that passes: nothing overflows.
    let most = ModelDims {
        layers: 1_000,
        hidden: 100_000,
        heads: 4_096,
        kv_heads: 4_096,
        head_dim: 4_096,
        ff: 1_000_000,
        vocab: 100_000_000,
        tied: false,
        moe: Some(MoeDims { experts: 10_000, top_k: 10_000, shared: 1_000, ff: 100_000, dense_layers: 0 }),
        mla: None,
    };
    most.check().unwrap();
    // Experts alone: 1,000 layers · 11,000 · 3 · 100,000 · 100,000 = 3.3e17.
    assert!(most.params() > 330_000_000_000_000_000 && most.weight_bytes(Dtype::Bf16) > most.params());
}

#[test]
fn every_price_is_of_a_known_gpu_at_a_known_place_and_spot_is_no_dearer() {
    for row in prices() {
        assert!(region(row.location).is_some(), "{row:?}");
        assert!(gpu(row.gpu).is_some(), "{row:?}");
        let hour = row.micro_usd_per_gpu_hour() as f64 / 1e6;
        assert!((0.1..20.0).contains(&hour), "{row:?}");
        if row.term == Term::Spot {
            let list =
                price(row.location, row.gpu, Term::OnDemand).expect("a list price beside the spot price");
            assert!(row.micro_usd_per_gpu_hour() <= list.micro_usd_per_gpu_hour(), "{row:?}");
        }
    }
    // Eight H100 in Virginia at 55.04 dollars.
    assert_eq!(
        price("aws:us-east-1", "h100-sxm", Term::OnDemand).unwrap().micro_usd_per_gpu_hour(),
        6_880_000
    );
    assert_eq!(price("aws:sa-east-1", "h100-sxm", Term::OnDemand), None);
}

#[test]
fn every_cloud_region_has_prices_of_bytes_and_published_ones_are_found() {
    let usd = |from: &str, to: Option<&str>| egress_price(from, to).map(|price| price.usd_per_gb);
    for from in regions() {
        let out = usd(from.id, None).unwrap_or_else(|| panic!("{} has no way out", from.id));
        assert!((0.08..0.2).contains(&out), "{}: {out}", from.id);
        for to in regions().iter().filter(|to| to.id != from.id) {
            let price = usd(from.id, Some(to.id)).unwrap_or_else(|| panic!("{} to {}", from.id, to.id));
            // To another cloud over the internet; within one for no more than to the internet, but for Google's Australia.
            if to.cloud != from.cloud {
                assert_eq!(price, out, "{} to {}", from.id, to.id);
            } else if to.cloud != "gcp" {
                assert!(price <= out, "{} to {}: {price}", from.id, to.id);
            }
        }
    }
    // AWS is by source alone, but for its two regions in the east; Azure and Google by continents.
    for (from, to, price) in [
        ("aws:us-east-1", Some("aws:us-east-2"), 0.01),
        ("aws:us-east-1", Some("aws:ap-south-1"), 0.02),
        ("aws:ap-south-1", Some("aws:us-east-1"), 0.086),
        ("aws:ap-northeast-1", None, 0.114),
        ("aws:us-east-1", Some("gcp:us-east4"), 0.09),
        ("azure:eastus", Some("azure:canadacentral"), 0.02),
        ("azure:eastus", Some("azure:northeurope"), 0.05),
        ("azure:brazilsouth", None, 0.181),
        ("azure:uaenorth", Some("azure:japaneast"), 0.08),
        ("gcp:us-central1", Some("gcp:northamerica-northeast1"), 0.01),
        ("gcp:us-central1", Some("gcp:europe-west1"), 0.08),
        ("gcp:europe-west1", Some("gcp:europe-west3"), 0.02),
        ("gcp:europe-west1", Some("gcp:australia-southeast1"), 0.15),
        ("gcp:australia-southeast1", Some("gcp:us-central1"), 0.15),
        ("gcp:asia-southeast1", None, 0.14),
    ] {
        assert_eq!(usd(from, to), Some(price), "{from} to {to:?}");
    }
    assert_eq!((usd("moon:base", None), usd("aws:us-east-1", Some("moon:base"))), (None, Some(0.09)));
}
