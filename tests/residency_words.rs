//! Residency rules as people write them: drawn as text, read through the scenario reader, and compared with an evaluation
//! that asks for each region by itself whether the words let it in.

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use regionsim::id::{DataClassId, Id, RegionId, RegionSet};
use regionsim::scenario::{Plan, parse};
use std::fmt::Write;
use std::path::Path;

type Place = (&'static str, &'static str, &'static [&'static str], &'static [&'static str], bool);

/// Name, what is written of it, the areas that it lies in, whose law binds its provider, whether it has a pool. Of the first
/// the areas and the provider are the catalogue's.
const REGIONS: [Place; 5] = [
    ("frankfurt", r#"location = "aws:eu-central-1""#, &["de", "eu", "eea"], &["us"], true),
    (
        "paris",
        r#"location = { lat = 48.9, lon = 2.4 }
jurisdiction = ["fr", "eu", "eea"]
provider_jurisdiction = ["fr", "mars"]"#,
        &["fr", "eu", "eea"],
        &["fr", "mars"],
        true,
    ),
    (
        "london",
        r#"location = { lat = 51.5, lon = -0.1 }
jurisdiction = ["gb"]
provider_jurisdiction = ["us", "gb"]"#,
        &["gb"],
        &["us", "gb"],
        true,
    ),
    (
        "virginia",
        r#"location = { lat = 39.0, lon = -77.5 }
jurisdiction = ["us", "moon"]"#,
        &["us", "moon"],
        &[],
        true,
    ),
    (
        "edge",
        r#"location = { lat = 52.5, lon = 13.4 }
jurisdiction = ["de", "eu", "eea"]"#,
        &["de", "eu", "eea"],
        &[],
        false,
    ),
];
/// All that an entry may be; Brazil is in the catalogue and has no region here.
const ENTRIES: [&str; 16] = [
    "any",
    "frankfurt",
    "paris",
    "london",
    "virginia",
    "edge",
    "de",
    "fr",
    "eu",
    "eea",
    "gb",
    "us",
    "moon",
    "br",
    "region:paris",
    "jurisdiction:eea",
];
const LAWS: [&str; 6] = ["us", "fr", "gb", "mars", "de", "br"];
const KEYS: [&str; 6] = ["process_in", "decrypt_in", "transit_via", "cache_in", "store_in", "index_in"];

#[derive(Clone, Debug)]
struct Rule {
    /// By key; `process_in` is there always.
    sets: [Option<Vec<&'static str>>; 6],
    not_under: Vec<&'static str>,
    preferred: bool,
}

fn rule() -> impl Strategy<Value = Rule> {
    let entries = || subsequence(ENTRIES.as_slice(), 1..4).prop_shuffle();
    let set = move || proptest::option::weighted(0.4, entries());
    let sets = (entries(), set(), set(), set(), set(), set());
    let laws = prop_oneof![Just(Vec::new()), subsequence(LAWS.as_slice(), 1..3)];
    (sets, laws, select([false, true].as_slice())).prop_map(
        |((process, b, c, d, e, f), not_under, preferred)| Rule {
            sets: [Some(process), b, c, d, e, f],
            not_under,
            preferred,
        },
    )
}

fn read(rule: &Rule) -> Result<Plan, String> {
    let mut text = String::from("[models.chat]\npreset = \"llama-3.1-8b\"\n");
    for (name, written, _, _, pool) in REGIONS {
        let _ = write!(text, "\n[regions.{name}]\n{written}\n");
        if pool {
            text.push_str("pools.main = { model = \"chat\", gpu = \"h100-sxm\", replicas = 1 }\n");
        }
    }
    text.push_str("\n[residency.strict]\n");
    for (key, set) in KEYS.iter().zip(&rule.sets) {
        if let Some(set) = set {
            let _ = writeln!(text, "{key} = {set:?}");
        }
    }
    if !rule.not_under.is_empty() {
        let _ = writeln!(text, "not_under = {:?}", rule.not_under);
    }
    if rule.preferred {
        text.push_str("mode = \"preferred\"\n");
    }
    // Nobody sends data of this class: whether it finds a way is not asked here.
    text.push_str("\n[workloads.main.synthetic]\nsessions_per_s = 1.0\nrequests = 10\n");
    text.push_str("\n[policies.near]\nglobal.nearest = {}\nreplica.least_request = {}\n");
    parse("words", &text, Path::new("."), "words", &[]).map_err(|found| found.render(false))
}

/// Whether the words of `key` let region number `region` in.
fn lets_in(rule: &Rule, key: usize, region: usize) -> bool {
    let (name, _, areas, provider, _) = REGIONS[region];
    let entries = rule.sets[key].as_ref().or(rule.sets[0].as_ref()).expect("process_in");
    let named = entries.iter().any(|entry| match entry.split_once(':') {
        Some(("region", region)) => region == name,
        Some((_, area)) => areas.contains(&area),
        None => *entry == "any" || *entry == name || areas.contains(entry),
    });
    named && !provider.iter().any(|law| rule.not_under.contains(law))
}

fn holds(rule: &Rule) -> Result<bool, TestCaseError> {
    // Serving is to process, to cache and to log, in a region with a pool.
    let serves = |region: usize| [0, 3, 4].iter().all(|&key| lets_in(rule, key, region)) && REGIONS[region].4;
    let served = (0..REGIONS.len()).any(serves);
    let plan = match read(rule) {
        Ok(plan) => plan,
        Err(words) => {
            prop_assert!(!served, "{words}");
            prop_assert!(words.contains("a region with a pool must be allowed to process"), "{words}");
            return Ok(false);
        }
    };
    prop_assert!(served, "nobody may serve it, and nothing is said");
    let got = &plan.world.data_classes[DataClassId::new(1)];
    prop_assert_eq!(got.preferred, rule.preferred);
    let sets: [RegionSet; 6] = [
        got.process_in,
        got.decrypt_in,
        got.transit_via,
        got.cache_in.unwrap_or(got.process_in),
        got.store_in.unwrap_or(got.process_in),
        got.index_in.unwrap_or(got.process_in),
    ];
    for (key, set) in sets.iter().enumerate() {
        for (region, place) in REGIONS.iter().enumerate() {
            let (got, want) = (set.contains(RegionId::new(region)), lets_in(rule, key, region));
            prop_assert_eq!(got, want, "{} of {} under {:?}", KEYS[key], place.0, rule);
        }
    }
    Ok(true)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn words_mean_what_they_say(rule in rule()) {
        holds(&rule)?;
    }
}

/// One of each, worked by hand.
#[test]
fn a_few_rules_by_hand() {
    let set = |ids: &[usize]| -> RegionSet { ids.iter().map(|&id| RegionId::new(id)).collect() };
    let rule = |process: &[&'static str], laws: &[&'static str]| Rule {
        sets: [Some(process.to_vec()), None, None, None, None, None],
        not_under: laws.to_vec(),
        preferred: false,
    };
    let process = |rule: &Rule| {
        let all: RegionSet = set(&[0, 1, 2, 3, 4]);
        read(rule).map(|plan| plan.world.data_classes[DataClassId::new(1)].process_in.and(all))
    };
    // The EEA: frankfurt, paris and the edge.
    assert_eq!(process(&rule(&["eea"], &[])), Ok(set(&[0, 1, 4])));
    // Without American providers: not frankfurt (aws), nor london by what is stated; virginia's has no law stated.
    assert_eq!(process(&rule(&["eea"], &["us"])), Ok(set(&[1, 4])));
    assert_eq!(process(&rule(&["any"], &["us"])), Ok(set(&[1, 3, 4])));
    assert_eq!(process(&rule(&["region:paris", "gb"], &["gb"])), Ok(set(&[1])));
    // A law that binds nobody here takes nobody out; one that nobody knows is a mistake.
    assert_eq!(process(&rule(&["any"], &["br"])), Ok(set(&[0, 1, 2, 3, 4])));
    for wrong in ["US", "USA", "venus"] {
        let words = process(&rule(&["any"], &[wrong])).expect_err(wrong);
        assert!(words.contains(&format!("there is no area `{wrong}`")), "{words}");
    }
    // Served in frankfurt alone, whose provider is bound.
    let words = process(&rule(&["de"], &["us"])).expect_err("nobody");
    assert!(words.contains("the law of `us` binds the provider"), "{words}");
}

#[test]
fn the_draws_have_both_kinds() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let drawn = (0..300).map(|_| rule().new_tree(&mut runner).unwrap().current());
    let served = drawn.filter(|rule| holds(rule).expect("holds")).count();
    assert!((50..=250).contains(&served), "{served} of 300 can be served");
}

fn european(set: &[&str]) -> Result<Plan, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let text = std::fs::read_to_string(folder.join("residency-eu.toml")).expect("a scenario");
    let set: Vec<String> = set.iter().map(|&set| set.to_owned()).collect();
    parse("residency-eu.toml", &text, &folder, "residency-eu", &set).map_err(|found| found.render(false))
}

/// What is wrong, what the message says, and a next step that it says.
#[test]
fn advice_works_when_it_is_followed() {
    let cases: [(&[&str], &[&str], &[&str]); 12] = [
        (
            &[r#"residency.eu.cache_in=["us"]"#],
            &[
                "`frankfurt`, `paris` may process it, and none of them is in this set",
                "`cache_in = […, \"frankfurt\"]`",
            ],
            &[r#"residency.eu.cache_in=["us", "frankfurt"]"#],
        ),
        (
            &[r#"residency.eu.store_in=["br"]"#],
            &[
                "`frankfurt`, `paris` may process it, and none of them is in this set",
                "`store_in = […, \"frankfurt\"]`",
            ],
            &[r#"residency.eu.store_in=["br", "frankfurt"]"#],
        ),
        // Both: the step names all that one region needs.
        (
            &[r#"residency.eu.cache_in=["us"]"#, r#"residency.eu.store_in=["br"]"#],
            &["`cache_in = […, \"frankfurt\"]` and `store_in = […, \"frankfurt\"]`"],
            &[r#"residency.eu.cache_in=["us", "frankfurt"]"#, r#"residency.eu.store_in=["br", "frankfurt"]"#],
        ),
        // Where process_in alone keeps out what all others let in.
        (
            &[r#"residency.eu.process_in=["jp"]"#, r#"residency.eu.cache_in=["frankfurt"]"#],
            &["no region with a pool is in this set", "`process_in = […, \"frankfurt\"]`"],
            &[r#"residency.eu.process_in=["jp", "frankfurt"]"#, r#"residency.eu.cache_in=["frankfurt"]"#],
        ),
        (
            &[r#"residency.eu.index_in=["br"]"#],
            &["where policy `gorgo` may keep no index of it", "`index_in = […, \"frankfurt\"]`"],
            &[r#"residency.eu.index_in=["br", "frankfurt"]"#],
        ),
        (
            &[r#"residency.eu.index_in=["us"]"#],
            &["may keep no index of it", "`index_in = […, \"frankfurt\"]`"],
            &[r#"residency.eu.index_in=["us", "frankfurt"]"#],
        ),
        (
            &[r#"residency.eu.not_under=["us"]"#],
            &[
                "it takes out `frankfurt`, `paris`: the law of `us` binds the provider",
                "the provider of `frankfurt` is under the law of `us`",
                "give `[regions.frankfurt]` a `provider_jurisdiction` without it",
            ],
            &[r#"residency.eu.not_under=["us"]"#, r#"regions.frankfurt.provider_jurisdiction=["de"]"#],
        ),
        (
            &[r#"residency.eu.not_under=["us"]"#],
            &["leave `us` out of `not_under`"],
            &["residency.eu.not_under=[]"],
        ),
        (&[r#"residency.eu.not_under=["US"]"#], &["did you mean `us`?"], &["residency.eu.not_under=[]"]),
        // Its gateway may not read it, nor send it on.
        (
            &[r#"origins.europe.near="london""#],
            &["`decrypt_in = […, \"london\"]` and `transit_via = […, \"london\"]`"],
            &[
                r#"origins.europe.near="london""#,
                r#"residency.eu.decrypt_in=["eea", "london"]"#,
                r#"residency.eu.transit_via=["eea", "london"]"#,
                r#"residency.eu.index_in=["eea", "london"]"#,
            ],
        ),
        (
            &[r#"workloads.main.allowed_regions=["us"]"#],
            &["must be allowed in a region that may serve it", "add one that may: `frankfurt`, `paris`"],
            &[r#"workloads.main.allowed_regions=["us", "paris"]"#],
        ),
        // It may be processed there, and not be cached.
        (
            &[r#"workloads.main.allowed_regions=["us", "paris"]"#, r#"residency.eu.cache_in=["frankfurt"]"#],
            &["must be allowed in a region that may serve it", "add one that may: `frankfurt`;"],
            &[
                r#"workloads.main.allowed_regions=["us", "frankfurt"]"#,
                r#"residency.eu.cache_in=["frankfurt"]"#,
            ],
        ),
    ];
    for (wrong, says, right) in cases {
        let words = european(wrong).expect_err("a mistake");
        for say in says {
            assert!(words.contains(say), "{say}\n{words}");
        }
        if let Err(words) = european(right) {
            panic!("{right:?} still fails:\n{words}");
        }
    }
}

/// `eu` is a region here and an area with a second one: the advice says which it means.
#[test]
fn advice_names_a_region_that_is_also_an_area() {
    let text = r#"
[models.chat]
preset = "llama-3.1-8b"
[regions.eu]
location = "aws:eu-central-1"
pools.main = { model = "chat", gpu = "h100-sxm", replicas = 1 }
[regions.paris]
location = "aws:eu-west-3"
[residency.strict]
process_in = ["eea"]
cache_in = ["paris"]
[workloads.main.synthetic]
sessions_per_s = 1.0
requests = 10
"#;
    let read = |text: &str| parse("t", text, Path::new("."), "t", &[]).map_err(|found| found.render(false));
    let words = read(text).expect_err("cached where nobody serves");
    assert!(words.contains(r#"`cache_in = […, "region:eu"]`"#), "{words}");
    read(&text.replace(r#"["paris"]"#, r#"["paris", "region:eu"]"#)).expect("the advice");
    read(&text.replace(r#"["paris"]"#, r#"["paris", "eu"]"#)).expect_err("a word with two meanings");
}

/// A class that gives way is served wherever the workload may go; one that nobody sends does not matter.
#[test]
fn allowed_regions_are_refused_only_for_what_comes() {
    let us = r#"workloads.main.allowed_regions=["us"]"#;
    for more in [
        "residency.eu.mode=preferred",
        "origins.europe.weight=0",
        "workloads.main.origin=america",
        "workloads.main.data_class=unrestricted",
    ] {
        european(&[us, more]).unwrap_or_else(|words| panic!("{more}: {words}"));
    }
    for more in ["workloads.main.origin=europe", "workloads.main.data_class=eu"] {
        european(&[us, more]).expect_err(more);
    }
    let away = [r#"workloads.main.allowed_regions=["ap"]"#, "residency.eu.mode=required"];
    assert!(
        !european(&away).expect_err("no such region").contains("must be allowed in"),
        "one message is enough"
    );
}

#[test]
fn an_event_after_the_horizon_is_told() {
    let event = r#"events=[{ at = "20m", region = "us", kind = "down" }]"#;
    let late = |horizon: &str| -> Vec<String> {
        let plan = european(&[event, horizon]).expect("a scenario");
        let notices = plan.notices.items.iter().map(|item| item.title.clone());
        notices.filter(|title| title.contains("never happens")).collect()
    };
    assert_eq!(late("horizon=15m").len(), 1);
    // Requests that arrive at the horizon itself are not looked at either.
    assert_eq!(late("horizon=20m").len(), 1);
    assert!(late("horizon=21m").is_empty());
}
