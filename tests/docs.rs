//! The pages tell the truth: every ```console block of the documentation is run and compared, and every link between
//! pages leads somewhere.
//!
//! A block holds commands (`$ …`) and what they print. Commands are run in a folder with copies of `scenarios` and
//! `traces`; equal commands once. What follows must be stdout, or stdout and then stderr. A line that is `…` or `[...]`
//! stands for any number of lines, a line that ends in ` …` for any longer one. A ```toml block whose first line is
//! `# NAME.toml` is saved under that name. The picture of the README is drawn again. After a change: `REGIONSIM_UPDATE_DOCS=1 cargo test --test docs`, and read.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All pages, as paths from the root.
fn pages() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from("docs"), PathBuf::from("reports"), PathBuf::from("traces")];
    for entry in fs::read_dir(root()).expect("the root") {
        found.push(PathBuf::from(entry.expect("an entry").file_name()));
    }
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(root().join(&folder)) else { continue };
        for entry in entries {
            let entry = entry.expect("an entry");
            let path = folder.join(entry.file_name());
            if folder.starts_with("docs") && entry.path().is_dir() {
                folders.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    found.sort();
    found
}

/// What a command printed, and its exit code.
#[derive(Clone)]
struct Printed {
    stdout: String,
    stderr: String,
    code: i32,
}

/// The folder that commands run in, and what they have printed so far.
struct Desk {
    folder: tempfile::TempDir,
    printed: BTreeMap<String, Printed>,
    last_code: i32,
}

fn copy_all(from: &Path, to: &Path) {
    fs::create_dir(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy_all(&path, &to);
        } else {
            fs::copy(path, to).expect("a copy");
        }
    }
}

impl Desk {
    fn new() -> Desk {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["scenarios", "traces"] {
            copy_all(&root().join(name), &folder.path().join(name));
        }
        Desk { folder, printed: BTreeMap::new(), last_code: 0 }
    }

    fn save(&self, name: &str, text: &str) {
        let path = self.folder.path().join(name);
        if let Ok(before) = fs::read_to_string(&path) {
            assert_eq!(before, text, "two pages have different files of the name {name}");
        }
        fs::write(path, text).expect("a file");
    }

    /// The output of a line after `$ `: a regionsim command, with `| head -N` or not, `head -N FILE`, `cat FILE` or
    /// `echo $?`.
    fn run(&mut self, line: &str) -> Printed {
        if line == "echo $?" {
            return Printed { stdout: format!("{}\n", self.last_code), stderr: String::new(), code: 0 };
        }
        let (command, lines) = match line.split_once(" | head -") {
            Some((command, lines)) => (command, lines.trim().parse().expect("a number after head -")),
            None => (line, usize::MAX),
        };
        let mut words = words(command);
        let first = |text: &str, lines: usize| text.split_inclusive('\n').take(lines).collect::<String>();
        let mut printed = match words[0].as_str() {
            "head" | "cat" => {
                let file = fs::read_to_string(self.folder.path().join(words.last().expect("a file")));
                let file = file.unwrap_or_else(|error| panic!("`{line}`: {error}"));
                let lines = words[1].strip_prefix('-').map_or(usize::MAX, |n| n.parse().expect("a number"));
                Printed { stdout: first(&file, lines), stderr: String::new(), code: 0 }
            }
            "regionsim" | "cargo" => {
                let arguments = if words[0] == "cargo" {
                    let separator = words.iter().position(|word| word == "--").expect("cargo run -- …");
                    assert!(words[1] == "run", "`{line}`: only `cargo run` is known");
                    words.split_off(separator + 1)
                } else {
                    words.split_off(1)
                };
                self.regionsim(&arguments)
            }
            other => panic!("`{line}`: `{other}` is none of regionsim, cargo run, head, cat, echo $?"),
        };
        printed.stdout = first(&printed.stdout, lines);
        self.last_code = printed.code;
        printed
    }

    fn regionsim(&mut self, arguments: &[String]) -> Printed {
        let key = arguments.join("\0");
        if let Some(printed) = self.printed.get(&key) {
            return printed.clone();
        }
        let output = Command::new(env!("CARGO_BIN_EXE_regionsim"))
            .args(arguments)
            .current_dir(self.folder.path())
            .env("NO_COLOR", "1")
            .env("COLUMNS", "100")
            .env_remove("CLICOLOR_FORCE")
            .output()
            .expect("the program");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        let (stdout, stderr) = (text(output.stdout), text(output.stderr));
        let printed = Printed { stdout, stderr, code: output.status.code().expect("an exit code") };
        self.printed.insert(key, printed.clone());
        printed
    }
}

/// A command line's words; `'…'` and `"…"` hold words together.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    for c in line.chars() {
        match (quote, c) {
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), _) if c == open => quote = None,
            (None, ' ') => words.extend(Some(std::mem::take(&mut word)).filter(|word| !word.is_empty())),
            _ => word.push(c),
        }
    }
    words.extend(Some(word).filter(|word| !word.is_empty()));
    assert!(quote.is_none(), "`{line}`: an open quote");
    words
}

fn is_gap(line: &str) -> bool {
    matches!(line.trim(), "…" | "[...]")
}

fn line_fits(shown: &str, real: &str) -> bool {
    match shown.strip_suffix(" …") {
        Some(start) => real.starts_with(start),
        None => shown == real.trim_end(),
    }
}

/// Whether what a page shows is what was printed.
fn fits(shown: &[&str], real: &[&str]) -> bool {
    match (shown.split_first(), real.split_first()) {
        (None, None) => true,
        (Some((line, rest)), _) if is_gap(line) => (0..=real.len()).any(|skip| fits(rest, &real[skip..])),
        (Some((line, rest)), Some((first, others))) => line_fits(line, first) && fits(rest, others),
        _ => false,
    }
}

/// What the page should show instead: gaps between the first and the last lines, and cut lines, stay.
fn rewritten(shown: &[&str], printed: &Printed) -> Vec<String> {
    let speaks = |line: &&str| ["error", "warning", "note"].iter().any(|kind| line.starts_with(kind));
    let both = printed.code != 0 || printed.stdout.is_empty() || shown.iter().any(speaks);
    let real = if both { printed.stdout.clone() + &printed.stderr } else { printed.stdout.clone() };
    let real: Vec<&str> = real.lines().map(str::trim_end).collect();
    let (head, tail) = match (shown.iter().position(|l| is_gap(l)), shown.iter().rposition(|l| is_gap(l))) {
        (Some(first), Some(last)) if first + shown.len() - last - 1 < real.len() => {
            (first, shown.len() - last - 1)
        }
        _ => (real.len(), 0),
    };
    let cut = |index: Option<&&str>, line: &str| match index.and_then(|shown| shown.strip_suffix(" …")) {
        Some(start) => {
            let kept: String = line.chars().take(start.chars().count()).collect();
            format!("{} …", kept.trim_end())
        }
        None => line.to_string(),
    };
    let mut lines: Vec<String> =
        real[..head].iter().enumerate().map(|(i, line)| cut(shown.get(i), line)).collect();
    if head + tail < real.len() {
        lines.push("…".to_string());
        lines.extend(real[real.len() - tail..].iter().map(ToString::to_string));
    }
    lines
}

/// A page with its blocks run: the text as it should be, how many commands it has, and what did not fit.
fn checked(page: &Path, text: &str, desk: &mut Desk) -> (String, usize, Vec<String>) {
    let lines: Vec<&str> = text.lines().collect();
    let (mut out, mut commands, mut wrong) = (Vec::<String>::new(), 0, Vec::new());
    let mut at = 0;
    while at < lines.len() {
        out.push(lines[at].to_string());
        let fence = lines[at].trim();
        at += 1;
        let Some(language) = fence.strip_prefix("```") else { continue };
        let end = at + lines[at..].iter().position(|line| line.trim() == "```").expect("an end of the block");
        let block = &lines[at..end];
        let file = block.first().and_then(|line| line.strip_prefix("# ")).filter(|name| {
            Path::new(name).extension().is_some_and(|end| end == "toml")
                && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        });
        if let (true, Some(name)) = (language.starts_with("toml"), file) {
            desk.save(name, &(block.join("\n") + "\n"));
        }
        if language == "console" {
            assert!(block[0].starts_with("$ "), "{}:{at}: a block begins with `$ `", page.display());
            let starts: Vec<usize> = (0..block.len()).filter(|&i| block[i].starts_with("$ ")).collect();
            for (i, &start) in starts.iter().enumerate() {
                let shown = &block[start + 1..starts.get(i + 1).copied().unwrap_or(block.len())];
                let command = &block[start]["$ ".len()..];
                let printed = desk.run(command);
                commands += 1;
                let both = printed.stdout.clone() + &printed.stderr;
                // What went wrong must be shown; warnings beside a result may be.
                let alone = printed.code == 0 && !printed.stdout.is_empty();
                let alone: &str = if alone { &printed.stdout } else { &both };
                let real: [Vec<&str>; 2] = [alone.lines().collect(), both.lines().collect()];
                out.push(block[start].to_string());
                if real.iter().any(|real| fits(shown, real)) {
                    out.extend(shown.iter().map(ToString::to_string));
                } else {
                    let new = rewritten(shown, &printed);
                    wrong.push(difference(
                        &format!("{}:{}", page.display(), at + start + 1),
                        command,
                        shown,
                        &new,
                    ));
                    out.extend(new);
                }
            }
        } else {
            out.extend(block.iter().map(ToString::to_string));
        }
        out.push(lines[end].to_string());
        at = end + 1;
    }
    (out.join("\n") + "\n", commands, wrong)
}

/// The lines that differ, `-` what the page shows, `+` what is so.
fn difference(place: &str, command: &str, shown: &[&str], new: &[String]) -> String {
    let mut out = format!("{place}: $ {command}\n");
    let same = shown.iter().zip(new).take_while(|(a, b)| *a == b).count();
    let rest = (shown.len().min(new.len())) - same;
    let end = shown.iter().rev().zip(new.iter().rev()).take(rest).take_while(|(a, b)| *a == b).count();
    let _ = shown[same..shown.len() - end].iter().try_for_each(|line| writeln!(out, "  - {line}"));
    let _ = new[same..new.len() - end].iter().try_for_each(|line| writeln!(out, "  + {line}"));
    out
}

#[test]
fn every_console_block_shows_what_the_program_prints() {
    let update = std::env::var_os("REGIONSIM_UPDATE_DOCS").is_some();
    let (mut desk, mut total, mut wrong) = (Desk::new(), 0, Vec::new());
    for page in pages() {
        let text = fs::read_to_string(root().join(&page)).expect("a page");
        let (new, commands, differences) = checked(&page, &text, &mut desk);
        total += commands;
        if update && new != text {
            fs::write(root().join(&page), new).expect("a page");
        } else {
            wrong.extend(differences);
        }
    }
    assert!(total >= MIN_COMMANDS, "only {total} commands were found: are the blocks still read?");
    assert!(
        wrong.is_empty(),
        "the pages and the program differ (- page, + program); if the program is right: \
         REGIONSIM_UPDATE_DOCS=1 cargo test --test docs\n\n{}",
        wrong.join("\n")
    );
}

#[test]
fn the_picture_is_the_one_that_the_program_draws() {
    let mut desk = Desk::new();
    let printed = desk.run("regionsim run scenarios/three-regions.toml --plots -q");
    assert_eq!(printed.code, 0, "{}", printed.stderr);
    let drawn = fs::read_to_string(desk.folder.path().join("reports/three-regions/plots/ttft-cdf.svg"));
    let (drawn, kept) = (drawn.expect("a plot"), root().join("reports/examples/three-regions-ttft.svg"));
    if std::env::var_os("REGIONSIM_UPDATE_DOCS").is_some() {
        fs::write(kept, drawn).expect("a plot");
    } else {
        let same = fs::read_to_string(&kept).expect("a plot") == drawn;
        assert!(same, "{} is another: REGIONSIM_UPDATE_DOCS=1 cargo test --test docs", kept.display());
    }
}

/// Fewer commands than this on all pages together means that the test has stopped looking.
const MIN_COMMANDS: usize = 22;

#[test]
fn every_link_between_pages_leads_somewhere() {
    let mut found = 0;
    for page in pages() {
        let text = fs::read_to_string(root().join(&page)).expect("a page");
        for part in text.split("](").skip(1) {
            let target = part.split(')').next().unwrap_or_default();
            let target = target.split('#').next().unwrap_or_default();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            found += 1;
            let path = root().join(&page).parent().expect("a folder").join(target);
            assert!(path.exists(), "{}: there is no `{target}`", page.display());
        }
    }
    assert!(found >= 30, "only {found} links were found");
}

#[test]
fn shown_and_printed_are_compared_as_said() {
    assert!(fits(&["a", "…", "d"], &["a", "b", "c", "d"]));
    assert!(fits(&["a", "[...]"], &["a"]));
    assert!(fits(&["id,ke …"], &["id,key,origin"]));
    assert!(!fits(&["a", "…", "c"], &["a", "b", "d"]));
    assert!(!fits(&["a"], &["a", "b"]));
    assert!(!fits(&[], &["a"]));
    assert_eq!(words("run x --set 'a.\"b<->c\"=1 ms' -q"), ["run", "x", "--set", "a.\"b<->c\"=1 ms", "-q"]);
    let printed = Printed { stdout: "a\nb\nc\nd\n".to_string(), stderr: String::new(), code: 0 };
    assert_eq!(rewritten(&["A", "…", "D"], &printed), ["a", "…", "d"]);
    assert_eq!(rewritten(&["A"], &printed), ["a", "b", "c", "d"]);
    let (page, count, wrong) = {
        let text = "x\n```console\n$ regionsim nonsense\nfine\n$ echo $?\n2\n```\n";
        checked(Path::new("page.md"), text, &mut Desk::new())
    };
    assert!(page.starts_with("x\n```console\n$ regionsim nonsense\nerror: unrecognized"), "{page}");
    assert_eq!((count, wrong.len()), (2, 1), "the exit code was right: {wrong:?}");
    assert!(wrong[0].starts_with("page.md:3: $ regionsim nonsense\n  - fine\n  + error"), "{}", wrong[0]);
}
