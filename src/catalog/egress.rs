//! What bytes that leave a place cost: dated list prices of the first paid tier. Numbers: `data/egress.csv`. What comes
//! in from the internet is free at all three clouds, and so is what stays within a location.

use super::{Provenance, country, region};
use std::sync::LazyLock;

/// A price of bytes.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct EgressPrice {
    /// A cloud region, or a cloud and a continent: `aws:us-east-1`, `gcp:asia`.
    pub from: &'static str,
    /// `internet`; a region, a continent, `same_continent`, or `region` for any other of that cloud.
    pub to: &'static str,
    /// US dollars for 10⁹ bytes.
    pub usd_per_gb: f64,
    /// When the table was last changed.
    pub date: &'static str,
    /// Where.
    pub source: &'static str,
}

/// Where the table comes from.
pub const PROVENANCE: Provenance = Provenance {
    source: "Skyplane's transfer prices of AWS, Azure and Google Cloud (skyplane-project/skyplane)",
    date: "2023-04-27",
    statistic: "list price of the first paid tier, USD for 10⁹ bytes",
    licence: "facts; Skyplane is Apache-2.0",
};

static PRICES: LazyLock<Vec<EgressPrice>> = LazyLock::new(|| {
    super::rows(include_str!("data/egress.csv"))
        .map(|row| EgressPrice {
            from: row.text("from"),
            to: row.text("to"),
            usd_per_gb: row.number("usd_per_gb"),
            date: row.text("date"),
            source: row.text("source"),
        })
        .collect()
});

/// All prices.
pub fn egress_prices() -> &'static [EgressPrice] {
    &PRICES
}

/// The continent of a region of the catalogue.
fn continent(id: &str) -> Option<&'static str> {
    country(region(id)?.country).map(|country| country.continent)
}

/// From a region to another one, or to the internet with `None`. To another cloud, bytes go over the internet.
pub fn egress_price(from: &str, to: Option<&str>) -> Option<&'static EgressPrice> {
    let cloud = |id: &str| id.split_once(':').map(|(cloud, _)| cloud.to_owned());
    let own = cloud(from)?;
    let group = continent(from).map(|continent| format!("{own}:{continent}"));
    let to = to.filter(|to| cloud(to).as_ref() == Some(&own));
    let there = to.and_then(continent);
    let same = there.is_some() && there == continent(from);
    let targets: Vec<&str> = match to {
        None => vec!["internet"],
        Some(to) => [Some(to), same.then_some("same_continent"), there, Some("region")]
            .into_iter()
            .flatten()
            .collect(),
    };
    let froms = [Some(from), group.as_deref()];
    // The most exact target first, and of it the most exact source.
    targets.iter().find_map(|target| {
        froms
            .iter()
            .flatten()
            .find_map(|from| PRICES.iter().find(|price| price.from == *from && price.to == *target))
    })
}
