//! The house stands: a module uses only floors below its own. Reads the sources as text; what it cannot see (a
//! macro that builds a path) it cannot hold.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Floor and step within the floor. A module may use a lower floor, or a lower step of its own floor.
const HOUSE: &[(&str, u32, u32)] = &[
    ("id", 0, 0),
    ("time", 0, 0),
    ("units", 0, 1),
    ("rng", 0, 0),
    ("digest", 0, 1),
    ("dist", 0, 1),
    ("stats", 0, 1),
    ("measure", 0, 2),
    ("engine", 1, 0),
    ("observe", 1, 0),
    ("catalog", 1, 0),
    // Chains of blocks are the word that caches speak, so `workload` lies a step below `kvcache`.
    ("network", 2, 0),
    ("timing", 2, 0),
    ("workload", 2, 0),
    ("cost", 2, 0),
    ("kvcache", 2, 1),
    ("replica", 3, 0),
    ("routing", 3, 0),
    ("fleet", 3, 0),
    ("world", 4, 0),
    ("scenario", 5, 0),
    ("calibrate", 6, 0),
    ("run", 6, 0),
    // A plan judges requests as runs do.
    ("plan", 6, 1),
    ("score", 6, 1),
    // Many cells are made of single ones.
    ("sweep", 6, 1),
    ("tune", 6, 1),
    ("report", 7, 0),
    // Verdicts are on summaries, which are the report's.
    ("gate", 7, 1),
    ("cli", 8, 0),
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The modules that follow `crate::` in `text`, both `crate::x` and `crate::{x::…, y::…}`.
fn uses(text: &str) -> BTreeSet<String> {
    let name = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut found = BTreeSet::new();
    for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
        for (at, _) in line.match_indices("crate::") {
            found.insert(name(&line[at + 7..]));
        }
    }
    for (at, _) in text.match_indices("crate::{") {
        let inner = &text[at + 8..];
        let mut depth = 0;
        let mut begins = true;
        for (offset, c) in inner.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => begins = true,
                c if depth == 0 && begins && c.is_alphabetic() => {
                    found.insert(name(&inner[offset..]));
                    begins = false;
                }
                _ => {}
            }
        }
    }
    found.retain(|name| !name.is_empty() && name.chars().next().unwrap().is_lowercase());
    found
}

fn module_of(path: &Path, root: &Path) -> String {
    let inside = path.strip_prefix(root).unwrap();
    let first = inside.components().next().unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

#[test]
fn a_module_uses_only_lower_floors() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let house: BTreeMap<&str, (u32, u32)> =
        HOUSE.iter().map(|&(name, floor, step)| (name, (floor, step))).collect();
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 40, "the sources were found: {}", files.len());
    let mut wrong = Vec::new();
    let mut arrows = 0;
    for path in &files {
        let module = module_of(path, &root);
        if module == "lib" || module == "main" {
            continue;
        }
        let Some(&own) = house.get(module.as_str()) else {
            wrong.push(format!("{}: `{module}` has no floor: give it one in HOUSE", path.display()));
            continue;
        };
        for used in uses(&fs::read_to_string(path).unwrap()) {
            if used == module {
                continue;
            }
            arrows += 1;
            match house.get(used.as_str()) {
                Some(&floor) if floor < own => {}
                Some(_) => wrong
                    .push(format!("{}: `{module}` may not use `{used}`: it stands no lower", path.display())),
                None => wrong.push(format!("{}: `crate::{used}` has no floor", path.display())),
            }
        }
    }
    assert!(arrows > 60, "the imports were found: {arrows}");
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn an_upward_import_is_seen_in_either_form() {
    let text =
        "use crate::world::World;\nuse crate::{id::Id, time::{SimTime, Span}, cli};\n// crate::ghost\n";
    let found: Vec<String> = uses(text).into_iter().collect();
    assert_eq!(found, ["cli", "id", "time", "world"]);
}

#[test]
fn files_are_rooms() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut lengths: Vec<(usize, PathBuf)> =
        files.into_iter().map(|path| (fs::read_to_string(&path).unwrap().lines().count(), path)).collect();
    lengths.sort();
    let median = lengths[lengths.len() / 2].0;
    assert!(median < 200, "median file length {median}");
    let long: Vec<_> = lengths.iter().filter(|(lines, _)| *lines > 800).collect();
    assert!(long.is_empty(), "over 800 lines: {long:?}");
}
