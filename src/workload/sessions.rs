//! The sessions of a generated workload: who asks, with what head, how long. Knows draws keyed by session and turn;
//! must not know when a turn is sent. Nothing is remembered: a turn is drawn again wherever it is needed.
//!
//! A prompt is a system prompt, a document, and the session's own growing history: what users and model have
//! said so far. Each layer is one run of blocks. The block in which one layer ends and the next begins belongs to
//! the next, because its id stands for both.

use super::params::{AffinityBy, SharedPrefix, SyntheticParams, Tokens};
use super::{Chain, Run};
use crate::dist::Dist;
use crate::rng::{Key, Stream};
use crate::time::Span;

impl Tokens {
    /// Draws a length.
    pub(super) fn sample(&self, stream: &mut Stream) -> u32 {
        (self.dist.sample(stream).round() as u64).clamp(self.min as u64, self.max as u64) as u32
    }
}

/// A layer of a prompt's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Layer {
    /// Which one, from 1; 0 is none.
    pub number: u64,
    pub tokens: u32,
}

/// What every turn of a session begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Head {
    pub tenant: u32,
    pub system: Layer,
    pub document: Layer,
}

impl Head {
    /// What shares a home origin under affinity.
    pub(super) fn group(&self, by: AffinityBy) -> u64 {
        match by {
            AffinityBy::Tenant => self.tenant as u64,
            AffinityBy::Prefix => self.system.number,
        }
    }
}

/// One turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    pub prompt: u32,
    pub output: u32,
    /// From the answer before to this turn; a first turn has none.
    pub think: Span,
}

fn layer(key: Key, prefix: Option<&SharedPrefix>, stream: &mut Stream) -> Layer {
    let Some(prefix) = prefix else { return Layer::default() };
    let rank = Dist::Zipf { n: prefix.count.max(1), exponent: prefix.zipf }.sample(stream) as u64;
    let tokens = prefix.tokens.sample(&mut key.at(rank).stream());
    Layer { number: rank, tokens }
}

/// Draws sessions by number.
#[derive(Clone, Debug)]
pub(super) struct Sessions {
    pub params: SyntheticParams,
    keys: Keys,
}

/// The branches of the workload's key, found once.
#[derive(Clone, Copy, Debug)]
struct Keys {
    head: Key,
    system: Key,
    document: Key,
    turns: Key,
    turn: Key,
}

impl Sessions {
    pub(super) fn new(params: &SyntheticParams, key: Key) -> Sessions {
        let keys = Keys {
            head: key.named("head"),
            system: key.named("system"),
            document: key.named("document"),
            turns: key.named("turns"),
            turn: key.named("turn"),
        };
        Sessions { params: params.clone(), keys }
    }
    pub(super) fn head(&self, session: u64) -> Head {
        let SyntheticParams { system, documents, tenants, .. } = &self.params;
        if system.is_none() && documents.is_none() && *tenants <= 1 {
            return Head::default();
        }
        let mut stream = self.keys.head.at(session).stream();
        let system = layer(self.keys.system, system.as_ref(), &mut stream);
        let document = layer(self.keys.document, documents.as_ref(), &mut stream);
        let tenants = self.params.tenants.max(1);
        let tenant = match system.number {
            0 => stream.below(tenants),
            number => ((number - 1) % tenants as u64) as u32,
        };
        Head { tenant, system, document }
    }
    /// How many turns the session would have if its context were endless.
    fn turns_meant(&self, session: u64) -> u32 {
        let drawn = self.params.turns.sample(&mut self.keys.turns.at(session).stream());
        drawn.round().clamp(1.0, u32::MAX as f64) as u32
    }
    /// Turn number `turn` after `history` tokens (0 before the first), or `None` when the session is over.
    pub(super) fn turn(&self, session: u64, head: &Head, turn: u32, history: u32) -> Option<Turn> {
        if turn >= self.turns_meant(session) {
            return None;
        }
        let params = &self.params;
        let mut stream = self.keys.turn.at(session).at(turn as u64).stream();
        let message = if turn == 0 { &params.message } else { &params.later_message };
        let (mut message, mut output) = (message.sample(&mut stream), params.output.sample(&mut stream));
        // Drawn last, so that it need not be drawn where nobody waits for it.
        // Whole microseconds: 20,000 of them take less room in a file, and no model here is finer.
        let think = match turn {
            0 => Span::ZERO,
            _ => Span((params.think_s.sample(&mut stream) * 1e6).round() as u64 * 1_000),
        };
        let before = if turn == 0 { head.system.tokens + head.document.tokens } else { history };
        let room = params.max_context_tokens.saturating_sub(before);
        if turn == 0 {
            message = message.min(room.saturating_sub(params.output.min)).max(1);
            output = output.min(room.saturating_sub(message)).max(1);
        } else if message as u64 + output as u64 > room as u64 {
            return None;
        }
        Some(Turn { prompt: before + message, output, think })
    }
    /// How many turns the session has.
    pub(super) fn turns(&self, session: u64) -> u32 {
        if self.turns_meant(session) == 1 {
            return 1; // A first turn is cut to the context, never left out.
        }
        let head = self.head(session);
        let (mut turn, mut history) = (0, 0);
        while let Some(next) = self.turn(session, &head, turn, history) {
            history = next.prompt + next.output;
            turn += 1;
        }
        turn
    }
    /// The chain of a request of `total` tokens, in runs keyed by small numbers: system prompts from 1, then
    /// documents under each, then sessions.
    pub(super) fn chain(&self, session: u64, head: &Head, total: u32, block: u32, chain: &mut Chain) {
        let systems = self.params.system.as_ref().map_or(0, |layer| layer.count as u64);
        let documents = self.params.documents.as_ref().map_or(0, |layer| layer.count as u64);
        let system_blocks = head.system.tokens / block;
        let head_blocks = (head.system.tokens + head.document.tokens) / block;
        chain.clear();
        chain.push(Run { key: head.system.number, start: 0, len: system_blocks });
        if head.document.number > 0 {
            let key = systems + head.system.number * documents + head.document.number;
            chain.push(Run { key, start: 0, len: head_blocks - system_blocks });
        }
        let key = systems + (systems + 1) * documents + 1 + session;
        chain.push(Run { key, start: 0, len: total / block - head_blocks });
    }
}
