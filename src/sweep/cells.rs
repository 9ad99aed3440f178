//! Which cells a sweep has and how they are named. Knows plans and their hashes; must not run anything.

use super::axis::Axis;
use super::point::Point;
use crate::digest::Digest;
use crate::scenario::Plan;
use serde::{Deserialize, Serialize};

/// Of the files of a sweep.
pub const SCHEMA_VERSION: u32 = 1;

/// The version whose cells these are.
pub const TOOL: &str = concat!("regionsim ", env!("CARGO_PKG_VERSION"));

/// A policy and a seed at a point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Its number, from 0: by point, then policy, then seed.
    pub number: u64,
    /// Its point's number.
    pub point: usize,
    /// The policy.
    pub policy: String,
    /// The seed.
    pub seed: u64,
    /// The hash of what it is made from: the point's world, what it costs, the policy, the seed and the tool's version.
    pub id: u64,
}

/// The cells of a point, without numbers. Policies are those named, or all; a name that is not there is left out.
pub fn cells_of(point: &Point, plan: &Plan, policies: &[String], seed: Option<u64>, seeds: u32) -> Vec<Cell> {
    let (world, prices) = (plan.world_hash(), plan.prices_hash());
    let first = seed.unwrap_or(plan.seed);
    let chosen = plan.policies.iter().filter(|p| policies.is_empty() || policies.contains(&p.name));
    let mut cells = Vec::new();
    for policy in chosen {
        let own = plan.policy_hash(policy);
        for seed in (0..u64::from(seeds)).map(|i| first.wrapping_add(i)) {
            let mut digest = Digest::new();
            digest.text(TOOL);
            [world, prices.unwrap_or(0), own, seed].into_iter().for_each(|word| digest.word(word));
            cells.push(Cell {
                number: 0,
                point: point.number,
                policy: policy.name.clone(),
                seed,
                id: digest.value(),
            });
        }
    }
    cells
}

/// What a sweep is: written beside its rows, the same by every shard.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Of these files.
    pub schema_version: u32,
    /// The tool and its version.
    pub tool: String,
    /// The hash of its cells and what they set, in hexadecimal: two sweeps of one hash have the same rows.
    pub sweep: String,
    /// The scenario's name.
    pub scenario: String,
    /// Overrides of every point.
    pub overrides: Vec<String>,
    /// What is varied, as typed.
    pub over: Vec<String>,
    /// How many random points, where it is no grid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub random: Option<u32>,
    /// How many points.
    pub points: u64,
    /// The policies of the first point.
    pub policies: Vec<String>,
    /// How many seeds a point has.
    pub seeds: u32,
    /// How many cells.
    pub cells: u64,
}

/// The manifest of these cells.
pub fn manifest(
    scenario: &str,
    overrides: &[String],
    axes: &[Axis],
    points: &[Point],
    cells: &[Cell],
) -> Manifest {
    let mut digest = Digest::new();
    digest.text(TOOL);
    for point in points {
        digest.word(point.settings.len() as u64);
        for (path, value) in &point.settings {
            digest.text(path);
            digest.text(value);
        }
    }
    for cell in cells {
        digest.word(cell.point as u64);
        digest.text(&cell.policy);
        digest.word(cell.id);
    }
    let of_first = || cells.iter().filter(|cell| cell.point == 0);
    let mut policies: Vec<String> = of_first().map(|cell| cell.policy.clone()).collect();
    policies.dedup();
    let seeds = of_first().filter(|cell| Some(&cell.policy) == policies.first()).count();
    Manifest {
        schema_version: SCHEMA_VERSION,
        tool: TOOL.to_string(),
        sweep: format!("{:016x}", digest.value()),
        scenario: scenario.to_string(),
        overrides: overrides.to_vec(),
        over: axes.iter().map(ToString::to_string).collect(),
        random: None,
        points: points.len() as u64,
        policies,
        seeds: seeds as u32,
        cells: cells.len() as u64,
    }
}
