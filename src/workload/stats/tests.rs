//! Figures worked by hand, a slow twin for caches, and the published figures of real traces where those are at hand.

use super::super::data::{Blocks, Start, TraceData, TraceRow};
use super::super::{ReadOptions, Run, read_trace};
use super::*;
use crate::rng::Key;
use proptest::prelude::*;
use std::path::PathBuf;

const SECOND: u64 = 1_000_000_000;

fn at(seconds: u64, input: u32, output: u32) -> TraceRow {
    TraceRow { start: Start::At(seconds * SECOND), input, output, ..TraceRow::EMPTY }
}

fn trace(block_tokens: u32, rows: Vec<TraceRow>) -> TraceData {
    TraceData { block_tokens, rows, format: "native", ..TraceData::default() }
}

fn stats(data: &TraceData) -> TraceStats {
    trace_stats(data, &StatsOptions::default())
}

fn close(value: f64, expected: f64) {
    assert!((value - expected).abs() < 1e-9 * expected.abs().max(1.0), "{value} is not {expected}");
}

#[test]
fn arrivals_by_hand() {
    // At 0, 1, 1, 4, 121 s. Gaps 1, 0, 3, 117: mean 30.25, squares 1 + 0 + 9 + 13689 = 13699, over four 3424.75;
    // variance 3424.75 - 915.0625 = 2509.6875.
    let rows = [0, 1, 1, 4, 121].map(|s| at(s, 10, 1)).to_vec();
    let arrivals = stats(&trace(16, rows)).arrivals.unwrap();
    close(arrivals.span_s, 121.0);
    close(arrivals.mean_rate_per_s, 5.0 / 121.0);
    close(arrivals.gap_cv.unwrap(), 2509.6875f64.sqrt() / 30.25);
    close(arrivals.zero_gap_share, 0.25);
    close(arrivals.longest_gap_s, 117.0);
    // Whole minutes: [0, 60) has 4, [60, 120) none; mean 2, variance 4.
    close(arrivals.dispersion[2].index.unwrap(), 2.0);
    assert_eq!((arrivals.peak_minute, arrivals.peak_to_mean_minute), (Some(4), Some(2.0)));
    // Whole seconds 0..121: counts 1, 2, 0, 0, 1; mean 4/121, mean of squares 6/121.
    let mean = 4.0 / 121.0;
    close(arrivals.dispersion[0].index.unwrap(), (6.0 / 121.0 - mean * mean) / mean);
}

#[test]
fn few_arrivals_have_no_rate_and_one_instant_has_no_burstiness() {
    assert_eq!(stats(&trace(16, vec![at(3, 10, 1)])).arrivals, None);
    let arrivals = stats(&trace(16, vec![at(3, 10, 1); 4])).arrivals.unwrap();
    assert_eq!((arrivals.gap_cv, arrivals.peak_minute, arrivals.mean_rate_per_s), (None, None, 0.0));
    assert!(arrivals.dispersion.iter().all(|window| window.index.is_none()));
}

#[test]
fn lengths_and_correlation_by_hand() {
    let rows = [(10, 4), (20, 3), (30, 2), (40, 1)].map(|(input, output)| at(0, input, output)).to_vec();
    let all = stats(&trace(16, rows));
    // h = 3 * 0.9 = 2.7: 30 + 0.7 * 10.
    assert_eq!((all.input.p50, all.input.mean, all.input.max), (25.0, 25.0, 40));
    close(all.input.p90, 37.0);
    close(all.correlation.unwrap(), -1.0);
    assert_eq!((all.sessions, all.blocks), (None, None));
    assert_eq!(stats(&trace(16, vec![at(0, 5, 1), at(1, 5, 2)])).correlation, None);
}

/// Rows of blocks 10 tokens long, a second apart, with the last block partial or not.
fn chains(rows: &[(u32, &[u64])]) -> TraceData {
    let mut data = trace(10, Vec::new());
    for (second, (input, ids)) in rows.iter().enumerate() {
        let from = data.ids.len();
        data.ids.extend_from_slice(ids);
        let blocks = Blocks::Ids { from, to: data.ids.len() };
        data.rows.push(TraceRow { blocks, ..at(second as u64, *input, 1) });
    }
    data
}

#[test]
fn blocks_by_hand() {
    let data =
        chains(&[(25, &[1, 2, 3]), (30, &[1, 2, 4]), (20, &[7, 8]), (30, &[1, 2, 4]), (25, &[1, 2, 3])]);
    let options = StatsOptions { cache_tokens: vec![20, 30, 40, 60, 70] };
    let blocks = trace_stats(&data, &options).blocks.unwrap();
    assert_eq!((blocks.references, blocks.distinct), (14, 6));
    close(blocks.once_share, 2.0 / 6.0);
    // Without end: 0, 20, 0, 30, 25 (its last block is partial) of 130 tokens.
    close(blocks.hit_bound, 75.0 / 130.0);
    close(blocks.zero_hit_share, 2.0 / 5.0);
    // Stacks, youngest first, before each row: -, 123, 1243, 781243, 124783.
    // Row 1 finds 1 2 with 2 blocks. Row 3: 7 8 lie on 1 2 4: three blocks hold 1, four 1 2, five 1 2 4.
    // Row 4: 1 2 at 2 blocks; 3 lies below 1 2 4 7 8: six blocks.
    let shares = [20 + 20, 20 + 10 + 20, 20 + 20 + 20, 20 + 30 + 25, 75];
    for (point, tokens) in blocks.lru.iter().zip(shares) {
        close(point.hit_share, tokens as f64 / 130.0);
    }
    // Row 1 uses 1 2 again after a second, row 3 uses 1 2 4 after two, row 4 uses 1 2 after one and 3 after four:
    // 1 1 1 1 2 2 2 4.
    let reuse = blocks.reuse_s.unwrap();
    assert_eq!((blocks.universal, reuse.p10, reuse.p50, reuse.mean), (0, 1.0, 1.5, 14.0 / 8.0));
}

#[test]
fn reuse_in_time_leaves_universal_blocks_out() {
    // 201 rows of block 0; rows 3 and 13 share block 5: ten seconds.
    let ids: Vec<Vec<u64>> = (0..201).map(|n| vec![0, if n == 3 || n == 13 { 5 } else { 100 + n }]).collect();
    let data = chains(&ids.iter().map(|ids| (20, ids.as_slice())).collect::<Vec<_>>());
    let blocks = stats(&data).blocks.unwrap();
    let reuse = blocks.reuse_s.unwrap();
    assert_eq!(blocks.universal, 1);
    close(reuse.p10, 10.0);
    close(reuse.p99, 10.0);
}

#[test]
fn sessions_by_hand() {
    let row = |session: u64, turn: u32, start: Start, input: u32| {
        let blocks = Blocks::Unknown;
        TraceRow { start, input, blocks, session, turn, ..TraceRow::EMPTY }
    };
    let data = trace(
        16,
        vec![
            row(1, 0, Start::At(0), 100),
            row(1, 1, Start::After(2 * SECOND), 150),
            row(1, 2, Start::After(4 * SECOND), 134), // 10.7 % less: a reset
            row(1, 3, Start::After(6 * SECOND), 121), // 9.7 % less: none
            row(2, 0, Start::At(0), 300),
        ],
    );
    let all = stats(&data);
    assert_eq!((all.requests, all.closed_loop, all.arrivals.unwrap().timed), (5, 3, 2));
    let sessions = all.sessions.unwrap();
    assert_eq!((sessions.inferred, sessions.sessions, sessions.turns_max), (false, 2, 4));
    assert_eq!((sessions.turns.mean, sessions.first_input.mean), (2.5, 200.0));
    assert_eq!((sessions.growth.unwrap().p50, sessions.reset_share), (50.0, Some(1.0 / 3.0)));
    close(sessions.multi_turn_request_share, 0.8);
    close(sessions.wait_s.unwrap().p50, 4.0);
    assert!(sessions.survival.iter().all(|point| point.share == 0.0));
}

#[test]
fn lineage_follows_the_deepest_full_block() {
    // 401 singles, so that no block is in more than one row in a hundred.
    let mut rows: Vec<(u32, Vec<u64>)> = vec![
        (25, vec![1, 2, 3]),       // full: 1 2
        (38, vec![1, 2, 4, 5]),    // full: 1 2 4; continues the first
        (29, vec![1, 2, 6]),       // continues the first: its 2 is the deepest full block of the first row
        (50, vec![1, 2, 4, 7, 8]), // continues the second
        (15, vec![9, 10]),         // full: 9
        (25, vec![9, 11, 12]),     // 9 is a first block: no parent
    ];
    rows.extend((0..401).map(|n| (10, vec![1_000 + n])));
    let data = chains(&rows.iter().map(|(input, ids)| (*input, ids.as_slice())).collect::<Vec<_>>());
    let sessions = stats(&data).sessions.unwrap();
    assert!(sessions.inferred);
    assert_eq!((sessions.sessions, sessions.turns_max), (1 + 2 + 401, 4));
}

#[test]
fn shares_of_tenants_and_names() {
    let mut data = trace(16, Vec::new());
    data.names.origins = vec!["eu".into(), "us".into()];
    for n in 0..12u32 {
        let tenant = if n < 6 { 0 } else { n };
        let origin = (n < 9).then_some(u32::from(n >= 3));
        data.rows.push(TraceRow { tenant, origin, ..at(0, if tenant == 0 { 10 } else { 40 }, 1) });
    }
    let all = stats(&data);
    let tenants = all.tenants.unwrap();
    assert_eq!(tenants.count, 7);
    close(tenants.top_1, 0.5);
    close(tenants.top_5, 10.0 / 12.0);
    close(tenants.top_10_tokens, 1.0);
    let origins: Vec<(&str, f64)> =
        all.named.origins.iter().map(|share| (share.name.as_str(), share.requests)).collect();
    assert_eq!(origins, [("us", 0.5), ("", 0.25), ("eu", 0.25)]);
    assert_eq!(all.named.classes, []);
}

/// A cache of single blocks in a list: what the pass over segments must equal.
fn slow_lru(data: &TraceData, capacity: usize) -> u64 {
    let (mut stack, mut found): (Vec<u64>, u64) = (Vec::new(), 0);
    for row in &data.rows {
        let (ids, limit): (Vec<u64>, u64) = match row.blocks {
            Blocks::Ids { from, to } => {
                (data.ids[from..to].iter().map(|&id| id << 32).collect(), row.input as u64)
            }
            Blocks::Runs { from, to } => {
                let runs = data.runs[from..to].iter();
                let ids =
                    runs.flat_map(|run| (run.start..run.start + run.len).map(|j| run.key << 32 | j as u64));
                (ids.collect(), (row.input / data.block_tokens * data.block_tokens) as u64)
            }
            Blocks::Prompt { .. } | Blocks::Unknown => (Vec::new(), 0),
        };
        let hits = ids.iter().take_while(|&id| stack.contains(id)).count() as u64;
        found += (hits * data.block_tokens as u64).min(limit);
        for &id in ids.iter().rev() {
            stack.retain(|&other| other != id);
            stack.insert(0, id);
            stack.truncate(capacity);
        }
    }
    found
}

/// Sessions on one of two system prompts, whose prompts grow, fork and are cut back.
fn random_runs(seed: u64) -> TraceData {
    let mut stream = Key::root(seed).stream();
    let mut data = trace(10, Vec::new());
    for second in 0..40u64 {
        let from = data.runs.len();
        let system = stream.below(2);
        data.runs.push(Run { key: 1 + system as u64, start: 0, len: 2 + system });
        let session = stream.below(4);
        let own = 1 + stream.below(6);
        data.runs.push(Run { key: 10 + (system * 4 + session) as u64, start: 0, len: own });
        let blocks = 2 + system + own;
        let total = blocks * 10 + stream.below(10);
        let output = 1 + stream.below(15);
        let blocks = Blocks::Runs { from, to: data.runs.len() };
        data.rows.push(TraceRow { blocks, ..at(second, total - output, output) });
    }
    data
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn one_pass_over_segments_equals_a_cache_of_single_blocks(seed in 0u64..1_000_000) {
        let data = random_runs(seed);
        let sizes: Vec<u64> = (1..40).map(|blocks| blocks * 10).collect();
        let blocks = trace_stats(&data, &StatsOptions { cache_tokens: sizes }).blocks.unwrap();
        let prompts: u64 = data.rows.iter().map(|row| row.input as u64).sum();
        for point in &blocks.lru {
            let found = slow_lru(&data, point.blocks as usize);
            prop_assert_eq!(point.hit_share, found as f64 / prompts as f64, "{} blocks", point.blocks);
        }
        prop_assert_eq!(blocks.hit_bound, slow_lru(&data, usize::MAX) as f64 / prompts as f64);
    }
}

/// A file of real data; says so and gives nothing where it is absent.
#[allow(clippy::print_stderr)]
fn shared(path: &str) -> Option<TraceData> {
    let root = std::env::var_os("REGIONSIM_SHARED")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let path = root.join(path);
    if !path.exists() {
        eprintln!(
            "skipped: {} is absent (set REGIONSIM_SHARED to where the real traces are)",
            path.display()
        );
        return None;
    }
    Some(read_trace(&path, &ReadOptions::default()).expect("the trace is sound"))
}

/// A figure as it is published, with its digits.
fn shows(value: f64, decimals: usize, published: &str) {
    assert_eq!(format!("{value:.decimals$}"), published);
}

/// The figures of Azure's conversation trace of 2023, counted by another program from the published file.
#[test]
fn the_azure_conversation_trace_has_its_published_figures() {
    let Some(data) = shared("traces/azure-llm-2023/AzureLLMInferenceTrace_conv.csv.zst") else { return };
    let all = stats(&data);
    let arrivals = all.arrivals.unwrap();
    assert_eq!((all.requests, arrivals.timed), (19_366, 19_366));
    shows(arrivals.span_s, 0, "3502");
    shows(arrivals.mean_rate_per_s, 2, "5.53");
    shows(arrivals.gap_cv.unwrap(), 2, "1.09");
    let dispersion = arrivals.dispersion.iter().map(|window| format!("{:.2}", window.index.unwrap()));
    assert_eq!(dispersion.collect::<Vec<_>>(), ["1.39", "3.86", "16.13"]);
    shows(arrivals.peak_to_mean_minute.unwrap(), 2, "1.52");
    let input =
        [all.input.p50, all.input.p90, all.input.p99, all.input.mean].map(|tokens| format!("{tokens:.0}"));
    // The 90th percentile is told as 2,734 elsewhere: it is 2,734.5.
    assert_eq!(input, ["1020", "2734", "4142", "1155"]);
    let output = [all.output.p50, all.output.p90, all.output.p99, all.output.mean]
        .map(|tokens| format!("{tokens:.0}"));
    assert_eq!(output, ["129", "424", "601", "211"]);
    assert_eq!((all.input.max, all.output.max), (14_050, 1_000));
    assert_eq!((all.blocks, all.sessions), (None, None));
}

/// Twenty-five coding-agent sessions, counted by another program (nested lists walked with a set of ids a session).
#[test]
fn coding_agent_sessions_have_the_figures_of_another_count() {
    let Some(data) = shared("traces/agentic-coding-weka/sessions_small.jsonl.zst") else { return };
    let all = stats(&data);
    let sessions = all.sessions.unwrap();
    assert_eq!((all.requests, sessions.requests, sessions.sessions, sessions.sub_agents), (635, 635, 25, 0));
    let four =
        |spread: Spread| [spread.p10, spread.p50, spread.p90, spread.p99].map(|value| format!("{value:.1}"));
    assert_eq!(four(sessions.turns), ["8.0", "24.0", "45.0", "56.5"]);
    assert_eq!(four(sessions.first_input), ["13990.8", "19280.0", "105576.4", "331009.7"]);
    let growth = sessions.growth.unwrap();
    assert_eq!(four(growth), ["226.4", "707.0", "3742.0", "20149.2"]);
    shows(growth.mean, 1, "2303.4");
    let survival: Vec<f64> = sessions.survival.iter().map(|point| point.share).collect();
    assert_eq!(survival, [0.92, 0.8, 0.68, 0.08, 0.0, 0.0]);
    close(sessions.reset_share.unwrap(), 2.0 / 610.0);
    let blocks = all.blocks.unwrap();
    assert_eq!(four(blocks.uncached_tokens), ["267.6", "779.0", "7891.6", "94865.5"]);
    shows(blocks.hit_bound, 6, "0.931544");
}

/// A hundred and fifty sessions of a support agent. Of all two hundred, published descriptions tell the same growth.
#[test]
fn support_agent_sessions_have_their_published_growth() {
    let Some(data) = shared("traces/taubench-airline/airline_sessions.jsonl.zst") else { return };
    let all = stats(&data);
    let sessions = all.sessions.unwrap();
    assert_eq!((all.requests, sessions.sessions, sessions.sub_agents), (1_808, 150, 0));
    let growth = sessions.growth.unwrap();
    let growth = [growth.p10, growth.p50, growth.p90, growth.p99].map(|tokens| format!("{tokens:.0}"));
    assert_eq!(growth, ["77", "160", "343", "866"]);
    assert_eq!((sessions.turns.p50, sessions.reset_share), (11.0, Some(0.0)));
    shows(all.blocks.unwrap().hit_bound, 2, "0.93"); // 0.936 over all two hundred
}

/// The figures of the conversation trace as described with it, computed by other programs (an ordered dictionary for
/// the caches). 0.3736 and the LRU points 0.055, 0.142, 0.366 are those of its README.
#[test]
fn the_conversation_trace_has_its_published_figures() {
    let Some(data) = shared("traces/mooncake/conversation_trace.jsonl.zst") else { return };
    let blocks = [512, 2_000, 6_000, 20_000, 60_000, 200_000].map(|blocks: u64| blocks * 512);
    let all = trace_stats(&data, &StatsOptions { cache_tokens: blocks.to_vec() });
    let arrivals = all.arrivals.unwrap();
    assert_eq!((all.requests, arrivals.timed), (12_031, 12_031));
    shows(arrivals.span_s, 0, "3537");
    shows(arrivals.mean_rate_per_s, 2, "3.40");
    shows(arrivals.gap_cv.unwrap(), 2, "3.03");
    let dispersion = arrivals.dispersion.iter().map(|window| format!("{:.1}", window.index.unwrap()));
    assert_eq!(dispersion.collect::<Vec<_>>(), ["7.9", "2.1", "2.9"]);
    shows(arrivals.peak_to_mean_minute.unwrap(), 2, "1.21");
    shows(all.input.p50, 0, "6909");
    shows(all.input.p90, 0, "27367");
    shows(all.input.p99, 0, "85400");
    shows(all.input.mean, 0, "12035");
    assert_eq!(all.input.max, 126_195);
    shows(all.output.p50, 0, "350");
    shows(all.output.p90, 0, "597");
    shows(all.output.p99.round(), 0, "1119");
    shows(all.output.mean, 0, "343");
    assert_eq!(all.output.max, 2_000);
    shows(all.correlation.unwrap(), 2, "0.07");

    let found = all.blocks.unwrap();
    assert_eq!((found.references, found.distinct, found.universal), (288_500, 182_790, 1));
    shows(found.once_share, 2, "0.76");
    shows(found.hit_bound, 4, "0.3736");
    shows(found.zero_hit_share, 2, "0.00");
    // Published as 0.294 at 20,000 blocks: an ordered dictionary counts 0.29348, which was rounded twice.
    let lru: Vec<String> = found.lru.iter().map(|point| format!("{:.3}", point.hit_share)).collect();
    assert_eq!(lru, ["0.043", "0.055", "0.142", "0.293", "0.366", "0.374"]);
    let reuse = found.reuse_s.unwrap();
    let reuse = [reuse.p10, reuse.p50, reuse.p90, reuse.p99].map(|seconds| format!("{seconds:.0}"));
    assert_eq!(reuse, ["45", "135", "531", "1710"]);

    let sessions = all.sessions.unwrap();
    assert_eq!((sessions.inferred, sessions.sessions), (true, 8_056));
    shows(sessions.turns.mean, 2, "1.49");
    shows(sessions.multi_turn_request_share, 2, "0.50");
}
