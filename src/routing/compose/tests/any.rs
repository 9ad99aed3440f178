//! Whatever keeps to the rules answers: compositions at random, over targets, loads and prompts at random.

use super::targets;
use crate::id::{ClassId, OriginId, RequestId, TenantId};
use crate::observe::Load;
use crate::rng::Key;
use crate::routing::compose::filter::{
    Bounded, Filter, Home, Limited, OnEmpty, Plain, Sample, Sigma, Tau, Within,
};
use crate::routing::compose::guard::{All, Condition, Imbalance, Nothing, Saturation, Share};
use crate::routing::compose::index::IndexBlock;
use crate::routing::compose::learn::{HistogramBlock, LearnBlock};
use crate::routing::compose::pick::{Best, OnMaglev, OnRing, P2c, Pick, Softmax, Tie};
use crate::routing::compose::score::{Cap, Combine, Direction, Floor, Term, Transform};
use crate::routing::compose::signal::{Reads, Signal, Unit};
use crate::routing::compose::{Body, Params};
use crate::routing::policies::chwbl::{Bound, Count};
use crate::routing::{Decision, PolicySpec, PromptBlocks, RequestView, Stage, TargetId, Ticket};
use crate::time::{SimTime, Span};
use crate::workload::{Chain, Run};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Any signal of a sum, over each replica or not.
fn any_reading() -> impl Strategy<Value = (Signal, bool)> {
    (prop::sample::select(Signal::ALL.to_vec()), any::<bool>())
        .prop_map(|(signal, per_replica)| (signal, per_replica && signal.is_sum()))
}

fn any_filter() -> impl Strategy<Value = Filter> {
    let on_empty =
        prop::sample::select(vec![OnEmpty::KeepAll, OnEmpty::Next, OnEmpty::Reject, OnEmpty::Queue]);
    (0usize..12, any_reading(), 0.0..6.0f64, on_empty).prop_map(
        |(which, (signal, per_replica), x, on_empty)| {
            let limited = Limited { signal, limit: x, per_replica, on_empty };
            let within = |rel| Within { signal, abs: x, rel, per_replica, on_empty };
            match which {
                0 => Filter::Below(limited),
                1 => Filter::AtMost(limited),
                2 => Filter::Above(limited),
                3 => Filter::AtLeast(limited),
                4 => Filter::WithinOfMin(within(1.0 + x)),
                5 => Filter::WithinOfMax(within(x / 6.0)),
                6 => Filter::MeanPlusSigma(Sigma { signal, k: x, per_replica, on_empty }),
                7 => Filter::MatchWithin(Tau { tau: x / 6.0, on_empty }),
                8 => Filter::Home(Home { vnodes: (x < 3.0).then_some(5), on_empty }),
                9 => Filter::Sample(Sample { choices: 1 + x as u32, on_empty }),
                10 => Filter::Bounded(Bounded {
                    load_factor: 1.0 + x,
                    bound: Bound::Strict,
                    count: if x < 3.0 { Count::All } else { Count::Eligible },
                    on_empty,
                }),
                _ => Filter::Healthy(Plain { on_empty }),
            }
        },
    )
}

fn any_condition() -> impl Strategy<Value = Condition> {
    (0usize..7, any_reading(), 0.0..6.0f64).prop_map(|(which, (signal, per_replica), x)| {
        let full = Saturation { queue: 1.0 + x, kv: 0.5, limit: 1.0 };
        match which {
            0 => Condition::Imbalance(Imbalance { signal, abs: x, rel: 1.1, per_replica }),
            1 => Condition::AllAbove(All { signal, limit: x, per_replica }),
            2 => Condition::MatchAbove(Share { ratio: x / 6.0 }),
            3 => Condition::UncachedBelowMatched(Nothing {}),
            4 => Condition::Saturated(full),
            5 => Condition::Sheds(full),
            _ => Condition::Chance(Share { ratio: x / 6.0 }),
        }
    })
}

fn any_term() -> impl Strategy<Value = Term> {
    (any_reading(), 0usize..7, 0.0..3.0f64).prop_map(|((signal, per_replica), which, weight)| {
        let transform = match which {
            0 => Transform::MinMax,
            1 => Transform::MaxMin,
            2 if signal.unit() == Unit::Score => Transform::OneMinus,
            3 => Transform::RatioToMax,
            4 => Transform::Inverse(Floor { floor: 1e-9 }),
            5 => Transform::CapLinear(Cap { limit: 0.1 }),
            _ => Transform::Raw,
        };
        let direction = Direction::Max;
        Term { signal, direction, weight, transform, per_replica, unit: Some(Unit::Score) }
    })
}

fn any_leaf() -> impl Strategy<Value = Body> {
    let tie = prop::sample::select(vec![
        Tie::First,
        Tie::Last,
        Tie::Random,
        Tie::LowestInflight,
        Tie::LeastRecent,
        Tie::Hash,
        Tie::Drawn,
    ]);
    let filters = prop::collection::vec(any_filter(), 0..4);
    let score = prop::collection::vec(any_term(), 1..4);
    (filters, score, 0usize..12, tie, 0usize..4).prop_map(|(filters, mut score, which, tie, combine)| {
        let pick = [
            Pick::Best(Best { tie }),
            Pick::P2c(P2c { choices: 2, tie }),
            Pick::Softmax(Softmax { temperature: 0.5 }),
            Pick::WeightedRandom,
            Pick::SmoothWrr,
            Pick::Random,
            Pick::RoundRobin,
            Pick::Rendezvous,
            Pick::Ring(OnRing { vnodes: 5 }),
            Pick::Maglev(OnMaglev { slots: 7 }),
            Pick::Queue,
            Pick::Reject,
        ][which]
            .clone();
        let combine = match combine {
            1 => Combine::Product,
            3 => Combine::Max,
            2 if which < 2 => Combine::Lexicographic,
            _ => Combine::Sum,
        };
        for term in &mut score {
            match combine {
                Combine::Sum | Combine::Max => {}
                Combine::Product => term.weight = term.weight.max(0.1),
                Combine::Lexicographic => term.weight = 1.0,
            }
        }
        let scored = pick.scores();
        Body {
            filters,
            score: if scored { score } else { Vec::new() },
            combine: scored.then_some(combine),
            pick: Some(pick),
            ..Body::default()
        }
    })
}

/// Any composition that keeps to the rules.
fn any_params() -> impl Strategy<Value = Params> {
    let body = any_leaf().prop_recursive(3, 8, 2, |inner| {
        (prop::collection::vec(any_filter(), 0..3), any_condition(), inner.clone(), inner).prop_map(
            |(filters, condition, then, other)| Body {
                filters,
                condition: Some(condition),
                then: Some(Box::new(then)),
                other: Some(Box::new(other)),
                ..Body::default()
            },
        )
    });
    (body, any_leaf()).prop_map(|(mut body, mut otherwise)| {
        otherwise.filters.clear();
        complete(&mut body, &otherwise);
        let mut signals = Vec::new();
        body.signals(&mut signals);
        let reads = |what: Reads| signals.iter().any(|signal| signal.reads() == what);
        let index: IndexBlock = toml::from_str("insert = \"sent\"\ncapacity_blocks = 9").unwrap();
        let Body { filters, condition, then, other, score, combine, pick, otherwise } = body;
        let table = |what: Reads| {
            let regions = (0u32..20).map(|number| (format!("target {number}"), f64::from(number % 4)));
            if reads(what) { regions.collect() } else { BTreeMap::new() }
        };
        Params {
            index: reads(Reads::Index).then_some(index),
            learn: reads(Reads::Learned).then(LearnBlock::default),
            histogram: reads(Reads::Histogram).then(HistogramBlock::default),
            price: table(Reads::Price),
            carbon: table(Reads::Carbon),
            key: None,
            filters,
            condition,
            then,
            other,
            score,
            combine,
            pick,
            otherwise,
        }
    })
}

/// Gives every body whose filters lead to an `otherwise` one.
fn complete(body: &mut Body, otherwise: &Body) {
    if body.filters.iter().any(|filter| filter.on_empty() == OnEmpty::Next) {
        body.otherwise = Some(Box::new(otherwise.clone()));
    }
    body.then.iter_mut().chain(&mut body.other).for_each(|inner| complete(inner, otherwise));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn whatever_is_composed_answers(
        params in any_params(),
        count in 1u32..20,
        replicas in prop::sample::select(vec![1u32, 3]),
        steps in prop::collection::vec((1u32..=u32::MAX, 0u64..5, 0u32..9, 0u8..4, any::<u16>()), 1..60),
    ) {
        let spec = PolicySpec::Compose(params);
        prop_assert_eq!(spec.validate(), []);
        // As it is written and read again.
        let written = toml::to_string(&spec).unwrap();
        prop_assert_eq!(&toml::from_str::<PolicySpec>(&written).unwrap(), &spec);
        let mut stage = Stage::new(&spec, targets(count, replicas), Key::root(5));
        let mut under_way: Vec<(Ticket, Chain)> = Vec::new();
        for (number, (mask, key, blocks, what, which)) in steps.into_iter().enumerate() {
            stage.set_now(SimTime::ZERO + Span::from_secs(number as u64));
            let mut chain = Chain::new();
            chain.push(Run { key, start: 0, len: blocks });
            // Also prompts shorter than a block, and of nothing.
            let prompt_tokens = if which % 5 == 0 { u32::from(which % 3) } else { blocks * 16 + 5 };
            let view = RequestView {
                id: RequestId(number as u32),
                session: key,
                tenant: TenantId(blocks % 3),
                origin: OriginId(0),
                class: ClassId(0),
                prompt_tokens,
                prompt: PromptBlocks::new(&chain, prompt_tokens, 16),
            };
            if what == 0 && !under_way.is_empty() {
                let (ticket, chain) = under_way.swap_remove(which as usize % under_way.len());
                let view = RequestView { prompt: PromptBlocks::new(&chain, ticket.prompt_tokens, 16), ..view };
                // Some are lost before their first token.
                let answered = which % 4 > 0;
                if answered {
                    stage.first_token(&ticket, Some(&view));
                }
                stage.finished(&ticket, answered, Some(&view));
                continue;
            }
            let some = TargetId(u32::from(which) % count);
            let load = Load {
                running: blocks,
                waiting: u32::from(which) % 9,
                kv_used_blocks: u32::from(which) % 11,
                kv_total_blocks: if which % 7 == 0 { 0 } else { 10 },
                ..Load::default()
            };
            stage.set_load(some, load);
            stage.set_healthy(some, u32::from(which) % (replicas + 1));
            let mut list: Vec<TargetId> = (0..count).filter(|bit| mask >> bit & 1 == 1).map(TargetId).collect();
            if list.is_empty() {
                list.push(some);
            }
            let set = stage.eligible(&list);
            let decision = stage.decide(&view, set);
            for target in &list {
                let terms = stage.explain(&view, set, *target);
                prop_assert!(terms.iter().all(|(_, term)| term.is_finite()), "{terms:?}");
            }
            match decision {
                Decision::To(target) => {
                    prop_assert!(list.contains(&target));
                    under_way.push((stage.sent(&view, target), chain));
                }
                Decision::Hold => prop_assert!(!under_way.is_empty(), "nothing would ever wake the request"),
                Decision::Refuse(_) => {}
            }
        }
    }
}
