//! What a sweep tells at a glance: each policy's best point, and which setting moves the goal most. Knows rows and one
//! measure; must not know what it means.

use super::row::{Row, Status};
use crate::stats::Moments;
use std::collections::BTreeMap;

/// What is looked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Goal {
    /// The measure.
    pub measure: String,
    /// Whether less of it is better.
    pub lower: bool,
}

/// A policy's best point.
#[derive(Clone, Debug, PartialEq)]
pub struct Best {
    /// The policy.
    pub policy: String,
    /// The point's number.
    pub point: u64,
    /// What it sets.
    pub settings: BTreeMap<String, String>,
    /// Its goal over the seeds.
    pub value: Moments,
    /// The same at the policy's worst point.
    pub worst: f64,
}

/// The best point of each policy by the mean over its seeds, in the order in which policies come; the first of equal
/// points. A policy without the measure has none.
pub fn best(rows: &[Row], goal: &Goal) -> Vec<Best> {
    let mut policies: Vec<&str> = Vec::new();
    let mut groups: BTreeMap<(&str, u64), (Moments, &Row)> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.status == Status::Ok) {
        let Some(value) = row.value(&goal.measure) else { continue };
        if !policies.contains(&row.policy.as_str()) {
            policies.push(&row.policy);
        }
        groups.entry((&row.policy, row.point)).or_insert((Moments::default(), row)).0.add(value);
    }
    let signed =
        |moments: &Moments| moments.mean().map_or(f64::INFINITY, |m| if goal.lower { m } else { -m });
    let of = |policy: &&str| {
        let points = || groups.range((*policy, 0)..=(*policy, u64::MAX));
        let (_, (value, row)) = points().min_by(|a, b| signed(&a.1.0).total_cmp(&signed(&b.1.0)))?;
        let worst = points().map(|(_, (moments, _))| signed(moments)).max_by(f64::total_cmp)?;
        Some(Best {
            policy: policy.to_string(),
            point: row.point,
            settings: row.settings.clone(),
            value: *value,
            worst: if goal.lower { worst } else { -worst },
        })
    };
    policies.iter().filter_map(of).collect()
}

/// What one setting does on the average over all others.
#[derive(Clone, Debug, PartialEq)]
pub struct Effect {
    /// What is set; `policy` is among them.
    pub setting: String,
    /// The values with the lowest and with the highest mean, and the means.
    pub low: (String, f64),
    /// See `low`.
    pub high: (String, f64),
}

impl Effect {
    /// By how much it moves the goal.
    pub fn by(&self) -> f64 {
        self.high.1 - self.low.1
    }
}

/// More values than this of one setting are taken together in three parts: our choice, for random points.
const LEVELS: usize = 12;

/// The effects of all settings, the largest first. Nothing of a setting with a single value.
pub fn effects(rows: &[Row], goal: &Goal) -> Vec<Effect> {
    let values: Vec<(&Row, f64)> = rows
        .iter()
        .filter(|row| row.status == Status::Ok)
        .filter_map(|row| Some((row, row.value(&goal.measure)?)))
        .collect();
    let mut settings: Vec<&String> = Vec::new();
    for (row, _) in &values {
        settings.extend(row.settings.keys());
        settings.sort();
        settings.dedup();
    }
    let by_setting = settings.into_iter().filter_map(|setting| {
        let of = |row: &Row| row.settings.get(setting).cloned().unwrap_or_default();
        effect(setting, &values, &in_parts(&values, of))
    });
    let policies: Vec<String> = values.iter().map(|(row, _)| row.policy.clone()).collect();
    let mut found: Vec<Effect> = effect("policy", &values, &policies).into_iter().chain(by_setting).collect();
    found.sort_by(|a, b| b.by().total_cmp(&a.by()));
    found
}

/// What each row is set to; in three parts of equal size where numbers have too many values.
fn in_parts(values: &[(&Row, f64)], of: impl Fn(&Row) -> String) -> Vec<String> {
    let set: Vec<String> = values.iter().map(|(row, _)| of(row)).collect();
    let number = |text: &String| text.trim_end_matches(|c: char| !c.is_ascii_digit()).parse::<f64>().ok();
    let mut distinct = set.clone();
    distinct.sort();
    distinct.dedup();
    let numbers: Option<Vec<f64>> = distinct.iter().map(number).collect();
    let Some(mut numbers) = numbers.filter(|numbers| numbers.len() > LEVELS) else { return set };
    numbers.sort_by(f64::total_cmp);
    let cut = |part: usize| numbers[numbers.len() * part / 3];
    let (first, second) = (cut(1), cut(2));
    let name = |text: &String| match number(text).unwrap_or_default() {
        value if value < first => format!("below {first}"),
        value if value < second => format!("{first} to {second}"),
        _ => format!("from {second}"),
    };
    set.iter().map(name).collect()
}

fn effect(setting: &str, values: &[(&Row, f64)], levels: &[String]) -> Option<Effect> {
    let mut means: Vec<(&String, Moments)> = Vec::new();
    for (level, (_, value)) in levels.iter().zip(values) {
        match means.iter_mut().find(|(other, _)| *other == level) {
            Some((_, moments)) => moments.add(*value),
            None => means.push((level, Moments::of([*value]))),
        }
    }
    let means: Vec<(&String, f64)> =
        means.into_iter().filter_map(|(level, moments)| Some((level, moments.mean()?))).collect();
    (means.len() > 1).then_some(())?;
    let low = means.iter().min_by(|a, b| a.1.total_cmp(&b.1))?;
    let high = means.iter().max_by(|a, b| a.1.total_cmp(&b.1))?;
    let owned = |level: &(&String, f64)| (level.0.clone(), level.1);
    Some(Effect { setting: setting.to_owned(), low: owned(low), high: owned(high) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Row> {
        // ttft = 100 · a + b + seed under `p`; ten more under `q`. Point 2 under `q` failed.
        let mut rows = Vec::new();
        for (point, (a, b)) in [(1, 1), (1, 2), (2, 1), (2, 2)].into_iter().enumerate() {
            for (policy, more) in [("p", 0.0), ("q", 10.0)] {
                for seed in [0, 2] {
                    let value = f64::from(100 * a + b) + more + seed as f64;
                    let failed = policy == "q" && point == 2;
                    rows.push(Row {
                        cell: rows.len() as u64,
                        point: point as u64,
                        settings: [("a", a), ("b", b)].map(|(k, v)| (k.to_string(), v.to_string())).into(),
                        policy: policy.into(),
                        seed,
                        status: if failed { Status::Failed } else { Status::Ok },
                        measures: if failed { vec![] } else { vec![("ttft".into(), value)] },
                        ..Row::default()
                    });
                }
            }
        }
        rows
    }

    #[test]
    fn the_best_point_is_that_of_the_least_or_the_greatest_mean() {
        let found = best(&rows(), &Goal { measure: "ttft".into(), lower: true });
        let short: Vec<_> =
            found.iter().map(|b| (b.policy.as_str(), b.point, b.value.mean().unwrap(), b.worst)).collect();
        // Seeds 0 and 2: one above. 101 + 1; worst 202 + 1.
        assert_eq!(short, [("p", 0, 102.0, 203.0), ("q", 0, 112.0, 213.0)]);
        assert_eq!(found[0].value.count(), 2);
        let found = best(&rows(), &Goal { measure: "ttft".into(), lower: false });
        assert_eq!((found[0].point, found[1].point, found[0].worst), (3, 3, 102.0));
        assert!(best(&rows(), &Goal { measure: "none".into(), lower: true }).is_empty());
    }

    #[test]
    fn the_setting_that_moves_the_goal_most_comes_first() {
        let only: Vec<Row> = rows().into_iter().filter(|row| row.policy == "p").collect();
        let found = effects(&only, &Goal { measure: "ttft".into(), lower: true });
        let short: Vec<_> =
            found.iter().map(|e| (e.setting.as_str(), e.low.0.as_str(), e.high.0.as_str(), e.by())).collect();
        assert_eq!(short, [("a", "1", "2", 100.0), ("b", "1", "2", 1.0)], "one policy is no setting");
    }

    #[test]
    fn many_numbers_are_taken_in_three_parts() {
        let rows: Vec<Row> = (0..30)
            .map(|i| Row {
                settings: [("x".to_string(), format!("{i}ms"))].into(),
                measures: vec![("m".into(), f64::from(i))],
                ..Row::default()
            })
            .collect();
        let found = effects(&rows, &Goal { measure: "m".into(), lower: true });
        // Means of 0…9 and 20…29.
        assert_eq!(
            (found[0].low.clone(), found[0].high.clone()),
            (("below 10".into(), 4.5), ("from 20".into(), 24.5))
        );
    }
}
