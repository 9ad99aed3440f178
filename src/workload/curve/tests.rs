//! Curves against the published figures, and against each other.

use super::*;

fn hours(curve: &Curve) -> Vec<f64> {
    (0..24).map(|hour| curve.at(hour * 3600)).collect()
}

fn peak_to_trough(values: &[f64]) -> f64 {
    values.iter().copied().fold(0.0, f64::max) / values.iter().copied().fold(f64::MAX, f64::min)
}

#[test]
fn presets_have_the_published_peaks_and_troughs() {
    for (curve, ratio, peak_hour) in
        [(Curve::chat(), 2.21, 20), (Curve::office(), 6.5, 13), (Curve::sinusoid(5.0, 15.0), 5.0, 15)]
    {
        let day = hours(&curve);
        assert!((day.iter().sum::<f64>() / 24.0 - 1.0).abs() < 1e-12, "{} has mean 1", curve.name);
        // Published with two decimals: half a unit of the last place at either end.
        assert!((peak_to_trough(&day) - ratio).abs() < 0.11, "{}: {}", curve.name, peak_to_trough(&day));
        let highest = (0..24).max_by(|&a, &b| day[a].total_cmp(&day[b])).unwrap();
        assert_eq!(highest, peak_hour, "{}", curve.name);
        assert_eq!(curve.problem(), None);
    }
    assert!(Curve::flat().is_flat() && !Curve::chat().is_flat());
    assert_eq!(Curve::office().at(5 * DAY_S) / Curve::office().at(0), 0.16);
}

/// Share of capacity that serving `origins` (UTC offset in hours, weight) together saves against each apart: one minus
/// the peak of the sum over the sum of the peaks.
fn saved(curve: &Curve, origins: &[(i32, f64)]) -> (f64, f64) {
    let locals: Vec<Local<'_>> =
        origins.iter().map(|&(hours, weight)| Local { curve, utc_offset_min: hours * 60, weight }).collect();
    // From Monday 12 h UTC on, so that all are on the same kind of day is not given on weekends: the curves here
    // have none.
    let sum: Vec<f64> = together(&locals, 0).into_iter().map(|(_, demand)| demand).collect();
    let peak = hours(curve).into_iter().fold(0.0, f64::max);
    (100.0 * (1.0 - sum.iter().copied().fold(0.0, f64::max) / peak), peak_to_trough(&sum))
}

#[test]
fn aggregation_saves_what_was_computed_from_the_published_curves() {
    // Curve, origins, capacity saved in percent, peak over trough of the sum: computed elsewhere from the same hourly
    // tables. To within a point, and 0.02.
    let office = Curve { weekdays: [1.0; 7], ..Curve::office() };
    let three = [(-5, 1.0), (1, 1.0), (9, 1.0)];
    let skewed = [(-5, 0.5), (1, 0.3), (9, 0.2)];
    let table = [
        (Curve::chat(), three.to_vec(), 23.0, 1.29),
        (Curve::chat(), vec![(-5, 1.0), (-8, 1.0), (1, 1.0)], 17.0, 1.49),
        (Curve::chat(), vec![(-8, 1.0), (-5, 1.0), (1, 1.0), (5, 1.0), (9, 1.0)], 26.0, 1.16),
        (Curve::chat(), skewed.to_vec(), 19.0, 1.43),
        (Curve::sinusoid(5.0, 15.0), three.to_vec(), 33.0, 1.26),
        (Curve::sinusoid(5.0, 15.0), skewed.to_vec(), 25.0, 1.69),
        (Curve::sinusoid(30.0, 15.0), three.to_vec(), 40.0, 1.38),
        (office, vec![(0, 1.0), (-7, 1.0), (-15, 1.0)], 45.0, 1.38),
    ];
    for (curve, origins, percent, ratio) in table {
        let (found, found_ratio) = saved(&curve, &origins);
        assert!((found - percent).abs() < 1.0, "{} {origins:?}: {found} %, meant {percent} %", curve.name);
        assert!((found_ratio - ratio).abs() < 0.02, "{} {origins:?}: {found_ratio}, {ratio}", curve.name);
    }
}

#[test]
fn the_sum_follows_each_origin_through_the_week() {
    let (chat, office) = (Curve::chat(), Curve::office());
    let origins = [
        Local { curve: &chat, utc_offset_min: 330, weight: 0.3 },
        Local { curve: &office, utc_offset_min: -480, weight: 0.7 },
    ];
    for start in [0, 3600, 5 * DAY_S + 12_345] {
        let steps = together(&origins, start);
        assert_eq!(steps[0].0, 0);
        assert!(steps.windows(2).all(|pair| pair[0].0 < pair[1].0));
        // Every five minutes of the week, asked of the origins directly.
        for at in (0..WEEK_S).step_by(300) {
            let step = steps[steps.partition_point(|&(from, _)| from <= at) - 1];
            let utc = (at + start) % WEEK_S;
            let direct = 0.3 * origins[0].at(utc) + 0.7 * origins[1].at(utc);
            assert!((step.1 - direct).abs() < 1e-12, "at {at} s after {start}");
        }
    }
    // 22 h UTC on Friday is 3:30 on Saturday in Mumbai.
    let mumbai = Local { curve: &office, utc_offset_min: 330, weight: 1.0 };
    assert_eq!(mumbai.at(4 * DAY_S + 22 * 3600), office.at(5 * DAY_S + 3 * 3600 + 1800));
}

#[test]
fn tables_that_make_no_day_are_refused() {
    assert!(Curve::table(&[1.0; 7], [1.0; 7]).problem().is_some(), "7 does not divide 1440");
    assert!(Curve::table(&[], [1.0; 7]).problem().is_some());
    assert!(Curve::table(&[0.0, 0.0], [1.0; 7]).problem().is_some(), "no demand at all");
    assert!(Curve::table(&[1.0, -1.0, 2.0], [1.0; 7]).problem().is_some());
    assert!(Curve::table(&[1.0, 2.0], [0.0; 7]).problem().is_some());
    assert_eq!(Curve::table(&[1.0, 2.0, 0.0], [1.0; 7]).problem(), None);
}
