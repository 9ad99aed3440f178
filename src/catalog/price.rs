//! What GPUs cost to rent: dated list and spot prices. Numbers: `data/prices.csv`, per instance as published; clouds
//! sell whole instances, so the price of a GPU is the instance's over its GPUs. Prices age faster than anything else
//! here: the row's own date goes into every report.

use super::Provenance;
use std::sync::LazyLock;

/// How capacity is bought.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Term {
    /// By the hour, at the list price.
    #[default]
    OnDemand,
    /// What is left over, and may be taken back: the middle of what was seen.
    Spot,
}

impl Term {
    /// Its name in scenarios and in the table.
    pub fn name(self) -> &'static str {
        match self {
            Term::OnDemand => "on_demand",
            Term::Spot => "spot",
        }
    }
}

/// A price.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Price {
    /// The cloud region, such as `aws:us-east-1`.
    pub location: &'static str,
    /// The GPU's name in the catalogue.
    pub gpu: &'static str,
    /// What is rented.
    pub instance: &'static str,
    /// Its GPUs.
    pub gpus: u32,
    /// US dollars an hour for all of it.
    pub usd_per_hour: f64,
    /// How.
    pub term: Term,
    /// When it was read.
    pub date: &'static str,
    /// Where.
    pub source: &'static str,
}

impl Price {
    /// Millionths of a US dollar for a GPU and an hour.
    pub fn micro_usd_per_gpu_hour(&self) -> u64 {
        (self.usd_per_hour * 1e6 / f64::from(self.gpus)).round() as u64
    }
}

/// Where the table comes from.
pub const PROVENANCE: Provenance = Provenance {
    source: "clouds' list prices as collected by others; each row names whom",
    date: "2026-09 to 2026-11",
    statistic: "list price; spot: the middle of the range seen",
    licence: "facts; SkyPilot's catalogue is Apache-2.0",
};

static PRICES: LazyLock<Vec<Price>> = LazyLock::new(|| {
    super::rows(include_str!("data/prices.csv"))
        .map(|row| Price {
            location: row.text("location"),
            gpu: row.text("gpu"),
            instance: row.text("instance"),
            gpus: row.number("gpus"),
            usd_per_hour: row.number("usd_per_hour"),
            term: if row.text("term") == "spot" { Term::Spot } else { Term::OnDemand },
            date: row.text("date"),
            source: row.text("source"),
        })
        .collect()
});

/// All prices.
pub fn prices() -> &'static [Price] {
    &PRICES
}

/// The lowest price of a GPU at a location: a small instance may cost more for each GPU than a large one.
pub fn price(location: &str, gpu: &str, term: Term) -> Option<&'static Price> {
    let there = PRICES.iter().filter(|p| p.location == location && p.gpu == gpu && p.term == term);
    there.min_by_key(|price| price.micro_usd_per_gpu_hour())
}
