//! A compiled chain shares exactly what the trace shares.

use super::read;
use crate::dist::Dist;
use crate::rng::mix2;
use crate::workload::trace::CompiledTrace;
use crate::workload::{Chain, SharedPrefix, SyntheticParams, Tokens, Until, generate_trace};
use proptest::prelude::*;
use std::fmt::Write;

fn chains(trace: &CompiledTrace) -> Vec<(u32, u32, Vec<u64>)> {
    (0..trace.summary().requests as u32)
        .map(|index| {
            let row = trace.row(index);
            let mut chain = Chain::new();
            trace.runs_of(row).iter().for_each(|&run| chain.push(run));
            (row.row.input, row.row.output, chain.ids(chain.blocks()).collect())
        })
        .collect()
}

fn common(a: &[u64], b: &[u64]) -> usize {
    a.iter().zip(b).take_while(|(x, y)| x == y).count()
}

/// A prompt as a string of letters: its blocks' ids are made of the whole text before them.
fn ids(prompt: &[u8], block: usize) -> Vec<u64> {
    let end = |i: usize| (i * block).min(prompt.len());
    let hash = |text: &[u8]| text.iter().fold(text.len() as u64, |h, &letter| mix2(h, letter as u64));
    (1..=prompt.len().div_ceil(block)).map(|i| hash(&prompt[..end(i)])).collect()
}

/// Prompts of two letters, each a cut of an earlier one with something added: a random tree of prefixes.
fn prompts() -> impl Strategy<Value = Vec<(Vec<u8>, u32)>> {
    let piece = proptest::collection::vec(0u8..2, 1..150);
    proptest::collection::vec((any::<prop::sample::Index>(), 0usize..200, piece, 1u32..120), 2..12).prop_map(
        |parts| {
            let mut prompts: Vec<(Vec<u8>, u32)> = Vec::new();
            for (parent, cut, piece, output) in parts {
                let mut prompt = match prompts.len() {
                    0 => Vec::new(),
                    count => prompts[parent.index(count)].0.clone(),
                };
                prompt.truncate(cut);
                prompt.extend(piece);
                prompts.push((prompt, output));
            }
            prompts
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn of_ids(prompts in prompts()) {
        for (file, engine) in [(16usize, 16usize), (32, 8), (64, 16), (8, 32), (4, 64), (1, 16), (16, 1)] {
            let mut text = format!("{{\"regionsim_trace\":1,\"block_tokens\":{file}}}\n");
            for (prompt, output) in &prompts {
                let ids = ids(prompt, file);
                writeln!(text, "{{\"t_ns\":0,\"in\":{},\"out\":{output},\"ids\":{ids:?}}}", prompt.len()).unwrap();
            }
            let data = read(text.as_bytes()).map_err(|e| TestCaseError::fail(e.to_string()))?;
            let compiled = chains(&CompiledTrace::compile(&data, engine as u32).unwrap());
            for (i, (prompt, output)) in prompts.iter().enumerate() {
                prop_assert_eq!(compiled[i].2.len(), (prompt.len() + *output as usize) / engine);
                for (j, (other, _)) in prompts.iter().enumerate().skip(i + 1) {
                    // What the file tells: whole equal file blocks, within both prompts, in whole engine blocks.
                    let told = common(&ids(prompt, file), &ids(other, file)) * file;
                    let want = told.min(prompt.len()).min(other.len()) / engine;
                    let got = common(&compiled[i].2, &compiled[j].2);
                    prop_assert_eq!(got, want, "{} into {}, requests {} and {}", file, engine, i, j);
                    let shared_anywhere = compiled[i].2.iter().filter(|id| compiled[j].2.contains(id)).count();
                    prop_assert_eq!(shared_anywhere, want, "a block is shared outside the common prefix");
                }
            }
        }
    }
}

#[test]
fn of_runs() {
    let shared = |count, tokens: Dist| {
        Some(SharedPrefix { count, tokens: Tokens::new(tokens, 400), zipf: 1.0, shared_as: None })
    };
    let params = SyntheticParams {
        until: Until::Requests(120),
        system: shared(3, Dist::Uniform { min: 20.0, max: 300.0 }),
        documents: shared(2, Dist::Uniform { min: 10.0, max: 90.0 }),
        turns: Dist::Geometric { mean: 3.0 },
        message: Tokens::new(Dist::Exponential { mean: 60.0 }, 500),
        later_message: Tokens::new(Dist::Exponential { mean: 30.0 }, 500),
        output: Tokens::new(Dist::Exponential { mean: 50.0 }, 500),
        ..SyntheticParams::default()
    };
    let mut text = Vec::new();
    generate_trace(&params, "x", &[], 8, 5, &mut text).unwrap();
    let data = read(&text).unwrap();
    let as_told = chains(&CompiledTrace::compile(&data, 8).unwrap());
    for engine in [1u32, 2, 4, 16, 40, 64] {
        let compiled = chains(&CompiledTrace::compile(&data, engine).unwrap());
        for i in 0..compiled.len() {
            assert_eq!(compiled[i].2.len() as u32, (compiled[i].0 + compiled[i].1) / engine);
            for j in i + 1..compiled.len() {
                let told = common(&as_told[i].2, &as_told[j].2) as u32 * 8;
                let got = common(&compiled[i].2, &compiled[j].2) as u32;
                assert_eq!(got, told / engine, "into {engine}, requests {i} and {j}");
            }
        }
    }
    let mut pairs_that_share = 0;
    for i in 0..as_told.len() {
        pairs_that_share +=
            (i + 1..as_told.len()).filter(|&j| common(&as_told[i].2, &as_told[j].2) > 0).count();
    }
    assert!(pairs_that_share > 1000, "the test must have something to see: {pairs_that_share}");
}

#[test]
fn by_hand() {
    // Blocks of 32 for an engine with 16. Request 0: 70 tokens, ids 1, 2 and a partial 3 (6 tokens: no engine
    // block); with 20 more there are 90/16 = 5 blocks, of which 70/16 = 4 are prompt.
    let text = br#"{"regionsim_trace":1,"block_tokens":32}
{"t_ns":0,"in":70,"out":20,"ids":[1,2,3]}
{"t_ns":1,"in":80,"out":1,"ids":[1,2,4]}"#;
    let data = read(text).unwrap();
    let compiled = chains(&CompiledTrace::compile(&data, 16).unwrap());
    assert_eq!((compiled[0].2.len(), compiled[1].2.len()), (5, 5));
    assert_eq!(common(&compiled[0].2, &compiled[1].2), 4);
    let errors = CompiledTrace::compile(&data, 24).unwrap_err().to_string();
    let want = "bad.jsonl: `block_tokens` is 32: the engine's blocks have 24 tokens, and neither size divides the \
                other. Set the engine's block size to a divisor or a multiple of the trace's";
    assert_eq!(errors, want);
}

#[test]
fn joined_runs_keep_different_blocks_apart() {
    // Engine block 0 ends with block 3 of run 1 in one request and with block 2 of it in the other.
    let text = br#"{"regionsim_trace":1,"block_tokens":4}
{"t_ns":0,"in":15,"out":1,"runs":[[3,0,3],[1,3,1]]}
{"t_ns":1,"in":15,"out":1,"runs":[[2,0,3],[1,2,1]]}"#;
    let compiled = chains(&CompiledTrace::compile(&read(text).unwrap(), 16).unwrap());
    assert_eq!((compiled[0].2.len(), compiled[1].2.len()), (1, 1));
    assert_ne!(compiled[0].2, compiled[1].2);
}

#[test]
fn layers_share_their_full_blocks_by_hand() {
    // One system prompt of 100 tokens and one document of 60: 160 tokens are ten blocks of 16, though 100 are six
    // and 60 are three. The system prompt alone: six.
    let layer =
        |tokens| Some(SharedPrefix { count: 1, tokens: Tokens::fixed(tokens), zipf: 0.0, shared_as: None });
    for (documents, want) in [(layer(60), 10), (None, 6)] {
        let params = SyntheticParams {
            until: Until::Requests(2),
            system: layer(100),
            documents,
            message: Tokens::fixed(500),
            ..SyntheticParams::default()
        };
        let mut text = Vec::new();
        generate_trace(&params, "x", &[], 16, 5, &mut text).unwrap();
        let compiled = chains(&CompiledTrace::compile(&read(&text).unwrap(), 16).unwrap());
        assert_eq!(common(&compiled[0].2, &compiled[1].2), want);
    }
}

#[test]
fn the_hash_is_of_what_rows_mean() {
    let hash = |text: &str| read(text.as_bytes()).unwrap().content_hash();
    let head = "{\"regionsim_trace\":1,\"block_tokens\":16}\n";
    let plain = hash(&format!("{head}{}", r#"{"t_ns":0,"in":40,"out":8,"ids":[1,2,3],"origin":"eu"}"#));
    assert_eq!(
        plain,
        hash(&format!("{head}\n {}\r\n", r#"{"origin":"eu", "ids":[1, 2, 3], "out":8,"in":40,"t_ns":0}"#))
    );
    for other in [
        r#"{"t_ns":1,"in":40,"out":8,"ids":[1,2,3],"origin":"eu"}"#,
        r#"{"t_ns":0,"in":41,"out":8,"ids":[1,2,3],"origin":"eu"}"#,
        r#"{"t_ns":0,"in":40,"out":8,"ids":[1,2],"origin":"eu"}"#,
        r#"{"t_ns":0,"in":40,"out":8,"ids":[1,2,3],"origin":"us"}"#,
        r#"{"t_ns":0,"in":40,"out":8,"ids":[1,2,3],"class":"eu"}"#,
        r#"{"t_ns":0,"in":40,"out":8,"ids":[1,2,3],"origin":"eu","priority":0}"#,
    ] {
        assert_ne!(plain, hash(&format!("{head}{other}")), "{other}");
    }
}
