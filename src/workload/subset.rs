//! Parts of a trace: its head, a window of time, a sample. Knows rows and sessions; must not know files. A session is
//! kept whole or left out whole, except by the head, which may cut its end: a dialogue without its beginning would
//! begin with a prompt that nobody had.

use super::clock::UtcStart;
use super::data::{Blocks, Start, TraceData};
use super::stats::{inferred_sessions, nominal_times};
use crate::digest::Digest;
use crate::rng::Key;
use crate::time::Span;
use rustc_hash::FxHashMap;

/// Which part of a trace.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Part {
    /// The first rows in order of the file.
    Head(u64),
    /// Sessions that begin in `from..to`, in nanoseconds, and rows without a session sent then. Times are counted
    /// from `from`.
    Window {
        /// From here on.
        from: u64,
        /// Up to but not at this.
        to: u64,
    },
    /// This share of the sessions, each drawn for itself.
    Share {
        /// From 0 to 1.
        share: f64,
        /// The draws' seed.
        seed: u64,
    },
    /// As many sessions as fit into so many requests, in the order of their draws.
    Requests {
        /// The most requests.
        count: u64,
        /// The draws' seed.
        seed: u64,
    },
}

/// The part of a trace, with the ids and runs it uses alone.
pub fn subset(data: &TraceData, part: Part) -> TraceData {
    match part {
        Part::Head(rows) => keep(data, |row| (row as u64) < rows, 0),
        Part::Window { from, to } => {
            let groups = Groups::of(data);
            let within: Vec<bool> = groups.begins.iter().map(|&at| (from..to).contains(&at)).collect();
            keep(data, |row| within[groups.of_row[row]], from)
        }
        Part::Share { share, seed } => {
            let groups = Groups::of(data);
            let drawn: Vec<bool> = groups.draws(seed).iter().map(|&unit| unit < share).collect();
            keep(data, |row| drawn[groups.of_row[row]], 0)
        }
        Part::Requests { count, seed } => {
            let groups = Groups::of(data);
            let draws = groups.draws(seed);
            let mut order: Vec<usize> = (0..draws.len()).collect();
            order.sort_by(|&a, &b| draws[a].total_cmp(&draws[b]).then(groups.keys[a].cmp(&groups.keys[b])));
            let (mut left, mut drawn) = (count, vec![false; draws.len()]);
            for group in order {
                if groups.rows[group] <= left {
                    left -= groups.rows[group];
                    drawn[group] = true;
                }
            }
            keep(data, |row| drawn[groups.of_row[row]], 0)
        }
    }
}

/// Rows that stay together: sessions, named or inferred from blocks, and rows of neither alone.
struct Groups {
    of_row: Vec<usize>,
    /// When each begins, in nanoseconds.
    begins: Vec<u64>,
    rows: Vec<u64>,
    /// What its draw is keyed by: the session's number, or what its first row says. Nothing of the order of the file.
    keys: Vec<u64>,
}

impl Groups {
    fn of(data: &TraceData) -> Groups {
        let times = nominal_times(data);
        let lineage = inferred_sessions(data, &times);
        let mut groups = Groups {
            of_row: Vec::with_capacity(data.rows.len()),
            begins: Vec::new(),
            rows: Vec::new(),
            keys: Vec::new(),
        };
        let mut parents: FxHashMap<u64, u64> = FxHashMap::default();
        for row in data.rows.iter().filter(|row| row.parent != 0) {
            parents.entry(row.session).or_insert(row.parent);
        }
        let mut known: FxHashMap<(bool, u64), usize> = FxHashMap::default();
        for (index, row) in data.rows.iter().enumerate() {
            let inferred = lineage.as_ref().map(|sessions| sessions[index]);
            let name = match (row.session, inferred) {
                (0, None) => None,
                (0, Some(session)) => Some((true, session)),
                (session, _) => Some((false, root(&parents, session))),
            };
            let fresh = groups.begins.len();
            let group = name.map_or(fresh, |name| *known.entry(name).or_insert(fresh));
            let key = || if row.session != 0 { row.session } else { content(data, index) };
            if group == fresh {
                groups.begins.push(times[index]);
                groups.rows.push(0);
                groups.keys.push(key());
            } else if times[index] < groups.begins[group] {
                groups.begins[group] = times[index];
                groups.keys[group] = key();
            }
            groups.rows[group] += 1;
            groups.of_row.push(group);
        }
        groups.join(data)
    }
    /// Lets groups of which one waits for the other be one.
    fn join(mut self, data: &TraceData) -> Groups {
        let mut into: Vec<usize> = (0..self.rows.len()).collect();
        let find = |into: &[usize], mut group: usize| {
            while into[group] != group {
                group = into[group];
            }
            group
        };
        for &(row, waits_for) in &data.after {
            let [a, b] = [row, waits_for].map(|row| find(&into, self.of_row[row as usize]));
            if a != b {
                // The one that begins first gives the key; of equals, that of the smaller key.
                let rank = |group: usize| (self.begins[group], self.keys[group]);
                let (first, other) = if rank(a) <= rank(b) { (a, b) } else { (b, a) };
                into[other] = first;
                self.rows[first] += std::mem::take(&mut self.rows[other]);
            }
        }
        for group in &mut self.of_row {
            *group = find(&into, *group);
        }
        self
    }
    fn draws(&self, seed: u64) -> Vec<f64> {
        let key = Key::root(seed).named("trace sample");
        self.keys.iter().map(|&group| key.at(group).unit()).collect()
    }
}

/// The session that a sub-agent's session was started from, in the end.
fn root(parents: &FxHashMap<u64, u64>, mut session: u64) -> u64 {
    // A chain that is longer is a circle: no agent starts itself.
    for _ in 0..64 {
        match parents.get(&session) {
            Some(&parent) if parent != session => session = parent,
            _ => break,
        }
    }
    session
}

/// What a row says, as a number.
fn content(data: &TraceData, index: usize) -> u64 {
    let row = &data.rows[index];
    let mut digest = Digest::new();
    let at = match row.start {
        Start::At(ns) | Start::After(ns) => ns,
    };
    for word in [at, row.input as u64, row.output as u64, row.tenant as u64] {
        digest.word(word);
    }
    match row.blocks {
        Blocks::Unknown => {}
        Blocks::Ids { from, to } => {
            if let Some(&id) = data.ids[from..to].last() {
                digest.word(id);
            }
        }
        Blocks::Prompt { from, to } | Blocks::Runs { from, to } => {
            if let Some(run) = data.runs[from..to].last() {
                digest.word(run.key);
                digest.word((run.start as u64) << 32 | run.len as u64);
            }
        }
    }
    digest.value()
}

fn keep(data: &TraceData, mut wanted: impl FnMut(usize) -> bool, begin: u64) -> TraceData {
    let mut part = TraceData {
        path: data.path.clone(),
        format: data.format,
        block_tokens: data.block_tokens,
        id_scope: data.id_scope.clone(),
        names: data.names.clone(),
        as_run: data.as_run,
        origin_label: data.origin_label.clone(),
        utc_start: data
            .utc_start
            .map(|start| UtcStart { unix_ns: start.unix_ns.saturating_add_unsigned(begin), ..start }),
        ..TraceData::default()
    };
    let mut new_index = vec![u32::MAX; data.rows.len()];
    for (index, row) in data.rows.iter().enumerate() {
        if !wanted(index) {
            continue;
        }
        new_index[index] = part.rows.len() as u32;
        let measured = data.measured.get(index);
        let ns = |span: Option<Span>| span.map(|span| span.0);
        part.measured.set(part.rows.len(), ns(measured.ttft), ns(measured.e2e));
        let mut row = *row;
        match &mut row.blocks {
            Blocks::Unknown => {}
            Blocks::Ids { from, to } => {
                let first = part.ids.len();
                part.ids.extend_from_slice(&data.ids[*from..*to]);
                (*from, *to) = (first, part.ids.len());
            }
            Blocks::Prompt { from, to } | Blocks::Runs { from, to } => {
                let first = part.runs.len();
                part.runs.extend_from_slice(&data.runs[*from..*to]);
                (*from, *to) = (first, part.runs.len());
            }
        }
        if let Start::At(ns) = &mut row.start {
            *ns = ns.saturating_sub(begin);
        }
        part.rows.push(row);
        part.keys.extend(data.keys.get(index));
    }
    let kept = data.after.iter().map(|&(row, on)| (new_index[row as usize], new_index[on as usize]));
    part.after = kept.filter(|&(row, on)| row != u32::MAX && on != u32::MAX).collect();
    part
}

#[cfg(test)]
mod tests {
    use super::super::data::TraceRow;
    use super::*;

    /// Sessions of one to five turns, a row without a session after each.
    fn dialogues(sessions: u64) -> TraceData {
        let mut data = TraceData { block_tokens: 16, format: "native", ..TraceData::default() };
        for session in 1..=sessions {
            for turn in 0..=(session % 5) as u32 {
                let start = if turn == 0 { Start::At(session * 100) } else { Start::After(30) };
                let from = data.ids.len();
                data.ids.extend((0..=turn as u64).map(|block| session << 8 | block));
                let blocks = Blocks::Ids { from, to: data.ids.len() };
                let input = 16 * (turn + 1);
                data.rows.push(TraceRow { start, input, blocks, session, turn, ..TraceRow::EMPTY });
            }
            let start = Start::At(session * 100 + 50);
            data.rows.push(TraceRow { start, input: session as u32, ..TraceRow::EMPTY });
        }
        data
    }

    fn turns(data: &TraceData, session: u64) -> usize {
        data.rows.iter().filter(|row| row.session == session).count()
    }

    #[test]
    fn sessions_stay_whole_and_keep_their_share() {
        let data = dialogues(2_000);
        let part = subset(&data, Part::Share { share: 0.3, seed: 4 });
        let kept: Vec<u64> = (1..=2_000).filter(|&session| turns(&part, session) > 0).collect();
        assert!(kept.iter().all(|&session| turns(&part, session) == turns(&data, session)));
        // 2,000 draws of 0.3: 600, four standard deviations of 20.5.
        assert!((518..=682).contains(&kept.len()), "{}", kept.len());
        let alone = part.rows.iter().filter(|row| row.session == 0).count();
        assert!((518..=682).contains(&alone), "{alone}");
        let all = subset(&data, Part::Share { share: 1.0, seed: 4 });
        assert_eq!(all.content_hash(), data.content_hash());
        assert_eq!(subset(&data, Part::Share { share: 0.0, seed: 4 }).rows, []);
        let more = subset(&data, Part::Share { share: 0.6, seed: 4 });
        assert!(kept.iter().all(|&session| turns(&more, session) > 0), "a larger share holds the smaller");
    }

    #[test]
    fn a_draw_does_not_hang_on_the_order_of_lines() {
        let data = dialogues(300);
        let mut turned = data.clone();
        // Whole sessions in reverse; turns within stay in order.
        turned.rows.sort_by_key(|row| {
            std::cmp::Reverse(if row.session > 0 { row.session } else { row.input as u64 })
        });
        assert_ne!(turned.rows, data.rows);
        for part in [Part::Share { share: 0.4, seed: 9 }, Part::Requests { count: 200, seed: 9 }] {
            let names = |data: &TraceData| {
                let mut names: Vec<(u64, u32, u32)> =
                    subset(data, part).rows.iter().map(|row| (row.session, row.turn, row.input)).collect();
                names.sort_unstable();
                names
            };
            assert_eq!(names(&data), names(&turned));
        }
    }

    #[test]
    fn a_count_is_filled_but_not_exceeded() {
        let data = dialogues(300);
        for count in [0, 1, 10, 200] {
            // Single rows fill what sessions leave.
            assert_eq!(subset(&data, Part::Requests { count, seed: 1 }).rows.len() as u64, count);
        }
        assert_eq!(subset(&data, Part::Requests { count: u64::MAX, seed: 1 }).rows.len(), data.rows.len());
    }

    #[test]
    fn a_window_counts_from_its_beginning_and_keeps_what_begins_in_it() {
        let data = dialogues(10);
        let part = subset(&data, Part::Window { from: 300, to: 500 });
        // Sessions 3 and 4 (four and five turns), and the rows at 350 and 450.
        assert_eq!((turns(&part, 3), turns(&part, 4), part.rows.len()), (4, 5, 11));
        let starts: Vec<Start> = part.rows.iter().map(|row| row.start).collect();
        assert_eq!((starts[0], starts[4]), (Start::At(0), Start::At(50)));
    }

    #[test]
    fn the_head_is_the_first_rows() {
        let data = dialogues(10);
        let part = subset(&data, Part::Head(7));
        assert_eq!(part.rows.len(), 7);
        assert_eq!(part.ids, data.ids[..part.ids.len()]);
        assert_eq!(subset(&data, Part::Head(u64::MAX)).content_hash(), data.content_hash());
    }
}
