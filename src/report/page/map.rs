//! A map of the regions: equirectangular, without borders. Pale dots are the other regions of the catalogue, so that
//! continents can be guessed; the size of a disc tells GPUs. Between few regions, lines tell round trips.

use super::model::{Block, marked};
use super::values::fixed;
use crate::catalog::region::regions;
use crate::report::setup::Setup;
use std::fmt::Write;

/// Width of the drawing.
const WIDTH: f64 = 960.0;
/// Degrees left free around the outermost regions.
const MARGIN: f64 = 16.0;
/// The least degrees of longitude shown: our choice, about a continent.
const SPAN: f64 = 70.0;
/// The most regions between which lines are drawn: six lines can be read, ten cannot.
const LINES: usize = 4;
/// Height of a line of a label, and width of one of its letters, at its font sizes.
const LINE: f64 = 17.0;
const LETTER: f64 = 7.4;

struct View {
    west: f64,
    north: f64,
    scale: f64,
    height: f64,
}

impl View {
    /// All points with a margin, at most 2.1 times as wide as high.
    fn of(points: &[(f64, f64)]) -> View {
        let fold = |of: fn(&(f64, f64)) -> f64| {
            points.iter().map(of).fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(v), high.max(v)))
        };
        let ((south, north), (west, east)) = (fold(|point| point.0), fold(|point| point.1));
        let wide = (east - west + 2.0 * MARGIN).clamp(SPAN, 360.0);
        let high = (north - south + 2.0 * MARGIN).clamp(wide / 2.6, (wide / 1.6).min(180.0));
        let west = (f64::midpoint(west, east) - wide / 2.0).clamp(-180.0, 180.0 - wide);
        let north = (f64::midpoint(north, south) + high / 2.0).clamp(-90.0 + high, 90.0);
        let scale = WIDTH / wide;
        View { west, north, scale, height: high * scale }
    }
    fn at(&self, (lat, lon): (f64, f64)) -> (f64, f64) {
        ((lon - self.west) * self.scale, (self.north - lat) * self.scale)
    }
    fn shows(&self, (x, y): (f64, f64)) -> bool {
        (4.0..=WIDTH - 4.0).contains(&x) && (4.0..=self.height - 4.0).contains(&y)
    }
}

/// A region by its place in the setup, where it stands, and its radius.
type Point = (usize, f64, f64, f64);

/// A box that no other label may touch: left, top, right, bottom.
type Area = (f64, f64, f64, f64);

fn overlap(a: &Area, b: &Area) -> bool {
    a.0 < b.2 && b.0 < a.2 && a.1 < b.3 && b.1 < a.3
}

/// The map; `None` where the catalogue knows fewer than two of the regions.
pub(super) fn map(setup: &Setup, id: &str) -> Option<Block> {
    let placed: Vec<(usize, (f64, f64))> = (setup.regions.iter().enumerate())
        .filter_map(|(at, region)| Some((at, region.coordinates?)))
        .collect();
    (placed.len() > 1).then_some(())?;
    let view = View::of(&placed.iter().map(|(_, point)| *point).collect::<Vec<_>>());
    let mut svg = format!(
        "<svg class=\"map\" viewBox=\"0 0 {WIDTH:.0} {:.0}\" role=\"img\" aria-label=\"Map of the regions\">\n",
        view.height
    );
    graticule(&mut svg, &view);
    let used: Vec<&str> = setup.regions.iter().filter_map(|region| region.catalogue.as_deref()).collect();
    svg.push_str("<g class=\"others\">");
    for other in regions().iter().filter(|other| !used.contains(&other.id)) {
        let (x, y) = view.at((other.lat, other.lon));
        if view.shows((x, y)) {
            let _ = write!(svg, "<circle cx=\"{x:.0}\" cy=\"{y:.0}\" r=\"3\"/>");
        }
    }
    svg.push_str("</g>\n");
    let points: Vec<Point> = (placed.iter())
        .map(|&(at, point)| {
            let (x, y) = view.at(point);
            (at, x, y, radius(gpus(setup, at).1))
        })
        .collect();
    let mut taken: Vec<Area> = points.iter().map(|&(_, x, y, r)| (x - r, y - r, x + r, y + r)).collect();
    if points.len() <= LINES {
        links(&mut svg, setup, &view, &points, &mut taken);
    }
    let (mut discs, mut labels) = (String::new(), String::new());
    for &(at, x, y, r) in &points {
        let region = &setup.regions[at];
        let (replicas, gpus) = gpus(setup, at);
        let name = escaped(&region.name);
        let load = match gpus {
            0 => "gateway only".to_owned(),
            _ if gpus == replicas => format!("{gpus} {}", if gpus == 1 { "GPU" } else { "GPUs" }),
            _ => format!("{replicas} × {} GPUs", fixed(f64::from(gpus) / f64::from(replicas.max(1)), 0)),
        };
        let tip = format!(
            "{name}: {}{load}",
            region.place.as_deref().map(|place| format!("{}, ", escaped(place))).unwrap_or_default()
        );
        let _ = writeln!(
            discs,
            "<g class=\"region\" data-region=\"{at}\"><circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{r:.1}\"><title>{tip}</title></circle></g>"
        );
        let wide = LETTER * region.name.chars().count().max(load.chars().count()) as f64 + 4.0;
        let (lx, ly, anchor) = place(&view, (x, y, r), wide, &mut taken);
        let _ = writeln!(
            labels,
            "<g class=\"region\" data-region=\"{at}\"><text x=\"{lx:.0}\" y=\"{ly:.0}\" text-anchor=\"{anchor}\"><tspan class=\"name\">{name}</tspan><tspan x=\"{lx:.0}\" dy=\"{LINE:.0}\">{load}</tspan></text></g>"
        );
    }
    let _ = write!(svg, "{discs}{labels}</svg>");
    let lines = if points.len() <= LINES { "; lines carry the round trip in ms" } else { "" };
    let left = setup.regions.len() - points.len();
    let left = match left {
        0 => String::new(),
        left => format!(" {left} regions have no place in the catalogue and are not on it."),
    };
    Some(Block::Figure {
        id: id.to_owned(),
        title: "Where the regions are".to_owned(),
        caption: marked(&format!(
            "A disc is a region, its area the number of GPUs{lines}. Pale dots are other cloud regions of the catalogue.{left}"
        )),
        svg,
        policy: None,
        series: false,
    })
}

/// Replicas and GPUs of a region at the start.
fn gpus(setup: &Setup, at: usize) -> (u32, u32) {
    let pools = || setup.pools.iter().filter(|pool| pool.region == setup.regions[at].name);
    (pools().map(|pool| pool.replicas).sum(), pools().map(|pool| pool.replicas * pool.gpus_per_replica).sum())
}

/// By area; never too small to be seen or so big that it hides its neighbours.
fn radius(gpus: u32) -> f64 {
    (4.0 * f64::from(gpus).sqrt()).clamp(6.0, 26.0)
}

/// Every thirty degrees.
fn graticule(svg: &mut String, view: &View) {
    svg.push_str("<g class=\"graticule\">");
    for step in -6i32..=6 {
        let degrees = f64::from(step) * 30.0;
        let (x, _) = view.at((0.0, degrees));
        if view.shows((x, view.height / 2.0)) && x < WIDTH - 50.0 {
            let side = if step < 0 { "W" } else { "E" };
            let label = if step == 0 { "0°".to_owned() } else { format!("{}° {side}", degrees.abs()) };
            let _ = write!(
                svg,
                "<path d=\"M{x:.0} 0V{:.0}\"/><text x=\"{:.0}\" y=\"{:.0}\">{label}</text>",
                view.height,
                x + 4.0,
                view.height - 6.0
            );
        }
        let (_, y) = view.at((degrees, 0.0));
        if step.abs() < 3 && view.shows((WIDTH / 2.0, y)) {
            let label = match step {
                0 => "equator".to_owned(),
                _ => format!("{}° {}", degrees.abs(), if step < 0 { "S" } else { "N" }),
            };
            let _ = write!(
                svg,
                "<path d=\"M0 {y:.0}H{WIDTH:.0}\"/><text x=\"4\" y=\"{:.0}\">{label}</text>",
                y - 4.0
            );
        }
    }
    svg.push_str("</g>\n");
}

/// A line for each pair on its shorter way, bent so that three in a row do not cover each other. One that leaves the map comes
/// in again on the other side.
fn links(svg: &mut String, setup: &Setup, view: &View, points: &[Point], taken: &mut Vec<Area>) {
    svg.push_str("<g class=\"links\">");
    let around = 360.0 * view.scale;
    for (index, &(from, x1, y1, _)) in points.iter().enumerate() {
        for &(to, x2, y2, _) in &points[index + 1..] {
            let Some(&there) = setup.regions[from].rtt_ms.get(to) else { continue };
            let back = setup.regions[to].rtt_ms.get(from).copied().unwrap_or(there);
            let label = if (there - back).abs() < 0.5 {
                fixed(there, 0)
            } else {
                format!("{} / {}", fixed(there, 0), fixed(back, 0))
            };
            let wide = LETTER * (label.len() + 3) as f64;
            let shift = if (x2 - x1).abs() <= around / 2.0 { 0.0 } else { around.copysign(x1 - x2) };
            let arc = Arc::of((x1, y1), (x2 + shift, y2));
            let _ = write!(svg, "{}", arc.path(0.0));
            let (x, y) = if shift == 0.0 {
                arc.at(0.5)
            } else {
                let _ = write!(svg, "{}", arc.path(-shift));
                // Where it leaves.
                let left = (0..=100).map(|step| arc.at(f64::from(step) / 100.0));
                let edge = left.take_while(|(x, _)| (0.0..=WIDTH).contains(x)).last().unwrap_or((x1, y1));
                (edge.0.clamp(wide / 2.0 + 4.0, WIDTH - wide / 2.0 - 4.0), edge.1 - 12.0)
            };
            taken.push((x - wide / 2.0, y - 10.0, x + wide / 2.0, y + 10.0));
            let _ = write!(
                svg,
                "<text x=\"{x:.0}\" y=\"{:.0}\" text-anchor=\"middle\">{label} ms</text>",
                y + 4.0
            );
        }
    }
    svg.push_str("</g>\n");
}

/// A quadratic curve.
struct Arc([(f64, f64); 3]);

impl Arc {
    /// Bent to the north, as routes on this projection are, by a fifth of its length.
    fn of((x1, y1): (f64, f64), (x2, y2): (f64, f64)) -> Arc {
        let length = ((x2 - x1) * (x2 - x1) + (y2 - y1) * (y2 - y1)).sqrt();
        let top = f64::midpoint(y1, y2) - length * 0.2;
        Arc([(x1, y1), (f64::midpoint(x1, x2), top.max(14.0)), (x2, y2)])
    }
    fn at(&self, t: f64) -> (f64, f64) {
        let [a, b, c] = self.0;
        let mix = |a: f64, b: f64, c: f64| (1.0 - t) * (1.0 - t) * a + 2.0 * t * (1.0 - t) * b + t * t * c;
        (mix(a.0, b.0, c.0), mix(a.1, b.1, c.1))
    }
    /// Moved to the east by so much.
    fn path(&self, by: f64) -> String {
        let [a, b, c] = self.0;
        format!(
            "<path d=\"M{:.0} {:.0}Q{:.0} {:.0} {:.0} {:.0}\"/>",
            a.0 + by,
            a.1,
            b.0 + by,
            b.1,
            c.0 + by,
            c.1
        )
    }
}

/// A place for a label of two lines that touches nothing; to the right where there is none.
fn place(
    view: &View,
    (x, y, r): (f64, f64, f64),
    wide: f64,
    taken: &mut Vec<Area>,
) -> (f64, f64, &'static str) {
    let gap = r + 5.0;
    let candidates = [
        (x + gap, y - LINE, "start"),
        (x - gap, y - LINE, "end"),
        (x, y + gap, "middle"),
        (x, y - gap - 2.0 * LINE, "middle"),
        (x + gap * 0.8, y + gap * 0.5, "start"),
        (x - gap * 0.8, y + gap * 0.5, "end"),
        (x + gap * 0.8, y - gap * 0.5 - 2.0 * LINE, "start"),
        (x - gap * 0.8, y - gap * 0.5 - 2.0 * LINE, "end"),
    ];
    let area = |&(left, top, anchor): &(f64, f64, &str)| {
        let left = match anchor {
            "end" => left - wide,
            "middle" => left - wide / 2.0,
            _ => left,
        };
        (left, top, left + wide, top + 2.0 * LINE)
    };
    let free = |candidate: &&(f64, f64, &'static str)| {
        let area = area(candidate);
        let inside = area.0 >= 0.0 && area.1 >= 0.0 && area.2 <= WIDTH && area.3 <= view.height;
        inside && !taken.iter().any(|other| overlap(&area, other))
    };
    let found = candidates.iter().find(free).unwrap_or(&candidates[0]);
    taken.push(area(found));
    (found.0, found.1 + LINE - 4.0, found.2)
}

/// Text inside of a drawing, which the template takes as it is.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::setup::SetupRegion;

    fn setup(regions: &[(&str, f64, f64)]) -> Setup {
        let region = |&(name, lat, lon): &(&str, f64, f64)| SetupRegion {
            name: name.to_owned(),
            coordinates: Some((lat, lon)),
            rtt_ms: vec![100.0; regions.len()],
            ..SetupRegion::default()
        };
        Setup { regions: regions.iter().map(region).collect(), ..Setup::default() }
    }

    fn drawn(setup: &Setup) -> String {
        match map(setup, "map") {
            Some(Block::Figure { svg, .. }) => svg,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn regions_stand_where_they_are() {
        // 77.5° W to 139.7° E with 16° on either side is 249.2°, of 960: 3.852 a degree. The first lies 16° from the left.
        let svg = drawn(&setup(&[("us", 38.9, -77.5), ("ap", 35.7, 139.7)]));
        let x = 16.0 * 960.0 / 249.2;
        assert!(svg.contains(&format!("<circle cx=\"{x:.1}\"")), "{x}: {svg}");
        assert!(svg.contains("100 ms</text>"));
        assert!(roxmltree::Document::parse(&svg).is_ok());
    }

    #[test]
    fn a_name_is_text_and_one_region_is_no_map() {
        let svg = drawn(&setup(&[("<script>", 10.0, 10.0), ("a&b", 20.0, 20.0)]));
        assert!(roxmltree::Document::parse(&svg).is_ok() && !svg.contains("<script>"), "{svg}");
        assert!(map(&setup(&[("alone", 1.0, 1.0)]), "map").is_none());
    }

    #[test]
    fn labels_of_neighbours_do_not_touch() {
        let europe = [
            ("dublin", 53.3, -6.3),
            ("london", 51.5, -0.1),
            ("paris", 48.9, 2.4),
            ("frankfurt", 50.1, 8.7),
            ("stockholm", 59.3, 18.1),
            ("milan", 45.5, 9.2),
        ];
        let svg = drawn(&setup(&europe));
        let document = roxmltree::Document::parse(&svg).unwrap();
        let mut areas = Vec::new();
        for text in document.descendants().filter(|node| node.attribute("data-region").is_some()) {
            let Some(text) = text.children().find(|node| node.has_tag_name("text")) else { continue };
            let number = |name: &str| text.attribute(name).unwrap().parse::<f64>().unwrap();
            let wide = LETTER * 12.0;
            let left = number("x")
                - match text.attribute("text-anchor").unwrap() {
                    "end" => wide,
                    "middle" => wide / 2.0,
                    _ => 0.0,
                };
            areas.push((left, number("y") - LINE, left + wide, number("y") + LINE));
        }
        assert_eq!(areas.len(), europe.len());
        for (at, one) in areas.iter().enumerate() {
            for other in &areas[..at] {
                assert!(!overlap(one, other), "{one:?} {other:?}");
            }
        }
    }
}
