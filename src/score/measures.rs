//! The measures that an expectation may name. Knows the requests of a cell or of one of its rungs; must not know what is
//! expected of them. Times are in milliseconds, rates per second. One line each.

use super::observed::{Seen, Share};
use crate::stats::{self, Moments};
use crate::time::Span;
use std::collections::BTreeMap;

/// A measure.
#[derive(Clone, Copy, Debug)]
pub struct Measure {
    /// Its name in formulas.
    pub name: &'static str,
    /// Its unit; empty for a share or a count.
    pub unit: &'static str,
    /// What it is.
    pub meaning: &'static str,
    /// Its value; `None` where nothing was measured.
    pub value: fn(&Share<'_>) -> Option<f64>,
}

/// The measure called `name`.
pub fn measure(name: &str) -> Option<&'static Measure> {
    MEASURES.iter().find(|measure| measure.name == name)
}

fn ms(span: Span) -> f64 {
    span.as_ms_f64()
}

fn ttft(seen: &Seen) -> Option<f64> {
    seen.ttft.filter(|_| seen.completed).map(ms)
}

/// Without the time for which the gateway held it back: what a client with a limit of its own measures from when it sends.
fn ttft_sent(seen: &Seen) -> Option<f64> {
    seen.ttft.filter(|_| seen.completed).map(|ttft| ms(ttft - seen.held))
}

fn e2e(seen: &Seen) -> Option<f64> {
    seen.e2e().map(ms)
}

/// Without the time for which the gateway held it back.
fn e2e_sent(seen: &Seen) -> Option<f64> {
    seen.e2e().map(|e2e| ms(e2e - seen.held))
}

fn tpot(seen: &Seen) -> Option<f64> {
    seen.decode().map(|decode| ms(decode) / (f64::from(seen.output_tokens) - 1.0))
}

/// The tokens of a stream that 8 KiB hold beside the response's head: an event of vLLM's chat API is some 265 bytes.
const TOKENS_IN_8_KIB: f64 = 30.0;

/// When a client sees its first token through a proxy that sends once 8 KiB are full (Seastar's HTTP server, whose chunked stream
/// passes no flush on): with the 30th token, gaps taken as even, or with the last of fewer.
fn ttft_8k(seen: &Seen) -> Option<f64> {
    let first = ttft(seen)?;
    let gaps = f64::from(seen.output_tokens.saturating_sub(1)).min(TOKENS_IN_8_KIB - 1.0);
    Some(tpot(seen).map_or(first, |gap| first + gaps * gap))
}

fn mean(share: &Share<'_>, of: fn(&Seen) -> Option<f64>) -> Option<f64> {
    Moments::of(share.sent().filter_map(of)).mean()
}

fn quantile(share: &Share<'_>, of: fn(&Seen) -> Option<f64>, p: f64) -> Option<f64> {
    stats::quantile(&mut share.sent().filter_map(of).collect::<Vec<f64>>(), p)
}

/// The mean gap between output tokens, every gap counted once: `Σ decode / Σ (output − 1)`.
fn itl(share: &Share<'_>) -> Option<f64> {
    let rows =
        || share.sent().filter_map(|seen| Some((ms(seen.decode()?), f64::from(seen.output_tokens) - 1.0)));
    let (time, gaps) = rows().fold((0.0, 0.0), |sum, row| (sum.0 + row.0, sum.1 + row.1));
    (gaps > 0.0).then(|| time / gaps)
}

fn rate(share: &Share<'_>, of: fn(&Seen) -> u32) -> Option<f64> {
    let (done, seconds) = share.done();
    let sum: u64 = done.into_iter().map(|seen| u64::from(of(seen))).sum();
    (seconds > 0.0).then(|| sum as f64 / seconds)
}

/// Output tokens of all rungs over the sum of their lengths, each until its last request had ended.
fn ladder(share: &Share<'_>) -> Option<f64> {
    let rungs = share.of.measured_rungs().filter(|rung| share.covers(rung.from));
    let (mut tokens, mut seconds) = (0u64, 0.0);
    for rung in rungs {
        let (done, lasted) = share.of.share(rung).done();
        tokens += done.into_iter().map(|seen| u64::from(seen.output_tokens)).sum::<u64>();
        seconds += lasted;
    }
    (seconds > 0.0).then(|| tokens as f64 / seconds)
}

fn sum(share: &Share<'_>, of: fn(&Seen) -> u32) -> f64 {
    share.sent().filter(|seen| seen.completed).map(|seen| f64::from(of(seen))).sum()
}

/// Of the requests whose tenant had asked before, the share that went where the one before it went.
fn stickiness(share: &Share<'_>) -> Option<f64> {
    let mut last = BTreeMap::new();
    let (mut same, mut all) = (0u64, 0u64);
    for seen in share.sent().filter(|seen| seen.replica.is_some()) {
        if let Some(before) = last.insert(seen.tenant, seen.replica) {
            all += 1;
            same += u64::from(before == seen.replica);
        }
    }
    (all > 0).then(|| same as f64 / all as f64)
}

/// Requests of the replica that had most over the mean of those that had any.
fn concentration(share: &Share<'_>) -> Option<f64> {
    let mut counts: BTreeMap<_, u64> = BTreeMap::new();
    share.sent().filter_map(|seen| seen.replica).for_each(|replica| *counts.entry(replica).or_default() += 1);
    let (most, all) = (counts.values().max()?, counts.values().sum::<u64>());
    Some(*most as f64 * counts.len() as f64 / all as f64)
}

macro_rules! times {
    ($($of:ident $what:literal),*) => { &[$(
        Measure { name: concat!(stringify!($of), ".mean"), unit: "ms", meaning: concat!("mean ", $what), value: |share| mean(share, $of) },
        Measure { name: concat!(stringify!($of), ".p50"), unit: "ms", meaning: concat!("median ", $what), value: |share| quantile(share, $of, 0.5) },
        Measure { name: concat!(stringify!($of), ".p90"), unit: "ms", meaning: concat!("90th percentile of ", $what), value: |share| quantile(share, $of, 0.9) },
        Measure { name: concat!(stringify!($of), ".p95"), unit: "ms", meaning: concat!("95th percentile of ", $what), value: |share| quantile(share, $of, 0.95) },
        Measure { name: concat!(stringify!($of), ".p99"), unit: "ms", meaning: concat!("99th percentile of ", $what), value: |share| quantile(share, $of, 0.99) },
    )*] };
}

const TIMES: &[Measure] = times!(
    ttft "the time to first token of completed requests",
    ttft_sent "the same, without the time for which the gateway held a request back",
    ttft_8k "the time to the 30th token, or to the last of fewer: the first that passes a proxy which sends 8 KiB at a time",
    tpot "a request's mean time between output tokens",
    e2e "the time to the last token",
    e2e_sent "the same, without the time for which the gateway held a request back"
);

const OTHERS: &[Measure] = &[
    Measure {
        name: "itl.mean",
        unit: "ms",
        meaning: "mean gap between output tokens, every gap counted once",
        value: itl,
    },
    Measure {
        name: "throughput.requests",
        unit: "1/s",
        meaning: "completed requests a second",
        value: |share| rate(share, |_| 1),
    },
    Measure {
        name: "throughput.input_tokens",
        unit: "1/s",
        meaning: "prompt tokens of completed requests a second",
        value: |share| rate(share, |seen| seen.prompt_tokens),
    },
    Measure {
        name: "throughput.output_tokens",
        unit: "1/s",
        meaning: "output tokens of completed requests a second",
        value: |share| rate(share, |seen| seen.output_tokens),
    },
    Measure {
        name: "throughput.tokens",
        unit: "1/s",
        meaning: "prompt and output tokens of completed requests a second",
        value: |share| rate(share, |seen| seen.prompt_tokens + seen.output_tokens),
    },
    Measure {
        name: "throughput.ladder",
        unit: "1/s",
        meaning: "output tokens of a ladder over the sum of its rungs' lengths, each until its last request had ended",
        value: ladder,
    },
    Measure {
        name: "cache.hit_rate",
        unit: "",
        meaning: "cached prompt tokens over prompt tokens of completed requests",
        value: |share| Some(sum(share, |seen| seen.cached_tokens) / sum(share, |seen| seen.prompt_tokens)),
    },
    Measure {
        name: "stickiness",
        unit: "",
        meaning: "of the requests whose tenant had asked before, the share that went to the replica of the one before",
        value: stickiness,
    },
    Measure {
        name: "concentration",
        unit: "",
        meaning: "requests of the replica that had most, over the mean of those that had any",
        value: concentration,
    },
    Measure {
        name: "completed",
        unit: "",
        meaning: "share of the requests that completed",
        value: |share| Moments::of(share.sent().map(|seen| f64::from(u8::from(seen.completed)))).mean(),
    },
    Measure {
        name: "requests",
        unit: "",
        meaning: "requests that were sent",
        value: |share| Some(share.sent().count() as f64),
    },
    Measure {
        name: "tokens.input",
        unit: "",
        meaning: "prompt tokens of completed requests",
        value: |share| Some(sum(share, |seen| seen.prompt_tokens)),
    },
    Measure {
        name: "tokens.output",
        unit: "",
        meaning: "output tokens of completed requests",
        value: |share| Some(sum(share, |seen| seen.output_tokens)),
    },
    Measure {
        name: "makespan",
        unit: "s",
        meaning: "seconds from the first request sent to the last completed",
        value: |share| {
            let done = share.sent().filter(|seen| seen.completed);
            let (first, last) =
                (share.sent().map(|seen| seen.sent_at).min()?, done.map(|seen| seen.ended_at).max()?);
            Some(last.since(first).as_secs_f64())
        },
    },
    Measure {
        name: "kv.tokens",
        unit: "tokens",
        meaning: "what the KV cache of a replica of the first pool holds",
        value: |share| share.of.kv_tokens.map(|tokens| tokens as f64),
    },
    Measure {
        name: "kv.use",
        unit: "",
        meaning: "mean share of KV blocks in use",
        value: |share| Moments::of(share.loads().filter_map(|loads| loads.kv_use)).mean(),
    },
    Measure {
        name: "waiting.mean",
        unit: "requests",
        meaning: "mean of the requests that wait for a batch, over all replicas",
        value: |share| Moments::of(share.loads().map(|loads| loads.waiting as f64)).mean(),
    },
    Measure {
        name: "waiting.max",
        unit: "requests",
        meaning: "the most requests that waited for a batch, over all replicas",
        value: |share| share.loads().map(|loads| loads.waiting as f64).reduce(f64::max),
    },
];

/// All measures.
pub static MEASURES: std::sync::LazyLock<Vec<Measure>> =
    std::sync::LazyLock::new(|| TIMES.iter().chain(OTHERS).copied().collect());

#[cfg(test)]
mod tests {
    use super::super::observed::Observed;
    use super::*;
    use crate::id::{ReplicaId, TenantId};
    use crate::time::SimTime;
    use crate::workload::rungs::Rung;

    fn second(seconds: u64) -> SimTime {
        SimTime(seconds * 1_000_000_000)
    }

    /// Four requests of 100 prompt tokens and 11 output tokens: sent at 0, 10, 20, 30 s, TTFT 1 to 4 s, then 10 s of decoding.
    fn observed() -> Observed {
        let row = |i: u64| Seen {
            sent_at: second(10 * i),
            ended_at: second(10 * i + i + 11),
            completed: true,
            ttft: Some(Span::from_secs(i + 1)),
            held: Span::from_ms(500),
            prompt_tokens: 100,
            cached_tokens: 20 * i as u32,
            output_tokens: 11,
            replica: Some(ReplicaId(u32::from(i > 1))),
            tenant: TenantId((i % 2) as u32),
        };
        let rung = |number: u32, rate: f64, from: u64, to: u64| Rung {
            number,
            rate: (rate, rate),
            from: second(from),
            to: second(to),
        };
        Observed {
            seen: (0..4).map(row).collect(),
            rungs: vec![rung(0, 1.0, 0, 20), rung(1, 2.0, 20, 40)],
            warmup: SimTime::ZERO,
            ended_at: second(44),
            kv_tokens: Some(1_600),
            ..Observed::default()
        }
    }

    #[test]
    fn measures_of_four_requests_by_hand() {
        let observed = observed();
        let of = |name: &str, share: Share<'_>| (measure(name).unwrap().value)(&share);
        let all = |name: &str| of(name, observed.all());
        // TTFT 1, 2, 3, 4 s; E2E 11 … 14 s; 10 s over ten gaps.
        assert_eq!(
            (all("ttft.mean"), all("ttft.p50"), all("e2e.mean")),
            (Some(2500.0), Some(2500.0), Some(12500.0))
        );
        // Half a second of each was the gateway's.
        assert_eq!((all("ttft_sent.mean"), all("e2e_sent.mean")), (Some(2000.0), Some(12000.0)));
        assert_eq!((all("tpot.p99"), all("itl.mean")), (Some(1000.0), Some(1000.0)));
        // Eleven tokens are fewer than 30: with the last. Of 41 in 40 s the 30th is 29 s after the first.
        assert_eq!(all("ttft_8k.p50"), Some(12500.0));
        let longer = Seen {
            output_tokens: 41,
            ttft: Some(Span::from_secs(1)),
            ended_at: second(41),
            ..observed.seen[0]
        };
        assert_eq!(ttft_8k(&longer), Some(30_000.0));
        // Four in 44 s; 44 tokens.
        assert_eq!(
            (all("throughput.requests"), all("throughput.output_tokens")),
            (Some(4.0 / 44.0), Some(1.0))
        );
        // Cached 0 + 20 + 40 + 60 of 400.
        assert_eq!(
            (all("cache.hit_rate"), all("completed"), all("makespan")),
            (Some(0.3), Some(1.0), Some(44.0))
        );
        // Tenants 0, 1, 0, 1 on replicas 0, 0, 1, 1: neither second request went where the first did.
        assert_eq!((all("stickiness"), all("concentration")), (Some(0.0), Some(1.0)));
        // The first rung ends at 20 s, its last request at 22 s; the second at 40 s and 44 s: 22 + 24 s for 44 tokens.
        assert_eq!(of("throughput.output_tokens", observed.rung(1.0).unwrap()), Some(1.0));
        assert_eq!(all("throughput.ladder"), Some(44.0 / 46.0));
        assert_eq!(of("ttft.mean", observed.rung(2.0).unwrap()), Some(3500.0));
        assert!(observed.rung(3.0).is_none());
        let rates =
            |observed: &Observed| observed.measured_rungs().map(|rung| rung.rate.0).collect::<Vec<f64>>();
        assert_eq!(rates(&observed), [1.0, 2.0]);
        let warm = Observed { warmup: second(20), ..observed.clone() };
        assert_eq!(rates(&warm), [2.0]);
        // Sent from 20 s on: two. Ended from 20 s on: the two and the one sent at 10 s, in 24 s.
        assert_eq!((measure("requests").unwrap().value)(&warm.all()), Some(2.0));
        assert_eq!((measure("throughput.requests").unwrap().value)(&warm.all()), Some(3.0 / 24.0));
    }

    #[test]
    fn names_are_said_once() {
        let mut names: Vec<&str> = MEASURES.iter().map(|measure| measure.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), MEASURES.len());
    }
}
