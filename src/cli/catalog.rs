//! `catalog`: what the embedded tables hold, with dates and sources.

use super::exit::Exit;
use super::{Outcome, print};
use crate::catalog::{self, Dtype, Provenance};
use crate::report::grid;
use crate::timing;
use serde_json::{Value, json};

/// List the GPUs, models, regions, round-trip tables, prices and profiles that scenarios can name.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  regionsim catalog gpus
  regionsim catalog rtt
  regionsim catalog regions --json")]
pub struct Args {
    /// Which table.
    #[arg(value_enum)]
    which: Which,
    /// As JSON, with every column.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Which {
    /// GPUs: `gpu = "…"` of a pool.
    Gpus,
    /// Models: `preset = "…"` of a model.
    Models,
    /// Cloud regions: `location = "…"` of a region.
    Regions,
    /// Round-trip time tables.
    Rtt,
    /// Prices of GPUs: what `[prices]` takes.
    Prices,
    /// Prices of bytes that leave a place: what `[prices]` takes too.
    Egress,
    /// Timing profiles: an engine's efficiencies and overheads.
    Profiles,
}

/// A table for people, and the same for programs.
struct Listing {
    head: &'static [&'static str],
    rows: Vec<Vec<String>>,
    /// Lines under the table.
    notes: Vec<String>,
    json: Value,
}

/// Runs `catalog`.
pub fn run(args: &Args) -> Outcome {
    let listing = match args.which {
        Which::Gpus => gpus(),
        Which::Models => models(),
        Which::Regions => regions(),
        Which::Rtt => rtt(),
        Which::Prices => prices(),
        Which::Egress => egress(),
        Which::Profiles => profiles(),
    };
    if args.json {
        print(&format!("{}\n", serde_json::to_string_pretty(&listing.json)?))?;
    } else {
        let mut out = grid::render(listing.head, &listing.rows);
        if !listing.notes.is_empty() {
            out.push('\n');
        }
        for note in &listing.notes {
            out.push_str(note);
            out.push('\n');
        }
        print(&out)?;
    }
    Ok(Exit::Ok)
}

fn origin(provenance: &Provenance) -> String {
    format!("{} ({}): {}", provenance.source, provenance.date, provenance.statistic)
}

fn prices() -> Listing {
    let rows = catalog::prices().iter().map(|price| {
        let gpu_hour = price.micro_usd_per_gpu_hour() as f64 / 1e6;
        [
            price.location.to_string(),
            price.gpu.to_string(),
            price.instance.to_string(),
            price.gpus.to_string(),
            format!("{gpu_hour:.3}"),
            price.term.name().to_string(),
            price.date.to_string(),
        ]
        .to_vec()
    });
    Listing {
        head: &["location", "gpu", "instance", "GPUs", "USD/GPU-h", "term", "date"],
        rows: rows.collect(),
        notes: vec![origin(&catalog::price::PROVENANCE)],
        json: json!(catalog::prices()),
    }
}

fn egress() -> Listing {
    let rows = catalog::egress_prices().iter().map(|price| {
        let words = [price.from, price.to].map(str::to_string);
        let [from, to] = words;
        vec![from, to, format!("{:.4}", price.usd_per_gb), price.date.to_string(), price.source.to_string()]
    });
    Listing {
        head: &["from", "to", "USD/GB", "date", "source"],
        rows: rows.collect(),
        notes: vec![origin(&catalog::egress::PROVENANCE)],
        json: json!(catalog::egress_prices()),
    }
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_string(), |value| value.to_string())
}

fn gpus() -> Listing {
    let row = |gpu: &catalog::Gpu| {
        vec![
            gpu.name.to_string(),
            format!("{:.1}", gpu.memory_bytes as f64 / (1u64 << 30) as f64),
            gpu.memory_gb_per_s.to_string(),
            gpu.bf16_tflops.to_string(),
            number(gpu.fp8_tflops),
            gpu.link.to_string(),
            gpu.power_w.to_string(),
        ]
    };
    Listing {
        head: &["gpu", "memory GiB", "memory GB/s", "BF16 TFLOP/s", "FP8 TFLOP/s", "link", "W"],
        rows: catalog::gpus().iter().map(row).collect(),
        notes: vec![origin(&catalog::gpu::PROVENANCE)],
        json: json!({ "provenance": catalog::gpu::PROVENANCE, "gpus": catalog::gpus() }),
    }
}

fn models() -> Listing {
    let row = |model: &catalog::Model| {
        let dims = &model.dims;
        vec![
            model.name.to_string(),
            format!("{:.1}", dims.params() as f64 / 1e9),
            format!("{:.1}", dims.active_params() as f64 / 1e9),
            dims.layers.to_string(),
            (dims.kv_bytes_per_token(Dtype::Bf16) / 1024).to_string(),
            if model.experimental { "experimental".to_string() } else { String::new() },
        ]
    };
    let json = catalog::models().iter().map(|model| {
        json!({
            "name": model.name,
            "params": model.dims.params(),
            "active_params": model.dims.active_params(),
            "layers": model.dims.layers,
            "hidden": model.dims.hidden,
            "heads": model.dims.heads,
            "kv_heads": model.dims.kv_heads,
            "kv_bytes_per_token_bf16": model.dims.kv_bytes_per_token(Dtype::Bf16),
            "experimental": model.experimental,
            "note": model.note,
        })
    });
    Listing {
        head: &["model", "params 1e9", "active 1e9", "layers", "KV KiB/token BF16", ""],
        rows: catalog::models().iter().map(row).collect(),
        notes: vec![origin(&catalog::model::PROVENANCE)],
        json: json!({ "provenance": catalog::model::PROVENANCE, "models": json.collect::<Vec<_>>() }),
    }
}

fn regions() -> Listing {
    let row = |region: &catalog::CloudRegion| {
        vec![
            region.id.to_string(),
            region.name.to_string(),
            region.country.to_string(),
            region.jurisdictions.join(" "),
        ]
    };
    let json = catalog::regions().iter().map(|region| {
        json!({
            "id": region.id,
            "name": region.name,
            "country": region.country,
            "jurisdictions": region.jurisdictions,
            "lat": region.lat,
            "lon": region.lon,
        })
    });
    Listing {
        head: &["region", "place", "country", "jurisdictions"],
        rows: catalog::regions().iter().map(row).collect(),
        notes: vec![origin(&catalog::region::PROVENANCE)],
        json: json!({ "provenance": catalog::region::PROVENANCE, "regions": json.collect::<Vec<_>>() }),
    }
}

fn rtt() -> Listing {
    let row = |table: &catalog::RttTable| {
        vec![
            table.name.to_string(),
            table.regions.len().to_string(),
            table.provenance.statistic.to_string(),
            table.provenance.date.to_string(),
            table.provenance.source.to_string(),
        ]
    };
    let json = catalog::rtt_tables().iter().map(|table| {
        let ms = |pair: &Option<crate::time::Span>| pair.map(crate::time::Span::as_ms_f64);
        let matrix: Vec<Vec<Option<f64>>> =
            table.rtt.iter().map(|row| row.iter().map(ms).collect()).collect();
        json!({
            "name": table.name,
            "provenance": table.provenance,
            "regions": table.regions,
            "rtt_ms": matrix,
        })
    });
    Listing {
        head: &["table", "regions", "statistic", "date", "source"],
        rows: catalog::rtt_tables().iter().map(row).collect(),
        notes: vec!["regionsim catalog rtt --json prints the matrices.".to_string()],
        json: json!(json.collect::<Vec<_>>()),
    }
}

fn profiles() -> Listing {
    let profiles = timing::profiles();
    let row = |profile: &timing::Profile| {
        vec![profile.name.clone(), format!("v{}", profile.version), profile.trust()]
    };
    let json = profiles.iter().map(|profile| {
        json!({
            "name": profile.name,
            "version": profile.version,
            "status": profile.status,
            "provenance": profile.provenance,
            "known_error": profile.known_error,
            "range": profile.range,
            "not_identified": profile.not_identified,
            "constants": profile.constants,
            "errors": profile.errors,
        })
    });
    Listing {
        head: &["profile", "version", "status"],
        rows: profiles.iter().map(row).collect(),
        notes: profiles.iter().map(|profile| format!("{}: {}", profile.name, profile.known_error)).collect(),
        json: json!(json.collect::<Vec<_>>()),
    }
}
