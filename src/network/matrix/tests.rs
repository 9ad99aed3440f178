//! Tests of `matrix`.

use super::*;

fn catalogue(name: &str, id: &str) -> Place {
    Place { name: name.into(), catalogue: Some(id.into()), coordinates: None }
}
fn at(name: &str, lat: f64, lon: f64) -> Place {
    Place { name: name.into(), catalogue: None, coordinates: Some(Coordinates { lat, lon }) }
}
fn stated(from: &str, to: &str, ms: u64, both_ways: bool) -> Override {
    Override { from: from.into(), to: to.into(), rtt: Span::from_ms(ms), both_ways }
}

#[test]
fn distances_are_great_circles() {
    // A quarter of the equator is π/2 · 6,371 = 10,007.54 km; pole to pole is twice that.
    let point = |lat, lon| Coordinates { lat, lon };
    assert!((distance_km(point(0.0, 0.0), point(0.0, 90.0)) - 10_007.543).abs() < 0.001);
    assert!((distance_km(point(90.0, 0.0), point(-90.0, 77.0)) - 20_015.087).abs() < 0.001);
    assert!((distance_km(point(0.0, 179.0), point(0.0, -179.0)) - 222.390).abs() < 0.001);
    assert_eq!(distance_km(point(51.0, 7.0), point(51.0, 7.0)), 0.0);
}

#[test]
fn one_cloud_takes_its_table_and_keeps_directions() {
    let places = [catalogue("us", "aws:us-east-1"), catalogue("za", "aws:af-south-1")];
    let matrix = resolve(&places, &[]).unwrap();
    let ms = |span: Span| span.as_ms_f64();
    assert_eq!(matrix.rtt.iter().flatten().copied().map(ms).collect::<Vec<_>>(), [4.0, 232.0, 231.0, 3.0]);
    let table = PairSource::Catalogue { table: "aws", mirrored: false };
    assert!(matrix.sources.iter().flatten().all(|source| *source == table));
}

#[test]
fn a_pair_measured_one_way_is_mirrored_and_an_unmeasured_one_estimated() {
    // GCP's rows have europe-west1 → us-central1 (105 ms), not the other way; us-central1 and asia-east1 have no row.
    let places = [
        catalogue("eu", "gcp:europe-west1"),
        catalogue("us", "gcp:us-central1"),
        catalogue("tw", "gcp:asia-east1"),
    ];
    let matrix = resolve(&places, &[]).unwrap();
    assert_eq!(matrix.rtt[1][0], Span::from_ms(105));
    assert_eq!(matrix.sources[1][0], PairSource::Catalogue { table: "gcp", mirrored: true });
    let PairSource::Distance { km } = matrix.sources[1][2] else { panic!("{:?}", matrix.sources[1][2]) };
    assert_eq!(matrix.rtt[1][2], Span::from_ms_f64(14.0 + 0.0159 * km));
    assert_eq!(matrix.rtt[0][0], DEFAULT_INTRA_RTT);
    assert_eq!(matrix.sources[0][0], PairSource::Intra);
}

#[test]
fn clouds_meet_by_distance() {
    // Quarter of the equator apart: 14 + 0.0159 · 10,007.543 = 173.11993 ms.
    let matrix = resolve(&[at("a", 0.0, 0.0), at("b", 0.0, 90.0)], &[]).unwrap();
    assert!((matrix.rtt[0][1].as_ms_f64() - 173.119_93).abs() < 1e-4);
    let places = [catalogue("aws", "aws:us-east-1"), catalogue("azure", "azure:eastus")];
    assert!(matches!(resolve(&places, &[]).unwrap().sources[0][1], PairSource::Distance { .. }));
}

#[test]
fn overrides_win_both_ways_or_each_way_and_on_the_diagonal() {
    let places = [catalogue("us", "aws:us-east-1"), catalogue("za", "aws:af-south-1")];
    let matrix = resolve(&places, &[stated("za", "us", 250, true), stated("us", "us", 2, false)]).unwrap();
    assert_eq!(
        [matrix.rtt[0][1], matrix.rtt[1][0], matrix.rtt[0][0]].map(|span| span.0 / 1_000_000),
        [250, 250, 2]
    );
    assert_eq!(matrix.sources[1][0], PairSource::Override);
    let each = [stated("za", "us", 250, false), stated("us", "za", 240, false)];
    let matrix = resolve(&places, &each).unwrap();
    assert_eq!([matrix.rtt[0][1], matrix.rtt[1][0]].map(|span| span.0 / 1_000_000), [240, 250]);
}

#[test]
fn a_place_without_anything_works_when_every_pair_is_stated() {
    let nowhere = |name: &str| Place { name: name.into(), catalogue: None, coordinates: None };
    let matrix = resolve(&[nowhere("a"), nowhere("b")], &[stated("a", "b", 10, true)]).unwrap();
    assert_eq!(matrix.rtt[1], [Span::from_ms(10), DEFAULT_INTRA_RTT]);
}

#[test]
fn every_problem_is_told_at_once() {
    let nowhere = Place { name: "c".into(), catalogue: None, coordinates: None };
    let places = [
        at("a", 0.0, 0.0),
        at("b", 0.0, 90.0),
        nowhere,
        at("a", 95.0, 0.0),
        catalogue("d", "aws:us-east-11"),
    ];
    let overrides = [
        stated("a", "b", 50, true), // light needs 100.08 ms
        stated("a", "x", 50, true),
        stated("c", "b", 40, false),
    ];
    let problems = resolve(&places, &overrides).unwrap_err();
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let expect = [
        "two regions are called \"a\"",
        "latitude 95",
        "did you mean \"aws:us-east-1\"",
        "there is no region \"x\"",
        "from \"c\" to \"b\" is stated as 40ms, but not the one from \"b\" to \"c\"",
        "no round trip from \"a\" to \"c\"",
        "round trip from \"a\" to \"b\" is 50ms, but light in fibre needs 100.07",
    ];
    for part in expect {
        assert!(told.iter().any(|told| told.contains(part)), "missing: {part}\nin {told:#?}");
    }
}

#[test]
fn a_pair_stated_twice_differently_is_refused() {
    let places = [at("a", 0.0, 0.0), at("b", 0.0, 1.0)];
    let problems = resolve(&places, &[stated("a", "b", 50, true), stated("b", "a", 60, false)]).unwrap_err();
    let (from, to) = ("b".to_owned(), "a".to_owned());
    let (first, second) = (Span::from_ms(50), Span::from_ms(60));
    assert_eq!(problems, [MatrixProblem::DuplicateOverride { from, to, first, second }]);
}
