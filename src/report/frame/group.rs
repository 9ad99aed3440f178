//! Rows to groups: one number for each group and column. Knows columns by name; must not know what they measure.

use super::table::Table;

/// Rows could not be grouped.
#[derive(Debug, thiserror::Error)]
pub enum GroupError {
    /// This build cannot.
    #[error(
        "this build of regionsim groups no rows (it was built with --no-default-features): build it with \
         `--features frames`, or read rows.csv and summary.json"
    )]
    NotBuilt,
    /// The library failed.
    #[error("cannot group: {0}")]
    Failed(String),
}

/// Whether this build can.
pub fn available() -> Result<(), GroupError> {
    if cfg!(feature = "frames") { Ok(()) } else { Err(GroupError::NotBuilt) }
}

/// What is made of a group's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregate {
    /// Their mean.
    Mean,
    /// The smallest.
    Min,
    /// The largest.
    Max,
    /// Their sum.
    Sum,
    /// Their median.
    Median,
    /// Their standard deviation, with `n - 1`.
    Sd,
}

impl Aggregate {
    /// All, by name.
    pub const ALL: [(&str, Aggregate); 6] = [
        ("mean", Aggregate::Mean),
        ("min", Aggregate::Min),
        ("max", Aggregate::Max),
        ("sum", Aggregate::Sum),
        ("median", Aggregate::Median),
        ("sd", Aggregate::Sd),
    ];
    /// Its name.
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].0
    }
}

/// A group: its key, how many rows it has, and its numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// The values of the columns that rows are grouped by.
    pub key: Vec<String>,
    /// How many rows.
    pub rows: u64,
    /// One for each aggregate; none without values.
    pub numbers: Vec<Option<f64>>,
}

/// Groups rows by columns that are there, sorted by key: numbers by size, before words. Aggregates are of columns of numbers.
#[cfg(not(feature = "frames"))]
pub fn group(_: &Table, _: &[String], _: &[(Aggregate, String)]) -> Result<Vec<Group>, GroupError> {
    Err(GroupError::NotBuilt)
}

/// Groups rows by columns that are there, sorted by key: numbers by size, before words. Aggregates are of columns of numbers.
#[cfg(feature = "frames")]
pub fn group(table: &Table, by: &[String], of: &[(Aggregate, String)]) -> Result<Vec<Group>, GroupError> {
    let mut groups = frames::group(table, by, of).map_err(|error| GroupError::Failed(error.to_string()))?;
    groups.sort_by(|a, b| {
        let keys = a.key.iter().zip(&b.key).map(|(a, b)| match (a.parse::<f64>(), b.parse::<f64>()) {
            (Ok(a), Ok(b)) => a.total_cmp(&b),
            (Ok(_), Err(_)) => std::cmp::Ordering::Less,
            (Err(_), Ok(_)) => std::cmp::Ordering::Greater,
            (Err(_), Err(_)) => a.cmp(b),
        });
        keys.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then)
    });
    Ok(groups)
}

#[cfg(feature = "frames")]
mod frames {
    use super::{Aggregate, Group, Table};
    use polars::prelude::{
        AnyValue, Column, DataFrame, Expr, IntoLazy, NamedFrom, PolarsResult, Series, col, len, lit,
    };

    pub(super) fn group(
        table: &Table,
        by: &[String],
        of: &[(Aggregate, String)],
    ) -> PolarsResult<Vec<Group>> {
        // Only what is asked for, by names that polars cannot take for patterns.
        let mut columns = Vec::new();
        for (at, name) in by.iter().enumerate() {
            let values = table.column(name).unwrap_or_default();
            columns.push(Column::from(Series::new(format!("k{at}").into(), values)));
        }
        for (at, (_, name)) in of.iter().enumerate() {
            let numbers = table.numbers(name).unwrap_or_else(|| vec![None; table.height()]);
            columns.push(Column::from(Series::new(format!("v{at}").into(), numbers)));
        }
        let aggregate = |(at, (aggregate, _)): (usize, &(Aggregate, String))| {
            let value = col(format!("v{at}"));
            let made = match aggregate {
                Aggregate::Mean => value.mean(),
                Aggregate::Min => value.min(),
                Aggregate::Max => value.max(),
                Aggregate::Sum => value.sum(),
                Aggregate::Median => value.median(),
                Aggregate::Sd => value.std(1),
            };
            made.alias(format!("a{at}"))
        };
        let mut made: Vec<Expr> = of.iter().enumerate().map(aggregate).collect();
        made.push(len().alias("n"));
        let keys: Vec<Expr> = match by.len() {
            0 => vec![lit(0).alias("all")],
            count => (0..count).map(|at| col(format!("k{at}"))).collect(),
        };
        let frame = DataFrame::new_infer_height(columns)?.lazy().group_by_stable(keys).agg(made).collect()?;
        let number = |name: &str, row: usize| -> PolarsResult<Option<f64>> {
            Ok(match frame.column(name)?.get(row)? {
                AnyValue::Null => None,
                value => value.try_extract::<f64>().ok(),
            })
        };
        let row = |row: usize| {
            let key = |at: usize| {
                let value = frame.column(&format!("k{at}"))?.get(row)?.into_static();
                Ok(value.get_str().unwrap_or_default().to_owned())
            };
            Ok(Group {
                key: (0..by.len()).map(key).collect::<PolarsResult<_>>()?,
                rows: number("n", row)?.unwrap_or_default() as u64,
                numbers: (0..of.len())
                    .map(|at| number(&format!("a{at}"), row))
                    .collect::<PolarsResult<_>>()?,
            })
        };
        (0..frame.height()).map(row).collect()
    }
}

#[cfg(all(test, feature = "frames"))]
mod tests {
    use super::*;

    #[test]
    fn groups_by_hand() {
        let table = Table::read_csv("p,n,v\na,10,1\nb,9,2\na,10,4\na,9,\nb,9,7\nb,9,9\n".as_bytes()).unwrap();
        let asked: Vec<_> = Aggregate::ALL.iter().map(|(_, of)| (*of, "v".to_string())).collect();
        let by = ["n", "p"].map(String::from);
        let groups = group(&table, &by, &asked).unwrap();
        let keys: Vec<String> = groups.iter().map(|group| group.key.join(" ")).collect();
        assert_eq!(keys, ["9 a", "9 b", "10 a"], "9 is before 10");
        // Of 2, 7, 9: mean 6, median 7, variance (16 + 1 + 9) / 2 = 13.
        let numbers: Vec<f64> = groups[1].numbers.iter().map(|n| n.unwrap()).collect();
        assert_eq!(&numbers[..5], [6.0, 2.0, 9.0, 18.0, 7.0]);
        assert!((numbers[5] - 13f64.sqrt()).abs() < 1e-12);
        assert_eq!((groups[0].rows, groups[0].numbers[0]), (1, None), "a row without a value");
        let all = group(&table, &[], &asked[..1]).unwrap();
        assert_eq!((all[0].rows, all[0].numbers[0]), (6, Some(4.6)), "23 / 5");
    }
}
