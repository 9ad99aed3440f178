//! Sessions: how many turns, how a prompt grows from turn to turn. Of sessions that the trace names, or of those that
//! its blocks show.

use super::super::data::{Start, TraceData};
use super::lengths::Spread;
use rustc_hash::{FxHashMap, FxHashSet};
use serde::Serialize;

/// Turns that the survival is told for (those of the tables that published agent traces are described by).
pub const SURVIVAL_TURNS: [u32; 6] = [5, 10, 20, 50, 100, 200];

/// A prompt that is shorter than this share of the one before has lost its context (our choice: trimming a few tool
/// results is no reset).
const RESET_BELOW: (u64, u64) = (9, 10);

/// Sessions.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SessionStats {
    /// Whether they were inferred from blocks, because no row names one.
    pub inferred: bool,
    /// How many, without those that sub-agents of others are.
    pub sessions: u64,
    /// Sub-agents: sessions that another session started. No other figure here counts them.
    pub sub_agents: u64,
    /// Requests in the sessions.
    pub requests: u64,
    /// Turns of a session.
    pub turns: Spread,
    /// The most turns.
    pub turns_max: u64,
    /// Share of sessions with at least so many turns.
    pub survival: Vec<Survival>,
    /// Share of their requests that are in sessions of several turns.
    pub multi_turn_request_share: f64,
    /// Prompt tokens of first turns.
    pub first_input: Spread,
    /// Prompt tokens more than in the turn before, of later turns whose prompt grew; absent without any.
    pub growth: Option<Spread>,
    /// Share of later turns whose prompt is more than 10 % shorter than the one before.
    pub reset_share: Option<f64>,
    /// Time from an answer to the next turn, in seconds, where the trace tells it.
    pub wait_s: Option<Spread>,
}

/// A point of the survival curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Survival {
    /// Turns.
    pub turns: u32,
    /// Share of sessions with at least so many.
    pub share: f64,
}

pub(super) fn of(data: &TraceData, order: &[u32], lineage: Option<&[u64]>) -> Option<SessionStats> {
    let inferred = data.rows.iter().all(|row| row.session == 0);
    if inferred && lineage.is_none() {
        return None;
    }
    let session_of = |row: usize| match lineage {
        Some(sessions) if inferred => sessions[row],
        _ => data.rows[row].session,
    };
    // Per session: turns, and the last prompt.
    let mut open: FxHashMap<u64, (u32, u32)> = FxHashMap::default();
    let (mut first, mut growth, mut waits) = (Vec::new(), Vec::new(), Vec::new());
    let (mut later, mut resets) = (0u64, 0u64);
    let mut sub_agents: FxHashSet<u64> = FxHashSet::default();
    for &index in order {
        let (row, session) = (&data.rows[index as usize], session_of(index as usize));
        if session == 0 {
            continue;
        }
        if row.parent != 0 {
            sub_agents.insert(session);
            continue;
        }
        if let Start::After(ns) = row.start {
            waits.push(ns);
        }
        let (turns, last) = open.entry(session).or_insert((0, 0));
        if *turns == 0 {
            first.push(row.input as u64);
        } else {
            later += 1;
            match row.input.checked_sub(*last) {
                Some(more) => growth.push(more as u64),
                None => {
                    let (part, whole) = RESET_BELOW;
                    resets += u64::from((row.input as u64) * whole < *last as u64 * part);
                }
            }
        }
        *turns += 1;
        *last = row.input;
    }
    let mut turns: Vec<u64> = open.into_values().map(|(turns, _)| turns as u64).collect();
    turns.sort_unstable();
    let (sessions, requests) = (turns.len() as u64, turns.iter().sum::<u64>());
    let at_least = |least: u32| turns.len() - turns.partition_point(|&turns| turns < least as u64);
    let survival =
        SURVIVAL_TURNS.map(|turns| Survival { turns, share: at_least(turns) as f64 / sessions as f64 });
    let single = (turns.len() - at_least(2)) as u64;
    Some(SessionStats {
        inferred,
        sessions,
        sub_agents: sub_agents.len() as u64,
        requests,
        turns_max: turns.last().copied()?,
        survival: survival.to_vec(),
        multi_turn_request_share: (requests - single) as f64 / requests as f64,
        turns: Spread::of(&mut turns)?,
        first_input: Spread::of(&mut first)?,
        growth: Spread::of(&mut growth),
        reset_share: (later > 0).then(|| resets as f64 / later as f64),
        wait_s: Spread::of(&mut waits).map(|spread| spread.times(1e-9)),
    })
}
