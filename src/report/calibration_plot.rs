//! Measured against modelled, as SVG: one panel a quantity, both axes logarithmic, the diagonal is truth and the dashed
//! lines are ten percent off. Of request logs, who ran and who waited over time besides, logged and modelled. Knows numbers;
//! must not know how they were fitted.

use super::plots::{PALETTE, PlotError};
use plotters::prelude::*;

type Drawn = Result<(), Box<dyn std::error::Error>>;

/// Width and height of a panel, in pixels.
const PANEL: (u32, u32) = (760, 560);

/// The points of one group.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// Its name in the legend.
    pub name: String,
    /// Measured and modelled, ms.
    pub points: Vec<(f64, f64)>,
}

/// Lines over time: its title, and each line's name, whether it is measured, and its points, seconds and requests.
pub type Curves = (String, Vec<(String, bool, Vec<(f64, f64)>)>);

/// Draws a panel for each quantity that has points, its title and its groups, then one for each set of curves.
pub fn draw(panels: &[(String, Vec<Group>)], curves: &[Curves]) -> Result<String, PlotError> {
    let mut svg = String::new();
    all(&mut svg, panels, curves).map_err(|error| PlotError::new(&error.to_string()))?;
    Ok(svg)
}

fn all(svg: &mut String, panels: &[(String, Vec<Group>)], curves: &[Curves]) -> Drawn {
    let count = (panels.len() + curves.len()).max(1) as u32;
    let root = SVGBackend::with_string(svg, (PANEL.0, PANEL.1 * count)).into_drawing_area();
    root.fill(&WHITE)?;
    let areas = root.split_evenly((count as usize, 1));
    for (area, (title, lines)) in areas[panels.len().min(areas.len())..].iter().zip(curves) {
        let points = || lines.iter().flat_map(|line| &line.2);
        let (until, most) =
            points().fold((1.0f64, 1.0f64), |(until, most), point| (until.max(point.0), most.max(point.1)));
        let mut chart = ChartBuilder::on(area)
            .caption(title, ("sans-serif", 18))
            .margin(14)
            .x_label_area_size(44)
            .y_label_area_size(70)
            .build_cartesian_2d(0.0..until, 0.0..most * 1.05)?;
        chart.configure_mesh().x_desc("seconds").y_desc("requests").light_line_style(WHITE).draw()?;
        for (at, (name, measured, points)) in lines.iter().enumerate() {
            let colour = PALETTE[at / 2 % PALETTE.len()].mix(if *measured { 1.0 } else { 0.6 });
            let width = if *measured { 1 } else { 3 };
            chart
                .draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(width)))?
                .label(name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], colour.stroke_width(width)));
        }
        let position = SeriesLabelPosition::UpperRight;
        chart.configure_series_labels().position(position).background_style(WHITE.mix(0.85)).draw()?;
    }
    for (area, (title, groups)) in areas.iter().zip(panels) {
        let drawn = |point: &&(f64, f64)| point.0 > 0.0 && point.1 > 0.0 && point.1.is_finite();
        let points = || groups.iter().flat_map(|group| group.points.iter().filter(drawn));
        let (low, high) = points().fold((f64::MAX, 0.0f64), |(low, high), &(measured, modelled)| {
            (low.min(measured).min(modelled), high.max(measured).max(modelled))
        });
        let (low, high) = if high > 0.0 { (low * 0.8, high * 1.25) } else { (0.1, 10.0) };
        let mut chart = ChartBuilder::on(area)
            .caption(title, ("sans-serif", 18))
            .margin(14)
            .x_label_area_size(44)
            .y_label_area_size(70)
            .build_cartesian_2d((low..high).log_scale(), (low..high).log_scale())?;
        chart
            .configure_mesh()
            .x_desc("measured, ms (logarithmic)")
            .y_desc("modelled, ms (logarithmic)")
            .light_line_style(WHITE)
            .draw()?;
        chart.draw_series(LineSeries::new([(low, low), (high, high)], BLACK))?;
        for off in [0.9, 1.1] {
            let line = [
                (low.max(low / off), low.max(low / off) * off),
                (high.min(high / off), high.min(high / off) * off),
            ];
            chart.draw_series(DashedLineSeries::new(line, 4, 4, BLACK.mix(0.5).stroke_width(1)))?;
        }
        for (at, group) in groups.iter().enumerate() {
            let style = PALETTE[at % PALETTE.len()].mix(0.7).filled();
            chart
                .draw_series(group.points.iter().filter(drawn).map(|&point| Circle::new(point, 3, style)))?
                .label(&group.name)
                .legend(move |point| Circle::new((point.0 + 12, point.1), 4, style));
        }
        let position = SeriesLabelPosition::UpperLeft;
        chart.configure_series_labels().position(position).background_style(WHITE.mix(0.85)).draw()?;
    }
    root.present()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panel_a_quantity() {
        let group =
            |name: &str, points: &[(f64, f64)]| Group { name: name.to_owned(), points: points.to_vec() };
        let panels = vec![
            (
                "TPOT".to_owned(),
                vec![group("a", &[(10.0, 11.0), (100.0, 95.0)]), group("b", &[(20.0, f64::NAN)])],
            ),
            ("TTFT".to_owned(), vec![group("a", &[(1_000.0, 900.0)])]),
        ];
        let line = |name: &str, measured| (name.to_owned(), measured, vec![(0.0, 1.0), (1.0, 5.0)]);
        let curves =
            ("A log".to_owned(), vec![line("running, measured", true), line("running, modelled", false)]);
        let svg = draw(&panels, &[curves]).unwrap();
        assert!(svg.contains("A log") && svg.contains("running, modelled") && svg.contains("seconds"));
        for text in ["TPOT", "TTFT", "measured, ms", "modelled, ms"] {
            assert!(svg.contains(text), "{text}");
        }
        assert!(!svg.contains("NaN") && !svg.contains("inf\""));
        assert_eq!(svg.matches("<circle").count(), 3 + 3, "three points and three keys");
        assert!(draw(&[("nothing".into(), vec![])], &[]).is_ok() && draw(&[], &[]).is_ok());
    }
}
