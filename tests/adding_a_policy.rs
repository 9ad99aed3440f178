//! The guide for adding a policy tells the truth: it quotes the example that is compiled and tested in
//! `src/routing.rs`, and the files it names are there.

use std::fs;
use std::path::Path;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_guide_quotes_the_example_that_is_compiled() {
    let (guide, example) = (read("docs/policies/ADDING.md"), read("docs/policies/adding/most_free_kv.rs"));
    assert!(guide.contains(&format!("```rust\n{example}```\n")), "the guide quotes another version");
    assert!(read("src/routing.rs").contains("#[path = \"../docs/policies/adding/most_free_kv.rs\"]"));
}

#[test]
fn the_lines_of_the_guide_look_like_those_that_are_there() {
    // The example's lines with another policy's names in them must be in the sources.
    let guide = read("docs/policies/ADDING.md");
    let line = |start: &str| guide.lines().find(|line| line.trim_start().starts_with(start)).expect("a line");
    let as_least_load =
        |line: &str| line.replace("MostFreeKv", "LeastLoad").replace("most_free_kv", "least_load");
    let built = as_least_load(line("MostFreeKv \"most_free_kv\""));
    assert!(read("src/routing/spec.rs").lines().any(|line| line == built), "{built}");
    let listed = as_least_load(line("line(\"most_free_kv\""));
    let (head, tail) = (listed.split(", \"").next().unwrap(), listed.rsplit(", ").next().unwrap());
    let registry = read("src/routing/registry.rs");
    assert!(registry.lines().any(|line| line.starts_with(head) && line.ends_with(tail)), "{head} … {tail}");
}

#[test]
fn the_files_that_the_guide_names_are_there() {
    let guide = read("docs/policies/ADDING.md");
    let named = guide.split('`').filter(|text| {
        (text.starts_with("src/") || text.starts_with("tests/"))
            && text.contains('.')
            && !text.contains("most_free_kv")
    });
    let named: Vec<&str> = named.collect();
    assert!(named.len() >= 9, "{named:?}");
    for path in named {
        assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(path).exists(), "{path}");
    }
}
