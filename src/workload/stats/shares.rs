//! Who sends how much: tenants by size, origins and classes by name.

use super::super::data::{TraceData, TraceRow};
use serde::Serialize;
use std::collections::BTreeMap;

/// How much the largest of many have.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TopShares {
    /// How many there are.
    pub count: u64,
    /// The largest one's share of requests.
    pub top_1: f64,
    /// The five largest together.
    pub top_5: f64,
    /// The ten largest together.
    pub top_10: f64,
    /// The ten largest together, of prompt tokens.
    pub top_10_tokens: f64,
}

/// One name's part.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Share {
    /// The name; empty for rows that name none.
    pub name: String,
    /// Its share of requests.
    pub requests: f64,
    /// Its share of prompt tokens.
    pub prompt_tokens: f64,
}

/// Shares by name; empty where no row names any.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Shares {
    /// By origin.
    pub origins: Vec<Share>,
    /// By SLO class.
    pub classes: Vec<Share>,
    /// By data class.
    pub data_classes: Vec<Share>,
}

/// Requests and prompt tokens.
type Part = (u64, u64);

fn parts<K: Ord>(data: &TraceData, key: impl Fn(&TraceRow) -> K) -> BTreeMap<K, Part> {
    let mut parts: BTreeMap<K, Part> = BTreeMap::new();
    for row in &data.rows {
        let part = parts.entry(key(row)).or_default();
        part.0 += 1;
        part.1 += row.input as u64;
    }
    parts
}

fn totals(data: &TraceData) -> (f64, f64) {
    (data.rows.len() as f64, data.rows.iter().map(|row| row.input as u64).sum::<u64>() as f64)
}

pub(super) fn tenants(data: &TraceData) -> Option<TopShares> {
    let parts = parts(data, |row| row.tenant);
    if parts.len() < 2 {
        return None;
    }
    let (requests, tokens) = totals(data);
    let ranked = |of: fn(&Part) -> u64| {
        let mut sizes: Vec<u64> = parts.values().map(of).collect();
        sizes.sort_unstable_by(|a, b| b.cmp(a));
        sizes
    };
    let (by_requests, by_tokens) = (ranked(|part| part.0), ranked(|part| part.1));
    let top = |sizes: &[u64], n: usize| sizes.iter().take(n).sum::<u64>() as f64;
    Some(TopShares {
        count: parts.len() as u64,
        top_1: top(&by_requests, 1) / requests,
        top_5: top(&by_requests, 5) / requests,
        top_10: top(&by_requests, 10) / requests,
        top_10_tokens: top(&by_tokens, 10) / tokens,
    })
}

pub(super) fn named(data: &TraceData) -> Shares {
    let (requests, tokens) = totals(data);
    let shares = |names: &[String], of: fn(&TraceRow) -> Option<u32>| -> Vec<Share> {
        if names.is_empty() {
            return Vec::new();
        }
        let parts = parts(data, of).into_iter().map(|(index, part)| Share {
            name: index.map_or_else(String::new, |index| names[index as usize].clone()),
            requests: part.0 as f64 / requests,
            prompt_tokens: part.1 as f64 / tokens,
        });
        let mut parts: Vec<Share> = parts.collect();
        parts.sort_by(|a, b| b.requests.total_cmp(&a.requests).then_with(|| a.name.cmp(&b.name)));
        parts
    };
    Shares {
        origins: shares(&data.names.origins, |row| row.origin),
        classes: shares(&data.names.classes, |row| row.class),
        data_classes: shares(&data.names.data_classes, |row| row.data_class),
    }
}
