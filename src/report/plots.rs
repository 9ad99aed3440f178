//! Plots as SVG, with text left to the viewer's fonts, so that nothing is needed on the machine that draws.
//! Colours are those of Okabe and Ito, "Color Universal Design", 2008, which colour-blind readers tell apart;
//! every second line is dashed as well.

use super::summary::Summary;
use plotters::prelude::*;

/// Okabe and Ito's palette without its yellow, which is too light for lines on white.
pub(super) const PALETTE: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
    RGBColor(0, 0, 0),
];

/// A plot could not be drawn.
#[derive(Debug, thiserror::Error)]
#[error("cannot draw the plot: {0}")]
pub struct PlotError(String);

impl PlotError {
    pub(super) fn new(reason: &str) -> PlotError {
        PlotError(reason.to_owned())
    }
}

/// The distribution of TTFT by policy: the share of completed requests (first seed) whose TTFT is at most x, on a
/// logarithmic axis.
pub fn ttft_cdf(summary: &Summary) -> Result<String, PlotError> {
    let mut svg = String::new();
    draw(&mut svg, summary).map_err(|error| PlotError(error.to_string()))?;
    Ok(svg)
}

fn draw(svg: &mut String, summary: &Summary) -> Result<(), Box<dyn std::error::Error>> {
    let lines: Vec<(&str, &[f64])> = summary
        .policies
        .iter()
        .filter_map(|policy| Some((policy.policy.as_str(), policy.cells.first()?.ttft_curve_ms.as_slice())))
        .filter(|(_, points)| !points.is_empty())
        .collect();
    let ends = lines.iter().flat_map(|(_, points)| [points[0], points[points.len() - 1]]);
    let (low, high) = ends.fold((f64::MAX, 0.0f64), |(low, high), x| (low.min(x), high.max(x)));
    let (low, high) = if lines.is_empty() { (1.0, 10.0) } else { (low.max(1e-3), high.max(2e-3)) };

    let area = SVGBackend::with_string(svg, (900, 560)).into_drawing_area();
    area.fill(&WHITE)?;
    let title = format!("{}: time to first token at the client", summary.scenario);
    let mut chart = ChartBuilder::on(&area)
        .caption(title, ("sans-serif", 20))
        .margin(16)
        .x_label_area_size(48)
        .y_label_area_size(64)
        .build_cartesian_2d((low * 0.95..high * 1.05).log_scale(), 0.0..1.0)?;
    chart
        .configure_mesh()
        .x_desc("TTFT, milliseconds (logarithmic)")
        .y_desc("share of completed requests")
        .x_label_formatter(&|x| format!("{x:.0}"))
        .y_label_formatter(&|y| format!("{:.0} %", y * 100.0))
        .light_line_style(WHITE)
        .draw()?;
    for (index, (name, points)) in lines.iter().enumerate() {
        let colour = PALETTE[index % PALETTE.len()];
        let share = |i: usize| i as f64 / (points.len() - 1).max(1) as f64;
        let curve = points.iter().enumerate().map(|(i, &x)| (x.max(low), share(i)));
        let style = colour.stroke_width(2);
        let drawn = if index % 2 == 0 {
            chart.draw_series(LineSeries::new(curve, style))?
        } else {
            chart.draw_series(DashedLineSeries::new(curve, 8, 4, style))?
        };
        drawn.label(*name).legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 24, y)], style));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    area.present()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn a_plot_names_its_axes_with_units_and_its_lines() {
        let mut nothing = sample::cell("none", 1, 1);
        nothing.book = crate::run::Book::default();
        let policies = [("nearest", vec![sample::cell("nearest", 1, 1)]), ("none", vec![nothing])];
        let svg = ttft_cdf(&sample::summary(&policies)).unwrap();
        for text in ["TTFT, milliseconds", "share of completed requests", "nearest", "<polyline"] {
            assert!(svg.contains(text), "{text} is missing");
        }
        assert!(!svg.contains(">none<") && !svg.contains("NaN") && !svg.contains("inf"));
    }
}
