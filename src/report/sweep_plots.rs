//! Figures of sweeps: lines over one parameter, heat maps over two. Knows plain rows; must not know what a sweep is.

use super::draw::labels::{self, Named};
use super::draw::scale::{Axis, short};
use super::draw::{Anchor, Ink, SIZE, Scene, Style, elide, on, width};
use super::figure::Drawing;
use super::figures::cast::{Line, figure, lines, slug};
use super::figures::flows::shade;
use super::plots::PlotError;

/// One cell of a sweep.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SweepPoint {
    /// The parameter.
    pub x: f64,
    /// The second parameter, in heat maps.
    pub y: Option<f64>,
    /// Which line or map it belongs to, such as a policy.
    pub series: String,
    /// What came out; a value that is not finite is a gap.
    pub value: f64,
    /// The lower end of its interval.
    pub low: Option<f64>,
    /// The upper end.
    pub high: Option<f64>,
}

/// What a sweep's figure is called and what its axes mean, each with its unit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SweepAxes {
    /// The figure's id; maps add their series behind it.
    pub id: String,
    /// The title.
    pub title: String,
    /// The parameter, such as `replicas in eu`.
    pub x: String,
    /// The second parameter.
    pub y: String,
    /// The measure, such as `p99 TTFT, ms`.
    pub value: String,
    /// Whether the parameter's axis is logarithmic.
    pub log_x: bool,
    /// Whether the measure's is.
    pub log_value: bool,
}

/// The series in the order in which they come, with the looks that other figures of these policies have: `order` names
/// policies in their order over a whole report, those it does not name follow.
fn series(points: &[SweepPoint], order: &[String]) -> Vec<Named> {
    let mut names: Vec<&str> = order.iter().map(String::as_str).collect();
    for point in points {
        if !names.contains(&point.series.as_str()) {
            names.push(&point.series);
        }
    }
    let used = |name: &str| points.iter().any(|point| point.series == name);
    let named = names.iter().enumerate().filter(|(_, name)| used(name));
    named.map(|(i, name)| Named { name: (*name).to_owned(), style: Style::of(i) }).collect()
}

/// A line a series over `x`, with its intervals.
///
/// # Errors
/// When the drawing fails, which is a fault of this program.
pub fn sweep_lines(axes: &SweepAxes, points: &[SweepPoint], order: &[String]) -> Result<Drawing, PlotError> {
    let xs: Vec<f64> = points.iter().map(|point| point.x).filter(|x| x.is_finite()).collect();
    let ends = |point: &SweepPoint| [Some(point.value), point.low, point.high].into_iter().flatten();
    let values = points.iter().flat_map(ends);
    let (low, high) = xs.iter().fold((f64::MAX, f64::MIN), |(low, high), &x| (low.min(x), high.max(x)));
    let across = if axes.log_x {
        Axis::log(&format!("{} (logarithmic)", axes.x), xs.iter().copied(), 10)
    } else {
        let (low, high) = if low <= high { (low, high) } else { (0.0, 1.0) };
        let room = ((high - low) * 0.04).max(if high > low { 0.0 } else { 0.5 });
        Axis::between(&axes.x, (low - room, high + room), 9)
    };
    let up = if axes.log_value {
        Axis::log(&format!("{} (logarithmic)", axes.value), values, 8)
    } else {
        Axis::linear(&axes.value, values, 6)
    };
    let all: Vec<Line> = series(points, order)
        .into_iter()
        .map(|named| {
            let mut own: Vec<(f64, Option<f64>)> = points
                .iter()
                .filter(|point| point.series == named.name && point.x.is_finite())
                .map(|point| (point.x, Some(point.value).filter(|value| value.is_finite())))
                .collect();
            own.sort_by(|a, b| a.0.total_cmp(&b.0));
            Line { named, points: own, sure: usize::MAX, dots: true }
        })
        .collect();
    let looks: Vec<Named> = all.iter().map(|line| line.named.clone()).collect();
    let scene = lines(&axes.title, across, up, &all, |scene, plane| {
        for point in points {
            let (Some(low), Some(high)) = (point.low, point.high) else { continue };
            let Some(look) = looks.iter().find(|look| look.name == point.series) else { continue };
            if low.is_finite() && high.is_finite() && point.x.is_finite() {
                scene.line(plane.at(point.x, low), plane.at(point.x, high), look.style.ink());
            }
        }
    })?;
    let ends = if points.iter().any(|point| point.low.is_some()) {
        "; upright lines are 95 % intervals"
    } else {
        ""
    };
    let caption = format!("{} at each value of {}{ends}.", axes.value, axes.x);
    Ok(figure(&axes.id, &axes.title, &caption, &scene))
}

/// A map a series: columns are `x`, rows `y`, one scale of colours over all.
pub fn sweep_heat(axes: &SweepAxes, points: &[SweepPoint], order: &[String]) -> Vec<Drawing> {
    let usable = |point: &&SweepPoint| point.x.is_finite() && point.y.is_some_and(f64::is_finite);
    let sorted = |mut all: Vec<f64>| {
        all.sort_by(f64::total_cmp);
        all.dedup();
        all
    };
    let xs = sorted(points.iter().filter(usable).map(|point| point.x).collect());
    let ys = sorted(points.iter().filter(usable).filter_map(|point| point.y).collect());
    let position = |value: f64| {
        if axes.log_value { if value > 0.0 { libm::log10(value) } else { f64::NAN } } else { value }
    };
    let all =
        points.iter().filter(usable).map(|point| position(point.value)).filter(|value| value.is_finite());
    let (low, high) = all.fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(v), high.max(v)));
    let looks = series(points, order);
    let several = looks.len() > 1;
    let one = |named: &Named| {
        let title = if several { format!("{}: {}", axes.title, named.name) } else { axes.title.clone() };
        let widest = ys.iter().map(|y| width(&short(*y), SIZE)).fold(20.0f64, f64::max);
        let left = widest + 50.0;
        let wide = ((800.0 - left) / xs.len().max(1) as f64).clamp(8.0, 76.0);
        let (high_px, top) = (if ys.len() > 20 { 14.0 } else { 30.0 }, 66.0);
        let bottom = top + high_px * ys.len() as f64;
        let mut scene = Scene::new((left + wide * xs.len() as f64 + 24.0).max(420.0), bottom + 52.0, &title);
        labels::title(&mut scene, &title);
        // Beside the rows where it fits there, else above them.
        let upright = width(&axes.y, SIZE) <= bottom - top + 20.0;
        let rows = if upright { String::new() } else { format!("rows: {}; ", axes.y) };
        let what = format!("{rows}colours and numbers: {}", axes.value);
        let what = elide(&what, SIZE - 1.0, scene.size.0 - 32.0);
        scene.text((16.0, 46.0), Anchor::Start, what, SIZE - 1.0, Ink::Muted);
        // As many numbers at the axes as fit beside each other.
        let every = |room: f64, least: f64| (least / room).ceil().max(1.0) as usize;
        for (row, y) in ys.iter().enumerate().step_by(every(high_px, 13.0)) {
            let at = bottom - (row as f64 + 0.5) * high_px;
            scene.text((left - 8.0, at + 4.0), Anchor::End, short(*y), SIZE - 1.0, Ink::Text);
        }
        for (column, x) in xs.iter().enumerate().step_by(every(wide, 40.0)) {
            let at = left + (column as f64 + 0.5) * wide;
            scene.text((at, bottom + 16.0), Anchor::Middle, short(*x), SIZE - 1.0, Ink::Text);
        }
        let middle = left + wide * xs.len() as f64 / 2.0;
        scene.text((middle, bottom + 38.0), Anchor::Middle, axes.x.clone(), SIZE, Ink::Text);
        if upright {
            scene.marks.push(super::draw::Mark::Text {
                at: (18.0, f64::midpoint(top, bottom)),
                anchor: Anchor::Middle,
                words: axes.y.clone(),
                size: SIZE,
                ink: Ink::Text,
                upwards: true,
                edged: false,
            });
        }
        for point in points.iter().filter(usable).filter(|point| point.series == named.name) {
            let (Some(column), Some(row)) =
                (xs.iter().position(|x| *x == point.x), ys.iter().position(|y| Some(*y) == point.y))
            else {
                continue;
            };
            let at = (left + column as f64 * wide, bottom - (row + 1) as f64 * high_px);
            let value = position(point.value);
            if !value.is_finite() {
                scene.text(
                    (at.0 + wide / 2.0, at.1 + high_px / 2.0 + 4.0),
                    Anchor::Middle,
                    "–",
                    SIZE,
                    Ink::Muted,
                );
                continue;
            }
            let colour = shade(if high > low { (value - low) / (high - low) } else { 0.5 });
            let says = format!(
                "{} {}, {} {}: {}",
                axes.x,
                short(point.x),
                axes.y,
                short(point.y.unwrap_or(0.0)),
                short(point.value)
            );
            scene.rect(at, (wide - 1.0, high_px - 1.0), Ink::Fixed(colour.0, colour.1, colour.2), says);
            let words = short(point.value);
            if width(&words, SIZE - 1.0) + 4.0 < wide && high_px > 13.0 {
                let place = (at.0 + wide / 2.0, at.1 + high_px / 2.0 + 4.0);
                scene.text(place, Anchor::Middle, words, SIZE - 1.0, on(colour));
            }
        }
        let id = if several { format!("{}-{}", axes.id, slug(&named.name)) } else { axes.id.clone() };
        let caption = format!(
            "{} at each pair of {} and {}; the darker, the more, one scale for all maps.",
            axes.value, axes.x, axes.y
        );
        figure(&id, &title, &caption, &scene)
    };
    looks.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::super::figures::tests::{no_words_overlap, sound};
    use super::*;

    fn axes() -> SweepAxes {
        SweepAxes {
            id: "sweep".into(),
            title: "p99 against replicas".into(),
            x: "replicas in eu".into(),
            y: "load factor".into(),
            value: "p99 TTFT, ms".into(),
            ..SweepAxes::default()
        }
    }

    fn grid() -> Vec<SweepPoint> {
        let point = |i: u32| SweepPoint {
            x: f64::from(i % 6 + 1),
            y: Some(f64::from(i / 6 % 4) * 0.25 + 1.0),
            series: ["nearest", "spread"][(i / 24) as usize].to_owned(),
            value: 2_000.0 / f64::from(i % 6 + 1) + f64::from(i / 24) * 400.0,
            low: Some(2_000.0 / f64::from(i % 6 + 1)),
            high: Some(2_500.0 / f64::from(i % 6 + 1)),
        };
        (0..48).map(point).collect()
    }

    #[test]
    fn lines_name_their_series_and_axes() {
        let points: Vec<SweepPoint> = grid().into_iter().filter(|point| point.y == Some(1.0)).collect();
        for (log_x, log_value) in [(false, false), (true, true)] {
            let drawing =
                sweep_lines(&SweepAxes { log_x, log_value, ..axes() }, &points, &["spread".to_owned()])
                    .unwrap();
            sound(&drawing);
            no_words_overlap(&drawing);
            for text in ["nearest", "spread", "replicas in eu", "p99 TTFT, ms"] {
                assert!(drawing.figure.svg.contains(text), "{text}");
            }
        }
    }

    #[test]
    fn a_map_a_series_on_one_scale() {
        let maps = sweep_heat(&axes(), &grid(), &[]);
        let ids: Vec<&str> = maps.iter().map(|map| map.figure.id.as_str()).collect();
        assert_eq!(ids, ["sweep-nearest", "sweep-spread"]);
        for map in &maps {
            sound(map);
            no_words_overlap(map);
            // The background and 6 columns of 4 rows.
            assert_eq!(map.figure.svg.matches("<rect").count(), 1 + 24);
        }
        let long = "workloads.main.synthetic.sessions_per_s, the first of all paths".to_owned();
        let map = sweep_heat(&SweepAxes { y: long, ..axes() }, &grid(), &[]).remove(0);
        no_words_overlap(&map);
        assert!(map.figure.svg.contains(">rows: workloads.main"), "{}", map.figure.svg);
        assert!(maps[0].figure.svg.contains(">2,000<") && maps[1].figure.svg.contains(">2,400<"));
    }

    #[test]
    fn what_cannot_be_drawn_is_left_out() {
        let bad =
            SweepPoint { x: f64::NAN, value: f64::INFINITY, series: "a".into(), ..SweepPoint::default() };
        let gap =
            SweepPoint { x: 1.0, y: Some(2.0), value: f64::NAN, series: "a".into(), ..SweepPoint::default() };
        for points in [vec![], vec![bad.clone()], vec![bad, gap]] {
            sound(&sweep_lines(&axes(), &points, &[]).unwrap());
            sweep_heat(&axes(), &points, &[]).iter().for_each(sound);
        }
    }
}
