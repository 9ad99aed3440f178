//! One request of a cell, explained: the cell runs until the request has ended, and all decisions about it are kept.
//! Knows how to build a world; must not know how an explanation looks.

use super::CellInput;
use crate::id::RequestId;
use crate::observe::{AdmissionRecord, DecisionRecord, Observation, Observer, RequestRow};
use crate::time::SimTime;
use crate::world::{Decisions, Look, World, WorldError};
use std::cell::Cell;

/// What there is to say about one request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Explained {
    /// Its decisions, the first try first.
    pub decisions: Vec<DecisionRecord>,
    /// What kept it out, if anything did, in place of a last decision.
    pub turned_away: Option<AdmissionRecord>,
    /// Its story; nothing where the cell has no such request.
    pub row: Option<RequestRow>,
    /// How many requests there were until then: those that exist are numbered from 0.
    pub arrived: u64,
}

struct Watch<'d> {
    id: RequestId,
    found: Explained,
    done: &'d Cell<bool>,
}

impl Observer for Watch<'_> {
    fn observe(&mut self, _: SimTime, observation: &Observation<'_>) {
        if self.done.get() {
            return;
        }
        match observation {
            Observation::Arrived { .. } => self.found.arrived += 1,
            Observation::Decided(record) => self.found.decisions.push((*record).clone()),
            Observation::TurnedAway(record) => self.found.turned_away = Some(**record),
            Observation::Ended(row) if row.id == self.id => {
                self.found.row = Some(**row);
                self.done.set(true);
            }
            _ => {}
        }
    }
}

/// Runs a cell until this request has ended, or to its end where there is no such request.
///
/// # Errors
/// When the world cannot be built from its parameters.
pub fn explain_cell(input: &CellInput<'_>, id: RequestId) -> Result<Explained, WorldError> {
    let done = Cell::new(false);
    let watch = Watch { id, found: Explained::default(), done: &done };
    let look = Look { misses: true, decisions: Decisions::Of(id), ..Look::default() };
    let world = World::with_method(input.world, input.policy, input.seed, input.method, watch)?;
    let (_, watch) = world.looking(&look).run(|_, _| !done.get());
    Ok(watch.found)
}
