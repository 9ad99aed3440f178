//! The ways to search, by name. Knows names; must not know how they search.

use serde::{Deserialize, Serialize};

/// Which way to search.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// (1 + 1) evolution with the one-fifth rule.
    #[default]
    Es,
    /// Nelder and Mead's simplex.
    NelderMead,
    /// Uniform points.
    Random,
    /// A Latin hypercube.
    Lhs,
}

impl Strategy {
    /// Every strategy with its name.
    pub const ALL: [(&'static str, Strategy); 4] = [
        ("es", Strategy::Es),
        ("nelder-mead", Strategy::NelderMead),
        ("random", Strategy::Random),
        ("lhs", Strategy::Lhs),
    ];
    /// Its name.
    pub fn name(self) -> &'static str {
        Strategy::ALL.iter().find(|(_, other)| *other == self).map_or("", |(name, _)| name)
    }
}
