//! The sessions of a generated workload: who asks, with what head, how long. Knows draws keyed by session and turn;
//! must not know when a turn is sent. Nothing is remembered: a turn is drawn again wherever it is needed.
//!
//! A prompt is what everyone's begins with, a system prompt, a document, what belongs to the user, and the session's
//! own growing history: what users and model have said so far. Each layer is one run of blocks. The block in which
//! one layer ends and the next begins belongs to the next, because its id stands for both.

use super::params::{AffinityBy, AtLimit, SharedPrefix, SyntheticParams, Tenancy, Tokens};
use crate::dist::{Dist, standard_normal};
use crate::rng::{Key, Stream};
use crate::time::Span;

mod layers;
pub(super) use layers::Layers;

impl Tokens {
    /// Draws a length.
    pub(super) fn sample(&self, stream: &mut Stream) -> u32 {
        self.within(self.dist.sample(stream))
    }
    /// The length at the rank of `z` among standard normals.
    fn at_normal(&self, z: f64) -> u32 {
        self.within(self.dist.at_normal(z).unwrap_or_default())
    }
    fn within(&self, value: f64) -> u32 {
        (value.round() as u64).clamp(self.min as u64, self.max as u64) as u32
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
    /// Tokens that every prompt begins with.
    pub global: u32,
    pub system: Layer,
    pub document: Layer,
    pub user: Layer,
}

impl Head {
    /// Its length.
    pub(super) fn tokens(&self) -> u32 {
        self.global + self.system.tokens + self.document.tokens + self.user.tokens
    }
    /// What shares a home origin under affinity.
    pub(super) fn group(&self, by: AffinityBy) -> u64 {
        match by {
            AffinityBy::Tenant => self.tenant as u64,
            AffinityBy::Prefix => self.system.number,
        }
    }
}

/// How far a session has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Progress {
    /// The number of the turn to come.
    pub turn: u32,
    /// Prompt and output of the turn before it, in tokens.
    pub history: u32,
    /// How often its context has been compacted.
    pub epoch: u32,
}

/// One turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    pub prompt: u32,
    pub output: u32,
    /// From the answer before to this turn; a first turn has none.
    pub think: Span,
    /// How often the context had been compacted.
    pub epoch: u32,
}

impl Turn {
    /// What comes after it.
    pub(super) fn after(&self, turn: u32) -> Progress {
        Progress { turn: turn + 1, history: self.prompt + self.output, epoch: self.epoch }
    }
}

fn rank(count: u32, zipf: f64, stream: &mut Stream) -> u64 {
    Dist::Zipf { n: count.max(1), exponent: zipf }.sample(stream) as u64
}

/// The key that a layer's lengths are drawn by: its own, or that of the name it is shared under.
fn of_layer(own: Key, shared_as: Option<&String>) -> Key {
    shared_as.map_or(own, |name| Key::root(0).named("layer").named(name))
}

fn layer(key: Key, prefix: &SharedPrefix, number: u64) -> Layer {
    let key = of_layer(key, prefix.shared_as.as_ref());
    Layer { number, tokens: prefix.tokens.sample(&mut key.at(number).stream()) }
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
    tenant: Key,
    user: Key,
    turns: Key,
    turn: Key,
    rank: Key,
    tool: Key,
    reset: Key,
}

impl Sessions {
    pub(super) fn new(params: &SyntheticParams, key: Key) -> Sessions {
        let keys = Keys {
            head: key.named("head"),
            system: key.named("system"),
            document: key.named("document"),
            tenant: key.named("tenant"),
            user: key.named("user"),
            turns: key.named("turns"),
            turn: key.named("turn"),
            rank: key.named("rank"),
            tool: key.named("tool"),
            reset: key.named("reset"),
        };
        Sessions { params: params.clone(), keys }
    }
    pub(super) fn head(&self, session: u64) -> Head {
        let params = &self.params;
        let global = params.global.as_ref().map_or(0, |global| global.tokens);
        let tenants = params.tenants.max(1);
        let mut head = Head { global, ..Head::default() };
        let layered = params.system.is_some() || params.documents.is_some();
        if let Some(tenancy) = params.tenancy {
            head.tenant = self.tenant(tenancy, session);
        }
        if layered || (tenants > 1 && params.tenancy.is_none()) {
            let mut stream = self.keys.head.at(session).stream();
            if let Some(prefix) = &params.system {
                let number = match params.tenancy {
                    None => rank(prefix.count, prefix.zipf, &mut stream),
                    Some(_) => (head.tenant % prefix.count.max(1)) as u64 + 1,
                };
                head.system = layer(self.keys.system, prefix, number);
            }
            if let Some(prefix) = &params.documents {
                let number = rank(prefix.count, prefix.zipf, &mut stream);
                head.document = layer(self.keys.document, prefix, number);
            }
            if params.tenancy.is_none() {
                head.tenant = match head.system.number {
                    0 => stream.below(tenants),
                    number => ((number - 1) % tenants as u64) as u32,
                };
            }
        }
        if let Some(prefix) = &params.users {
            let number = rank(prefix.count, prefix.zipf, &mut self.keys.user.at(session).stream());
            head.user = layer(self.keys.user.named("tokens"), prefix, number);
        }
        head
    }
    fn tenant(&self, tenancy: Tenancy, session: u64) -> u32 {
        let mut stream = self.keys.tenant.at(session).stream();
        let tenants = self.params.tenants.max(1);
        let heavy = tenancy.heavy.min(tenants);
        if heavy > 0 && stream.unit() < tenancy.heavy_share {
            return stream.below(heavy);
        }
        rank(tenants, tenancy.zipf, &mut stream) as u32 - 1
    }
    /// How many turns the session would have if its context were endless.
    fn turns_meant(&self, session: u64) -> u32 {
        let drawn = self.params.turns.sample(&mut self.keys.turns.at(session).stream());
        drawn.round().clamp(1.0, u32::MAX as f64) as u32
    }
    /// The rank that a turn's output shares with what is added after it.
    fn rank(&self, session: u64, turn: u32) -> f64 {
        standard_normal(&mut self.keys.rank.at(session).at(turn as u64).stream())
    }
    /// The turn to come, or `None` when the session is over.
    pub(super) fn turn(&self, session: u64, head: &Head, progress: Progress) -> Option<Turn> {
        let Progress { turn, history, epoch } = progress;
        if turn >= self.turns_meant(session) {
            return None;
        }
        let params = &self.params;
        let mut stream = self.keys.turn.at(session).at(turn as u64).stream();
        let chance = |key: Key, share: f64| share > 0.0 && key.at(session).at(turn as u64).unit() < share;
        let reset = turn > 0 && chance(self.keys.reset, params.reset_share);
        let first = turn == 0 || reset;
        let mut message = match (&params.growth, &params.first_input) {
            (_, Some(input)) if first => input.sample(&mut stream).saturating_sub(head.tokens()).max(1),
            (Some(growth), _) if !first => {
                let before = self.rank(session, turn - 1);
                growth.at_normal(before).saturating_sub(params.output.at_normal(before)).max(1)
            }
            _ if first => params.message.sample(&mut stream),
            _ => params.later_message.sample(&mut stream),
        };
        let mut output = match params.growth {
            Some(_) => params.output.at_normal(self.rank(session, turn)),
            None => params.output.sample(&mut stream),
        };
        // Drawn last, so that it need not be drawn where nobody waits for it.
        // Whole microseconds: 20,000 of them take less room in a file, and no model here is finer.
        let think = if turn == 0 {
            Span::ZERO
        } else {
            let tool = chance(self.keys.tool, params.tool_share);
            let wait = if tool { &params.tool_wait_s } else { &params.think_s };
            Span((wait.sample(&mut stream) * 1e6).round() as u64 * 1_000)
        };
        let before = if first { head.tokens() } else { history };
        let room = params.max_context_tokens.saturating_sub(before);
        let fits = message as u64 + output as u64 <= room as u64;
        if first {
            message = message.min(room.saturating_sub(params.output.min)).max(1);
            output = output.min(room.saturating_sub(message)).max(1);
            return Some(Turn { prompt: before + message, output, think, epoch: epoch + reset as u32 });
        }
        if !fits && params.at_limit == AtLimit::End {
            return None;
        }
        if !fits {
            // Compacted to what a session begins with.
            let room = params.max_context_tokens.saturating_sub(head.tokens());
            let fresh = match &params.first_input {
                Some(input) => input.sample(&mut stream).saturating_sub(head.tokens()).max(1),
                None => params.message.sample(&mut stream),
            };
            let message = fresh.min(room.saturating_sub(params.output.min)).max(1);
            let output = output.min(room.saturating_sub(message)).max(1);
            return Some(Turn { prompt: head.tokens() + message, output, think, epoch: epoch + 1 });
        }
        Some(Turn { prompt: before + message, output, think, epoch })
    }
    /// How many turns the session has.
    #[inline]
    pub(super) fn turns(&self, session: u64) -> u32 {
        let meant = self.turns_meant(session);
        if meant == 1 || self.params.at_limit == AtLimit::Reset {
            return meant; // A first turn is cut to the context, never left out.
        }
        let head = self.head(session);
        let mut progress = Progress::default();
        while let Some(next) = self.turn(session, &head, progress) {
            progress = next.after(progress.turn);
        }
        progress.turn
    }
}
