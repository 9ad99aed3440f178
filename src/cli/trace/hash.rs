//! `trace hash`: prompts to block ids, so that a trace can leave the house without them.

use super::super::exit::{Exit, Failure};
use super::output::{LEVEL, Output};
use super::reading::Reading;
use super::{Outcome, terminal};
use crate::workload::hash_prompts::{HashOptions, hash_prompts};
use crate::workload::tokenizer::Tokenizer;
use crate::workload::write::write_native;
use anyhow::anyhow;
use std::path::PathBuf;

/// Turn JSON lines with prompts into a native trace of lengths and block ids. No text is written, ever.
///
/// A line has `prompt` (text) or `messages` (a chat) beside its time; its tokens are counted by the model's tokenizer, if
/// its file is given, else estimated from bytes. Without a salt, blocks are numbered in order of appearance. With one, files hashed with the same salt
/// share blocks; who knows the salt can try texts against them, so keep it like a password.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  regionsim trace hash gateway.jsonl.gz --out gateway-hashed.jsonl.zst
  regionsim trace hash gateway.jsonl --columns time=ts,tenant=org --bytes-per-token 5
  regionsim trace hash gateway.jsonl --salt-file salt.txt --out monday.jsonl.zst")]
pub struct Args {
    /// The prompts, JSON lines; `-` is stdin.
    input: String,
    /// The file, compressed if its name ends in .zst or .gz; `-` is stdout.
    #[arg(long, default_value = "-", value_name = "FILE")]
    out: String,
    /// Bytes of text that count as a token.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
    bytes_per_token: u32,
    /// The model's tokenizer.json: tokens are counted, not estimated (needs the feature `tokenizer`).
    #[arg(long, value_name = "FILE", conflicts_with = "bytes_per_token")]
    tokenizer: Option<PathBuf>,
    /// A file whose content is the salt (without line ends), so that it does not stand in the shell's history.
    #[arg(long, value_name = "FILE")]
    salt_file: Option<PathBuf>,
    #[command(flatten)]
    reading: Reading,
}

/// Runs `trace hash`.
pub fn run(args: &Args) -> Outcome {
    let salt = args.salt_file.as_deref().map(std::fs::read_to_string).transpose();
    let salt = salt.map_err(|error| Failure::usage(anyhow!("the salt's file cannot be read: {error}")))?;
    let salt = salt.map(|salt| salt.trim_end_matches(['\r', '\n']).to_owned());
    if salt.as_ref().is_some_and(String::is_empty) {
        return Err(Failure::usage(anyhow!("the salt's file is empty: write some random words into it")));
    }
    let tokenizer = args.tokenizer.as_deref().map(Tokenizer::read).transpose();
    let tokenizer = tokenizer.map_err(|error| Failure::usage(anyhow!("{error}")))?;
    let counted = tokenizer.is_some();
    let mut out = Output::open(&args.out, LEVEL)?;
    let usual = HashOptions::default();
    let options = HashOptions {
        block_tokens: args.reading.block_tokens.unwrap_or(usual.block_tokens),
        bytes_per_token: args.bytes_per_token,
        tokenizer,
        salt,
    };
    let (lines, path) = Reading::open(&args.input)?;
    let hashed = hash_prompts(lines, &path, &args.reading.options(), &options);
    let (data, hashed) = hashed.map_err(Failure::usage)?;
    Reading::tell(&data);
    write_native(&data, "regionsim trace hash", &mut out)?;
    out.finish()?;
    terminal::note(&format!(
        "{} requests, {} distinct blocks of {} tokens",
        data.rows.len(),
        hashed.distinct_blocks,
        options.block_tokens
    ));
    if hashed.told_tokens > 0 && counted {
        let share = hashed.counted_tokens as f64 / hashed.told_tokens as f64;
        terminal::note(&format!(
            "the tokenizer counts {share:.3} of the tokens that lines tell: near 1 if it is the model's own"
        ));
    } else if hashed.told_tokens > 0 {
        let rate = hashed.told_bytes as f64 / hashed.told_tokens as f64;
        terminal::note(&format!(
            "where lines tell their tokens, a token has {rate:.2} bytes: blocks were cut at {} a token",
            options.bytes_per_token
        ));
    }
    Ok(Exit::Ok)
}
