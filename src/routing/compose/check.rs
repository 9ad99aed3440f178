//! What a composition must keep to. Knows which blocks go together and that unlike units do not add up; must not know
//! how blocks work. Every problem names its place as it is written: `else.score.1.weight`.

use super::filter::{Filter, OnEmpty};
use super::guard::Condition;
use super::index::IndexBlock;
use super::key::KeyPart;
use super::pick::Pick;
use super::score::{Combine, Direction, Term, Transform};
use super::signal::{Reading, Reads, Signal, Unit};
use super::{Body, Params};
use crate::routing::IndexSource;
use crate::routing::maglev;
use crate::routing::params::{Problems, Validate};
use crate::time::Span;

/// Bodies within bodies, at most (our choice: nobody reads more).
const DEEPEST: usize = 8;
/// Scorers of one body, at most: with weights up to [`HEAVIEST`] their product stays finite.
const MOST_TERMS: usize = 8;
/// The largest weight (our choice).
const HEAVIEST: f64 = 1e9;
/// The largest limit (our choice).
const FARTHEST: f64 = 1e15;

/// Adds every problem of `params`.
pub fn check(params: &Params, problems: &mut Problems) {
    let body = params.body();
    let mut signals = Vec::new();
    body.signals(&mut signals);
    let indexed = signals.iter().any(|signal| signal.uses_index());
    if let Some(index) = &params.index {
        problems.require_beside(
            "index",
            "an index that no signal reads",
            indexed,
            "left out where nothing reads it",
        );
        check_index(index, problems);
    }
    if let Some(key) = &params.key {
        problems.require_beside(
            "key",
            "a key that nothing hashes",
            body.keyed(),
            "left out where nothing asks for it",
        );
        check_key(key, problems);
    }
    check_tables(params, &signals, problems);
    Checker { problems, indexed: params.index.is_some() }.body(&body, "", 0);
}

/// What a composition keeps beside its index, each of which somebody reads.
fn check_tables(params: &Params, signals: &[Signal], problems: &mut Problems) {
    let reads = |what: Reads| signals.iter().any(|signal| signal.reads() == what);
    let rule = "left out where nothing reads it";
    let blocks = [
        ("learn", params.learn.is_some(), Reads::Learned),
        ("histogram", params.histogram.is_some(), Reads::Histogram),
        ("price", !params.price.is_empty(), Reads::Price),
        ("carbon", !params.carbon.is_empty(), Reads::Carbon),
    ];
    for (field, given, what) in blocks {
        problems.require_beside(field, "one that no signal reads", !given || reads(what), rule);
    }
    if let Some(learn) = &params.learn {
        let holds = learn.alpha > 0.0 && learn.alpha <= 1.0;
        problems.require("learn.alpha", learn.alpha, holds, "a number above 0, up to 1");
        problems.require("learn.memory", learn.memory, learn.memory.0 > Span::ZERO, "longer than 0");
    }
    if let Some(histogram) = &params.histogram {
        problems.require(
            "histogram.window",
            histogram.window,
            histogram.window.0 > Span::ZERO,
            "longer than 0",
        );
        problems.require("histogram.tokens", histogram.tokens, histogram.tokens >= 1, "1 token or more");
    }
    for (field, table) in [("price", &params.price), ("carbon", &params.carbon)] {
        for (region, value) in table {
            let holds = (0.0..=FARTHEST).contains(value);
            problems.require(format!("{field}.{region}"), value, holds, "a number from 0 to 1e15");
        }
    }
    for (what, field) in [(Reads::Price, "price"), (Reads::Carbon, "carbon")] {
        let given = params.tables().iter().any(|(given, _)| *given == field);
        problems.require_beside(
            field,
            "a missing table",
            given || !reads(what),
            "given where the signal of that name is read",
        );
        if !given && reads(what) {
            problems.help("say what each region has: `price = { us = 2.1, eu = 2.6 }`, or `carbon`");
        }
    }
}

fn check_index(index: &IndexBlock, problems: &mut Problems) {
    let counts = [
        ("index.capacity_blocks", index.capacity_blocks),
        ("index.prompt_blocks", index.prompt_blocks),
        ("index.unit_blocks", index.unit_blocks),
    ];
    let times = [("index.sweep", index.sweep), ("index.ttl", index.ttl)];
    for (field, value) in counts {
        problems.require(field, value.unwrap_or(1), value != Some(0), "1 block or more");
    }
    for (field, value) in times {
        let found = value.unwrap_or_default();
        problems.require(field, found, value.is_none() || found.0 > Span::ZERO, "longer than 0");
    }
    let sweeps_nothing = index.sweep.is_some() && index.capacity_blocks.is_none();
    let rule = "given with `capacity_blocks`, which it enforces";
    problems.require_beside("index.sweep", "a sweep without a capacity", !sweeps_nothing, rule);
    if index.insert == IndexSource::Oracle {
        let given = counts.map(|(field, value)| (field, value.is_some())).into_iter();
        let given = given.chain(times.map(|(field, value)| (field, value.is_some())));
        let given =
            given.chain([("index.heads_first", index.heads_first), ("index.count_any", index.count_any)]);
        for (field, given) in given {
            let rule = "left out beside `insert = \"oracle\"`, which forgets when the caches do";
            problems.require(field, "an option of an index of one's own", !given, rule);
        }
    }
}

fn check_key(key: &[KeyPart], problems: &mut Problems) {
    problems.require("key", "an empty list", !key.is_empty(), "a list of one or more");
    for (place, part) in key.iter().enumerate() {
        if let KeyPart::PrefixTokens(count) | KeyPart::PrefixChars(count) = part {
            problems.require(format!("key.{place}"), count, *count > 0, "a prefix of 1 or more");
        }
        if part.is_certain() && place + 1 < key.len() {
            let rule = "the last in its list, because every request has it";
            problems.require(format!("key.{place}"), "a prefix before others", false, rule);
        }
    }
}

struct Checker<'p> {
    problems: &'p mut Problems,
    indexed: bool,
}

impl Checker<'_> {
    fn require(
        &mut self,
        at: String,
        value: impl std::fmt::Display,
        holds: bool,
        rule: impl Into<std::borrow::Cow<'static, str>>,
    ) {
        self.problems.require(at, value, holds, rule);
    }
    fn beside(
        &mut self,
        at: String,
        value: impl std::fmt::Display,
        holds: bool,
        rule: impl Into<std::borrow::Cow<'static, str>>,
    ) {
        self.problems.require_beside(at, value, holds, rule);
    }
    fn limit(&mut self, at: String, value: f64) {
        let holds = value.abs() <= FARTHEST;
        self.require(at, value, holds, "a finite number, from -1e15 to 1e15");
    }
    fn slack(&mut self, at: String, value: f64) {
        self.require(at, value, (0.0..=FARTHEST).contains(&value), "a number from 0 to 1e15");
    }
    fn reading(&mut self, at: &str, reading: Reading) {
        self.signal(format!("{at}.signal"), reading.signal);
        let found = format!("`{}`", reading.signal.name());
        let holds = !reading.per_replica || reading.signal.is_sum();
        self.require(
            format!("{at}.per_replica"),
            found,
            holds,
            "left out, or beside a signal that is a sum over replicas",
        );
    }
    fn signal(&mut self, at: String, signal: Signal) {
        let known = self.indexed || signal.reads() != Reads::Index;
        self.beside(at, format!("`{}`", signal.name()), known, "a signal that needs no prefix index");
        if !known {
            self.problems.help("or give the composition one: `index = { insert = \"sent\" }`");
        }
    }

    fn body(&mut self, body: &Body, at: &str, depth: usize) {
        if depth > DEEPEST {
            let at = at.trim_end_matches('.').to_owned();
            return self.require(at, "this one", false, "at most 8 bodies deep");
        }
        for (place, filter) in body.filters.iter().enumerate() {
            self.filter(filter, &format!("{at}filters.{place}.{}", filter.name()), body);
        }
        let leads = body.filters.iter().any(|filter| filter.on_empty() == OnEmpty::Next);
        let rule = "left out where no filter has `on_empty = \"next\"`";
        self.beside(format!("{at}otherwise"), "a way nobody takes", body.otherwise.is_none() || leads, rule);
        if let Some(condition) = &body.condition {
            self.guard(condition, body, at);
        } else {
            for (key, given) in [("then", body.then.is_some()), ("else", body.other.is_some())] {
                self.beside(format!("{at}{key}"), "a way without a condition", !given, "given with `if`");
            }
            self.scores(body, at);
        }
        for (key, inner) in body.inner() {
            self.body(inner, &format!("{at}{key}."), depth + 1);
        }
    }

    fn filter(&mut self, filter: &Filter, at: &str, body: &Body) {
        if filter.on_empty() == OnEmpty::Next {
            let rule = "`keep_all`, `reject` or `queue` where there is no `otherwise`";
            self.beside(format!("{at}.on_empty"), "`next`", body.otherwise.is_some(), rule);
        }
        if let Some((reading, _)) = filter.test() {
            // Those without a `signal` of their own are named by their filter.
            let own = matches!(
                filter,
                Filter::MatchAtLeast(_)
                    | Filter::MatchAbove(_)
                    | Filter::MatchBest(_)
                    | Filter::MatchWithin(_)
                    | Filter::Healthy(_)
            );
            if own {
                self.signal(at.to_owned(), reading.signal);
            } else {
                self.reading(at, reading);
            }
        }
        match filter {
            Filter::Below(block) | Filter::AtMost(block) | Filter::Above(block) | Filter::AtLeast(block) => {
                self.limit(format!("{at}.limit"), block.limit);
            }
            Filter::WithinOfMin(block) | Filter::WithinOfMax(block) => {
                self.slack(format!("{at}.abs"), block.abs);
                let (holds, rule) = if matches!(filter, Filter::WithinOfMin(_)) {
                    ((1.0..=FARTHEST).contains(&block.rel), "a factor from 1")
                } else {
                    ((0.0..=1.0).contains(&block.rel), "a factor from 0 to 1")
                };
                self.require(format!("{at}.rel"), block.rel, holds, rule);
            }
            Filter::MeanPlusSigma(block) => self.slack(format!("{at}.k"), block.k),
            Filter::MatchAtLeast(block) | Filter::MatchAbove(block) => {
                self.problems.share(format!("{at}.ratio"), block.ratio);
            }
            Filter::MatchWithin(block) => self.problems.share(format!("{at}.tau"), block.tau),
            Filter::Bounded(block) => {
                let holds = (1.0..=1e6).contains(&block.load_factor);
                let at = format!("{at}.load_factor");
                self.require(at, block.load_factor, holds, "a number from 1 to 1000000");
            }
            Filter::Home(block) => {
                if let Some(vnodes) = block.vnodes {
                    self.vnodes(format!("{at}.vnodes"), vnodes);
                }
            }
            Filter::Sample(block) => {
                self.require(format!("{at}.choices"), block.choices, block.choices >= 1, "1 or more");
            }
            Filter::MatchBest(_) | Filter::Healthy(_) | Filter::Nearest(_) => {}
        }
    }
    fn vnodes(&mut self, at: String, vnodes: u32) {
        self.require(at, vnodes, (1..=65_536).contains(&vnodes), "from 1 to 65536");
    }

    fn guard(&mut self, condition: &Condition, body: &Body, at: &str) {
        for (key, given) in [("then", body.then.is_some()), ("else", body.other.is_some())] {
            let rule = format!("given with `{key}`");
            self.beside(format!("{at}if"), "a condition alone", given, rule);
        }
        let others = [
            ("score", !body.score.is_empty()),
            ("combine", body.combine.is_some()),
            ("pick", body.pick.is_some()),
        ];
        for (key, given) in others {
            let rule = "in `then` and `else` where there is an `if`";
            self.require(format!("{at}{key}"), "one beside `if`", !given, rule);
        }
        let at = format!("{at}if.{}", condition.name());
        if let Some(reading) = condition.reading() {
            let own = matches!(condition, Condition::Imbalance(_) | Condition::AllAbove(_));
            if own {
                self.reading(&at, reading);
            } else {
                self.signal(at.clone(), reading.signal);
            }
        }
        match condition {
            Condition::Imbalance(block) => {
                self.slack(format!("{at}.abs"), block.abs);
                self.slack(format!("{at}.rel"), block.rel);
            }
            Condition::AllAbove(block) => self.limit(format!("{at}.limit"), block.limit),
            Condition::MatchAbove(block) | Condition::Chance(block) => {
                self.problems.share(format!("{at}.ratio"), block.ratio);
            }
            Condition::Saturated(block) | Condition::Sheds(block) => {
                self.problems.positive(format!("{at}.queue"), block.queue);
                self.problems.positive(format!("{at}.kv"), block.kv);
                self.problems.weight(format!("{at}.limit"), block.limit);
            }
            Condition::UncachedBelowMatched(_) => {}
        }
    }

    fn scores(&mut self, body: &Body, at: &str) {
        let (pick, combine) = (body.picks(), body.combine());
        let scored = !body.score.is_empty();
        if pick.scores() {
            let found = format!("`{}` without a scorer", pick.name());
            self.beside(
                format!("{at}pick"),
                found,
                scored,
                "one that needs no score, or stand beside scorers",
            );
            if !scored {
                self.problems.help(
                    "or give it scorers: `score = [{ signal = \"inflight_reqs\", direction = \"min\" }]`",
                );
            }
        } else if scored {
            let found = format!("`{}`", pick.name());
            let rule = "left out, or `pick` one that reads scores";
            if body.pick.is_some() {
                self.require(format!("{at}score"), found, false, rule);
            } else {
                self.beside(format!("{at}score"), found, false, rule);
            }
            self.problems.help("pick the best of them: `pick = { best = { tie = \"first\" } }`");
        }
        let idle = body.combine.is_some() && !scored;
        self.beside(format!("{at}combine"), "nothing to combine", !idle, "given with `score`");
        match &pick {
            Pick::P2c(block) => {
                self.require(format!("{at}pick.p2c.choices"), block.choices, block.choices >= 1, "1 or more");
            }
            Pick::Softmax(block) => {
                self.problems.positive(format!("{at}pick.softmax.temperature"), block.temperature);
            }
            Pick::Ring(block) => self.vnodes(format!("{at}pick.ring.vnodes"), block.vnodes),
            Pick::Maglev(block) => {
                let holds = block.slots <= maglev::LARGEST && maglev::is_prime(block.slots);
                let rule = "a prime up to 5000011";
                self.require(format!("{at}pick.maglev.slots"), block.slots, holds, rule);
                if !holds {
                    self.problems.help("65537, 131071 and 655357 are primes");
                }
            }
            _ => {}
        }
        let drawn = matches!(pick, Pick::Softmax(_) | Pick::WeightedRandom | Pick::SmoothWrr);
        let rule = "`sum`, `product` or `max` where the pick draws by scores";
        let ordered = combine == Combine::Lexicographic;
        self.require(format!("{at}combine"), "`lexicographic`", !(drawn && ordered), rule);
        let weighs = matches!(pick, Pick::WeightedRandom | Pick::SmoothWrr);
        let count = body.score.len();
        self.require(format!("{at}score"), count, count <= MOST_TERMS, "a list of at most 8");
        for (place, term) in body.score.iter().enumerate() {
            let at = format!("{at}score.{place}");
            self.term(term, combine, &at);
            self.like_the_first(term, &body.score[0], combine, &at);
            if weighs {
                let holds = term.direction == Direction::Max;
                let rule = "`max` where the pick is in proportion to the score";
                self.require(format!("{at}.direction"), "`min`", holds, rule);
            }
        }
    }

    fn term(&mut self, term: &Term, combine: Combine, at: &str) {
        self.reading(at, term.reading());
        let holds = (0.0..=HEAVIEST).contains(&term.weight);
        let weight = || format!("{at}.weight");
        self.require(weight(), term.weight, holds, "a number from 0 to 1e9");
        match combine {
            Combine::Sum | Combine::Max => {}
            Combine::Lexicographic => {
                let rule = "left out where the order decides";
                self.require(weight(), term.weight, !holds || term.weight == 1.0, rule);
            }
            Combine::Product => {
                let rule = "above 0 in a product, which it would end";
                self.require(weight(), term.weight, term.weight != 0.0, rule);
            }
        }
        match &term.transform {
            Transform::OneMinus => {
                let found = format!("`{}` in {}", term.signal.name(), term.signal.unit().name());
                let rule = "one of a share, such as `kv_usage`";
                self.require(format!("{at}.transform"), found, term.signal.unit() == Unit::Score, rule);
            }
            Transform::Inverse(block) => {
                let holds = (1e-9..=FARTHEST).contains(&block.floor);
                let at = format!("{at}.transform.inverse.floor");
                self.require(at, block.floor, holds, "a number from 1e-9");
            }
            Transform::CapLinear(block) => {
                let at = format!("{at}.transform.cap_linear.limit");
                self.require(at, block.limit, block.limit > 0.0 && block.limit <= FARTHEST, "above 0");
            }
            Transform::Raw | Transform::MinMax | Transform::MaxMin | Transform::RatioToMax => {}
        }
    }

    /// A term beside the first of its score.
    fn like_the_first(&mut self, term: &Term, first: &Term, combine: Combine, at: &str) {
        match combine {
            Combine::Sum | Combine::Max if term.unit() != first.unit() => {
                let found = format!("`{}` in {}", term.signal.name(), term.unit().name());
                let unit = first.unit().name();
                let cannot = if combine == Combine::Sum { "do not add up" } else { "cannot be compared" };
                let before = first.signal.name();
                let rule = format!("in {unit}, as `{before}` before it: unlike units {cannot}");
                self.require(at.to_owned(), found, false, rule);
                self.problems.help(
                    "say what its weight makes of it: `weight = 0.06, unit = \"ms\"` for tokens at 0.06 ms each; or \
                     `unit = \"score\"` on every term of a sum that has no unit",
                );
            }
            Combine::Product | Combine::Max if term.direction != first.direction => {
                let rule = match combine {
                    Combine::Max => "the same for all terms of which the largest counts",
                    _ => "the same for all terms of a product",
                };
                self.require(format!("{at}.direction"), "this one", false, rule);
                self.problems.help("turn the other way with `transform = { inverse = { floor = … } }`");
            }
            _ => {}
        }
    }
}
