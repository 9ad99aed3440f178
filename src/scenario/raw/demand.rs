//! Demand over time and place, as it is written: day curves, ladders of rates.

use crate::units::Duration;
use schemars::JsonSchema;
use serde::Deserialize;

/// Demand by local time of day: a published curve, or a table.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "Curve")]
pub enum RawCurve {
    /// A published one.
    Preset(CurvePreset),
    /// One's own.
    Own(RawOwnCurve),
}

/// Published day curves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CurvePreset {
    /// People who chat: peak at 20 h, 2.2 times the trough at 5 h, all days alike.
    Chat,
    /// People at work: peak at 13 h, 6.5 times the trough at 5 h, 16 % on weekend days.
    Office,
    /// The same at all times.
    Flat,
}

/// A day curve of one's own: `table`, or `peak_to_trough`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "CurveTable")]
pub struct RawOwnCurve {
    /// Demand in equally long steps of a day from local midnight, 24 for hours; only their ratios count.
    pub table: Option<Vec<f64>>,
    /// A sinusoid instead of a table: its highest demand over its lowest.
    #[schemars(range(min = 1, max = 1000))]
    pub peak_to_trough: Option<f64>,
    /// The hour at which the sinusoid is highest. Default: 15.
    #[schemars(range(min = 0, max = 24))]
    pub peak_hour: Option<f64>,
    /// Factors of Monday to Sunday on the day's demand. Default: 1 for each.
    pub weekdays: Option<Vec<f64>>,
}

/// Ready-made origins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GeographyPreset {
    /// All clients in the east of the United States.
    Single,
    /// A third each in Ohio, Frankfurt and Tokyo.
    UsEuAp,
    /// Four fifths in the United States, a tenth in Japan, a twentieth each in Australia and Brazil.
    UsHeavy,
}

/// A stage of a ladder of rates.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Stage")]
pub struct RawStage {
    /// New sessions in a second, over all origins, at its beginning.
    #[schemars(range(min = 0, max = 1e6))]
    pub rate: f64,
    /// The rate at its end: a ramp. Default: `rate`.
    #[schemars(range(min = 0, max = 1e6))]
    pub to: Option<f64>,
    /// How long it lasts.
    #[serde(rename = "for")]
    pub lasts: Duration,
}
