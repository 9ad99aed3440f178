//! Regions, and the network between them.

use super::Resolver;
use crate::catalog;
use crate::id::{IdVec, RegionId};
use crate::network::matrix::{self, Coordinates, MatrixProblem, Override, PairSource, Place};
use crate::network::{JitterParams, NetworkParams};
use crate::scenario::document::At;
use crate::scenario::nearest::suggest;
use crate::scenario::plan::RegionFacts;
use crate::scenario::raw::{JitterPreset, RawCoordinates, RawJitter, RawLocation};
use crate::time::Span;
use crate::world::RegionParams;
use std::collections::BTreeMap;

impl Resolver<'_> {
    pub(super) fn regions(&mut self) -> (IdVec<RegionId, RegionParams>, Vec<RegionFacts>) {
        self.check_names(&["regions"]);
        let names = self.names(&["regions"]);
        let mut facts = Vec::new();
        for name in &names {
            let raw = self.raw.regions.get(name);
            let id = match raw.and_then(|raw| raw.location.as_ref()) {
                Some(RawLocation::Catalogue(id)) => Some(id.clone()),
                _ => None,
            };
            let known = id.as_deref().and_then(catalog::region);
            if let (Some(id), None) = (&id, known) {
                let ids = catalog::regions().iter().map(|region| region.id);
                let item = self
                    .error(
                        &["regions", name, "location"],
                        "`location` must be a region of the catalogue, or coordinates",
                    )
                    .label(format!("the catalogue has no {id:?}"))
                    .help(suggest(id, "the catalogue has", ids))
                    .help("`regionsim catalog regions` lists them; or write { lat = 50.1, lon = 8.7 }");
                self.push(item);
            }
            let stated = raw.and_then(|raw| raw.jurisdiction.clone());
            let from_catalogue =
                || known.map(|region| region.jurisdictions.iter().map(ToString::to_string).collect());
            let own = raw.and_then(|raw| raw.provider_jurisdiction.clone());
            let provider = known.and_then(|region| region.id.split_once(':'));
            let american = provider.is_some_and(|(name, _)| matches!(name, "aws" | "azure" | "gcp"));
            let usual = if american { vec!["us".to_owned()] } else { Vec::new() };
            facts.push(RegionFacts {
                provider_jurisdiction: own.unwrap_or(usual),
                catalogue: known.map(|region| region.id.to_owned()),
                jurisdiction: stated.or_else(from_catalogue).unwrap_or_default(),
            });
        }
        (names.into_iter().map(|name| RegionParams { name }).collect(), facts)
    }

    pub(super) fn network(&mut self, names: &[String]) -> (NetworkParams, Vec<Vec<PairSource>>) {
        let mut keys = BTreeMap::new();
        let mut overrides = Vec::new();
        for key in self.names(&["network", "rtt"]) {
            let Some(rtt) = self.raw.network.rtt.get(&key).copied() else { continue };
            let (from, to, both_ways) = match (key.split_once("<->"), key.split_once("->")) {
                (Some((from, to)), _) => (from.trim(), to.trim(), true),
                (None, Some((from, to))) => (from.trim(), to.trim(), false),
                (None, None) => (key.trim(), key.trim(), true),
            };
            keys.insert(
                (from.to_owned(), to.to_owned()),
                vec!["network".to_owned(), "rtt".to_owned(), key.clone()],
            );
            overrides.push(Override { from: from.to_owned(), to: to.to_owned(), rtt: rtt.0, both_ways });
        }
        if let Some(path) = self.raw.network.rtt_csv.clone() {
            // A pair stated in the scenario goes over the same pair of the file.
            let stated = |row: &Override| {
                overrides.iter().any(|own: &Override| {
                    (own.from == row.from && own.to == row.to)
                        || (own.both_ways && own.from == row.to && own.to == row.from)
                })
            };
            let rows: Vec<Override> = self.rtt_csv(&path).into_iter().filter(|row| !stated(row)).collect();
            overrides.extend(rows);
        }
        let places: Vec<Place> = names.iter().map(|name| self.network_place(name)).collect();
        let matrix = matrix::resolve(&places, &overrides).unwrap_or_else(|problems| {
            for problem in problems {
                self.matrix_problem(&problem, &keys);
            }
            let side = names.len();
            let intra = vec![vec![PairSource::Intra; side]; side];
            matrix::Matrix { rtt: vec![vec![Span::ZERO; side]; side], sources: intra }
        });
        let raw = &self.raw.network;
        let jitter = match raw.jitter {
            None | Some(RawJitter::Preset(JitterPreset::InterCloud)) => JitterParams::INTER_CLOUD,
            Some(RawJitter::Preset(JitterPreset::None)) => JitterParams::NONE,
            Some(RawJitter::Own(own)) => JitterParams {
                sigma: own.sigma,
                spike_probability: own.spike_probability.0,
                spike_mean: own.spike_mean.0,
            },
        };
        if !(0.0..=1.0).contains(&jitter.spike_probability) {
            let item = self
                .error(&["network", "jitter", "spike_probability"], "a probability is from 0 to 1")
                .label(format!("{} is not", jitter.spike_probability))
                .help("write a share such as 0.001 or \"0.1%\"");
            self.push(item);
        }
        let network = NetworkParams {
            rtt: matrix.rtt,
            jitter,
            bandwidth_bytes_per_s: raw.bandwidth.map(|bandwidth| (bandwidth.0 / 8).max(1)),
            bytes_per_token: raw.bytes_per_token.unwrap_or(NetworkParams::DEFAULT_BYTES_PER_TOKEN),
            initial_window_bytes: raw.initial_window_bytes,
        };
        (network, matrix.sources)
    }

    fn network_place(&self, name: &str) -> Place {
        let mut place = Place { name: name.to_owned(), catalogue: None, coordinates: None };
        match self.raw.regions.get(name).and_then(|raw| raw.location.clone()) {
            Some(RawLocation::Catalogue(id)) => place.catalogue = Some(id),
            Some(RawLocation::Coordinates(RawCoordinates { lat, lon })) => {
                place.coordinates = Some(Coordinates { lat, lon });
            }
            None => {}
        }
        place
    }

    fn rtt_csv(&mut self, path: &str) -> Vec<Override> {
        #[derive(serde::Deserialize)]
        struct Row {
            from: String,
            to: String,
            rtt_ms: f64,
        }
        let rows = std::fs::read_to_string(self.file(path))
            .map_err(|error| format!("cannot read it: {error}"))
            .and_then(|text| {
                let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
                reader.deserialize().collect::<Result<Vec<Row>, _>>().map_err(|error| error.to_string())
            })
            .and_then(|rows| match rows.iter().find(|row| !(0.0..=1e7).contains(&row.rtt_ms)) {
                Some(Row { from, to, rtt_ms }) => {
                    Err(format!("`{from}` to `{to}` is {rtt_ms} ms; write 0 to 10000000"))
                }
                None => Ok(rows),
            });
        let problem = match rows {
            Ok(rows) => {
                let stated = |row: Row| {
                    let rtt = Span::from_ms_f64(row.rtt_ms);
                    Override { from: row.from, to: row.to, rtt, both_ways: false }
                };
                return rows.into_iter().map(stated).collect();
            }
            Err(problem) => problem,
        };
        let item = self
            .error(
                &["network", "rtt_csv"],
                "`rtt_csv` must be a CSV file with the columns from, to and rtt_ms",
            )
            .label(problem)
            .help("paths start from the scenario's folder");
        self.push(item);
        Vec::new()
    }

    fn matrix_problem(&mut self, problem: &MatrixProblem, keys: &BTreeMap<(String, String), Vec<String>>) {
        let at = |from: &String, to: &String| {
            let key = keys.get(&(from.clone(), to.clone())).or_else(|| keys.get(&(to.clone(), from.clone())));
            key.cloned().unwrap_or_else(|| vec!["network".into(), "rtt_csv".into()])
        };
        let item = match problem {
            // Said already: region names are keys, catalogue ids and coordinates are checked where they stand.
            MatrixProblem::DuplicatePlace { .. }
            | MatrixProblem::UnknownCatalogueRegion { .. }
            | MatrixProblem::BadCoordinates { .. } => return,
            MatrixProblem::NoSource { from, to, without_coordinates } => {
                let first = without_coordinates.first().unwrap_or(from).clone();
                if self.document.has(&["regions", &first, "location"])
                    || !self.raw.regions.contains_key(&first)
                {
                    return;
                }
                self.error_at_key(
                    &["regions", &first],
                    format!("there must be a round trip from `{from}` to `{to}`"),
                )
                .label("no location to estimate it from")
                .help(format!("add `location = \"aws:us-east-1\"` (or another) to `[regions.{first}]`"))
                .help(format!("or state it: `[network]` `rtt.\"{from}<->{to}\" = \"90ms\"`"))
            }
            MatrixProblem::UnknownOverridePlace { from, to, unknown } => {
                let key = at(from, to);
                let names = self.names(&["regions"]);
                Self::item_at(self, &key, "a round trip is between regions of this scenario")
                    .label(format!("there is no region `{unknown}`"))
                    .help(suggest(unknown, "the names in `[regions]` are", names.iter().map(String::as_str)))
                    .help("write \"us->eu\" for one way, \"us<->eu\" for both, \"us\" for within a region")
            }
            MatrixProblem::DuplicateOverride { from, to, first, second } => Self::item_at(
                self,
                &at(from, to),
                format!("the round trip from `{from}` to `{to}` is stated once"),
            )
            .label(format!("here and elsewhere, as {first} and {second}"))
            .help("keep one of the two"),
            MatrixProblem::OneWayOverride { from, to, rtt } => {
                Self::item_at(self, &at(from, to), "a round trip is stated for both ways")
                    .label(format!("nothing is stated from `{to}` to `{from}`"))
                    .help(format!("write \"{from}<->{to}\" = \"{rtt}\", or add \"{to}->{from}\""))
            }
            MatrixProblem::FasterThanLight { from, to, rtt, km, least } => {
                let key = at(from, to);
                let item = Self::item_at(
                    self,
                    &key,
                    format!("the round trip from `{from}` to `{to}` must be at least {least}: light in fibre needs it"),
                )
                .label(format!("{rtt} for {km:.0} km and back is faster than light"))
                .help("raise it (light in fibre goes 200 km a millisecond), or correct the locations");
                // Both ways of one entry are one mistake.
                if self.found.iter().any(|other| other.place == item.place && other.label == item.label) {
                    return;
                }
                item
            }
        };
        self.push(item);
    }

    fn item_at(
        this: &Self,
        key: &[String],
        title: impl Into<String>,
    ) -> crate::scenario::diagnostic::Diagnostic {
        let path: Vec<&str> = key.iter().map(String::as_str).collect();
        let at = if path.len() == 3 { At::Key } else { At::Value };
        crate::scenario::diagnostic::Diagnostic::error(this.place(&path, at), title)
    }
}
