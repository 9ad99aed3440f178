//! Real scenario files and traces, changed at random for as long as `FUZZ_SECONDS` says (20 where it says nothing),
//! for the nightly run: `cargo test --test fuzz -- --ignored`. Whatever comes out is answered: no panic, no hang, no
//! message without words. `FUZZ_SEED` starts from another seed; a failure names the seed and the number of its case,
//! and leaves the input in the folder for temporary files.

#![allow(clippy::print_stderr, clippy::disallowed_methods, clippy::format_push_string)]

use regionsim::rng::{Key, Stream};
use regionsim::scenario::parse;
use regionsim::workload::{CompiledTrace, ReadOptions, TraceFormat, read_trace};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The most that one input may take. The slowest good one takes a hundredth (our choice; debug builds and busy
/// machines included).
const CAP: Duration = Duration::from_secs(20);

/// What breaks readers: ends of number ranges, wrong kinds, characters of syntax and of terminals.
const TOKENS: [&str; 40] = [
    "0",
    "-1",
    "1e308",
    "1e-308",
    "-0.0",
    "nan",
    "inf",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "4294967295",
    "4294967296",
    "99999999999999999999999999999999999999",
    "0x7fffffffffffffff",
    "1_000_000_000_000",
    "\"\"",
    "\"any\"",
    "\"1e9d\"",
    "\"99999999999999999999s\"",
    "\"0s\"",
    "\"\\u0000\"",
    "true",
    "null",
    "[]",
    "{}",
    "[[",
    "]]",
    "{ a = 1, a = 2 }",
    "[regions]",
    "[[workloads]]",
    "\n",
    "\r\n",
    "\u{feff}",
    "\u{1b}[2J",
    "🦀",
    "\"",
    "'''",
    "#",
    ",",
];

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

/// A place in bytes where a word begins or ends, at or after a random one: tokens are swapped, not only bytes.
fn boundary(bytes: &[u8], stream: &mut Stream) -> usize {
    let from = stream.below(bytes.len() as u32 + 1) as usize;
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'.' || b == b'-' || b >= 0x80;
    (from..bytes.len()).find(|&at| at > 0 && word(bytes[at - 1]) != word(bytes[at])).unwrap_or(bytes.len())
}

fn digits(bytes: &[u8], stream: &mut Stream) -> Option<std::ops::Range<usize>> {
    let from = stream.below(bytes.len().max(1) as u32) as usize;
    let start = (from..bytes.len()).find(|&at| bytes[at].is_ascii_digit())?;
    let end = (start..bytes.len()).find(|&at| !bytes[at].is_ascii_digit()).unwrap_or(bytes.len());
    Some(start..end)
}

/// One change.
fn change(bytes: &mut Vec<u8>, stream: &mut Stream) {
    let below = |stream: &mut Stream, count: usize| stream.below(count.max(1) as u32) as usize;
    let token = TOKENS[below(stream, TOKENS.len())].as_bytes();
    match stream.below(10) {
        0 if !bytes.is_empty() => {
            let at = below(stream, bytes.len());
            bytes[at] ^= 1 << stream.below(8);
        }
        1 => {
            // Cut off, at either end.
            let at = below(stream, bytes.len());
            if stream.below(4) == 0 {
                bytes.drain(..at);
            } else {
                bytes.truncate(at);
            }
        }
        2 => {
            let at = boundary(bytes, stream);
            bytes.splice(at..at, token.iter().copied());
        }
        3 => {
            // A word for another: one of the list, or one from elsewhere in the file.
            let (from, to) = (boundary(bytes, stream), boundary(bytes, stream));
            let (from, to) = (from.min(to), from.max(to).min(from.min(to) + 24));
            let (start, end) = (boundary(bytes, stream), boundary(bytes, stream));
            let (start, end) = (start.min(end), start.max(end).min(start.min(end) + 24));
            let new = if stream.below(2) == 0 { token.to_vec() } else { bytes[start..end].to_vec() };
            bytes.splice(from..to, new);
        }
        4 | 5 => {
            // A number that is too large, too small or of another kind.
            let Some(range) = digits(bytes, stream) else { return };
            let old = bytes[range.clone()].to_vec();
            let new = match stream.below(4) {
                0 => token.to_vec(),
                1 => old.iter().chain(b"000000000").copied().collect(),
                2 => [b"-", &old[..]].concat(),
                _ => [&old[..], b".5e7"].concat(),
            };
            bytes.splice(range, new);
        }
        6 | 7 => {
            // A line twice, or in another place, or gone.
            let mut lines: Vec<&[u8]> = bytes.split(|&b| b == b'\n').collect();
            let (at, to) = (below(stream, lines.len()), below(stream, lines.len()));
            let line = lines[at];
            if stream.below(3) > 0 {
                lines.remove(at);
            }
            if stream.below(3) > 0 {
                lines.insert(to.min(lines.len()), line);
            }
            *bytes = lines.join(&b'\n');
        }
        8 => {
            let (from, to) = (boundary(bytes, stream), boundary(bytes, stream));
            let end = from.max(to).min(from.min(to) + 200);
            bytes.drain(from.min(to)..end);
        }
        _ => {
            let at = below(stream, bytes.len());
            let noise: Vec<u8> = (0..stream.below(30)).map(|_| stream.below(256) as u8).collect();
            bytes.splice(at..at, noise);
        }
    }
}

/// Where an input is kept that is being read.
fn kept(what: &str) -> PathBuf {
    std::env::temp_dir().join(format!("regionsim-fuzz-{what}-{}", std::process::id()))
}

/// Changes `seeds` and gives them to `read`, which says whether it made sense, until the time is over. A second thread
/// ends the process when one input takes too long.
fn fuzz(what: &str, seeds: &[Vec<u8>], read: impl Fn(&Path, &[u8]) -> bool) {
    assert!(!seeds.is_empty());
    let (seed, seconds) = (setting("FUZZ_SEED", 1), setting("FUZZ_SECONDS", 20));
    eprintln!("fuzz {what}: FUZZ_SEED={seed}, {seconds} s, {} files", seeds.len());
    let path = kept(what);
    let (since, over) = (Mutex::new((Instant::now(), 0u64)), AtomicBool::new(false));
    let (mut good, mut bad, mut slowest) = (0u64, 0u64, Duration::ZERO);
    let (since, over) = (&since, &over);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            while !over.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(100));
                let (began, case) = *since.lock().unwrap();
                if began.elapsed() > CAP && !over.load(Ordering::Relaxed) {
                    eprintln!(
                        "fuzz {what}: case {case} of FUZZ_SEED={seed} takes over {CAP:?}: {}",
                        kept(what).display()
                    );
                    std::process::abort();
                }
            }
        });
        let start = Instant::now();
        let mut case = 0u64;
        while start.elapsed() < Duration::from_secs(seconds) || case < 200 {
            let mut stream = Key::root(seed).named(what).at(case).stream();
            let mut bytes = seeds[stream.below(seeds.len() as u32) as usize].clone();
            for _ in 0..stream.below(6) {
                change(&mut bytes, &mut stream);
            }
            std::fs::write(&path, &bytes).expect("a folder for temporary files");
            *since.lock().unwrap() = (Instant::now(), case);
            let answer = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| read(&path, &bytes)));
            slowest = slowest.max(since.lock().unwrap().0.elapsed());
            match answer {
                Ok(true) => good += 1,
                Ok(false) => bad += 1,
                Err(panic) => {
                    over.store(true, Ordering::Relaxed);
                    eprintln!("fuzz {what}: case {case} of FUZZ_SEED={seed} panicked: {}", path.display());
                    std::panic::resume_unwind(panic);
                }
            }
            case += 1;
        }
        over.store(true, Ordering::Relaxed);
    });
    eprintln!("fuzz {what}: {good} made sense, {bad} did not; the slowest took {slowest:?}");
    std::fs::remove_file(path).expect("it was written");
    assert!(good > 0 && bad > 0, "both ends must be reached: {good} {bad}");
}

fn below(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)
}

fn files(folder: &str, extension: &str) -> Vec<Vec<u8>> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(below(folder))
        .unwrap_or_else(|error| panic!("{folder}: {error}"))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

#[test]
#[ignore = "as long as FUZZ_SECONDS: for the nightly run"]
fn fuzz_scenarios() {
    // The trace of `three-regions` is large and is another test's: name one that is not there.
    let plain = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().replace("../traces/", "").into_bytes();
    let mut seeds: Vec<Vec<u8>> = files("scenarios", "toml").into_iter().map(plain).collect();
    seeds.extend(
        files("tests/mistakes", "toml")
            .into_iter()
            .filter_map(|bytes| String::from_utf8(bytes).ok())
            .map(String::into_bytes),
    );
    fuzz("scenarios", &seeds, |_, bytes| {
        let text = String::from_utf8_lossy(bytes);
        match parse("x.toml", &text, Path::new("/nowhere"), "x", &[]) {
            Ok(plan) => !plan.to_json().is_empty() && plan.content_hash() != 0,
            Err(found) => {
                assert!(found.errors() > 0 && !found.render(true).is_empty());
                false
            }
        }
    });
}

#[test]
#[ignore = "as long as FUZZ_SECONDS: for the nightly run"]
fn fuzz_overrides() {
    let text = String::from_utf8(files("scenarios", "toml").swap_remove(3)).unwrap();
    let seeds = [
        "regions.us.pools.main.replicas=5",
        "origins.europe.data_class=unrestricted",
        "workloads.main.synthetic.message={ lognormal = { median = 120, sigma = 1.0 }, max = 8_000 }",
        "policies.chwbl.replica.chwbl.load_factor=1.5",
        "network.rtt.\"us<->frankfurt\"=95ms",
        "seed=7",
    ];
    let seeds: Vec<Vec<u8>> = seeds.iter().map(|set| set.as_bytes().to_vec()).collect();
    fuzz("overrides", &seeds, |_, bytes| {
        let set = String::from_utf8_lossy(bytes).into_owned();
        match parse("x.toml", &text, &below("scenarios"), "x", &[set]) {
            Ok(plan) => plan.content_hash() != 0,
            Err(found) => {
                assert!(found.errors() > 0 && !found.render(true).is_empty());
                false
            }
        }
    });
}

/// Reads and compiles for several block sizes.
fn reads(format: TraceFormat) -> impl Fn(&Path, &[u8]) -> bool {
    move |path, _| match read_trace(path, &ReadOptions { format, ..ReadOptions::default() }) {
        Err(errors) => {
            assert!(!errors.is_empty() && !errors.to_string().is_empty());
            false
        }
        Ok(data) => {
            for block in [1, 16, 64, 1_024] {
                if let Ok(trace) = CompiledTrace::compile(&data, block) {
                    assert_eq!(trace.summary().requests as usize, data.rows.len());
                }
            }
            true
        }
    }
}

/// The first lines of the trace that comes with the project.
fn native() -> Vec<u8> {
    let bytes = std::fs::read(below("traces/chat-3-regions.jsonl.zst")).expect("the project's trace");
    let whole = zstd::decode_all(&bytes[..]).expect("a whole file");
    let lines: Vec<&[u8]> = whole.split_inclusive(|&b| b == b'\n').take(60).collect();
    lines.concat()
}

fn mooncake() -> Vec<u8> {
    let mut text = String::new();
    let mut stream = Key::root(5).stream();
    let mut next = 100u64;
    for row in 0..40 {
        let blocks = 2 + stream.below(12);
        let own: Vec<String> = (0..blocks)
            .map(|i| if i == 0 { "0".to_owned() } else { (next + u64::from(i)).to_string() })
            .collect();
        next += 50;
        let (input, at) = (blocks * 512 - stream.below(500), row * 3_000);
        text += &format!(
            "{{\"timestamp\": {at}, \"input_length\": {input}, \"output_length\": {}, \"hash_ids\": [{}]}}\n",
            1 + stream.below(600),
            own.join(", ")
        );
    }
    text.into_bytes()
}

fn packed(bytes: &[u8]) -> [Vec<u8>; 2] {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(bytes).expect("in memory");
    [gzip.finish().expect("in memory"), zstd::encode_all(bytes, 3).expect("in memory")]
}

#[test]
#[ignore = "as long as FUZZ_SECONDS: for the nightly run"]
fn fuzz_native_traces() {
    fuzz("native", &[native()], reads(TraceFormat::Native));
}

#[test]
#[ignore = "as long as FUZZ_SECONDS: for the nightly run"]
fn fuzz_mooncake_traces() {
    fuzz("mooncake", &[mooncake()], reads(TraceFormat::Mooncake));
}

#[test]
#[ignore = "as long as FUZZ_SECONDS: for the nightly run"]
fn fuzz_compressed_traces_of_unknown_format() {
    let mut seeds = vec![native(), mooncake()];
    seeds.extend(packed(&native()));
    seeds.extend(packed(&mooncake()));
    fuzz("auto", &seeds, reads(TraceFormat::Auto));
}

#[test]
fn what_is_changed_is_good_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace");
    for (bytes, format) in [(native(), TraceFormat::Native), (mooncake(), TraceFormat::Mooncake)] {
        for bytes in packed(&bytes).into_iter().chain([bytes]) {
            std::fs::write(&path, &bytes).unwrap();
            assert!(reads(format)(&path, &bytes) && reads(TraceFormat::Auto)(&path, &bytes));
        }
    }
}
