//! Ready-made origins: where clients are in published settings. Each stands beside the region of the scenario that is
//! nearest to it on the globe.

use super::Resolver;
use crate::catalog;
use crate::id::{DataClassId, Id, IdVec, OriginId, RegionId};
use crate::network::matrix::{Coordinates, distance_km};
use crate::network::{Connection, LastMileParams};
use crate::scenario::raw::{GeographyPreset, RawCoordinates, RawLocation};
use crate::workload::Geography;
use crate::world::OriginParams;

/// Name, weight, where, hours from UTC in winter, countries and continents.
type Place = (&'static str, f64, Coordinates, i32, &'static [&'static str]);

const fn at(lat: f64, lon: f64) -> Coordinates {
    Coordinates { lat, lon }
}

/// All clients in one place: GORGO's evaluation sends everything in at Ashburn.
const SINGLE: [Place; 1] = [("us", 1.0, at(39.04, -77.49), -5, &[])];

/// A third each: the three cloud regions of SkyWalker (arXiv 2505.24095), Ohio, Frankfurt and Tokyo, each with what is
/// nearest to it of the world.
const US_EU_AP: [Place; 3] = [
    ("us", 1.0, at(39.96, -83.0), -5, &["north-america", "south-america"]),
    ("eu", 1.0, at(50.11, 8.68), 1, &["europe", "africa"]),
    ("ap", 1.0, at(35.68, 139.69), 9, &["asia", "oceania", "antarctica"]),
];

/// Four fifths in the United States, after the tenants of an office suite (SageServe's notebook: .80 in its American
/// regions, .10 Japan, .05 Australia); the rest, .05, is put in Brazil.
const US_HEAVY: [Place; 4] = [
    ("us", 0.80, at(39.04, -77.49), -5, &["north-america", "europe", "africa"]),
    ("jp", 0.10, at(35.68, 139.69), 9, &["asia"]),
    ("au", 0.05, at(-33.87, 151.21), 10, &["oceania", "antarctica"]),
    ("br", 0.05, at(-23.55, -46.63), -3, &["south-america"]),
];

impl Resolver<'_> {
    /// The origins of a preset; none where regions are not on the globe.
    pub(super) fn preset_origins(
        &mut self,
        preset: GeographyPreset,
        regions: &[String],
    ) -> IdVec<OriginId, OriginParams> {
        let places: Vec<Option<Coordinates>> = regions.iter().map(|name| self.on_the_globe(name)).collect();
        if places.iter().any(Option::is_none) {
            let item = self
                .error_at_key(&["geography"], "ready-made origins need to know where the regions are")
                .label("a region has no location")
                .help("add `location = \"aws:us-east-1\"` (or another) to each region, or write `[origins]`");
            self.push(item);
            return IdVec::new();
        }
        let list: &[Place] = match preset {
            GeographyPreset::Single => &SINGLE,
            GeographyPreset::UsEuAp => &US_EU_AP,
            GeographyPreset::UsHeavy => &US_HEAVY,
        };
        let near = |place: Coordinates| {
            let all =
                places.iter().flatten().enumerate().map(|(id, region)| (id, distance_km(place, *region)));
            all.min_by(|a, b| a.1.total_cmp(&b.1)).map_or(0, |(id, _)| id)
        };
        let origin = |&(name, weight, place, hours, countries): &Place| OriginParams {
            name: name.to_owned(),
            near: RegionId::new(near(place)),
            weight,
            data_class: DataClassId(0),
            last_mile: LastMileParams::WIRED,
            connection: Connection::Warm,
            doors: None,
            geography: Geography {
                utc_offset_min: hours * 60,
                day_curve: None,
                countries: countries.iter().map(|&name| name.to_owned()).collect(),
            },
        };
        list.iter().map(origin).collect()
    }

    fn on_the_globe(&self, name: &str) -> Option<Coordinates> {
        match self.raw.regions.get(name)?.location.as_ref()? {
            RawLocation::Catalogue(id) => catalog::region(id).map(|region| at(region.lat, region.lon)),
            RawLocation::Coordinates(RawCoordinates { lat, lon }) => Some(at(*lat, *lon)),
        }
    }
}
