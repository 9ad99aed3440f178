//! What an earlier run has left in the folder of this one. Knows the manifest that stands there; must not touch a file
//! that it does not list, or one outside the folder.

use crate::report::drawn;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::{Component, Path};
use std::{fs, io};

/// What is read of an earlier manifest: versions before may have had other fields.
#[derive(Deserialize)]
struct Earlier {
    tool: String,
    files: Vec<String>,
}

fn read(manifest: &Path) -> Option<Earlier> {
    let found: Earlier = serde_json::from_slice(&fs::read(manifest).ok()?).ok()?;
    found.tool.starts_with("regionsim ").then_some(found)
}

/// Removes the files that the manifest `earlier` lists and the manifest `now` does not, both relative to `top`, and the
/// folders that this empties; and what was drawn from the earlier files. Without a manifest of ours nothing else is removed.
///
/// # Errors
/// A file that cannot be removed, by name: results of two runs would stand side by side.
pub(super) fn remove(top: &Path, earlier: &Path, now: &Path) -> io::Result<()> {
    let files = read(now).map(|now| now.files).unwrap_or_default();
    // Pages and figures that were made afterwards stand in no manifest.
    drawn::remove(top, |file| files.iter().any(|kept| Path::new(kept) == file))?;
    let Some(earlier) = read(earlier) else { return Ok(()) };
    // Compared as they lie on the disk, which may not tell cases apart.
    let home = fs::canonicalize(top)?;
    let kept: BTreeSet<_> = files.iter().filter_map(|file| fs::canonicalize(top.join(file)).ok()).collect();
    for file in &earlier.files {
        let inside = Path::new(file).components().all(|part| matches!(part, Component::Normal(_)));
        let path = top.join(file);
        let plain = fs::symlink_metadata(&path).is_ok_and(|found| found.is_file());
        let Some(place) = fs::canonicalize(&path).ok().filter(|_| inside && plain) else { continue };
        if kept.contains(&place) || !place.starts_with(&home) {
            continue;
        }
        fs::remove_file(&place).map_err(|error| {
            let text = format!("cannot remove `{}` of an earlier run: {error}", path.display());
            io::Error::new(error.kind(), text)
        })?;
        // Only an empty folder can be removed; one that holds anything else stays.
        let folders = place.ancestors().skip(1).take_while(|folder| *folder != home);
        for folder in folders {
            if fs::remove_dir(folder).is_err() {
                break;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now(top: &Path, files: &str) -> std::path::PathBuf {
        let path = top.join("now.json");
        fs::write(&path, format!(r#"{{ "tool": "regionsim 0.0.1", "files": {files} }}"#)).unwrap();
        path
    }
    fn folder(manifest: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path().join("top");
        for file in
            ["a/requests.csv", "a/mine.txt", "b/seed-1/requests.csv", "summary.json", "../outside.csv"]
        {
            let path = top.join(file);
            fs::create_dir_all(top.join("a")).unwrap();
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        fs::write(top.join("manifest.json"), manifest).unwrap();
        folder
    }

    #[test]
    fn only_what_the_earlier_manifest_lists_goes() {
        let listed = r#"["a/requests.csv", "b/seed-1/requests.csv", "summary.json", "../outside.csv", "gone.csv", "a"]"#;
        let found = folder(&format!(r#"{{ "tool": "regionsim 0.0.1", "files": {listed} }}"#));
        let top = found.path().join("top");
        let now = now(&top, r#"["summary.json", "c/requests.csv"]"#);
        remove(&top, &top.join("manifest.json"), &now).unwrap();
        for (file, stands) in [
            ("a/requests.csv", false),
            ("a/mine.txt", true),
            ("b", false),
            ("summary.json", true),
            ("manifest.json", true),
            ("../outside.csv", true),
        ] {
            assert_eq!(top.join(file).exists(), stands, "{file}");
        }
    }

    #[test]
    fn a_manifest_of_others_removes_nothing() {
        for manifest in ["", "[]", r#"{ "tool": "other 1", "files": ["summary.json"] }"#] {
            let found = folder(manifest);
            let top = found.path().join("top");
            remove(&top, &top.join("manifest.json"), &now(&top, "[]")).unwrap();
            assert!(found.path().join("top/summary.json").exists(), "{manifest}");
        }
    }
}
