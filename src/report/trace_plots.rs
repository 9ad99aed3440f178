//! Plots of traces as SVG, one panel under the other: rate over time, distributions of lengths, LRU curves. A colour
//! a trace; fonts and colours as in the other plots.

use super::plots::{PALETTE, PlotError};
use crate::workload::stats::TraceStats;
use plotters::prelude::*;

type Drawn = Result<(), Box<dyn std::error::Error>>;
type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

/// Width and height of a panel, in pixels.
const PANEL: (u32, u32) = (900, 400);

/// A panel's line: what it is called, its points, its colour's number, and whether it is dashed.
struct Line {
    name: String,
    points: Vec<(f64, f64)>,
    colour: usize,
    dashed: bool,
}

/// Draws what is known of the traces.
pub fn draw(traces: &[TraceStats]) -> Result<String, PlotError> {
    let mut svg = String::new();
    panels(&mut svg, traces).map_err(|error| PlotError::new(&error.to_string()))?;
    Ok(svg)
}

fn name(trace: &TraceStats) -> String {
    trace.path.rsplit('/').next().unwrap_or(&trace.path).to_owned()
}

fn panels(svg: &mut String, traces: &[TraceStats]) -> Drawn {
    let rates = traces.iter().any(|trace| trace.curves.rate.len() > 1);
    let caches = traces.iter().any(|trace| !trace.curves.lru.is_empty());
    let count = 1 + u32::from(rates) + u32::from(caches);
    let root = SVGBackend::with_string(svg, (PANEL.0, PANEL.1 * count)).into_drawing_area();
    root.fill(&WHITE)?;
    let mut areas = root.split_evenly((count as usize, 1)).into_iter();
    let mut next = || areas.next().ok_or("a panel too many");
    if rates {
        rate(&next()?, traces)?;
    }
    lengths(&next()?, traces)?;
    if caches {
        lru(&next()?, traces)?;
    }
    root.present()?;
    Ok(())
}

fn rate(area: &Area<'_>, traces: &[TraceStats]) -> Drawn {
    let end = traces.iter().flat_map(|trace| &trace.curves.rate).fold(0.0f64, |end, point| end.max(point.0));
    let (unit, name_of_unit) = match end {
        _ if end < 600.0 => (1.0, "seconds"),
        _ if end < 4.0 * 3_600.0 => (60.0, "minutes"),
        _ => (3_600.0, "hours"),
    };
    let mut windows: Vec<f64> = traces.iter().map(|trace| trace.curves.rate_window_s).collect();
    windows.retain(|&window| window > 0.0);
    windows.sort_by(f64::total_cmp);
    windows.dedup();
    let windows = windows.iter().map(|window| format!("{window}")).collect::<Vec<_>>().join(" and ");
    let lines: Vec<Line> = traces
        .iter()
        .enumerate()
        .map(|(colour, trace)| Line {
            name: name(trace),
            points: trace.curves.rate.iter().map(|&(at, rate)| (at / unit, rate)).collect(),
            colour,
            dashed: false,
        })
        .collect();
    let top = lines.iter().flat_map(|line| &line.points).fold(0.0f64, |top, point| top.max(point.1));
    let mut chart = ChartBuilder::on(area)
        .caption(format!("Requests per second, in windows of {windows} s"), ("sans-serif", 18))
        .margin(14)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..(end / unit).max(1e-9), 0.0..(top * 1.05).max(1e-9))?;
    chart
        .configure_mesh()
        .x_desc(format!("{name_of_unit} since the first request"))
        .y_desc("requests per second")
        .light_line_style(WHITE)
        .draw()?;
    for line in lines {
        let style = PALETTE[line.colour % PALETTE.len()].stroke_width(1);
        chart
            .draw_series(LineSeries::new(line.points, style))?
            .label(line.name)
            .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 24, y)], style));
    }
    let position = SeriesLabelPosition::UpperRight;
    chart.configure_series_labels().position(position).background_style(WHITE.mix(0.85)).draw()?;
    Ok(())
}

fn lengths(area: &Area<'_>, traces: &[TraceStats]) -> Drawn {
    let mut lines = Vec::new();
    for (colour, trace) in traces.iter().enumerate() {
        for (what, curve, dashed) in
            [("input", &trace.curves.input, false), ("output", &trace.curves.output, true)]
        {
            let last = (curve.len() - 1).max(1) as f64;
            let points = curve.iter().enumerate().map(|(i, &tokens)| (tokens.max(1.0), i as f64 / last));
            let name = format!("{what}, {}", name(trace));
            lines.push(Line { name, points: points.collect(), colour, dashed });
        }
    }
    let titles = ["Lengths of prompts and outputs", "tokens (logarithmic)", "share of requests"];
    curves(area, titles, lines, 1.0, SeriesLabelPosition::UpperLeft)
}

fn lru(area: &Area<'_>, traces: &[TraceStats]) -> Drawn {
    let mut lines = Vec::new();
    for (colour, trace) in traces.iter().enumerate() {
        let points: Vec<(f64, f64)> =
            trace.curves.lru.iter().map(|point| (point.tokens as f64, point.hit_share)).collect();
        let (Some(&(first, _)), Some(&(last, _)), Some(blocks)) =
            (points.first(), points.last(), &trace.blocks)
        else {
            continue;
        };
        lines.push(Line { name: format!("LRU, {}", name(trace)), points, colour, dashed: false });
        let bound = vec![(first, blocks.hit_bound), (last, blocks.hit_bound)];
        lines.push(Line { name: format!("endless, {}", name(trace)), points: bound, colour, dashed: true });
    }
    let top = lines.iter().flat_map(|line| &line.points).fold(0.0f64, |top, point| top.max(point.1));
    let titles =
        ["Prompt tokens found by one cache", "cache size, tokens (logarithmic)", "share of prompt tokens"];
    curves(area, titles, lines, (top * 1.1).clamp(0.01, 1.0), SeriesLabelPosition::UpperLeft)
}

/// Shares over a logarithmic axis of tokens.
fn curves(
    area: &Area<'_>,
    [title, x_title, y_title]: [&str; 3],
    lines: Vec<Line>,
    top: f64,
    legend: SeriesLabelPosition,
) -> Drawn {
    let xs = || lines.iter().flat_map(|line| &line.points).map(|point| point.0);
    let (low, high) = xs().fold((f64::MAX, 0.0f64), |(low, high), x| (low.min(x), high.max(x)));
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 18))
        .margin(14)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d((low * 0.95..high * 1.05).log_scale(), 0.0..top)?;
    chart
        .configure_mesh()
        .x_desc(x_title)
        .y_desc(y_title)
        .x_label_formatter(&|&x| short(x))
        .y_label_formatter(&|y| format!("{:.0} %", y * 100.0))
        .light_line_style(WHITE)
        .draw()?;
    for line in lines {
        let style = PALETTE[line.colour % PALETTE.len()].stroke_width(2);
        let drawn = if line.dashed {
            chart.draw_series(DashedLineSeries::new(line.points, 6, 4, style))?
        } else {
            chart.draw_series(LineSeries::new(line.points, style))?
        };
        let dashed = line.dashed;
        drawn.label(line.name).legend(move |(x, y)| {
            // A dashed line's key is its first dash.
            PathElement::new(vec![(x, y), (x + if dashed { 8 } else { 24 }, y)], style)
        });
    }
    chart.configure_series_labels().position(legend).background_style(WHITE.mix(0.85)).draw()?;
    Ok(())
}

/// 300, 30k, 3M.
fn short(tokens: f64) -> String {
    match tokens {
        _ if tokens >= 999_999.5 => {
            format!("{:.3}", tokens / 1e6).trim_end_matches('0').trim_end_matches('.').to_owned() + "M"
        }
        _ if tokens >= 999.5 => {
            format!("{:.3}", tokens / 1e3).trim_end_matches('0').trim_end_matches('.').to_owned() + "k"
        }
        _ => format!("{tokens:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::data::{Blocks, Start};
    use crate::workload::stats::{StatsOptions, trace_stats};
    use crate::workload::{TraceData, TraceRow};

    fn trace(path: &str, blocks: Blocks, start: fn(u64) -> Start) -> TraceStats {
        let rows = (0..40u64).map(|n| TraceRow {
            start: start(n),
            input: 100 + n as u32,
            output: 10,
            blocks,
            session: 1,
            turn: n as u32,
            ..TraceRow::EMPTY
        });
        let ids = (0..7).collect();
        let data = TraceData {
            path: path.into(),
            block_tokens: 16,
            ids,
            rows: rows.collect(),
            ..TraceData::default()
        };
        trace_stats(&data, &StatsOptions::default())
    }

    #[test]
    fn a_panel_is_drawn_for_what_there_is() {
        let seconds = |n: u64| Start::At(n * 1_000_000_000);
        let full = trace("week/full.jsonl", Blocks::Ids { from: 0, to: 7 }, seconds);
        let bare = trace("bare.jsonl", Blocks::Unknown, Start::After);
        let both = draw(&[full, bare.clone()]).unwrap();
        for text in ["requests per second", "tokens (logarithmic)", "share of prompt tokens", "full.jsonl"] {
            assert!(both.contains(text), "{text} is missing");
        }
        assert!(!both.contains("NaN") && !both.contains("inf\"") && !both.contains("week/"));
        let lengths = draw(&[bare]).unwrap();
        assert!(lengths.contains("share of requests") && !lengths.contains("requests per second"));
        assert!(!lengths.contains("cache size"));
    }

    #[test]
    fn ticks_are_short() {
        assert_eq!([1.0, 30_000.0, 3e6, 1e5].map(short), ["1", "30k", "3M", "100k"]);
    }
}
