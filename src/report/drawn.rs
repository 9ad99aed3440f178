//! What was drawn from results that are gone: a page and figures outlive nothing that they show. Knows the marks that they bear;
//! must not touch a file without one.

use super::page::MARK;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The page's name in a folder of results.
pub const PAGE: &str = "report.html";
/// Where figures go in a folder of results.
pub const FIGURES: &str = "plots";
/// How much of a file is looked at: its mark stands in its first lines.
const LOOKED_AT: u64 = 4096;

fn begins_with_mark(path: &Path, mark: &str) -> bool {
    let plain = fs::symlink_metadata(path).is_ok_and(|found| found.is_file());
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LOOKED_AT).read_to_end(&mut head));
    plain && read.is_ok() && String::from_utf8_lossy(&head).contains(mark)
}

/// Removes the page and the figures that this program has drawn into a folder of results: these are about to be others. What
/// `keep` names (relative to the folder) stays, and so does every file of others. A picture goes with its SVG.
///
/// # Errors
/// A file that cannot be removed, by name: it would show what is no more.
pub fn remove(folder: &Path, keep: impl Fn(&Path) -> bool) -> io::Result<()> {
    let mut gone: Vec<PathBuf> = Vec::new();
    if begins_with_mark(&folder.join(PAGE), MARK) {
        gone.push(PAGE.into());
    }
    let figures = folder.join(FIGURES);
    for entry in fs::read_dir(&figures).into_iter().flatten().flatten() {
        let path = entry.path();
        let svg = path.extension().is_some_and(|extension| extension == "svg");
        if svg && begins_with_mark(&path, "class=\"rs\"") {
            let name = Path::new(FIGURES).join(entry.file_name());
            let picture = name.with_extension("png");
            gone.extend(folder.join(&picture).is_file().then_some(picture));
            gone.push(name);
        }
    }
    gone.sort();
    for name in gone.iter().filter(|name| !keep(name)) {
        let path = folder.join(name);
        fs::remove_file(&path).map_err(|error| {
            let text = format!("cannot remove `{}`, which shows earlier results: {error}", path.display());
            io::Error::new(error.kind(), text)
        })?;
    }
    if !gone.is_empty() {
        // Only an empty folder can be removed.
        let _ = fs::remove_dir(&figures);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_drawn_goes() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path();
        fs::create_dir(top.join(FIGURES)).unwrap();
        let write = |name: &str, text: &str| fs::write(top.join(name), text).unwrap();
        let page = format!("<meta {MARK}0.1.0\">");
        write("report.html", &page);
        write("other.html", &page);
        write("plots/kept.svg", "<svg class=\"rs\">");
        write("plots/old.svg", "<svg class=\"rs\">");
        write("plots/old.png", "picture");
        write("plots/mine.svg", "<svg>");
        write("plots/mine.png", "picture");
        remove(top, |name| name == Path::new("plots/kept.svg")).unwrap();
        let there = |name: &str| top.join(name).exists();
        assert!(!there("report.html") && !there("plots/old.svg") && !there("plots/old.png"));
        for name in ["other.html", "plots/kept.svg", "plots/mine.svg", "plots/mine.png"] {
            assert!(there(name), "{name}");
        }
        write("report.html", "<h1>Mine</h1>");
        remove(top, |_| false).unwrap();
        assert!(there("report.html") && !there("plots/kept.svg") && there("plots/mine.svg"));
        remove(&top.join("nowhere"), |_| false).unwrap();
    }
}
