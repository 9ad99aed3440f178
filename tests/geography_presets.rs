//! Ready-made origins stand beside the region that is nearest to them.

use regionsim::scenario::parse;
use std::fmt::Write as _;
use std::path::Path;

fn origins(preset: &str, regions: &[(&str, &str)]) -> Vec<(String, String, f64, i32)> {
    let mut tables = String::new();
    for (name, at) in regions {
        let _ =
            writeln!(tables, "[regions.{name}]\nlocation = \"{at}\"\npools.main = {{ gpu = \"h100-sxm\" }}");
    }
    let text = format!(
        "geography = \"{preset}\"\n[models.chat]\npreset = \"llama-3.1-8b\"\n{tables}\
         [workloads.main.synthetic]\nsessions_per_s = 1.0\nrequests = 10\n"
    );
    let plan = parse("test", &text, Path::new("."), "test", &[]).unwrap_or_else(|found| panic!("{found}"));
    let name = |region| plan.world.regions[region].name.clone();
    (plan.world.origins.iter())
        .map(|origin| {
            (origin.name.clone(), name(origin.near), origin.weight, origin.geography.utc_offset_min / 60)
        })
        .collect()
}

fn row(origin: &str, near: &str, weight: f64, hours: i32) -> (String, String, f64, i32) {
    (origin.to_owned(), near.to_owned(), weight, hours)
}

#[test]
fn origins_stand_beside_the_nearest_region() {
    let three =
        [("tokyo", "aws:ap-northeast-1"), ("virginia", "aws:us-east-1"), ("frankfurt", "aws:eu-central-1")];
    let want = [row("us", "virginia", 1.0, -5), row("eu", "frankfurt", 1.0, 1), row("ap", "tokyo", 1.0, 9)];
    assert_eq!(origins("us-eu-ap", &three), want);
    assert_eq!(origins("single", &three), [row("us", "virginia", 1.0, -5)]);
    // Sydney is nearer to Tokyo than to Virginia or Frankfurt; São Paulo nearer to Virginia.
    let want = [
        row("us", "virginia", 0.8, -5),
        row("jp", "tokyo", 0.1, 9),
        row("au", "tokyo", 0.05, 10),
        row("br", "virginia", 0.05, -3),
    ];
    assert_eq!(origins("us-heavy", &three), want);
    let one = origins("us-eu-ap", &three[..1]);
    assert!(one.iter().all(|origin| origin.1 == "tokyo"), "one region is near to all");
}
