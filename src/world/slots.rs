//! The requests under way, each in a slot: its [`State`], its blocks, and what few of them have. Knows which slots are in
//! use; must not know what happens to a request. Slots are used again, with their memory.

use super::state::{Mark, Rare, State};
use crate::id::{ReplicaId, RequestId, SourceId};
use crate::network::RegionSet;
use crate::observe::{Leg, Outcome, RequestRow};
use crate::routing::{PromptBlocks, RequestView, Ticket};
use crate::time::SimTime;
use crate::workload::{Chain, Request};

/// What a client waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// The first token.
    FirstToken,
    /// The last one.
    End,
}

impl Awaited {
    pub(super) const ALL: [Awaited; 2] = [Awaited::FirstToken, Awaited::End];
}

/// What an engine is told of a request, and a stage where it asks for prompts.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked {
    pub(super) chain: Chain,
    pub(super) output_tokens: u32,
}

/// Slots that there is room for from the start (our choice): growing a table copies it into pages that are new to the
/// process, and memory that nobody has written to costs nothing.
const ROOM: usize = 16_384;

/// All slots.
#[derive(Debug)]
pub(super) struct Slots {
    states: Vec<State>,
    /// By slot.
    asked: Vec<Asked>,
    /// By slot, as far as anybody ever had one.
    rare: Vec<Rare>,
    vacant: Vec<u32>,
    next: u32,
}

impl Default for Slots {
    fn default() -> Slots {
        Slots {
            states: Vec::with_capacity(ROOM),
            asked: Vec::with_capacity(ROOM),
            rare: Vec::new(),
            vacant: Vec::new(),
            next: 0,
        }
    }
}

impl Slots {
    /// A slot for the next request, which its source has told of just now. Its chain is swapped for one of the same
    /// kind: both keep their memory.
    pub(super) fn take(&mut self, now: SimTime, source: SourceId, request: &mut Request) -> u32 {
        let slot = self.vacant.pop().unwrap_or_else(|| {
            self.states.push(State::vacant());
            self.asked.push(Asked::default());
            self.states.len() as u32 - 1
        });
        let id = RequestId(self.next);
        self.next = self.next.checked_add(1).expect("fewer than 2^32 requests in a run");
        let asked = &mut self.asked[slot as usize];
        let chain = std::mem::take(&mut request.chain);
        request.chain = std::mem::replace(&mut asked.chain, chain);
        asked.output_tokens = request.output_tokens;
        self.states[slot as usize] = State::new(id, now, source, request);
        if let Some(allowed) = request.allowed {
            self.mark_rare(slot, Mark::Restricted).allowed = allowed;
        }
        slot
    }
    pub(super) fn free(&mut self, slot: u32) {
        self.states[slot as usize].vacate();
        self.vacant.push(slot);
    }
    #[inline]
    pub(super) fn get(&self, slot: u32) -> &State {
        &self.states[slot as usize]
    }
    #[inline]
    pub(super) fn get_mut(&mut self, slot: u32) -> &mut State {
        &mut self.states[slot as usize]
    }
    #[inline]
    pub(super) fn asked(&self, slot: u32) -> &Asked {
        &self.asked[slot as usize]
    }

    /// What few requests have, of one that has some of it.
    #[cold]
    pub(super) fn rare(&self, slot: u32) -> &Rare {
        &self.rare[slot as usize]
    }
    /// The same, to write to.
    #[cold]
    pub(super) fn rare_mut(&mut self, slot: u32) -> &mut Rare {
        if self.rare.len() <= slot as usize {
            self.rare.resize(self.states.len(), Rare::default());
        }
        &mut self.rare[slot as usize]
    }
    /// Marks a request; the part of it to be written down now.
    #[cold]
    pub(super) fn mark_rare(&mut self, slot: u32, mark: Mark) -> &mut Rare {
        self.get_mut(slot).marks.set(mark, true);
        self.rare_mut(slot)
    }
    #[inline]
    fn rare_if(&self, slot: u32, mark: Mark) -> Option<&Rare> {
        self.get(slot).has(mark).then(|| self.rare(slot))
    }
    /// The regions that it brought itself, if it did.
    #[inline]
    pub(super) fn restricted_to(&self, slot: u32) -> Option<RegionSet> {
        self.rare_if(slot, Mark::Restricted).map(|rare| rare.allowed)
    }
    /// The first tier's ticket of its attempt, if there is one.
    #[inline]
    pub(super) fn global_ticket(&self, slot: u32) -> Option<Ticket> {
        self.rare_if(slot, Mark::Global).and_then(|rare| rare.global)
    }
    /// The replica that failed it last and the regions in which it was failed, if it was.
    #[inline]
    pub(super) fn failure(&self, slot: u32) -> Option<(ReplicaId, RegionSet)> {
        self.rare_if(slot, Mark::Failed).map(|rare| (rare.failed_by, rare.failed_in))
    }
    /// Whether its end, which its replica has told of, is later than `now`.
    pub(super) fn ends_after(&self, slot: u32, now: SimTime) -> bool {
        self.rare_if(slot, Mark::Ends).is_some_and(|rare| rare.end_at > now)
    }
    /// The replica that it was sent to has failed it.
    pub(super) fn failed(&mut self, slot: u32) {
        let state = self.get(slot);
        let (first, replica, region) = (!state.has(Mark::Failed), state.replica(), state.region());
        let rare = self.mark_rare(slot, Mark::Failed);
        if first {
            rare.failed_in = RegionSet::NONE;
        }
        rare.failed_by = replica.expect("who failed it was sent it");
        region.into_iter().for_each(|region| rare.failed_in.insert(region));
    }
    /// It is to be read by its gateway again, at `again`. Its gateway held it since it last decided.
    pub(super) fn again(&mut self, slot: u32, again: SimTime) {
        self.get_mut(slot).unsend();
        let (state, rare) = (self.get(slot), self.rare.get(slot as usize));
        let (entered_at, mut legs) = (state.entered_at(rare), state.legs(rare));
        legs.add(Leg::Hold, again - state.decided_at);
        self.get_mut(slot).decided_at = SimTime::ZERO;
        let rare = self.mark_rare(slot, Mark::Retried);
        (rare.entered_at, rare.legs) = (entered_at, legs);
    }
    /// Its story, where it ended so, and then.
    #[inline]
    pub(super) fn row(&self, slot: u32, outcome: Outcome, ended_at: SimTime) -> RequestRow {
        self.get(slot).row(self.rare.get(slot as usize), outcome, ended_at)
    }
    /// A request as a router may see it.
    #[inline]
    pub(super) fn view(&self, slot: u32, block_tokens: u32) -> RequestView<'_> {
        let state = self.get(slot);
        RequestView {
            id: state.id,
            session: state.session,
            tenant: state.tenant,
            origin: state.origin,
            class: state.class,
            prompt_tokens: state.prompt_tokens,
            prompt: PromptBlocks::new(&self.asked(slot).chain, state.prompt_tokens, block_tokens),
        }
    }

    /// Whether this request is still under way, in that slot.
    #[inline]
    pub(super) fn is(&self, slot: u32, id: RequestId) -> bool {
        self.get(slot).id == id
    }
    /// Whether this request is still under way, in that slot, and what was promised about it then still holds.
    #[inline]
    pub(super) fn holds(&self, slot: u32, id: RequestId, epoch: u32) -> bool {
        self.is(slot, id) && u32::from(self.get(slot).epoch) == epoch
    }
    /// Whether its client still waits for it.
    #[inline]
    pub(super) fn waits(&self, slot: u32, id: RequestId) -> bool {
        self.is(slot, id) && !self.get(slot).left()
    }
    /// How many are in use.
    pub(super) fn count(&self) -> usize {
        self.states.len() - self.vacant.len()
    }
    /// The slots in use, by order of arrival.
    pub(super) fn live(&self) -> Vec<u32> {
        let mut live: Vec<u32> =
            (0..self.states.len() as u32).filter(|&slot| self.get(slot).live()).collect();
        live.sort_by_key(|&slot| self.get(slot).id);
        live
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{GatewayId, RegionId};
    use crate::routing::TargetId;
    use crate::time::Span;

    #[test]
    fn a_request_under_way_takes_three_lines_of_the_cache() {
        assert!(size_of::<State>() <= 192, "{}", size_of::<State>());
        assert!(size_of::<Asked>() <= 40, "{}", size_of::<Asked>());
    }

    #[test]
    fn instants_give_the_legs_and_a_lost_attempt_leaves_the_way_to_it_and_its_decision() {
        let mut slots = Slots::default();
        let slot = slots.take(SimTime(10), SourceId(0), &mut Request::default());
        assert_eq!(slots.row(slot, Outcome::InFlight, SimTime(11)).legs.total(), Span::ZERO);
        // Out to the gateway in 10 after 5 of set-up: there at 25. Decided at 27 and sent at 30, over a hop of 4, ingress 2.
        let send = |state: &mut State, sent: u64| {
            let ticket = Ticket {
                target: TargetId(0),
                prompt_tokens: 0,
                matched_blocks: 0,
                uncached_tokens: 0,
                learned: 0,
            };
            state.send(0, &ticket, ReplicaId(7), RegionId(3));
            (state.hop_out, state.ingress, state.hop_back) = (Span(4), Span(2), Span(6));
            state.delivered_at = SimTime(sent + 6);
        };
        let state = slots.get_mut(slot);
        (state.gateway, state.client_out, state.client_back) = (GatewayId(0), Span(10), Span(8));
        (state.at_gateway, state.decided_at) = (SimTime(25), SimTime(27));
        send(state, 30);
        let legs = |slots: &Slots| {
            Leg::ALL.map(|leg| slots.row(slot, Outcome::Failed, SimTime(200)).legs.get(leg).0)
        };
        assert_eq!(legs(&slots), [10, 5, 2, 3, 4, 2, 0, 0, 0, 0]);
        // Lost before its first token, and read again at 60: of it 33 were held since the decision at 27.
        slots.get_mut(slot).unsend();
        slots.failed(slot);
        assert_eq!(legs(&slots), [10, 5, 2, 0, 0, 0, 0, 0, 0, 0]);
        slots.again(slot, SimTime(60));
        assert_eq!(legs(&slots), [10, 5, 2, 33, 0, 0, 0, 0, 0, 0]);
        // Decided at 61, sent at 65: delivered at 71, scheduled at 80, first token at 90, at its client at 90 + 6 + 8.
        let state = slots.get_mut(slot);
        (state.at_gateway, state.decided_at) = (SimTime(60), SimTime(61));
        send(state, 65);
        (state.scheduled_at, state.first_token_at) = (SimTime(80), SimTime(90));
        assert_eq!(legs(&slots), [10, 5, 3, 37, 4, 2, 9, 0, 10, 14]);
        let row = slots.row(slot, Outcome::Completed, SimTime(200));
        assert_eq!((row.ttft(), row.legs.total()), (Some(Span(94)), Span(94)));
        assert_eq!((row.server_ttft, row.attempts), (Some(Span(90 - 25)), 2));
        assert_eq!((row.replica, row.region), (Some(ReplicaId(7)), Some(RegionId(3))));
        assert_eq!(slots.failure(slot), Some((ReplicaId(7), [RegionId(3)].into_iter().collect())));
        // Its end came before the token did.
        let row = slots.row(slot, Outcome::TimedOut, SimTime(100));
        assert_eq!((row.first_token_at, row.server_ttft, row.legs.total()), (None, None, Span(94)));
    }
}
