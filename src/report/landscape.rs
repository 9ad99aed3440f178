//! evaluations.csv: what a tuner tried, a row each, in the order in which it was tried. Knows candidates; decides nothing.
//! Columns: `candidate` (numbered from 0, the start), `phase`, the parameters by name, `score` (empty where nothing could be
//! measured), `feasible`, `broken` (limits, with `;` between), `accepted` (whether it became the best so far), the measures by
//! name (means over the worlds, empty where one has none), `error`. Shares are between 0 and 1, times in milliseconds.

use crate::tune::{Candidate, Phase};
use std::io::{self, Write};

/// The columns.
pub fn head(knobs: &[String], measures: &[String]) -> Vec<String> {
    let fixed = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    [
        fixed(&["candidate", "phase"]),
        knobs.to_vec(),
        fixed(&["score", "feasible", "broken", "accepted"]),
        measures.to_vec(),
    ]
    .into_iter()
    .flatten()
    .chain(["error".to_string()])
    .collect()
}

/// A candidate's row.
pub fn row(candidate: &Candidate, measures: &[String]) -> Vec<String> {
    let phase = match candidate.phase {
        Phase::Start => "start",
        Phase::Search => "search",
        Phase::Around => "around",
    };
    let value = |value: Option<f64>| value.map_or(String::new(), |value| format!("{value:.6}"));
    let mut row = vec![candidate.number.to_string(), phase.to_string()];
    row.extend(candidate.point.iter().map(ToString::to_string));
    row.extend([
        value(candidate.score.value),
        candidate.score.is_feasible().to_string(),
        candidate.score.broken.join(";"),
        candidate.accepted.to_string(),
    ]);
    row.extend(measures.iter().map(|name| value(candidate.means.get(name).copied())));
    row.push(candidate.error.clone().unwrap_or_default());
    row
}

/// The file.
///
/// # Errors
/// When it cannot be written.
pub fn write(
    out: &mut impl Write,
    knobs: &[String],
    measures: &[String],
    candidates: &[Candidate],
) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record(head(knobs, measures))?;
    for candidate in candidates {
        writer.write_record(row(candidate, measures))?;
    }
    writer.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tune::{Means, Score};

    #[test]
    fn a_row_has_what_was_tried_and_what_came_of_it() {
        let (knobs, measures) = (["rtt".to_string()], ["ttft.p95".to_string(), "e2e.p95".to_string()]);
        let candidate = Candidate {
            number: 3,
            phase: Phase::Search,
            point: vec![0.276],
            score: Score { value: Some(1.25), broken: vec!["e2e.p95".into(), "tpot.p95".into()] },
            accepted: false,
            means: Means::from([("ttft.p95".to_string(), 812.5)]),
            error: None,
        };
        let mut bytes = Vec::new();
        write(&mut bytes, &knobs, &measures, &[candidate]).unwrap();
        assert_eq!(
            String::from_utf8(bytes).unwrap(),
            "candidate,phase,rtt,score,feasible,broken,accepted,ttft.p95,e2e.p95,error\n\
             3,search,0.276,1.250000,false,e2e.p95;tpot.p95,false,812.500000,,\n"
        );
    }
}
