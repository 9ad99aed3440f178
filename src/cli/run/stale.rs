//! What an earlier run has left in the folder of this one. Knows the manifest that stands there; must not touch a file
//! that it does not list, or one outside the folder.

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

/// Removes the files that the manifest in `top` lists and that are not among `files`, both relative to `top`, and the
/// folders that this empties. Without a manifest of ours nothing is removed.
///
/// # Errors
/// A file that cannot be removed, by name: results of two runs would stand side by side.
pub(super) fn remove(top: &Path, files: &[String]) -> io::Result<()> {
    let Ok(text) = fs::read(top.join("manifest.json")) else { return Ok(()) };
    let Ok(earlier) = serde_json::from_slice::<Earlier>(&text) else { return Ok(()) };
    if !earlier.tool.starts_with("regionsim ") {
        return Ok(());
    }
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
        remove(&top, &["summary.json".to_owned(), "c/requests.csv".to_owned()]).unwrap();
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
            remove(&found.path().join("top"), &[]).unwrap();
            assert!(found.path().join("top/summary.json").exists(), "{manifest}");
        }
    }
}
