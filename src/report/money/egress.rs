//! Bytes between regions and to and from the internet, and what they cost. A client's gateway is reached over the internet,
//! wherever it is; a replica in another region than the gateway over the link between the two.

use super::super::summary::{EgressCost, EgressLink};
use crate::cost::{INTERNET, MicroUsd};
use crate::id::RegionId;
use crate::run::RunResult;
use std::collections::BTreeMap;

/// A region, or last the internet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Region(RegionId),
    Internet,
}

/// What went over a link, and by lane, as in [`crate::run::Spent`].
#[derive(Default)]
struct Tally {
    bytes: u64,
    lanes: Vec<(usize, u64)>,
}

/// What went over all of them.
pub(super) struct Traffic {
    links: Vec<EgressLink>,
    bytes: u64,
    /// `None` where a link was used whose price nobody knows.
    pub(super) usd: Option<MicroUsd>,
    /// By lane, its part of that.
    pub(super) lanes: Vec<MicroUsd>,
}

impl Traffic {
    pub(super) fn told(self) -> EgressCost {
        EgressCost { bytes: self.bytes, usd: self.usd.map(MicroUsd::usd), links: self.links }
    }
}

pub(super) fn traffic(result: &RunResult) -> Option<Traffic> {
    let (rates, spent) = (result.provenance.egress_prices.as_ref()?, result.spent.as_ref()?);
    let mut links: BTreeMap<(End, End), Tally> = BTreeMap::new();
    for (index, (lane, moved)) in spent.lanes.iter().enumerate() {
        let Some(gateway) = lane.gateway.map(End::Region) else { continue };
        let region = |pool| result.labels.pools.get(pool).map(|pool| End::Region(pool.region));
        let serving = lane.pool.and_then(region).unwrap_or(gateway);
        let answer = rates.answer_bytes(moved.answer_tokens);
        for (from, to, bytes) in [
            (End::Internet, gateway, rates.prompt_bytes(moved.asked_tokens)),
            (gateway, serving, rates.prompt_bytes(moved.sent_tokens)),
            (serving, gateway, answer),
            (gateway, End::Internet, answer),
        ] {
            if from != to && bytes > 0 {
                let tally = links.entry((from, to)).or_default();
                tally.bytes += bytes;
                tally.lanes.push((index, bytes));
            }
        }
    }
    let name = |end| match end {
        End::Region(region) => result.labels.region(region),
        End::Internet => INTERNET.to_string(),
    };
    let mut lanes = vec![MicroUsd(0); spent.lanes.len()];
    let mut sum = Some(MicroUsd(0));
    let mut told = Vec::new();
    let mut bytes = 0;
    for ((from, to), tally) in links {
        let (from, to) = (name(from), name(to));
        let usd = rates.per_gb(&from, &to).map(|price| price.for_bytes(tally.bytes));
        let weights: Vec<u64> = tally.lanes.iter().map(|part| part.1).collect();
        let parts = usd.and_then(|usd| usd.split(&weights)).unwrap_or_default();
        for (part, (lane, _)) in parts.into_iter().zip(tally.lanes) {
            lanes[lane] = lanes[lane] + part;
        }
        sum = sum.zip(usd).map(|(sum, usd)| sum + usd);
        bytes += tally.bytes;
        told.push(EgressLink { from, to, bytes: tally.bytes, usd: usd.map(MicroUsd::usd) });
    }
    Some(Traffic { links: told, bytes, usd: sum, lanes })
}
