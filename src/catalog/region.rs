//! Cloud regions: where they are and whose law holds there. Numbers: `data/regions.csv`; coordinates are those of the
//! metropolitan area that the cloud names, not of a building.

use super::Provenance;
use std::sync::LazyLock;

/// A region of a cloud.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct CloudRegion {
    /// Its name in scenarios, such as `aws:us-east-1`.
    pub id: &'static str,
    /// The cloud: `aws`, `azure`, `gcp`.
    pub cloud: &'static str,
    /// What the cloud calls the place.
    pub name: &'static str,
    /// Latitude, degrees north.
    pub lat: f64,
    /// Longitude, degrees east.
    pub lon: f64,
    /// ISO 3166-1 alpha-2 code, upper case.
    pub country: &'static str,
    /// Labels that residency rules may name, lower case: the country and the groups it belongs to (`eu`, `eea`,
    /// `gdpr`, `apac`, `americas`, …).
    pub jurisdictions: Vec<&'static str>,
}

/// Where the table comes from.
pub const PROVENANCE: Provenance = Provenance {
    source: "the clouds' public lists of regions; coordinates of the metropolitan areas",
    date: "2026",
    statistic: "place names to the nearest tenth of a degree or so",
    licence: "facts",
};

static REGIONS: LazyLock<Vec<CloudRegion>> = LazyLock::new(|| {
    super::rows(include_str!("data/regions.csv"))
        .map(|row| CloudRegion {
            id: row.text("id"),
            cloud: row.text("id").split_once(':').map_or("", |(cloud, _)| cloud),
            name: row.text("name"),
            lat: row.number("lat"),
            lon: row.number("lon"),
            country: row.text("country"),
            jurisdictions: row.text("jurisdictions").split(' ').collect(),
        })
        .collect()
});

/// All regions.
pub fn regions() -> &'static [CloudRegion] {
    &REGIONS
}

/// The region called `id`, such as `aws:us-east-1`.
pub fn region(id: &str) -> Option<&'static CloudRegion> {
    REGIONS.iter().find(|region| region.id == id)
}

/// The id in the catalogue that differs from `id` in the fewest letters, if at most three: for error messages.
pub fn nearest_region_id(id: &str) -> Option<&'static str> {
    let distances = REGIONS.iter().map(|region| (edit_distance(id, region.id), region.id));
    distances.min().filter(|&(distance, _)| distance <= 3).map(|(_, id)| id)
}

/// Letters to insert, remove or replace to turn one text into the other (Levenshtein).
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
