//! A drawing as SVG: short numbers, each style once. Knows marks; must not know what they mean. Text is left to the
//! viewer's fonts; colours of text and background are attributes, which any style sheet of a page overrides.

use super::{Anchor, DASHES, Ink, Mark, Point, SERIES, SIZE, Scene, marker};
use std::collections::BTreeSet;
use std::fmt::Write;

/// Text of an element or an attribute.
fn escaped(words: &str) -> String {
    let mut out = String::with_capacity(words.len());
    for c in words.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // What XML does not allow.
            c if (c < ' ' && !matches!(c, '\t' | '\n')) || matches!(c, '\u{fffe}' | '\u{ffff}') => {
                out.push('\u{fffd}');
            }
            c => out.push(c),
        }
    }
    out
}

/// Tenths of pixels: as fine as it is seen. What is no number is 0.
fn tenths(value: f64) -> i64 {
    if value.is_finite() { (value * 10.0).round().clamp(-1e7, 1e7) as i64 } else { 0 }
}

/// A number of tenths, as short as it can be written.
fn number(tenths: i64) -> String {
    let (whole, part) = (tenths.abs() / 10, tenths.abs() % 10);
    let sign = if tenths < 0 { "-" } else { "" };
    match (whole, part) {
        (_, 0) => format!("{sign}{whole}"),
        (0, _) => format!("{sign}.{part}"),
        _ => format!("{sign}{whole}.{part}"),
    }
}

fn px(value: f64) -> String {
    number(tenths(value))
}

/// The path through points, relative after the first; steps that cannot be seen are left out.
fn path(out: &mut String, points: &[Point], closed: bool) {
    let mut at = None;
    for (i, point) in points.iter().enumerate() {
        let (x, y) = (tenths(point.0), tenths(point.1));
        match at {
            None => {
                let _ = write!(out, "M{} {}", number(x), number(y));
            }
            Some((old_x, old_y)) => {
                let (dx, dy) = (x - old_x, y - old_y);
                // A point on the way straight on says nothing.
                let next = points.get(i + 1).map(|next| (tenths(next.0) - x, tenths(next.1) - y));
                if (dx, dy) == (0, 0) && points.len() > 2
                    || next.is_some_and(|(nx, ny)| nx * dy == ny * dx && nx * dx + ny * dy > 0)
                {
                    continue;
                }
                let _ = match (dx, dy) {
                    (_, 0) => write!(out, "h{}", number(dx)),
                    (0, _) => write!(out, "v{}", number(dy)),
                    _ if dy < 0 => write!(out, "l{}{}", number(dx), number(dy)),
                    _ => write!(out, "l{} {}", number(dx), number(dy)),
                };
            }
        }
        at = Some((x, y));
    }
    if closed {
        out.push('z');
    }
}

/// Which rules of the style sheet are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rule {
    Line(Ink),
    Fill(Ink),
    Dash(u8),
    Middle,
    End,
    Edge,
}

fn colour(ink: Ink) -> String {
    let hex = |(red, green, blue): (u8, u8, u8)| format!("#{red:02x}{green:02x}{blue:02x}");
    match ink {
        Ink::Series(index) => {
            SERIES[usize::from(index) % SERIES.len()].map_or("currentColor".to_owned(), hex)
        }
        Ink::Fixed(red, green, blue) => hex((red, green, blue)),
        _ => "currentColor".to_owned(),
    }
}

impl Rule {
    fn name(self) -> String {
        match self {
            Rule::Line(ink) | Rule::Fill(ink) => {
                let kind = if matches!(self, Rule::Line(_)) { "l" } else { "f" };
                match ink {
                    Ink::Text => format!("{kind}t"),
                    Ink::Muted => format!("{kind}m"),
                    Ink::Axis => format!("{kind}a"),
                    Ink::Grid => format!("{kind}g"),
                    Ink::Shade => format!("{kind}s"),
                    Ink::Series(index) => format!("{kind}{index}"),
                    Ink::Fixed(..) => kind.to_owned() + &colour(ink)[1..],
                }
            }
            Rule::Dash(dash) => format!("d{dash}"),
            Rule::Middle => "m".to_owned(),
            Rule::End => "e".to_owned(),
            Rule::Edge => "h".to_owned(),
        }
    }
    fn body(self) -> String {
        let faint = |ink: Ink| match ink {
            Ink::Muted => ";opacity:.72",
            Ink::Axis => ";opacity:.55",
            Ink::Grid => ";opacity:.13",
            Ink::Shade => ";opacity:.1",
            _ => "",
        };
        match self {
            Rule::Line(ink) => {
                let join = if matches!(ink, Ink::Series(_)) { ";stroke-linejoin:round" } else { "" };
                format!("fill:none;stroke:{}{join}{}", colour(ink), faint(ink))
            }
            Rule::Fill(ink) => format!("fill:{}{}", colour(ink), faint(ink)),
            Rule::Dash(dash) => {
                let parts: Vec<String> = DASHES[usize::from(dash) % 4].iter().map(|&part| px(part)).collect();
                format!("stroke-dasharray:{}", parts.join(" "))
            }
            Rule::Middle => "text-anchor:middle".to_owned(),
            Rule::End => "text-anchor:end".to_owned(),
            Rule::Edge => "paint-order:stroke;stroke-width:3;stroke-linejoin:round".to_owned(),
        }
    }
}

/// Writes the drawing.
pub(crate) fn svg(scene: &Scene) -> String {
    let mut rules = BTreeSet::new();
    let mut body = String::new();
    for mark in &scene.marks {
        one(&mut body, &mut rules, mark);
    }
    let (width, height) = (px(scene.size.0), px(scene.size.1));
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"rs\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" color=\"#1a1a1a\" font-size=\"{}\" \
         font-family=\"DejaVu Sans,Verdana,system-ui,sans-serif\" role=\"img\">\n<title>{}</title>\n<style>",
        px(SIZE),
        escaped(&scene.title),
    );
    for rule in rules {
        let _ = write!(out, ".rs .{}{{{}}}", rule.name(), rule.body());
    }
    let _ = writeln!(
        out,
        "</style>\n<rect class=\"rs-paper\" width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>"
    );
    out.push_str(&body);
    out.push_str("</svg>\n");
    out
}

fn classes(rules: &mut BTreeSet<Rule>, used: &[Option<Rule>]) -> String {
    let used: Vec<Rule> = used.iter().flatten().copied().collect();
    rules.extend(used.iter().copied());
    used.iter().map(|rule| rule.name()).collect::<Vec<_>>().join(" ")
}

/// `/>`, or the words for who points at it.
fn end(name: &str, says: &str) -> String {
    if says.is_empty() { "/>\n".to_owned() } else { format!("><title>{}</title></{name}>\n", escaped(says)) }
}

fn one(out: &mut String, rules: &mut BTreeSet<Rule>, mark: &Mark) {
    match mark {
        Mark::Lines { lines, ink, width, dash } => {
            let class = classes(rules, &[Some(Rule::Line(*ink)), (*dash > 0).then_some(Rule::Dash(*dash))]);
            let _ = write!(out, "<path class=\"{class}\"");
            if tenths(*width) != 10 {
                let _ = write!(out, " stroke-width=\"{}\"", px(*width));
            }
            out.push_str(" d=\"");
            lines.iter().for_each(|line| path(out, line, false));
            out.push_str("\"/>\n");
        }
        Mark::Rect { at, size, ink, says } => {
            let class = classes(rules, &[Some(Rule::Fill(*ink))]);
            // Ends are rounded, not lengths: neighbours touch.
            let (x, y) = (tenths(at.0), tenths(at.1));
            let (width, height) = (tenths(at.0 + size.0) - x, tenths(at.1 + size.1) - y);
            let _ = write!(
                out,
                "<rect class=\"{class}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"{}",
                number(x),
                number(y),
                number(width),
                number(height),
                end("rect", says),
            );
        }
        Mark::Dot { at, style, says } => {
            let (corners, hollow) = marker(style.marker, *at);
            let rule = if hollow { Rule::Line(style.ink()) } else { Rule::Fill(style.ink()) };
            let class = classes(rules, &[Some(rule)]);
            // What is hollow is pointed at in its middle as well.
            let wide = match (hollow, says.is_empty()) {
                (true, true) => " stroke-width=\"1.6\"",
                (true, false) => " stroke-width=\"1.6\" pointer-events=\"all\"",
                (false, _) => "",
            };
            if corners.is_empty() {
                let (x, y) = (px(at.0), px(at.1));
                let _ = write!(
                    out,
                    "<circle class=\"{class}\" cx=\"{x}\" cy=\"{y}\" r=\"4\"{wide}{}",
                    end("circle", says)
                );
            } else {
                let _ = write!(out, "<path class=\"{class}\"{wide} d=\"");
                path(out, &corners, true);
                let _ = write!(out, "\"{}", end("path", says));
            }
        }
        Mark::Text { at, anchor, words, size, ink, upwards, edged } => {
            let anchor = match anchor {
                Anchor::Start => None,
                Anchor::Middle => Some(Rule::Middle),
                Anchor::End => Some(Rule::End),
            };
            let class = classes(rules, &[Some(Rule::Fill(*ink)), anchor, edged.then_some(Rule::Edge)]);
            let (x, y) = (px(at.0), px(at.1));
            let _ = write!(out, "<text class=\"{class}\"");
            if *upwards {
                let _ = write!(out, " transform=\"translate({x} {y})rotate(-90)\"");
            } else {
                let _ = write!(out, " x=\"{x}\" y=\"{y}\"");
            }
            if tenths(*size) != tenths(SIZE) {
                let _ = write!(out, " font-size=\"{}\"", px(*size));
            }
            if *edged {
                out.push_str(" stroke=\"#fff\"");
            }
            let _ = writeln!(out, ">{}</text>", escaped(words));
        }
    }
}
