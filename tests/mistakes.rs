//! Every file in `tests/mistakes` has the mistake it is named after; its message is a snapshot beside it. A first line
//! `# --set …` is an override. After a change of words: `INSTA_UPDATE=always cargo test --test mistakes`, and read.

use regionsim::scenario::{Severity, parse};
use std::path::Path;

fn files() -> Vec<std::path::PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mistakes");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("tests/mistakes")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    files.sort();
    files
}

#[test]
fn every_mistake_is_told_with_place_rule_and_next_step() {
    let files = files();
    assert!(files.len() >= 30, "{} files", files.len());
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("mistakes");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for path in files {
        let text = std::fs::read_to_string(&path).expect("a text");
        let overrides: Vec<String> = text
            .lines()
            .take_while(|line| line.starts_with("# --set "))
            .map(|line| line["# --set ".len()..].to_owned())
            .collect();
        let stem = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let file = format!("{stem}.toml");
        let found = parse(&file, &text, Path::new("tests/mistakes"), &stem, &overrides).expect_err(&stem);
        assert!(found.errors() >= 1, "{stem}");
        for item in found.items.iter().filter(|item| item.severity == Severity::Error) {
            assert!(!item.help.is_empty(), "{stem}: no next step for {}", item.title);
            assert!(item.place.is_some() || stem.starts_with("set-"), "{stem}: no place for {}", item.title);
        }
        settings.bind(|| insta::assert_snapshot!(stem.as_str(), found.render(false)));
    }
}

#[test]
fn several_mistakes_are_told_in_one_go() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mistakes/several-at-once.toml");
    let text = std::fs::read_to_string(path).expect("a text");
    let found = parse("several", &text, Path::new("."), "several", &[]).expect_err("mistakes");
    assert_eq!(found.errors(), 8, "{found}");
}
