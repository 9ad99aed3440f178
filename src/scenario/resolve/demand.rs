//! Demand over time and place: day curves, clocks, ladders of rates, who has a home.

use super::Resolver;
use crate::catalog;
use crate::id::{Id, RegionId, RegionSet};
use crate::scenario::nearest::suggest;
use crate::scenario::raw::workload::OriginDraw;
use crate::scenario::raw::{CurvePreset, RawCurve, RawOrigin, RawOwnCurve, RawSynthetic, RawWorkload};
use crate::time::Span;
use crate::workload::{AffinityBy, Curve, Geography, OriginAssignment, RateStage, Setting};

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const MINUTE_S: u32 = 60;

/// How long all stages last.
pub(super) fn length_of(stages: &[RateStage]) -> Span {
    Span(stages.iter().fold(0, |sum, stage| stage.lasts.0.saturating_add(sum)))
}

/// Seconds from Monday 0 h to `"Tue 14:00"` or `"14:00"`.
pub(super) fn time_of_week(text: &str) -> Option<u32> {
    let (day, clock) = match text.trim().split_once(' ') {
        Some((day, clock)) => {
            let short: String = day.chars().take(3).flat_map(char::to_lowercase).collect();
            (DAYS.iter().position(|name| *name == short)? as u32, clock.trim())
        }
        None => (0, text.trim()),
    };
    let (hour, minute) = clock.split_once(':')?;
    let digits = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = |text: &str| digits(text).then(|| text.parse::<u32>().ok()).flatten();
    let (hour, minute) = (number(hour)?, number(minute)?);
    (hour < 24 && minute < 60).then_some((day * 24 * 60 + hour * 60 + minute) * MINUTE_S)
}

impl Resolver<'_> {
    /// The curve written at `path`.
    fn curve(&mut self, raw: &RawCurve, path: &[&str]) -> Curve {
        let own = match raw {
            RawCurve::Preset(CurvePreset::Chat) => return Curve::chat(),
            RawCurve::Preset(CurvePreset::Office) => return Curve::office(),
            RawCurve::Preset(CurvePreset::Flat) => return Curve::flat(),
            RawCurve::Own(own) => own,
        };
        let RawOwnCurve { table, peak_to_trough, peak_hour, weekdays } = own;
        let mut curve = match (table, peak_to_trough) {
            (Some(table), None) => Curve::table(table, [1.0; 7]),
            (None, Some(ratio)) => Curve::sinusoid(*ratio, peak_hour.unwrap_or(15.0)),
            _ => {
                let item = self
                    .error(path, "a day curve has `table` or `peak_to_trough`")
                    .label(if table.is_some() { "both are given" } else { "neither is given" })
                    .help("write \"chat\", \"office\", \"flat\", `{ table = [24 numbers] }` or `{ peak_to_trough = 3 }`");
                self.push(item);
                return Curve::flat();
            }
        };
        if let Some(weekdays) = weekdays {
            if let Ok(factors) = <[f64; 7]>::try_from(weekdays.as_slice()) {
                curve.weekdays = factors;
            } else {
                let mut whole = path.to_vec();
                whole.push("weekdays");
                let item = self
                    .error(&whole, "`weekdays` has seven factors, Monday to Sunday")
                    .label(format!("it has {}", weekdays.len()))
                    .help("write `weekdays = [1, 1, 1, 1, 1, 0.2, 0.2]`");
                self.push(item);
            }
        }
        if let Some((what, value, rule)) = curve.problem() {
            let mut whole = path.to_vec();
            whole.push(what);
            let item = self
                .error(&whole, format!("a day curve cannot be used: {rule}"))
                .label(format!("it is {value}"))
                .help("give 24 values for the hours, or 48, 96 …");
            self.push(item);
            return Curve::flat();
        }
        curve
    }

    /// What is local about an origin.
    pub(super) fn geography(&mut self, name: &str, raw: &RawOrigin) -> Geography {
        let day_curve = raw.day_curve.as_ref().map(|raw| self.curve(raw, &["origins", name, "day_curve"]));
        let mut countries = Vec::new();
        for text in raw.countries.iter().flatten() {
            if let Some(place) = catalog::country::place(text) {
                countries.push(place.to_owned());
            } else {
                let names = catalog::country::CONTINENTS.iter().copied();
                let item = self
                    .error(
                        &["origins", name, "countries"],
                        "`countries` are two-letter codes (ISO 3166-1) or continents",
                    )
                    .label(format!("{text:?} is neither"))
                    .help(suggest(text, "the continents are", names));
                self.push(item);
            }
        }
        let hours = raw.utc_offset.unwrap_or(0.0);
        Geography { utc_offset_min: (hours * 60.0).round() as i32, day_curve, countries }
    }

    /// How sessions without an origin get one.
    pub(super) fn assignment(&mut self, name: &str, raw: &RawWorkload) -> OriginAssignment {
        let (affinity, by) = match (raw.tenant_affinity, raw.prefix_affinity) {
            (Some(_), Some(_)) => {
                let item = self
                    .error(
                        &["workloads", name, "prefix_affinity"],
                        "one thing has a home: tenants or prompts",
                    )
                    .label("beside `tenant_affinity`")
                    .help("keep one of the two");
                self.push(item);
                (0.0, AffinityBy::Prefix)
            }
            (tenant, None) => (tenant.map_or(0.0, |share| share.0), AffinityBy::Tenant),
            (None, Some(prefix)) => (prefix.0, AffinityBy::Prefix),
        };
        OriginAssignment::Weighted { affinity, by, diurnal: raw.origin_draw != Some(OriginDraw::Static) }
    }

    /// How a workload is set into the scenario's time.
    pub(super) fn setting(&mut self, name: &str, raw: &RawWorkload) -> Setting {
        let mut utc_start_s = 0;
        if let Some(text) = &raw.utc_start {
            if let Some(seconds) = time_of_week(text) {
                utc_start_s = seconds;
            } else {
                let item = self
                    .error(&["workloads", name, "utc_start"], "`utc_start` is a time of the week in UTC")
                    .label(format!("{text:?} is not"))
                    .help("write \"Mon 08:00\", or \"08:00\" for Monday");
                self.push(item);
            }
        }
        let allowed = raw.allowed_regions.as_ref().map(|names| self.allowed_regions(name, names));
        let rate_curve =
            raw.rate_curve.as_ref().map(|raw| self.curve(raw, &["workloads", name, "rate_curve"]));
        Setting {
            utc_start_s,
            rate_curve,
            shift: raw.shift.map_or(Span::ZERO, |shift| shift.0),
            allowed,
            first_token_timeout: raw.first_token_timeout.map(|limit| limit.0),
            timeout: raw.timeout.map(|limit| limit.0),
        }
    }

    fn allowed_regions(&mut self, name: &str, names: &[String]) -> RegionSet {
        let regions = self.names(&["regions"]);
        let path = ["workloads", name, "allowed_regions"];
        let find = |resolver: &mut Self, region: &String| {
            resolver.find(&regions, region, "region", "regions", &path)
        };
        let found: Vec<Option<usize>> = names.iter().map(|region| find(self, region)).collect();
        if names.is_empty() {
            let item = self
                .error(&path, "a workload may go somewhere")
                .label("no region is allowed")
                .help("name regions, or leave it out for all");
            self.push(item);
        }
        found.into_iter().flatten().map(RegionId::new).collect()
    }

    /// The ladder of rates; `None` where neither it nor a rate can be used.
    pub(super) fn stages(&mut self, name: &str, raw: &RawSynthetic) -> Option<Vec<RateStage>> {
        let path = ["workloads", name, "synthetic"];
        let has = |key| self.document.has(&["workloads", name, "synthetic", key]);
        let (rate, stages) = (has("sessions_per_s"), has("stages"));
        if has("clients") {
            if let Some(key) = ["sessions_per_s", "stages", "arrivals"].into_iter().find(|key| has(key)) {
                let item = self
                    .error_at_key(&["workloads", name, "synthetic", key], "clients in a closed loop have no rate")
                    .label("beside `clients`")
                    .help("leave it out: a client sends when its last request has ended; or leave out `clients`");
                self.push(item);
                return None;
            }
            return raw.clients.as_ref().map(|_| Vec::new());
        }
        if !rate && !stages {
            let item = self
                .error_at_key(&path, "a generator has a rate")
                .label("`sessions_per_s`, `stages` or `clients` is missing")
                .help("add `sessions_per_s = 2.0`, `stages = [{ rate = 2.0, for = \"10m\" }]` or `clients = { count = 10 }`");
            self.push(item);
            return None;
        }
        if rate && stages {
            let item = self
                .error_at_key(&["workloads", name, "synthetic", "stages"], "a generator has one rate")
                .label("beside `sessions_per_s`")
                .help("keep `sessions_per_s` or `stages`");
            self.push(item);
            return None;
        }
        if stages {
            let stages = raw.stages.as_ref()?;
            if stages.is_empty() {
                let item = self
                    .error(&["workloads", name, "synthetic", "stages"], "a ladder has at least one stage")
                    .label("it has none")
                    .help("write `stages = [{ rate = 2.0, for = \"10m\" }]`");
                self.push(item);
                return None;
            }
            if let Some(key) = ["duration", "requests"].into_iter().find(|key| has(key)) {
                let item = self
                    .error_at_key(&["workloads", name, "synthetic", key], "a ladder of rates ends itself")
                    .label("beside `stages`")
                    .help("leave it out: the workload ends with its last stage");
                self.push(item);
                return None;
            }
            let stage = |raw: &crate::scenario::raw::RawStage| RateStage {
                from: raw.rate,
                to: raw.to.unwrap_or(raw.rate),
                lasts: raw.lasts.0,
            };
            return Some(stages.iter().map(stage).collect());
        }
        raw.sessions_per_s.map(|_| Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_the_week_are_read_as_people_write_them() {
        assert_eq!(time_of_week("00:00"), Some(0));
        assert_eq!(time_of_week("Mon 08:30"), Some(8 * 3600 + 1800));
        assert_eq!(time_of_week("sunday 23:59"), Some(7 * 86_400 - 60));
        for wrong in ["", "8", "8:30", "24:00", "10:60", "Foo 10:00", "Mon", "Mon 1000", "-1:00", "Mon +8:00"]
        {
            assert_eq!(time_of_week(wrong), None, "{wrong:?}");
        }
    }
}
