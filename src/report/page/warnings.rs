//! What to act on: the warnings of all cells, each said once, with the policies that it is about.

use super::model::{Block, Section, Span, code, marked, plain, strong};
use super::sides::Runs;
use crate::report::summary::WarningSummary;

pub(super) fn section(runs: &Runs<'_>) -> Option<Section> {
    // By message: whose cells have it.
    let mut told: Vec<(&WarningSummary, Vec<(usize, &str)>)> = Vec::new();
    for side in &runs.sides {
        let mut kinds = Vec::new();
        for warning in side.policy.cells.iter().flat_map(|cell| &cell.warnings) {
            // Of several seeds, a policy's warning that differs in its numbers alone is said once.
            let kind = (std::mem::discriminant(&warning.warning), digitless(&warning.message));
            if kinds.contains(&kind) {
                continue;
            }
            kinds.push(kind);
            let who = (side.run, side.policy.policy.as_str());
            match told.iter_mut().find(|(known, _)| known.message == warning.message) {
                Some((_, whose)) => whose.push(who),
                None => told.push((warning, vec![who])),
            }
        }
    }
    let mut items: Vec<Vec<Span>> = Vec::new();
    for (warning, whose) in &told {
        let mut spans = Vec::new();
        if whose.len() < runs.sides.len() {
            for (at, (run, policy)) in whose.iter().enumerate() {
                spans.push(plain(if at > 0 { ", " } else { "" }));
                spans.push(code(*policy));
                if runs.several() {
                    spans.push(plain(format!(" ({})", runs.labels[*run])));
                }
            }
            spans.push(plain(": "));
        }
        spans.extend(marked(&warning.message));
        if !warning.advice.is_empty() {
            spans.push(strong(" To do: "));
            spans.extend(marked(&warning.advice));
        }
        items.push(spans);
    }
    let mut notices: Vec<&str> = Vec::new();
    for notice in runs.sides.iter().flat_map(|side| &side.policy.cells).flat_map(|cell| &cell.notices) {
        if !notices.contains(&notice.as_str()) {
            notices.push(notice);
        }
    }
    items.extend(notices.into_iter().map(|notice| {
        let mut spans = vec![strong("Note: ")];
        spans.extend(marked(notice));
        spans
    }));
    let title = if told.is_empty() { "Notes" } else { "Warnings" };
    let blocks = vec![Block::List { items }];
    let any = matches!(&blocks[0], Block::List { items } if !items.is_empty());
    any.then(|| Section { id: "warnings", title: title.to_owned(), blocks })
}

fn digitless(text: &str) -> String {
    text.chars().filter(|c| !c.is_ascii_digit() && *c != '.').collect()
}
