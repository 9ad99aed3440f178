//! Why prompt tokens were not found in a cache. Knows the names and adds up; which token is which is the world's to
//! say (`world/misses.rs`, docs/model/reports.md).

use serde::{Deserialize, Serialize};

/// Why a prompt token had to be computed. Each uncached token has exactly one reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Miss {
    /// It could not have been found: no replica that the request may go to had ever computed it, or it lies in the last
    /// block of the prompt, which engines always compute.
    Compulsory,
    /// It was computed where the request may go, and had to make room since.
    Capacity,
    /// Another replica held it that the router could have chosen at that moment.
    Policy,
    /// It was held, and only in regions where the request must not go.
    Residency,
    /// It was computed for another tenant, and tenants share nothing.
    Isolation,
    /// A rollout took it. None is modelled, so always 0.
    Rollout,
    /// It was lost with a replica's cache, or held only by replicas that could not be asked at that moment.
    Outage,
}

impl Miss {
    /// How many reasons there are.
    pub const COUNT: usize = 7;
    /// All reasons, in the order of reports.
    pub const ALL: [Miss; Miss::COUNT] = [
        Miss::Compulsory,
        Miss::Capacity,
        Miss::Policy,
        Miss::Residency,
        Miss::Isolation,
        Miss::Rollout,
        Miss::Outage,
    ];
    /// The name in files and reports.
    pub const fn name(self) -> &'static str {
        ["compulsory", "capacity", "policy", "residency", "isolation", "rollout", "outage"][self as usize]
    }
}

/// The uncached prompt tokens of one request by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Misses([u32; Miss::COUNT]);

impl Misses {
    /// So many tokens more for this reason.
    #[inline]
    pub fn add(&mut self, miss: Miss, tokens: u32) {
        self.0[miss as usize] += tokens;
    }
    /// The tokens of a reason.
    #[inline]
    pub fn get(&self, miss: Miss) -> u32 {
        self.0[miss as usize]
    }
    /// The tokens of all reasons.
    pub fn total(&self) -> u64 {
        self.0.iter().map(|&tokens| u64::from(tokens)).sum()
    }
}
