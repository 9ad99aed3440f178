//! Countries and their continents. Numbers: `data/countries.csv`, all 249 codes of ISO 3166-1. Continents are the United
//! Nations' (M49), the Americas split into north (with Central America and the Caribbean) and south; Cyprus,
//! Turkey and the Caucasus count as Asia there, Russia as Europe. Uninhabited islands of the far south are put with Antarctica.

use super::Provenance;
use std::sync::LazyLock;

/// A country or territory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Country {
    /// ISO 3166-1 alpha-2 code, upper case.
    pub code: &'static str,
    /// Its usual English name, in ASCII.
    pub name: &'static str,
    /// One of [`CONTINENTS`].
    pub continent: &'static str,
}

/// The continents.
pub const CONTINENTS: [&str; 7] =
    ["africa", "antarctica", "asia", "europe", "north-america", "oceania", "south-america"];

/// Where the table comes from.
pub const PROVENANCE: Provenance = Provenance {
    source: "ISO 3166-1 codes; continents after United Nations M49",
    date: "2026",
    statistic: "codes and names",
    licence: "facts",
};

static COUNTRIES: LazyLock<Vec<Country>> = LazyLock::new(|| {
    super::rows(include_str!("data/countries.csv"))
        .map(|row| Country {
            code: row.text("code"),
            name: row.text("name"),
            continent: row.text("continent"),
        })
        .collect()
});

/// All countries, by code.
pub fn countries() -> &'static [Country] {
    &COUNTRIES
}

/// The country of a two-letter code or an English name, in any case.
pub fn country(text: &str) -> Option<&'static Country> {
    let same = |other: &str| other.eq_ignore_ascii_case(text.trim());
    COUNTRIES.iter().find(|country| same(country.code) || same(country.name))
}

/// What an origin may list: the code of a country, or a continent, as the table writes it.
pub fn place(text: &str) -> Option<&'static str> {
    let continent = CONTINENTS.into_iter().find(|name| name.eq_ignore_ascii_case(text.trim()));
    continent.or_else(|| country(text).map(|country| country.code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_continent() {
        assert_eq!(countries().len(), 249, "ISO 3166-1 has 249 codes");
        assert!(countries().windows(2).all(|pair| pair[0].code < pair[1].code));
        for country in countries() {
            assert!(country.code.len() == 2 && country.code.bytes().all(|byte| byte.is_ascii_uppercase()));
            assert!(CONTINENTS.contains(&country.continent), "{country:?}");
        }
        // Members of the United Nations by continent would be 54 in Africa; territories are beside them.
        let count = |name| countries().iter().filter(|country| country.continent == name).count();
        assert_eq!((count("antarctica"), count("south-america")), (5, 14));
        assert_eq!(count("africa"), 54 + 4, "and Western Sahara, Mayotte, Reunion, Saint Helena");
    }

    #[test]
    fn countries_that_other_tables_lose_are_here() {
        // A published mapping of chats to continents drops or moves these.
        for (code, continent) in [
            ("DE", "europe"),
            ("NL", "europe"),
            ("CH", "europe"),
            ("AT", "europe"),
            ("UA", "europe"),
            ("TR", "asia"),
            ("NZ", "oceania"),
            ("RU", "europe"),
            ("SG", "asia"),
        ] {
            assert_eq!(country(code).map(|country| country.continent), Some(continent), "{code}");
        }
        assert_eq!(country("united states").map(|country| country.code), Some("US"));
        assert_eq!((place("Europe"), place("de"), place("Atlantis")), (Some("europe"), Some("DE"), None));
    }
}
