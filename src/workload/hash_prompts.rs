//! Prompts to block ids, so that a trace can be told without its texts. Knows JSON lines with `prompt` (text) or
//! `messages` (a chat), and how to cut a text into tokens: by a tokenizer, if one is given, else every so many bytes. No
//! text goes out: blocks become numbers, sessions and tenants too.
//!
//! A prompt is cut into blocks; the id of a block stands for all of the prompt up to its end (a keyed SipHash of the
//! block's bytes or token ids and of the id before it). Without a salt ids are numbered in order of appearance, so that not even hashes
//! leave. With a salt they are the hashes themselves: files hashed with one salt share blocks, and who does not know it
//! cannot try texts against them.

use super::columns::usual;
use super::data::{MAX_TOKENS, TraceData};
use super::each_line::{each_line, line_finding};
use super::error::{TraceErrors, TraceFinding};
use super::open_file::Lines;
use super::options::ReadOptions;
use super::readers::telemetry::{Clock, Known, Mapping, People, Values, at_path, row};
use super::recorded::finish;
use super::siphash::SipKey;
use super::tokenizer::{Tokenizer, TokenizerError};
use rustc_hash::FxHashMap;
use serde_json::Value;
use std::path::Path;

/// How prompts are hashed.
#[derive(Clone, Debug)]
pub struct HashOptions {
    /// Tokens of a block (vLLM's 16).
    pub block_tokens: u32,
    /// UTF-8 bytes that are taken for a token (4: English prose under today's vocabularies; code has about 3, Chinese
    /// about 3 to 5).
    pub bytes_per_token: u32,
    /// The model's own tokenizer: then bytes do not matter.
    pub tokenizer: Option<Tokenizer>,
    /// A secret: ids are then the same for the same texts in every file hashed with it.
    pub salt: Option<String>,
}

impl Default for HashOptions {
    fn default() -> Self {
        HashOptions { block_tokens: 16, bytes_per_token: 4, tokenizer: None, salt: None }
    }
}

/// What was hashed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hashed {
    /// Bytes of prompts.
    pub bytes: u64,
    /// Prompt tokens, by the estimate or the tokenizer.
    pub estimated_tokens: u64,
    /// Bytes of the prompts whose tokens the file counts itself.
    pub told_bytes: u64,
    /// Those counts: `told_bytes / told_tokens` is the right number of bytes per token.
    pub told_tokens: u64,
    /// The tokens of the same prompts by the estimate or the tokenizer.
    pub counted_tokens: u64,
    /// Different blocks.
    pub distinct_blocks: u64,
}

/// Turns prompts into a trace with block ids, to be written with [`super::write::write_native`]. Beside `prompt` or
/// `messages` (and `system`, `tools`) a line has a time and output tokens or the answer (`completion`, `response`);
/// `options` maps columns as for telemetry.
pub fn hash_prompts(
    mut lines: Lines,
    path: &Path,
    options: &ReadOptions,
    hash: &HashOptions,
) -> Result<(TraceData, Hashed), TraceErrors> {
    let mut errors = TraceErrors::new(path);
    let bad = |field: &str, value: u32, rule: &str| {
        TraceErrors::one(path, TraceFinding::new(0, field, value, rule, "Leave it out for the default"))
    };
    if !(1..=65_536).contains(&hash.block_tokens) {
        return Err(bad("block_tokens", hash.block_tokens, "must lie in 1..=65536"));
    }
    if !(1..=64).contains(&hash.bytes_per_token) {
        return Err(bad("bytes_per_token", hash.bytes_per_token, "must lie in 1..=64"));
    }
    match lines.advance() {
        Err(error) => return Err(TraceErrors::one(path, line_finding(&lines, &error))),
        Ok(false) => {
            let rule = "there must be at least one prompt";
            let finding = TraceFinding::new(0, "file", "empty", rule, "Check how it was written");
            return Err(TraceErrors::one(path, finding));
        }
        Ok(true) => {}
    }
    let mut data = TraceData { format: "hashed", block_tokens: hash.block_tokens, ..TraceData::default() };
    if hash.salt.is_some() {
        "hashed".clone_into(&mut data.id_scope);
    }
    let mut hasher = Hasher::new(hash);
    let (mut mapping, mut clock) = (None::<Mapping>, Clock::new(options.time_unit));
    let (mut people, mut recorded, mut failed) = (People::default(), Vec::new(), 0u64);
    let mut missing = TraceErrors::new(path);
    each_line(&mut lines, options, &mut errors, |number, text| {
        let Ok(object @ Value::Object(_)) = serde_json::from_slice::<Value>(text) else {
            // Not shown: it may be a prompt.
            let (value, rule) = ("not one", "every line must be a JSON object");
            return Err(TraceFinding::new(number, "line", value, rule, "Correct or drop the line"));
        };
        if mapping.is_none() {
            let known =
                object.as_object().map(|object| object.keys().cloned().collect::<Vec<_>>().join(", "));
            let place = |name: &str| at_path(&object, name).map(|_| (name.to_owned(), 0));
            mapping =
                Mapping::find(options, &["time"], &known.unwrap_or_default(), number, place, &mut missing);
        }
        let Some(mapping) = &mapping else {
            let finding = missing.findings.first().cloned();
            missing = TraceErrors::new(path);
            return Err(finding.unwrap_or_else(|| {
                TraceFinding::new(
                    number,
                    "time",
                    "absent",
                    "every line must have it",
                    "Correct or drop the line",
                )
            }));
        };
        let prompt = prompt(number, &object)?;
        let refused = |error: TokenizerError| {
            let next = "Drop the line, or give the tokenizer of the model that served it";
            TraceFinding::new(number, "prompt", "not shown", error.to_string(), next)
        };
        let input = hasher.cut(&prompt).map_err(refused)?;
        if input > MAX_TOKENS {
            let rule = format!("a prompt has at most {MAX_TOKENS} tokens");
            return Err(TraceFinding::new(
                number,
                "prompt",
                format!("{input} tokens"),
                rule,
                "Drop the line",
            ));
        }
        let told = |key: &str| {
            let named = options.columns.get(key).into_iter().chain(usual(key).iter().copied());
            named.filter_map(|name| at_path(&object, name)).find_map(Value::as_u64)
        };
        let answer =
            ["completion", "response", "output_text"].iter().find_map(|name| object.get(name)?.as_str());
        let counted = answer.map(|answer| hasher.count(answer)).transpose().map_err(refused)?;
        let output = told("output").or(counted);
        let known = Known { input: Some(input), output: Some(output.unwrap_or(0)) };
        let told_input = told("input").filter(|&told| told > 0 && told <= MAX_TOKENS);
        let values = Values::Object(object);
        let Some(mut row) = row(number, mapping, &values, &mut clock, &mut people, &mut data, known)? else {
            failed += 1;
            return Ok(());
        };
        row.ids = Some(hasher.blocks(&mut data.ids));
        hasher.hashed.bytes += prompt.len() as u64;
        hasher.hashed.estimated_tokens += input;
        if let Some(told) = told_input {
            hasher.hashed.told_bytes += prompt.len() as u64;
            hasher.hashed.told_tokens += told;
            hasher.hashed.counted_tokens += input;
        }
        recorded.push(row);
        Ok(())
    });
    data.path = path.display().to_string();
    data.notices.extend(clock.notice());
    finish(recorded, clock.naive, failed, &mut data, options, &mut errors);
    if errors.is_empty() && data.rows.is_empty() {
        let first = errors.skipped.1.first().cloned();
        let rule = "there must be at least one prompt";
        let none = || TraceFinding::new(0, "file", "without prompts", rule, "Check how it was written");
        errors.push(first.unwrap_or_else(none));
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    data.notices.extend(errors.skipped_notice());
    Ok((data, hasher.hashed))
}

/// All that stands in a prompt, in the order in which a model sees it. Errors do not show what stands there.
fn prompt(number: u64, object: &Value) -> Result<String, TraceFinding> {
    let wrong = |field: &str, rule: &str| {
        let next = "Give `prompt` as text, or `messages` as a list of objects with `role` and `content`";
        Err(TraceFinding::new(number, field, "of another form", rule, next))
    };
    let mut text = String::new();
    match (object.get("messages"), object.get("prompt")) {
        (Some(Value::Array(messages)), _) => {
            // Tools and system prompt stand before the messages in every vendor's template.
            for head in ["tools", "system"] {
                if let Some(value) = object.get(head).filter(|value| !value.is_null()) {
                    write_sorted(value, &mut text);
                    text.push('\n');
                }
            }
            for message in messages {
                if !message.is_object() {
                    return wrong("messages", "every message must be an object");
                }
                write_sorted(message, &mut text);
                text.push('\n');
            }
        }
        (Some(_), _) => return wrong("messages", "must be a list of messages"),
        (None, Some(Value::String(prompt))) => text.push_str(prompt),
        (None, Some(_)) => return wrong("prompt", "must be text"),
        (None, None) => return wrong("prompt", "a line must have `prompt` or `messages`"),
    }
    if text.is_empty() {
        return wrong("prompt", "must not be empty");
    }
    Ok(text)
}

/// JSON with keys in order, so that equal messages are equal texts however they were written.
fn write_sorted(value: &Value, to: &mut String) {
    match value {
        Value::Object(object) => {
            let mut keys: Vec<&String> = object.keys().collect();
            keys.sort();
            to.push('{');
            for key in keys {
                to.push_str(key);
                to.push(':');
                write_sorted(&object[key], to);
                to.push(',');
            }
            to.push('}');
        }
        Value::Array(list) => {
            to.push('[');
            for value in list {
                write_sorted(value, to);
                to.push(',');
            }
            to.push(']');
        }
        Value::String(text) => to.push_str(text),
        other => to.push_str(&other.to_string()),
    }
}

struct Hasher {
    key: SipKey,
    salted: bool,
    tokenizer: Option<Tokenizer>,
    bytes_per_token: usize,
    block_bytes: usize,
    /// The prompt at hand: its bytes, or its tokens' ids in four bytes each.
    cut: Vec<u8>,
    /// Per hash, its number.
    numbers: FxHashMap<u64, u64>,
    hashed: Hashed,
}

impl Hasher {
    fn new(options: &HashOptions) -> Hasher {
        let bytes_per_token = match options.tokenizer {
            Some(_) => size_of::<u32>(),
            None => options.bytes_per_token as usize,
        };
        Hasher {
            tokenizer: options.tokenizer.clone(),
            cut: Vec::new(),
            key: SipKey::of(options.salt.as_deref().unwrap_or("")),
            salted: options.salt.is_some(),
            bytes_per_token,
            block_bytes: options.block_tokens as usize * bytes_per_token,
            numbers: FxHashMap::default(),
            hashed: Hashed::default(),
        }
    }
    /// How many tokens a text has.
    fn count(&self, text: &str) -> Result<u64, TokenizerError> {
        match &self.tokenizer {
            Some(tokenizer) => Ok(tokenizer.ids(text)?.len() as u64),
            None => Ok(text.len().div_ceil(self.bytes_per_token) as u64),
        }
    }
    /// Takes a prompt; returns how many tokens it has.
    fn cut(&mut self, prompt: &str) -> Result<u64, TokenizerError> {
        self.cut.clear();
        match &self.tokenizer {
            Some(tokenizer) => {
                self.cut.extend(tokenizer.ids(prompt)?.into_iter().flat_map(u32::to_le_bytes));
            }
            None => self.cut.extend_from_slice(prompt.as_bytes()),
        }
        Ok(self.cut.len().div_ceil(self.bytes_per_token) as u64)
    }
    /// Adds the ids of the blocks of the prompt at hand; the last block may be partial.
    fn blocks(&mut self, ids: &mut Vec<u64>) -> (usize, usize) {
        let (from, mut before) = (ids.len(), 0);
        for block in self.cut.chunks(self.block_bytes) {
            before = self.key.hash(before, block);
            let next = self.numbers.len() as u64;
            let number = *self.numbers.entry(before).or_insert(next);
            self.hashed.distinct_blocks = self.numbers.len() as u64;
            ids.push(if self.salted { before } else { number });
        }
        (from, ids.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::data::{Blocks, Start};
    use crate::workload::read::read_lines;
    use crate::workload::write::write_native;
    use std::io::Cursor;

    fn hash(text: &str, options: &HashOptions) -> Result<(TraceData, Hashed), TraceErrors> {
        let lines = Lines::from_reader(Cursor::new(text.as_bytes().to_vec())).unwrap();
        hash_prompts(lines, Path::new("log.jsonl"), &ReadOptions::default(), options)
    }

    fn ids(data: &TraceData, row: usize) -> &[u64] {
        let Blocks::Ids { from, to } = data.rows[row].blocks else { panic!("ids") };
        &data.ids[from..to]
    }

    /// 2,560 letters of a system prompt; words that must not be seen outside.
    fn log() -> String {
        let system = "Peregrine falcon. ".repeat(143)[..2_560].to_owned();
        let turn = |time: u32, session: &str, words: &str, answer: &str| {
            format!(
                "{{\"time\":{time},\"session_id\":\"{session}\",\"tenant\":\"Acme Gmbh\",\"prompt_tokens\":700,\
                 \"prompt\":\"{system}{words}\",\"completion\":\"{answer}\"}}\n"
            )
        };
        let rest = "x".repeat(64);
        turn(10, "walrus", &rest, "Albatross!")
            + &turn(11, "ostrich", "Narwhal in winter", "Yes.")
            + &turn(19, "walrus", &format!("{rest}Albatross!Why so?"), "Because.")
    }

    #[cfg(feature = "tokenizer")]
    #[test]
    fn a_tokenizer_counts_and_cuts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokenizer.json");
        let json = r#"{"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]}}"#;
        std::fs::write(&path, json).unwrap();
        let tokenizer = Some(Tokenizer::read(&path).unwrap());
        let options = HashOptions { block_tokens: 2, tokenizer, ..HashOptions::default() };
        let line = |time: u32, prompt: &str| {
            format!("{{\"time\":{time},\"prompt\":\"{prompt}\",\"completion\":\"abab\"}}\n")
        };
        // ab ab | a b·a is ab ab | ab a: four tokens; ab ab | a: three. The first block is the same, the second is not.
        let (data, _) = hash(&(line(1, "abababa") + &line(2, "ababa")), &options).unwrap();
        assert_eq!((data.rows[0].input, data.rows[1].input, data.rows[0].output), (4, 3, 2));
        assert_eq!((ids(&data, 0), ids(&data, 1)), (&[0, 1][..], &[0, 2][..]));
    }

    #[test]
    fn equal_beginnings_are_equal_blocks_and_no_text_goes_out() {
        for salt in [None, Some("secret".to_owned())] {
            let (data, hashed) =
                hash(&log(), &HashOptions { salt: salt.clone(), ..HashOptions::default() }).unwrap();
            // 2,560 bytes are 40 blocks of 64; the first prompt has one more, the second a partial one, the third the
            // first's 41 and a partial one of 17 bytes.
            assert_eq!((ids(&data, 0).len(), ids(&data, 1).len(), ids(&data, 2).len()), (41, 41, 42));
            assert_eq!(ids(&data, 0)[..40], ids(&data, 1)[..40]);
            assert_ne!(ids(&data, 0)[40], ids(&data, 1)[40]);
            assert_eq!(ids(&data, 0), &ids(&data, 2)[..41]);
            assert_eq!(hashed.distinct_blocks, 43);
            assert_eq!((data.rows[0].input, data.rows[1].input, data.rows[1].output), (656, 645, 1));
            assert_eq!(hashed.bytes, 2_624 + 2_577 + 2_641);
            assert_eq!((hashed.told_tokens, hashed.told_bytes), (2_100, hashed.bytes));
            assert_eq!((data.rows[2].session, data.rows[2].turn, data.rows[2].tenant), (1, 1, 1));
            assert_eq!(data.rows[2].start, Start::At(19_000_000_000));
            let mut out = Vec::new();
            write_native(&data, "hashed prompts", &mut out).unwrap();
            let text = String::from_utf8(out.clone()).unwrap().to_lowercase();
            for word in [
                "peregrine",
                "falcon",
                "walrus",
                "ostrich",
                "narwhal",
                "albatross",
                "acme",
                "because",
                "xxx",
                "secret",
            ] {
                assert!(!text.contains(word), "{word} went out");
            }
            // What is written is a trace: chained ids, every prompt covered.
            let lines = Lines::from_reader(Cursor::new(out)).unwrap();
            let again = read_lines(lines, Path::new("out"), &ReadOptions::default()).unwrap();
            assert_eq!(again.content_hash(), data.content_hash());
            if salt.is_none() {
                assert_eq!(ids(&data, 0)[..3], [0, 1, 2], "numbers in order of appearance");
            }
        }
    }

    #[test]
    fn a_salt_makes_ids_that_files_share_and_nobody_else_has() {
        let of = |salt: &str| {
            let options = HashOptions { salt: Some(salt.to_owned()), ..HashOptions::default() };
            ids(&hash(&log(), &options).unwrap().0, 0).to_vec()
        };
        assert_eq!(of("a"), of("a"));
        assert!(of("a").iter().all(|id| !of("b").contains(id)));
    }

    #[test]
    fn chats_grow_message_by_message() {
        let line = |time: u32, messages: &str| {
            format!(
                "{{\"time\":{time},\"system\":\"be brief\",\"output_tokens\":7,\"messages\":[{messages}]}}\n"
            )
        };
        let first = format!("{{\"role\":\"user\",\"content\":\"{}\"}}", "why ".repeat(60));
        let swapped = format!("{{\"content\":\"{}\",\"role\":\"user\"}}", "why ".repeat(60));
        let more = format!(
            "{swapped},{{\"role\":\"assistant\",\"content\":[{{\"type\":\"text\",\"text\":\"so\"}}]}}"
        );
        let (data, _) = hash(&(line(0, &first) + &line(1, &more)), &HashOptions::default()).unwrap();
        let whole = data.rows[0].input as usize / 16;
        assert!(whole >= 4);
        assert_eq!(ids(&data, 0)[..whole], ids(&data, 1)[..whole], "the order of keys does not count");
        assert_eq!(data.rows[0].output, 7);
    }

    #[test]
    fn mistakes_are_told_without_the_text() {
        for (line, field, word) in [
            ("{\"time\":0,\"secretive\":1}", "prompt", "`prompt` or `messages`"),
            ("{\"time\":0,\"prompt\":7777}", "prompt", "must be text"),
            ("{\"time\":0,\"prompt\":\"\"}", "prompt", "not be empty"),
            ("{\"time\":0,\"messages\":\"hushhush\"}", "messages", "list of messages"),
            ("{\"time\":0,\"messages\":[\"hushhush\"]}", "messages", "must be an object"),
            ("{\"prompt\":\"hushhush\"}", "columns.time", "needs it"),
            ("hushhush", "line", "JSON object"),
            ("[\"hushhush\"]", "line", "JSON object"),
            ("{\"time\":0,\"prompt\":\"hushhush\"", "line", "JSON object"),
            ("{\"time\":-1,\"prompt\":\"hushhush\",\"output_tokens\":1}", "time", "negative"),
            ("{\"time\":0,\"prompt\":\"hushhush\",\"output_tokens\":99999999}", "output_tokens", "1..="),
        ] {
            let errors = hash(line, &HashOptions::default()).unwrap_err();
            let said = errors.to_string();
            assert_eq!(errors.findings.len(), 1, "{said}");
            assert!(errors.findings[0].field == field && said.contains(word), "{said}");
            assert!(!said.contains("hushhush") && !said.contains("7777"), "{said}");
        }
        for options in [
            HashOptions { block_tokens: 0, ..HashOptions::default() },
            HashOptions { bytes_per_token: 0, ..HashOptions::default() },
        ] {
            assert!(hash(&log(), &options).is_err());
        }
    }
}
