//! The chains of generated prompts: which run of blocks each layer is. Knows lengths and keys; must not know how they
//! were drawn.

use super::{Head, Sessions};
use crate::rng::{hash_name, mix2};
use crate::workload::params::{SharedPrefix, SyntheticParams};
use crate::workload::trace::scope_of;
use crate::workload::{Chain, Run};

const GLOBAL: u64 = hash_name("layer/global");
const SHARED: u64 = hash_name("layer/shared");
const USER: u64 = hash_name("layer/user");
const DOCUMENT: u64 = hash_name("layer/document");

/// Which scope the ids of each layer lie in: the workload's, or that of a name that several workloads share. A layer
/// is shared only where all layers above it are, because its ids stand for them too.
#[derive(Clone, Copy, Debug)]
pub(in crate::workload) struct Layers {
    own: u64,
    global: u64,
    system: u64,
    document: u64,
    user: u64,
}

impl Layers {
    /// The layers of a workload called `name`.
    pub(in crate::workload) fn new(params: &SyntheticParams, name: &str) -> Layers {
        let own = scope_of(name);
        // The names of all layers so far; `None` once one was not shared.
        let mut path = Some(SHARED);
        let mut scope = |present: bool, shared_as: Option<&String>| {
            if present {
                path = path.zip(shared_as).map(|(path, name)| mix2(path, scope_of(name)));
            }
            path.filter(|_| present).unwrap_or(own)
        };
        let global = params.global.as_ref();
        let global = scope(global.is_some(), global.and_then(|global| global.shared_as.as_ref()));
        let mut of = |prefix: &Option<SharedPrefix>| {
            scope(prefix.is_some(), prefix.as_ref().and_then(|prefix| prefix.shared_as.as_ref()))
        };
        let (system, document, user) = (of(&params.system), of(&params.documents), of(&params.users));
        Layers { own, global, system, document, user }
    }
    /// A run of small keys as the workload's own: what a replay of a written trace does with its ids.
    #[inline]
    pub(in crate::workload) fn lift(&self, run: Run, layer: u8) -> Run {
        let scope = [self.global, self.system, self.document, self.user, self.own][layer as usize];
        Run { key: mix2(scope, run.key), ..run }
    }
}

impl Sessions {
    /// The chain of a request of `total` tokens, in runs keyed by small numbers where few layers are in use: system
    /// prompts from 1, then documents under each, then sessions. With `layers` the keys are lifted into their scopes.
    pub(in crate::workload) fn chain(
        &self,
        session: u64,
        epoch: u32,
        head: &Head,
        total: u32,
        block: u32,
        layers: Option<&Layers>,
        chain: &mut Chain,
    ) {
        let systems = self.params.system.as_ref().map_or(0, |layer| layer.count as u64);
        let documents = self.params.documents.as_ref().map_or(0, |layer| layer.count as u64);
        chain.clear();
        let (mut tokens, mut done) = (0, 0);
        let mut push = |key: u64, length: u32, layer: u8| {
            tokens += length;
            let run = Run { key, start: 0, len: tokens / block - done };
            done = tokens / block;
            chain.push(layers.map_or(run, |layers| layers.lift(run, layer)));
        };
        if head.global > 0 {
            push(GLOBAL, head.global, 0);
        }
        push(head.system.number, head.system.tokens, 1);
        if head.document.number > 0 {
            // Under another system prompt, or one of another length, a document's blocks are others.
            let key = match layers {
                Some(layers) if layers.document != layers.own => mix2(
                    mix2(DOCUMENT, head.system.number << 32 | head.system.tokens as u64),
                    head.document.number,
                ),
                _ => systems + head.system.number * documents + head.document.number,
            };
            push(key, head.document.tokens, 2);
        }
        if head.user.number > 0 {
            let above = mix2(head.system.number, head.document.number);
            push(mix2(mix2(USER, above), head.user.number), head.user.tokens, 3);
        }
        let own = systems + (systems + 1) * documents + 1 + session;
        let key = if epoch == 0 { own } else { mix2(own, epoch as u64) };
        push(key, total - head.tokens(), 4);
    }
}
