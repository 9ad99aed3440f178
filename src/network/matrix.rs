//! A round-trip matrix from places. Knows catalogue tables, overrides, coordinates and the rules a matrix must keep;
//! must not know scenarios. Every number of the result says where it came from, or the whole is refused with every
//! problem listed.

use crate::catalog;
use crate::time::Span;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Kilometres of light in fibre per millisecond: two thirds of c, rounded up to the round figure in general use.
pub const FIBRE_KM_PER_MS: f64 = 200.0;
/// Intercept of the distance fit, ms: least squares over the dated tables of the catalogue (R² 0.72).
pub const DISTANCE_FIT_BASE_MS: f64 = 14.0;
/// Slope of the distance fit, ms per kilometre of great circle.
pub const DISTANCE_FIT_MS_PER_KM: f64 = 0.0159;
/// The round trip inside a region where nothing better is known: between zones 0.25 to 3.4 ms are published, and the
/// AWS table's diagonal has 1 to 4 ms.
pub const DEFAULT_INTRA_RTT: Span = Span::from_ms(1);

/// A point on the earth, degrees.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Coordinates {
    /// Latitude, north positive, degrees.
    pub lat: f64,
    /// Longitude, east positive, degrees.
    pub lon: f64,
}

/// A region of a scenario, as far as the network cares.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// Its name in the scenario.
    pub name: String,
    /// A region of the catalogue, such as `aws:us-east-1`.
    pub catalogue: Option<String>,
    /// Where it is; the catalogue's coordinates are used when this is `None`.
    pub coordinates: Option<Coordinates>,
}

/// A round trip stated by the user, by inline table or CSV.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// Name of the place it starts from.
    pub from: String,
    /// Name of the place it goes to; equal to `from` for the round trip inside a region.
    pub to: String,
    /// The round trip.
    pub rtt: Span,
    /// Whether it holds the other way too. One way alone is refused unless the other way is stated as well.
    pub both_ways: bool,
}

/// Where the round trip of a pair came from.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PairSource {
    /// A table of the catalogue.
    Catalogue {
        /// The table's name, such as `aws`.
        table: &'static str,
        /// Whether the table has the pair only the other way round, which was taken.
        mirrored: bool,
    },
    /// Stated by the user.
    Override,
    /// The distance fit.
    Distance {
        /// Great-circle distance, km.
        km: f64,
    },
    /// The default inside a region.
    Intra,
}

/// A resolved matrix.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Matrix {
    /// Round trips by `[from][to]`.
    pub rtt: Vec<Vec<Span>>,
    /// Where each came from, likewise.
    pub sources: Vec<Vec<PairSource>>,
}

/// Why a matrix cannot be made.
#[derive(Clone, Debug, PartialEq)]
pub enum MatrixProblem {
    /// Two places share a name.
    DuplicatePlace {
        /// The name.
        place: String,
    },
    /// A catalogue id that is not in the catalogue.
    UnknownCatalogueRegion {
        /// The place.
        place: String,
        /// The id it asked for.
        id: String,
        /// The closest id there is.
        suggestion: Option<&'static str>,
    },
    /// Coordinates that are not on the earth.
    BadCoordinates {
        /// The place.
        place: String,
        /// Latitude given.
        lat: f64,
        /// Longitude given.
        lon: f64,
    },
    /// No table has the pair, and at least one place has no coordinates.
    NoSource {
        /// From this place.
        from: String,
        /// To this place.
        to: String,
        /// The places that have no coordinates.
        without_coordinates: Vec<String>,
    },
    /// An override of a place that does not exist.
    UnknownOverridePlace {
        /// From this place.
        from: String,
        /// To this place.
        to: String,
        /// The name that is not a place.
        unknown: String,
    },
    /// A pair overridden twice with different values.
    DuplicateOverride {
        /// From this place.
        from: String,
        /// To this place.
        to: String,
        /// The value first given.
        first: Span,
        /// The value given later.
        second: Span,
    },
    /// A pair overridden one way, the other way left out.
    OneWayOverride {
        /// From this place.
        from: String,
        /// To this place.
        to: String,
        /// The value given.
        rtt: Span,
    },
    /// A round trip no fibre can carry.
    FasterThanLight {
        /// From this place.
        from: String,
        /// To this place.
        to: String,
        /// The value given.
        rtt: Span,
        /// Great-circle distance, km.
        km: f64,
        /// The least round trip light in fibre needs.
        least: Span,
    },
}

impl MatrixProblem {
    /// The places it is about, for pointing at them in a file.
    pub fn places(&self) -> Vec<&str> {
        match self {
            MatrixProblem::DuplicatePlace { place }
            | MatrixProblem::UnknownCatalogueRegion { place, .. }
            | MatrixProblem::BadCoordinates { place, .. } => vec![place],
            MatrixProblem::NoSource { from, to, .. }
            | MatrixProblem::UnknownOverridePlace { from, to, .. }
            | MatrixProblem::DuplicateOverride { from, to, .. }
            | MatrixProblem::OneWayOverride { from, to, .. }
            | MatrixProblem::FasterThanLight { from, to, .. } => vec![from, to],
        }
    }
}

impl fmt::Display for MatrixProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MatrixProblem::DuplicatePlace { place } => {
                write!(f, "two regions are called {place:?}; names must differ")
            }
            MatrixProblem::UnknownCatalogueRegion { place, id, suggestion } => {
                write!(f, "region {place:?}: the catalogue has no {id:?}")?;
                match suggestion {
                    Some(suggestion) => write!(f, "; did you mean {suggestion:?}?"),
                    None => f.write_str("; `regionsim catalog` lists what it has, or give coordinates"),
                }
            }
            MatrixProblem::BadCoordinates { place, lat, lon } => write!(
                f,
                "region {place:?}: latitude {lat}, longitude {lon} is no place on earth; latitude is -90 to 90, \
                 longitude -180 to 180"
            ),
            MatrixProblem::NoSource { from, to, without_coordinates } => write!(
                f,
                "no round trip from {from:?} to {to:?}: no table has the pair and {} no coordinates to estimate it \
                 from; state the round trip, name a catalogue region or give coordinates",
                match without_coordinates.as_slice() {
                    [one] => format!("{one:?} has"),
                    several => format!("{} have", several.join(" and ")),
                }
            ),
            MatrixProblem::UnknownOverridePlace { from, to, unknown } => write!(
                f,
                "round trip from {from:?} to {to:?}: there is no region {unknown:?}; name one of the scenario's regions"
            ),
            MatrixProblem::DuplicateOverride { from, to, first, second } => {
                write!(f, "round trip from {from:?} to {to:?} is stated as {first} and as {second}; keep one")
            }
            MatrixProblem::OneWayOverride { from, to, rtt } => write!(
                f,
                "round trip from {from:?} to {to:?} is stated as {rtt}, but not the one from {to:?} to {from:?}; state \
                 both, or one for both ways"
            ),
            MatrixProblem::FasterThanLight { from, to, rtt, km, least } => write!(
                f,
                "round trip from {from:?} to {to:?} is {rtt}, but light in fibre needs {least} for {km:.0} km and back \
                 (200 km/ms); raise it, or correct the coordinates"
            ),
        }
    }
}

/// Great-circle distance, km, on a sphere of mean radius 6,371 km (haversine).
pub fn distance_km(a: Coordinates, b: Coordinates) -> f64 {
    let radians = |degrees: f64| degrees * (std::f64::consts::PI / 180.0);
    let (lat_a, lat_b) = (radians(a.lat), radians(b.lat));
    let sin_lat = libm::sin((lat_b - lat_a) / 2.0);
    let sin_lon = libm::sin(radians(b.lon - a.lon) / 2.0);
    let chord = sin_lat * sin_lat + libm::cos(lat_a) * libm::cos(lat_b) * sin_lon * sin_lon;
    2.0 * 6_371.0 * libm::asin(chord.min(1.0).sqrt())
}

/// The least round trip light in fibre needs.
pub fn light_rtt(km: f64) -> Span {
    Span::from_ms_f64(2.0 * km / FIBRE_KM_PER_MS)
}

/// The round trip estimated from distance. The fit was made over pairs more than 100 km apart.
pub fn distance_rtt(km: f64) -> Span {
    Span::from_ms_f64(DISTANCE_FIT_BASE_MS + DISTANCE_FIT_MS_PER_KM * km)
}

/// A matrix over `places`: for each pair the override, else the catalogue's table, else the distance fit; on the
/// diagonal the override, else the table, else [`DEFAULT_INTRA_RTT`]. With any problem, all of them.
pub fn resolve(places: &[Place], overrides: &[Override]) -> Result<Matrix, Vec<MatrixProblem>> {
    let mut problems = Vec::new();
    let coordinates = check_places(places, &mut problems);
    let stated = check_overrides(places, overrides, &mut problems);
    let mut matrix = Matrix { rtt: Vec::new(), sources: Vec::new() };
    for (i, from) in places.iter().enumerate() {
        let mut row = (Vec::new(), Vec::new());
        for (j, to) in places.iter().enumerate() {
            let km = coordinates[i].zip(coordinates[j]).map(|(a, b)| distance_km(a, b));
            let (rtt, source) =
                pair(from, to, i == j, stated.get(&(i, j)).copied(), km).unwrap_or_else(|| {
                    if i < j && ![i, j].iter().any(|&k| unusable(&places[k], coordinates[k])) {
                        let without = [i, j].into_iter().filter(|&k| coordinates[k].is_none());
                        problems.push(MatrixProblem::NoSource {
                            from: from.name.clone(),
                            to: to.name.clone(),
                            without_coordinates: without.map(|k| places[k].name.clone()).collect(),
                        });
                    }
                    (Span::ZERO, PairSource::Intra)
                });
            if let Some(km) = km.filter(|&km| source == PairSource::Override && rtt < light_rtt(km)) {
                let (from, to) = (from.name.clone(), to.name.clone());
                problems.push(MatrixProblem::FasterThanLight { from, to, rtt, km, least: light_rtt(km) });
            }
            row.0.push(rtt);
            row.1.push(source);
        }
        matrix.rtt.push(row.0);
        matrix.sources.push(row.1);
    }
    if problems.is_empty() { Ok(matrix) } else { Err(problems) }
}

/// A place whose own problem has been told already: its pairs need no second one.
fn unusable(place: &Place, coordinates: Option<Coordinates>) -> bool {
    coordinates.is_none() && (place.coordinates.is_some() || place.catalogue.is_some())
}

fn pair(
    from: &Place,
    to: &Place,
    same: bool,
    stated: Option<Span>,
    km: Option<f64>,
) -> Option<(Span, PairSource)> {
    if let Some(rtt) = stated {
        return Some((rtt, PairSource::Override));
    }
    if let Some((from, to)) = from.catalogue.as_deref().zip(to.catalogue.as_deref())
        && let Some((rtt, table, mirrored)) = catalog::catalogue_rtt(from, to)
    {
        return Some((rtt, PairSource::Catalogue { table, mirrored }));
    }
    // Two places of one cloud region are as near as two machines of it.
    if same || (from.catalogue.is_some() && from.catalogue == to.catalogue) {
        return Some((DEFAULT_INTRA_RTT, PairSource::Intra));
    }
    km.map(|km| (distance_rtt(km), PairSource::Distance { km }))
}

/// The coordinates of each place: its own, else its catalogue region's.
fn check_places(places: &[Place], problems: &mut Vec<MatrixProblem>) -> Vec<Option<Coordinates>> {
    let mut names = BTreeSet::new();
    let mut coordinates = Vec::with_capacity(places.len());
    for place in places {
        if !names.insert(place.name.as_str()) {
            problems.push(MatrixProblem::DuplicatePlace { place: place.name.clone() });
        }
        let region = place.catalogue.as_deref().and_then(catalog::region);
        if let (Some(id), None) = (&place.catalogue, region) {
            let suggestion = catalog::nearest_region_id(id);
            problems.push(MatrixProblem::UnknownCatalogueRegion {
                place: place.name.clone(),
                id: id.clone(),
                suggestion,
            });
        }
        let known = region.map(|region| Coordinates { lat: region.lat, lon: region.lon });
        let given = place.coordinates.filter(|given| {
            let Coordinates { lat, lon } = *given;
            let on_earth = (-90.0..=90.0).contains(&lat) && (-180.0..=180.0).contains(&lon);
            if !on_earth {
                problems.push(MatrixProblem::BadCoordinates { place: place.name.clone(), lat, lon });
            }
            on_earth
        });
        coordinates.push(given.or(known));
    }
    coordinates
}

/// The stated round trips by index.
fn check_overrides(
    places: &[Place],
    overrides: &[Override],
    problems: &mut Vec<MatrixProblem>,
) -> BTreeMap<(usize, usize), Span> {
    let mut stated: BTreeMap<(usize, usize), Span> = BTreeMap::new();
    for Override { from, to, rtt, both_ways } in overrides {
        let index = |name: &str| places.iter().position(|place| place.name == name);
        let (Some(i), Some(j)) = (index(from), index(to)) else {
            let unknown = if index(from).is_none() { from } else { to };
            problems.push(MatrixProblem::UnknownOverridePlace {
                from: from.clone(),
                to: to.clone(),
                unknown: unknown.clone(),
            });
            continue;
        };
        let ways = if *both_ways && i != j { vec![(i, j), (j, i)] } else { vec![(i, j)] };
        for (i, j) in ways {
            if let Some(&first) = stated.get(&(i, j)).filter(|&first| first != rtt) {
                let (from, to) = (places[i].name.clone(), places[j].name.clone());
                problems.push(MatrixProblem::DuplicateOverride { from, to, first, second: *rtt });
            }
            stated.insert((i, j), *rtt);
        }
    }
    for (&(i, j), &rtt) in &stated {
        if !stated.contains_key(&(j, i)) {
            let (from, to) = (places[i].name.clone(), places[j].name.clone());
            problems.push(MatrixProblem::OneWayOverride { from, to, rtt });
        }
    }
    stated
}

#[cfg(test)]
#[path = "matrix/tests.rs"]
mod tests;
