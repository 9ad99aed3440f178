//! What a trace is like: rates, bursts, lengths, sessions, and how much of its prompts a cache could find again. Pure
//! functions over [`TraceData`]. Knows rows and their blocks; must not know files, engines or how figures look.
//!
//! All figures are exact: nothing is sampled or binned. Where a trace tells its blocks in runs, the work goes by runs
//! too: a file of fifty million block references takes the memory of its runs.

mod arrivals;
mod blocks;
mod lengths;
mod lineage;
mod segments;
mod sessions;
mod shares;
mod stack;

pub use arrivals::{ArrivalStats, Dispersion};
pub use blocks::{BlockStats, CachePoint};
pub use lengths::{LengthStats, Spread};
pub use sessions::{SURVIVAL_TURNS, SessionStats, Survival};
pub use shares::{Share, Shares, TopShares};

use super::data::{Start, TraceData};
use serde::Serialize;

/// What is asked beside the usual.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatsOptions {
    /// Cache sizes for the LRU curve, in tokens; empty: 0.1, 0.3, 1, 3, … million up to all that the trace names.
    pub cache_tokens: Vec<u64>,
}

/// What a trace is like.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TraceStats {
    /// Where it was read from.
    pub path: String,
    /// The name of its format.
    pub format: String,
    /// Hash of its canonical rows, 16 hexadecimal digits.
    pub content_hash: String,
    /// Tokens of one of its blocks.
    pub block_tokens: u32,
    /// Requests.
    pub requests: u64,
    /// Requests that wait for an answer before they are sent.
    pub closed_loop: u64,
    /// Prompt tokens of all requests.
    pub prompt_tokens: u64,
    /// Output tokens of all requests.
    pub output_tokens: u64,
    /// When requests are sent, of those that have a time of their own; absent with fewer than two.
    pub arrivals: Option<ArrivalStats>,
    /// Prompt lengths, in tokens.
    pub input: LengthStats,
    /// Output lengths, in tokens.
    pub output: LengthStats,
    /// Pearson's correlation of prompt and output lengths; absent where one of them never varies.
    pub correlation: Option<f64>,
    /// Sessions, named by the trace or inferred from its blocks; absent where it has neither.
    pub sessions: Option<SessionStats>,
    /// Blocks and what caches find of them; absent where no row tells its blocks.
    pub blocks: Option<BlockStats>,
    /// Tenants by requests; absent where all belong to one.
    pub tenants: Option<TopShares>,
    /// Shares by origin, SLO class and data class, where rows name them.
    pub named: Shares,
    /// What plots need beside the figures.
    #[serde(skip)]
    pub curves: Curves,
}

/// Lines for plots.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curves {
    /// Seconds since the first request, and requests per second in the window that begins there.
    pub rate: Vec<(f64, f64)>,
    /// The window of `rate`, in seconds.
    pub rate_window_s: f64,
    /// Quantiles of prompt lengths at 0, 0.5, 1, … 100 %.
    pub input: Vec<f64>,
    /// The same of output lengths.
    pub output: Vec<f64>,
    /// The LRU curve at twelve sizes a decade.
    pub lru: Vec<CachePoint>,
}

/// When each row is sent, in nanoseconds. A row that waits is counted from the last of those it waits for, as if
/// answers took no time: how long they take is the fleet's, not the trace's.
pub fn nominal_times(data: &TraceData) -> Vec<u64> {
    let mut last: rustc_hash::FxHashMap<u64, u64> = rustc_hash::FxHashMap::default();
    let mut times: Vec<u64> = Vec::with_capacity(data.rows.len());
    let mut edges = data.after.as_slice();
    for (index, row) in data.rows.iter().enumerate() {
        let own = edges.iter().take_while(|edge| edge.0 as usize == index).count();
        let (waits, rest) = edges.split_at(own);
        edges = rest;
        let at = match row.start {
            Start::At(ns) => ns,
            Start::After(ns) => {
                let named = waits.iter().filter_map(|edge| times.get(edge.1 as usize)).max();
                let before = named.or_else(|| last.get(&row.session));
                before.copied().unwrap_or(0).saturating_add(ns)
            }
        };
        if row.session != 0 {
            last.insert(row.session, at);
        }
        times.push(at);
    }
    times
}

/// Rows in order of time, then of the file.
fn in_time(times: &[u64]) -> Vec<u32> {
    let mut order: Vec<u32> = (0..times.len() as u32).collect();
    order.sort_by_key(|&row| times[row as usize]);
    order
}

/// The session of each row as its blocks show it, from 1; `None` where the trace names sessions or tells no blocks.
pub fn inferred_sessions(data: &TraceData, times: &[u64]) -> Option<Vec<u64>> {
    lineage::of(data, &in_time(times), &segments::Index::of(data))
}

/// Looks at a trace.
pub fn trace_stats(data: &TraceData, options: &StatsOptions) -> TraceStats {
    let times = nominal_times(data);
    let order = in_time(&times);
    let (arrivals, rate, rate_window_s) = arrivals::of(data);
    let (input, input_curve) = LengthStats::with_curve(data.rows.iter().map(|row| row.input));
    let (output, output_curve) = LengthStats::with_curve(data.rows.iter().map(|row| row.output));
    let index = segments::Index::of(data);
    let lineage = lineage::of(data, &order, &index);
    let found = blocks::of(data, &times, &order, &index, &options.cache_tokens);
    let (blocks, lru) = found.map_or((None, Vec::new()), |found| (Some(found.stats), found.curve));
    TraceStats {
        path: data.path.clone(),
        format: data.format.to_owned(),
        content_hash: format!("{:016x}", data.content_hash()),
        block_tokens: data.block_tokens,
        requests: data.rows.len() as u64,
        closed_loop: data.rows.iter().filter(|row| matches!(row.start, Start::After(_))).count() as u64,
        prompt_tokens: data.rows.iter().map(|row| row.input as u64).sum(),
        output_tokens: data.rows.iter().map(|row| row.output as u64).sum(),
        arrivals,
        input,
        output,
        correlation: lengths::correlation(data),
        sessions: sessions::of(data, &order, lineage.as_deref()),
        blocks,
        tenants: shares::tenants(data),
        named: shares::named(data),
        curves: Curves { rate, rate_window_s, input: input_curve, output: output_curve, lru },
    }
}

#[cfg(test)]
mod tests;
