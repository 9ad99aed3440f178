//! Numbers, ticks and words of drawings, by hand.

use super::scale::{Axis, percent, short};
use super::svg::svg;
use super::*;

#[test]
fn numbers_are_short() {
    let told = [0.0, 0.05, 7.5, 300.0, 1_200.0, 45_000.0, 2_500_000.0, 999_999.9, 1e9, -3.0, 0.123_456];
    let words = ["0", "0.05", "7.5", "300", "1,200", "45k", "2.5M", "1M", "1G", "-3", "0.123"];
    assert_eq!(told.map(short), words);
    assert_eq!([0.075, 0.42, 0.9995, 1.0, 0.0].map(percent), ["7.5 %", "42 %", "100 %", "100 %", "0 %"]);
    assert_eq!([0.001, 0.0001, 0.00001].map(percent), ["0.1 %", "0.01 %", "0.001 %"]);
}

#[test]
fn ticks_are_round_and_cover_the_values() {
    let words = |axis: &Axis| axis.ticks.iter().map(|tick| tick.1.clone()).collect::<Vec<_>>().join(" ");
    let axis = Axis::linear("", [3.0, 87.0], 5);
    // A step of at least 87 / 5 = 17.4: 20.
    assert_eq!((words(&axis).as_str(), axis.range), ("0 20 40 60 80 100", (0.0, 100.0)));
    assert_eq!(Axis::linear("", [], 5).range, (0.0, 1.0));
    assert_eq!(Axis::linear("", [0.0, f64::NAN], 5).range, (0.0, 1.0));
    let axis = Axis::log("", [1.0, 1e6], 8);
    assert_eq!(words(&axis), "1 10 100 1,000 10k 100k 1M");
    assert!(axis.range.0 < 0.0 && axis.range.1 > 6.0);
    assert_eq!(
        words(&Axis::log("", [12.0, 480.0], 12)),
        "15 20 30 50 70 100 150 200 300 500 700"
            .replace("15 ", "")
            .replace(" 150", "")
            .replace(" 500 700", "")
    );
    // Equal values still have a width, and a tick.
    let axis = Axis::log("", [42.0, 42.0], 8);
    assert!(axis.range.1 - axis.range.0 > 0.29 && !axis.ticks.is_empty(), "{axis:?}");
    for axis in [Axis::log("", [], 4), Axis::log("", [0.0, -1.0], 4), Axis::time("", (0.0, 0.0), 3)] {
        assert!(axis.range.1 > axis.range.0 && axis.range.0.is_finite());
    }
    assert_eq!(words(&Axis::time("", (0.0, 86_400.0), 4)), "0 10 20");
    assert_eq!(Axis::log("", [1.0, 100.0], 4).position(10.0), 1.0);
    assert_eq!(Axis::linear("", [10.0], 4).position(f64::NAN), 0.0);
}

#[test]
fn a_drawing_says_each_style_once_and_its_numbers_shortly() {
    let mut scene = Scene::new(100.0, 50.0, "a < b");
    let style = Style::of(1);
    scene.series(
        vec![vec![(0.0, 10.04), (10.0, 10.0), (20.0, 10.0), (20.0, 20.0), (30.52, 15.0)]],
        style,
        2.0,
    );
    scene.series(vec![vec![(1.0, 1.0), (f64::NAN, 2.0)]], style, 2.0);
    scene.text((5.0, 5.0), Anchor::Start, "x & y", SIZE, Ink::Text);
    let text = svg(&scene);
    // The second point lies on the way to the third.
    assert!(text.contains("d=\"M0 10h20v10l10.5-5\""), "{text}");
    assert_eq!(text.matches("stroke:#d55e00").count(), 1);
    assert!(
        text.contains(">x &amp; y<") && text.contains("<title>a &lt; b</title>") && !text.contains("NaN")
    );
    assert!(
        text.contains("color=\"#1a1a1a\"")
            && text.contains("class=\"rs-paper\"")
            && text.contains("currentColor")
    );
}

#[test]
fn names_keep_their_ends_when_they_are_cut() {
    assert_eq!(elide("short", SIZE, 100.0), "short");
    let cut = elide("nearest_then_consistent_hashing_12", SIZE, 100.0);
    assert!(cut.starts_with("nearest") && cut.ends_with("12") && width(&cut, SIZE) <= 100.0, "{cut}");
    assert_eq!(elide("wide", SIZE, 1.0), "…");
}

#[test]
fn words_on_a_colour_can_be_read() {
    assert_eq!((on((255, 255, 255)), on((8, 48, 107))), (Ink::Fixed(0, 0, 0), Ink::Fixed(255, 255, 255)));
}
