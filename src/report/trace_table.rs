//! Figures of traces as a table: a line a figure, a column a trace. A figure that no trace has is left out.

use crate::workload::stats::{
    ArrivalStats, BlockStats, LengthStats, SURVIVAL_TURNS, SessionStats, Share, Spread, TraceStats,
};
use std::fmt::Write;

/// The table as text.
pub fn render(traces: &[TraceStats]) -> String {
    let mut table = Table { traces, lines: Vec::new() };
    table.general();
    table.arrivals();
    table.lengths();
    table.sessions();
    table.blocks();
    table.shares();
    table.text()
}

struct Table<'a> {
    traces: &'a [TraceStats],
    /// Labels and cells; an empty label is a blank line.
    lines: Vec<(String, Vec<String>)>,
}

/// A number with three or four digits that mean something.
fn number(value: f64) -> String {
    let size = value.abs();
    match size {
        _ if value.fract() == 0.0 => format!("{value:.0}"),
        _ if size < 0.01 => format!("{value:.4}"),
        _ if size < 10.0 => format!("{value:.2}"),
        _ if size < 100.0 => format!("{value:.1}"),
        _ => format!("{:.0}", value.round()),
    }
}

fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

fn seconds(value: f64) -> String {
    format!("{} s", number(value))
}

fn slashed(values: &[f64]) -> String {
    values.iter().map(|&value| number(value)).collect::<Vec<_>>().join(" / ")
}

fn spread(spread: &Spread) -> String {
    slashed(&[spread.p10, spread.p50, spread.p90, spread.p99])
}

/// Tokens as people say them: 300k, 3M.
fn tokens(tokens: u64) -> String {
    match tokens {
        _ if tokens >= 1_000_000 && tokens.is_multiple_of(100_000) => {
            format!("{}M", tokens as f64 / 1e6)
        }
        _ if tokens >= 1_000 && tokens.is_multiple_of(1_000) => format!("{}k", tokens / 1_000),
        _ => tokens.to_string(),
    }
}

impl Table<'_> {
    fn gap(&mut self) {
        self.lines.push((String::new(), Vec::new()));
    }
    fn line(&mut self, label: &str, of: impl Fn(&TraceStats) -> Option<String>) {
        let cells: Vec<Option<String>> = self.traces.iter().map(of).collect();
        if cells.iter().any(Option::is_some) {
            let cells = cells.into_iter().map(|cell| cell.unwrap_or_else(|| "-".to_owned()));
            self.lines.push((label.to_owned(), cells.collect()));
        }
    }
    fn general(&mut self) {
        self.line("trace", |trace| {
            let name = trace.path.rsplit('/').next().unwrap_or(&trace.path);
            Some(name.to_owned())
        });
        self.line("format", |trace| Some(trace.format.clone()));
        self.line("content hash", |trace| Some(trace.content_hash.clone()));
        self.line("requests", |trace| Some(trace.requests.to_string()));
        self.line("waiting for an answer", |trace| {
            (trace.closed_loop > 0).then(|| trace.closed_loop.to_string())
        });
        self.line("prompt tokens", |trace| Some(trace.prompt_tokens.to_string()));
        self.line("output tokens", |trace| Some(trace.output_tokens.to_string()));
    }
    fn arrivals(&mut self) {
        self.gap();
        let with = |of: fn(&ArrivalStats) -> Option<String>| {
            move |trace: &TraceStats| trace.arrivals.as_ref().and_then(of)
        };
        self.line("span", with(|a| Some(seconds(a.span_s))));
        self.line("mean rate", with(|a| Some(format!("{} /s", number(a.mean_rate_per_s)))));
        self.line("CV of gaps", with(|a| a.gap_cv.map(number)));
        self.line("gaps of zero", with(|a| Some(percent(a.zero_gap_share))));
        self.line("longest gap", with(|a| Some(seconds(a.longest_gap_s))));
        self.line(
            "dispersion at 1 / 10 / 60 s",
            with(|a| {
                let shown = a.dispersion.iter().map(|window| window.index.map_or("-".to_owned(), number));
                Some(shown.collect::<Vec<_>>().join(" / "))
            }),
        );
        self.line("peak minute / mean minute", with(|a| a.peak_to_mean_minute.map(number)));
    }
    fn lengths(&mut self) {
        self.gap();
        for (name, of) in [
            ("input", (|trace| &trace.input) as fn(&TraceStats) -> &LengthStats),
            ("output", |trace| &trace.output),
        ] {
            self.line(&format!("{name} mean"), |trace| Some(number(of(trace).mean)));
            self.line(&format!("{name} p50 / p90 / p99"), |trace| {
                Some(slashed(&[of(trace).p50, of(trace).p90, of(trace).p99]))
            });
            self.line(&format!("{name} max"), |trace| Some(of(trace).max.to_string()));
        }
        self.line("input-output correlation", |trace| trace.correlation.map(|value| format!("{value:+.3}")));
    }
    fn sessions(&mut self) {
        self.gap();
        let with = |of: fn(&SessionStats) -> Option<String>| {
            move |trace: &TraceStats| trace.sessions.as_ref().and_then(of)
        };
        self.line(
            "sessions",
            with(|s| {
                Some(format!("{}{}", s.sessions, if s.inferred { " (inferred from blocks)" } else { "" }))
            }),
        );
        self.line("sub-agents beside them", with(|s| (s.sub_agents > 0).then(|| s.sub_agents.to_string())));
        self.line("turns mean", with(|s| Some(number(s.turns.mean))));
        self.line("turns p10 / p50 / p90 / p99", with(|s| Some(spread(&s.turns))));
        self.line("turns max", with(|s| Some(s.turns_max.to_string())));
        for (index, turns) in SURVIVAL_TURNS.into_iter().enumerate() {
            self.line(&format!("sessions of {turns} turns or more"), |trace| {
                let point = trace.sessions.as_ref()?.survival.get(index)?;
                (point.share > 0.0).then(|| percent(point.share))
            });
        }
        self.line("requests in several-turn sessions", with(|s| Some(percent(s.multi_turn_request_share))));
        self.line("first input p10 / p50 / p90 / p99", with(|s| Some(spread(&s.first_input))));
        self.line("growth a turn p10 / p50 / p90 / p99", with(|s| s.growth.as_ref().map(spread)));
        self.line("growth mean", with(|s| s.growth.map(|growth| number(growth.mean))));
        self.line("turns with a context reset", with(|s| s.reset_share.map(percent)));
        self.line("wait p10 / p50 / p90 / p99, s", with(|s| s.wait_s.as_ref().map(spread)));
    }
    fn blocks(&mut self) {
        self.gap();
        let with = |of: fn(&BlockStats) -> Option<String>| {
            move |trace: &TraceStats| trace.blocks.as_ref().and_then(of)
        };
        self.line("block tokens", |trace| trace.blocks.as_ref().map(|_| trace.block_tokens.to_string()));
        self.line("distinct blocks", with(|b| Some(b.distinct.to_string())));
        self.line("of them in one request only", with(|b| Some(percent(b.once_share))));
        self.line("of them in more than 1 % of requests", with(|b| Some(b.universal.to_string())));
        self.line("tokens found, endless cache", with(|b| Some(percent(b.hit_bound))));
        self.line("requests that find nothing", with(|b| Some(percent(b.zero_hit_share))));
        self.line("uncached tokens p10 / p50 / p90 / p99", with(|b| Some(spread(&b.uncached_tokens))));
        self.line("reuse after p10 / p50 / p90 / p99, s", with(|b| b.reuse_s.as_ref().map(spread)));
        let mut sizes: Vec<u64> = self
            .traces
            .iter()
            .flat_map(|trace| &trace.blocks)
            .flat_map(|b| &b.lru)
            .map(|p| p.tokens)
            .collect();
        sizes.sort_unstable();
        sizes.dedup();
        for size in sizes {
            self.line(&format!("tokens found, LRU of {} tokens", tokens(size)), |trace| {
                let point = trace.blocks.as_ref()?.lru.iter().find(|point| point.tokens == size)?;
                Some(percent(point.hit_share))
            });
        }
    }
    fn shares(&mut self) {
        self.gap();
        self.line("tenants", |trace| trace.tenants.as_ref().map(|top| top.count.to_string()));
        self.line("requests of the top 1 / 5 / 10", |trace| {
            let top = trace.tenants.as_ref()?;
            Some([top.top_1, top.top_5, top.top_10].map(percent).join(" / "))
        });
        for (what, of) in [
            ("origin", (|trace| &trace.named.origins) as fn(&TraceStats) -> &Vec<Share>),
            ("class", |trace| &trace.named.classes),
            ("data class", |trace| &trace.named.data_classes),
        ] {
            let mut names: Vec<&str> =
                self.traces.iter().flat_map(of).map(|share| share.name.as_str()).collect();
            names.sort_unstable();
            names.dedup();
            for name in names {
                let label = if name.is_empty() { format!("no {what}") } else { format!("{what} {name}") };
                self.line(&label, |trace| {
                    let share = of(trace).iter().find(|share| share.name == name)?;
                    Some(percent(share.requests))
                });
            }
        }
    }
    fn text(self) -> String {
        let width = |text: &String| text.chars().count();
        let label = self.lines.iter().map(|(label, _)| width(label)).max().unwrap_or(0);
        let columns: Vec<usize> = (0..self.traces.len())
            .map(|column| self.lines.iter().filter_map(|(_, cells)| cells.get(column)).map(width).max())
            .map(Option::unwrap_or_default)
            .collect();
        let mut out = String::new();
        for (index, (name, cells)) in self.lines.iter().enumerate() {
            if name.is_empty() {
                // A group without lines leaves no second gap.
                if self.lines.get(index + 1).is_some_and(|(next, _)| !next.is_empty()) {
                    out.push('\n');
                }
                continue;
            }
            let mut line = format!("{name:label$}");
            for (cell, &column) in cells.iter().zip(&columns) {
                let _ = write!(line, "  {cell:column$}");
            }
            let _ = writeln!(out, "{}", line.trim_end());
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::data::{Blocks, Start};
    use crate::workload::stats::{StatsOptions, trace_stats};
    use crate::workload::{TraceData, TraceRow};

    /// Two turns of one session, 90 seconds apart, then a request of its own.
    fn trace(waits: bool) -> TraceStats {
        let row = |ns: u64, input: u32, blocks: Blocks| TraceRow {
            start: Start::At(ns),
            input,
            output: 7,
            blocks,
            ..TraceRow::EMPTY
        };
        let mut rows = vec![
            row(0, 32, Blocks::Ids { from: 0, to: 2 }),
            row(90_000_000_000, 48, Blocks::Ids { from: 0, to: 3 }),
            row(150_000_000_000, 16, Blocks::Unknown),
        ];
        (rows[0].session, rows[1].session, rows[1].turn) = (1, 1, 1);
        if waits {
            rows[1].start = Start::After(5_000_000_000);
        }
        let ids = vec![1, 2, 3];
        let path = format!("some/where/{}.jsonl", if waits { "closed" } else { "open" });
        let data = TraceData { path, format: "native", block_tokens: 16, ids, rows, ..TraceData::default() };
        trace_stats(&data, &StatsOptions { cache_tokens: vec![16, 2_000_000] })
    }

    #[test]
    fn a_column_a_trace_and_a_dash_where_one_has_no_figure() {
        insta::assert_snapshot!(render(&[trace(false), trace(true)]));
    }

    #[test]
    fn numbers_have_three_digits_that_mean_something() {
        let shown = [0.0, 0.00123, 1.5, 9.994, 54.321, 118.5, 126_195.0].map(number);
        assert_eq!(shown, ["0", "0.0012", "1.50", "9.99", "54.3", "119", "126195"]);
        assert_eq!(
            [900, 300_000, 3_000_000, 1_500_000, 1_234_567].map(tokens),
            ["900", "300k", "3M", "1.5M", "1234567"]
        );
    }
}
