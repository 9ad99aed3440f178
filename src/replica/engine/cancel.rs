//! Requests whose client has left. As in vLLM, a step under way is not disturbed: whoever waits goes at once, whoever
//! runs goes before the next step is built, with its blocks (abort in vLLM V1's engine core: between two steps).

use super::Engine;
use crate::kvcache::KvCache;
use crate::observe::Outcome;
use crate::replica::{JobId, Output};
use crate::time::SimTime;

impl<C: KvCache> Engine<C> {
    /// Nobody waits for this job any more, after [`Engine::advance_to`] this instant. Its end is told when it has
    /// gone; one that has ended meanwhile, or never was here, is not told of again.
    pub fn cancel(&mut self, now: SimTime, job: JobId, out: &mut Vec<Output>) {
        if self.leave_waiting(now, job, out) {
            return;
        }
        if self.running.iter().any(|&slot| self.sequences[slot as usize].job == job) {
            self.leaving.push(job);
            self.cut_stretch();
        }
    }

    /// A step has ended and the next is not built: those who run and are to go, go.
    pub(super) fn let_go(&mut self, now: SimTime, out: &mut Vec<Output>) {
        if self.leaving.is_empty() {
            return;
        }
        self.unlock_all();
        let mut leaving = std::mem::take(&mut self.leaving);
        for job in leaving.drain(..) {
            let sequences = &self.sequences;
            let place = self.running.iter().position(|&slot| sequences[slot as usize].job == job);
            let Some(place) = place else {
                // It has ended with this step, or was preempted since and waits.
                self.leave_waiting(now, job, out);
                continue;
            };
            let slot = self.running.remove(place).expect("it was found there");
            let sequence = &mut self.sequences[slot as usize];
            self.context_tokens -= u64::from(sequence.computed);
            self.cache.release(&mut sequence.table);
            self.gone(slot, now, out);
        }
        self.leaving = leaving;
        self.lock_ready();
    }

    fn leave_waiting(&mut self, now: SimTime, job: JobId, out: &mut Vec<Output>) -> bool {
        let sequences = &self.sequences;
        let place = self.waiting.iter().position(|&slot| sequences[slot as usize].job == job);
        let Some(place) = place else { return false };
        let slot = self.waiting.remove(place).expect("it was just seen there");
        self.waiting_tokens -= u64::from(self.sequences[slot as usize].prompt);
        if place == 0 {
            // Who was kept out by the head of the line may fit.
            self.cut_stretch();
        }
        self.gone(slot, now, out);
        true
    }

    fn gone(&mut self, slot: u32, now: SimTime, out: &mut Vec<Output>) {
        let sequence = &self.sequences[slot as usize];
        let (job, tokens) = (sequence.job, sequence.tokens());
        out.push(Output::Ended { job, at: now, outcome: Outcome::TimedOut, tokens });
        self.vacant.push(slot);
    }
}
