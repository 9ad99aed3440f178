//! A round-trip matrix from places. Knows catalogue tables, overrides, coordinates and the rules a matrix must keep;
//! must not know scenarios. Every number of the result says where it came from, or the whole is refused with every
//! problem listed.

use crate::time::Span;
use serde::{Deserialize, Serialize};

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
