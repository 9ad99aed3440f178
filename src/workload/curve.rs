//! Day curves: how demand goes up and down with the local time of day and the day of the week. Knows tables; must not
//! know origins or what is sent. Numbers: published profiles, cited at each preset.
//!
//! A curve is a table of equally long steps of a local day, with mean 1, times a factor for the weekday. Between the
//! steps nothing is interpolated: a published hourly mean stays the mean of its hour, and the integral is piecewise linear.

use serde::Serialize;

/// Seconds of a day.
pub const DAY_S: u32 = 86_400;
/// Seconds of a week.
pub const WEEK_S: u32 = 7 * DAY_S;

/// Demand by local time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Curve {
    /// `chat`, `office`, `flat`, `sinusoid` or `table`.
    pub name: String,
    /// Demand in equally long steps of a day that begin at local midnight, relative to the mean of a day; their
    /// number divides 1440.
    pub day: Vec<f64>,
    /// Factors of the weekdays, Monday first. Not normalised: 1 is a usual day.
    pub weekdays: [f64; 7],
}

/// Requests by hour of the day over the mean, pool `m-small` of `ServeGen` (arXiv 2505.09999, repository
/// alibaba/ServeGen, commit f891d118, Apache-2.0): mean over 14 days of all clients' rates, local time taken from their
/// own examples. Peak at 20 h, trough at 5 h, ratio 2.21.
const CHAT: [f64; 24] = [
    0.84, 0.71, 0.73, 0.68, 0.71, 0.66, 0.68, 0.85, 1.02, 1.05, 1.13, 1.09, 1.06, 1.07, 1.06, 1.05, 1.09,
    1.08, 1.01, 1.23, 1.46, 1.40, 1.27, 1.06,
];

/// Tokens by hour of a weekday over the mean, model C in production of an office suite (`SageServe`, arXiv 2502.14617,
/// repository shashwatj07/SageServe, commit 0b95ca2d, MIT; read off its figure). Published in UTC with the peak at
/// 19 h; taken for UTC-7, where most of its users are, so that the peak is at noon (our choice).
const OFFICE: [f64; 24] = [
    0.38, 0.36, 0.35, 0.35, 0.35, 0.33, 0.44, 0.80, 1.35, 1.72, 1.95, 2.02, 2.07, 2.15, 1.94, 1.71, 1.43,
    1.05, 0.76, 0.65, 0.56, 0.47, 0.40, 0.40,
];

impl Curve {
    /// The same at all times.
    pub fn flat() -> Curve {
        Curve { name: "flat".to_owned(), day: vec![1.0], weekdays: [1.0; 7] }
    }
    /// People who chat: peak in the evening, every day alike (the weekdays' factors are not published).
    pub fn chat() -> Curve {
        Curve { name: "chat".to_owned(), day: normalised(&CHAT), weekdays: [1.0; 7] }
    }
    /// People at work: peak at midday; a weekend day has 0.16 of a weekday (the same source).
    pub fn office() -> Curve {
        let weekdays = [1.0, 1.0, 1.0, 1.0, 1.0, 0.16, 0.16];
        Curve { name: "office".to_owned(), day: normalised(&OFFICE), weekdays }
    }
    /// A sinusoid over the hours whose highest hour is at `peak_hour` and which would swing from 1 to `peak_to_trough`.
    pub fn sinusoid(peak_to_trough: f64, peak_hour: f64) -> Curve {
        let swing = (peak_to_trough - 1.0) / (peak_to_trough + 1.0);
        let angle = |hour: usize| std::f64::consts::TAU * (hour as f64 - peak_hour) / 24.0;
        let day: Vec<f64> = (0..24).map(|hour| 1.0 + swing * libm::cos(angle(hour))).collect();
        Curve { name: "sinusoid".to_owned(), day: normalised(&day), weekdays: [1.0; 7] }
    }
    /// A table of equally long steps of a day, normalised to mean 1, and the weekdays' factors.
    pub fn table(day: &[f64], weekdays: [f64; 7]) -> Curve {
        Curve { name: "table".to_owned(), day: normalised(day), weekdays }
    }
    /// Why it cannot be used: what, what it is, and the rule.
    pub fn problem(&self) -> Option<(&'static str, String, &'static str)> {
        let steps = self.day.len();
        if steps == 0 || !1440usize.is_multiple_of(steps) {
            return Some((
                "table",
                steps.to_string(),
                "the number of steps must divide a day's 1440 minutes",
            ));
        }
        let sound = |value: &f64| (0.0..=1e6).contains(value);
        if let Some(value) = self.day.iter().find(|value| !sound(value)) {
            return Some(("table", value.to_string(), "values must be at least 0, and some above 0"));
        }
        if let Some(value) = self.weekdays.iter().find(|value| !sound(value)) {
            return Some(("weekdays", value.to_string(), "factors must lie in 0..=1e6"));
        }
        (self.weekdays.iter().sum::<f64>() <= 0.0)
            .then(|| ("weekdays", "all 0".to_owned(), "some day must have demand"))
    }
    /// Whether it is the same at all times.
    pub fn is_flat(&self) -> bool {
        self.day.windows(2).all(|pair| pair[0] == pair[1]) && self.weekdays == [1.0; 7]
    }
    /// Demand at a local time, in seconds since Monday 0 h.
    pub fn at(&self, local_s: u32) -> f64 {
        let (day, second) = ((local_s / DAY_S) % 7, local_s % DAY_S);
        let step = (second / self.step_s()) as usize;
        self.day[step.min(self.day.len() - 1)] * self.weekdays[day as usize]
    }
    /// Seconds of a step.
    pub fn step_s(&self) -> u32 {
        DAY_S / self.day.len() as u32
    }
}

fn normalised(day: &[f64]) -> Vec<f64> {
    let mean = day.iter().sum::<f64>() / day.len() as f64;
    day.iter().map(|value| value / mean).collect()
}

/// A curve seen from one origin.
#[derive(Clone, Copy, Debug)]
pub struct Local<'c> {
    /// Its demand by local time.
    pub curve: &'c Curve,
    /// Local time minus UTC, in minutes.
    pub utc_offset_min: i32,
    /// Its weight among the origins.
    pub weight: f64,
}

impl Local<'_> {
    /// Demand at `utc_s` seconds since Monday 0 h UTC, relative to its own mean.
    pub fn at(&self, utc_s: u32) -> f64 {
        let local = i64::from(utc_s) + i64::from(self.utc_offset_min) * 60;
        self.curve.at(local.rem_euclid(i64::from(WEEK_S)) as u32)
    }
}

/// Demand of all origins together over a week, as steps: seconds from the start at which each begins, and demand relative
/// to the mean of usual days. `start_s` is the UTC second of the week at which the run begins.
pub fn together(origins: &[Local<'_>], start_s: u32) -> Vec<(u32, f64)> {
    let mut begins = std::collections::BTreeSet::from([0u32]);
    for origin in origins {
        let step = origin.curve.step_s();
        for local in (0..WEEK_S / step).map(|index| i64::from(index * step)) {
            let at = local - i64::from(origin.utc_offset_min) * 60 - i64::from(start_s);
            begins.insert(at.rem_euclid(i64::from(WEEK_S)) as u32);
        }
    }
    let total: f64 = origins.iter().map(|origin| origin.weight).sum();
    let mut steps: Vec<(u32, f64)> = Vec::new();
    for from in begins {
        let utc = (from + start_s) % WEEK_S;
        let demand = origins.iter().map(|origin| origin.weight * origin.at(utc)).sum::<f64>() / total;
        if steps.last().is_none_or(|last| last.1 != demand) {
            steps.push((from, demand));
        }
    }
    steps
}

#[cfg(test)]
mod tests;
