//! A user's own measured requests beside the simulated ones, by policy: quantiles, the distance of the distributions, and whether
//! both put the policies into the same order. Knows a CSV of requests and finished cells; must not know how it is shown.

use super::observed::{Observed, Seen};
use crate::stats;
use crate::time::Span;
use std::collections::BTreeMap;
use std::io::Read;

/// A time that is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Quantity {
    /// Time to first token.
    Ttft,
    /// Time to the last token.
    E2e,
    /// A request's mean time between output tokens.
    Tpot,
}

impl Quantity {
    /// All of them, in the order of columns.
    pub const ALL: [Quantity; 3] = [Quantity::Ttft, Quantity::E2e, Quantity::Tpot];
    /// The name.
    pub fn name(self) -> &'static str {
        ["TTFT", "E2E", "TPOT"][self as usize]
    }
    /// The column of a file.
    pub fn column(self) -> &'static str {
        ["ttft_ms", "e2e_ms", "tpot_ms"][self as usize]
    }
    fn of(self, seen: &Seen) -> Option<f64> {
        match self {
            Quantity::Ttft => seen.ttft.filter(|_| seen.completed).map(Span::as_ms_f64),
            Quantity::E2e => seen.e2e().map(Span::as_ms_f64),
            Quantity::Tpot => {
                seen.decode().map(|decode| decode.as_ms_f64() / (f64::from(seen.output_tokens) - 1.0))
            }
        }
    }
}

/// What was measured under one policy: by quantity, the times of all requests, in milliseconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MeasuredTimes(pub [Vec<f64>; 3]);

impl MeasuredTimes {
    /// Whether no request has any time.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(Vec::is_empty)
    }
}

/// Reads `policy,ttft_ms,e2e_ms,tpot_ms`, in any order, with other columns between them; one of the times must be there, and `policy`
/// where the scenario has more than the one in `policies`: without it all requests are of that one. A time that is left empty is of a
/// request that has none.
///
/// # Errors
/// What is wrong, with its line and what to do.
pub fn read_measured(input: impl Read, policies: &[&str]) -> Result<BTreeMap<String, MeasuredTimes>, String> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(input);
    let heads = reader.headers().map_err(|error| format!("not a CSV file: {error}"))?.clone();
    let column = |name: &str| heads.iter().position(|head| head.eq_ignore_ascii_case(name));
    let shown = || heads.iter().collect::<Vec<_>>().join(", ");
    let policy = column("policy");
    let only = match (policy, policies) {
        (None, &[only]) => only,
        (None, _) => {
            return Err(format!(
                "there is no column `policy`; the columns are: {}; add it, with the name of the policy that routed each request: {}",
                shown(),
                policies.join(", ")
            ));
        }
        _ => "",
    };
    let times = Quantity::ALL.map(|quantity| column(quantity.column()));
    if times.iter().all(Option::is_none) {
        return Err(format!(
            "there is none of the columns ttft_ms, e2e_ms, tpot_ms; the columns are: {}",
            shown()
        ));
    }
    let mut found: BTreeMap<String, MeasuredTimes> = BTreeMap::new();
    for row in reader.records() {
        let row = row.map_err(|error| format!("not a CSV row: {error}"))?;
        let line = row.position().map_or(0, csv::Position::line);
        let name = policy.map_or(only, |policy| row.get(policy).unwrap_or_default());
        let entry = found.entry(name.to_owned()).or_default();
        for (slot, column) in entry.0.iter_mut().zip(times) {
            let Some(text) = column.and_then(|column| row.get(column)).filter(|text| !text.is_empty()) else {
                continue;
            };
            match text.parse::<f64>() {
                Ok(ms) if ms.is_finite() && ms >= 0.0 => slot.push(ms),
                _ => {
                    return Err(format!(
                        "line {line}: `{text}` is no time in milliseconds; leave it empty where there is none"
                    ));
                }
            }
        }
    }
    Ok(found)
}

/// One quantity of one policy, measured and simulated.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Agreement {
    /// Which.
    pub quantity: Quantity,
    /// Requests measured, and simulated.
    pub requests: [u64; 2],
    /// Mean, measured and simulated, ms.
    pub mean_ms: [f64; 2],
    /// Median, measured and simulated, ms.
    pub p50_ms: [f64; 2],
    /// 90th percentile, measured and simulated, ms.
    pub p90_ms: [f64; 2],
    /// 99th percentile, measured and simulated, ms.
    pub p99_ms: [f64; 2],
    /// The largest distance between the two cumulative distributions (Kolmogorov and Smirnov), 0 to 1.
    pub ks: f64,
}

/// One policy, measured and simulated.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct MeasuredPolicy {
    /// Its name.
    pub policy: String,
    /// By quantity, those that both have.
    pub agreement: Vec<Agreement>,
    /// Those that one side lacks, and why no row stands for them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<Missing>,
}

/// Why a quantity of a policy is not compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Missing {
    /// Which.
    pub quantity: Quantity,
    /// Requests that have it, measured and simulated: at least one side has none.
    pub requests: [u64; 2],
}

/// The order of policies by one number, measured and simulated.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Ordering {
    /// The quantity.
    pub quantity: Quantity,
    /// `mean`, `p50`, `p90` or `p99`.
    pub statistic: &'static str,
    /// Policies as measured, the best first.
    pub measured: Vec<String>,
    /// As simulated.
    pub simulated: Vec<String>,
    /// Pairs of policies that the measurements put at least 10 % apart.
    pub pairs: u32,
    /// Of these, those that the simulation puts the other way round.
    pub inverted: u32,
}

/// Compares, by policy, what was measured with what a simulation says, and the orders of the policies.
pub fn compare(pairs: &[(String, &MeasuredTimes, &Observed)]) -> (Vec<MeasuredPolicy>, Vec<Ordering>) {
    let mut policies = Vec::new();
    for (policy, measured, observed) in pairs {
        let (mut agreement, mut missing) = (Vec::new(), Vec::new());
        let unmeasured = measured.is_empty();
        for (quantity, measured) in Quantity::ALL.into_iter().zip(&measured.0) {
            let simulated: Vec<f64> = observed.all().sent().filter_map(|seen| quantity.of(seen)).collect();
            let requests = [measured.len() as u64, simulated.len() as u64];
            match agree(quantity, measured.clone(), simulated) {
                Some(found) => agreement.push(found),
                // A column that the file does not fill is nothing that anybody asked for, unless all are like that.
                None if unmeasured || requests[0] > 0 => missing.push(Missing { quantity, requests }),
                None => {}
            }
        }
        policies.push(MeasuredPolicy { policy: policy.clone(), agreement, missing });
    }
    let mut orders = Vec::new();
    for quantity in Quantity::ALL {
        for (statistic, of) in STATISTICS {
            let numbers: Vec<(&str, [f64; 2])> = policies
                .iter()
                .filter_map(|policy| {
                    let found = policy.agreement.iter().find(|agreement| agreement.quantity == quantity)?;
                    Some((policy.policy.as_str(), of(found)))
                })
                .collect();
            if numbers.len() > 1 {
                orders.push(order(quantity, statistic, &numbers));
            }
        }
    }
    (policies, orders)
}

type Statistic = (&'static str, fn(&Agreement) -> [f64; 2]);
const STATISTICS: [Statistic; 4] = [
    ("mean", |agreement| agreement.mean_ms),
    ("p50", |agreement| agreement.p50_ms),
    ("p90", |agreement| agreement.p90_ms),
    ("p99", |agreement| agreement.p99_ms),
];

fn order(quantity: Quantity, statistic: &'static str, numbers: &[(&str, [f64; 2])]) -> Ordering {
    let sorted = |which: usize| {
        let mut order: Vec<&(&str, [f64; 2])> = numbers.iter().collect();
        order.sort_by(|one, other| one.1[which].total_cmp(&other.1[which]));
        order.into_iter().map(|(name, _)| (*name).to_owned()).collect()
    };
    let (mut pairs, mut inverted) = (0, 0);
    for (at, (_, one)) in numbers.iter().enumerate() {
        for (_, other) in &numbers[..at] {
            let (low, high) = if one[0] <= other[0] { (one, other) } else { (other, one) };
            if high[0] - low[0] >= super::judge::SEPARATION * low[0] {
                pairs += 1;
                inverted += u32::from(low[1] >= high[1]);
            }
        }
    }
    Ordering { quantity, statistic, measured: sorted(0), simulated: sorted(1), pairs, inverted }
}

fn agree(quantity: Quantity, mut measured: Vec<f64>, mut simulated: Vec<f64>) -> Option<Agreement> {
    let mean = |samples: &[f64]| stats::Moments::of(samples.iter().copied()).mean();
    let means = [mean(&measured)?, mean(&simulated)?];
    measured.sort_unstable_by(f64::total_cmp);
    simulated.sort_unstable_by(f64::total_cmp);
    let at = |p: f64| Some([stats::sorted_quantile(&measured, p)?, stats::sorted_quantile(&simulated, p)?]);
    Some(Agreement {
        quantity,
        requests: [measured.len() as u64, simulated.len() as u64],
        mean_ms: means,
        p50_ms: at(0.5)?,
        p90_ms: at(0.9)?,
        p99_ms: at(0.99)?,
        ks: kolmogorov_smirnov(&measured, &simulated),
    })
}

/// The largest distance between two empirical distributions, of samples in ascending order.
fn kolmogorov_smirnov(one: &[f64], other: &[f64]) -> f64 {
    let (mut i, mut j, mut most) = (0, 0, 0.0f64);
    while let (Some(a), Some(b)) = (one.get(i), other.get(j)) {
        let least = a.min(*b);
        i += one[i..].iter().take_while(|value| **value <= least).count();
        j += other[j..].iter().take_while(|value| **value <= least).count();
        most = most.max((i as f64 / one.len() as f64 - j as f64 / other.len() as f64).abs());
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::SimTime;

    #[test]
    fn distances_by_hand() {
        // Of 1, 2, 3, 4 and 3, 4, 5, 6: at 2 the one has half, the other nothing.
        assert_eq!(kolmogorov_smirnov(&[1.0, 2.0, 3.0, 4.0], &[3.0, 4.0, 5.0, 6.0]), 0.5);
        assert_eq!(kolmogorov_smirnov(&[1.0, 2.0], &[1.0, 2.0]), 0.0);
        assert_eq!(kolmogorov_smirnov(&[1.0, 1.0], &[2.0]), 1.0);
    }

    #[test]
    fn a_file_is_read_and_its_mistakes_are_told() {
        let read = |text: &str| read_measured(text.as_bytes(), &["a", "b"]);
        let found = read("id,TTFT_ms,policy\n1,10,a\n2,,a\n3,30,b\n").unwrap();
        assert_eq!(found["a"].0[0], [10.0]);
        assert_eq!(found["b"], MeasuredTimes([vec![30.0], vec![], vec![]]));
        for (text, told) in [
            ("ttft_ms\n1\n", "no column `policy`; the columns are: ttft_ms; add it, with"),
            ("policy,ttft\na,1\n", "none of the columns ttft_ms"),
            ("policy,ttft_ms\na,1\na,fast\n", "line 3: `fast`"),
            ("policy,ttft_ms\na,-1\n", "`-1`"),
            ("policy,ttft_ms\na\n", "not a CSV row"),
        ] {
            assert!(read(text).unwrap_err().contains(told), "{text}: {:?}", read(text));
        }
        // A log of one policy need not name it.
        let found = read_measured("ttft_ms\n1\n2\n".as_bytes(), &["only"]).unwrap();
        assert_eq!(found["only"].0[0], [1.0, 2.0]);
    }

    #[test]
    fn orders_are_compared_where_measurements_lie_apart() {
        let observed = |ms: &[u64]| Observed {
            seen: ms
                .iter()
                .map(|&ms| Seen {
                    sent_at: SimTime::ZERO,
                    ended_at: SimTime(ms * 1_000_000),
                    completed: true,
                    ttft: Some(Span::from_ms(ms)),
                    held: Span::ZERO,
                    prompt_tokens: 1,
                    cached_tokens: 0,
                    output_tokens: 1,
                    replica: None,
                    tenant: crate::id::TenantId(0),
                })
                .collect(),
            ..Observed::default()
        };
        let times = |ms: f64| MeasuredTimes([vec![ms], vec![], vec![]]);
        let (a, b, c) = (times(100.0), times(105.0), times(200.0));
        let (x, y, z) = (observed(&[120]), observed(&[110]), observed(&[115]));
        let pairs = [("a".to_owned(), &a, &x), ("b".to_owned(), &b, &y), ("c".to_owned(), &c, &z)];
        let (policies, orders) = compare(&pairs);
        assert_eq!(policies[0].agreement[0].mean_ms, [100.0, 120.0]);
        // a and b lie too near; c is simulated below a, above b.
        assert_eq!((orders[0].pairs, orders[0].inverted), (2, 1));
        assert_eq!(orders[0].simulated, ["b", "c", "a"]);
    }
}
