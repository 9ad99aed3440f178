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
        ChunkAgg, ChunkQuantile, ChunkVar, Column, DataFrame, NamedFrom, PolarsResult, Series,
    };

    pub(super) fn group(
        table: &Table,
        by: &[String],
        of: &[(Aggregate, String)],
    ) -> PolarsResult<Vec<Group>> {
        // Only what is asked for, by names that cannot meet.
        let mut columns = Vec::new();
        for (at, name) in by.iter().enumerate() {
            let values = table.column(name).unwrap_or_default();
            columns.push(Column::from(Series::new(format!("k{at}").into(), values)));
        }
        for (at, (_, name)) in of.iter().enumerate() {
            let numbers = table.numbers(name).unwrap_or_else(|| vec![None; table.height()]);
            columns.push(Column::from(Series::new(format!("v{at}").into(), numbers)));
        }
        if table.height() == 0 {
            return Ok(Vec::new());
        }
        if columns.is_empty() {
            return Ok(vec![Group { key: Vec::new(), rows: table.height() as u64, numbers: Vec::new() }]);
        }
        let frame = DataFrame::new_infer_height(columns)?;
        if by.is_empty() {
            return Ok(vec![made(&frame, 0, of)?]);
        }
        let mut groups = Vec::new();
        let keys = (0..by.len()).map(|at| format!("k{at}"));
        frame.group_by_stable(keys)?.apply(|rows| {
            groups.push(made(&rows, by.len(), of)?);
            Ok(DataFrame::empty())
        })?;
        Ok(groups)
    }

    /// A group's numbers; the first `keys` of its columns are equal in all its rows.
    fn made(rows: &DataFrame, keys: usize, of: &[(Aggregate, String)]) -> PolarsResult<Group> {
        let key = |column: &Column| Ok(column.str()?.get(0).unwrap_or_default().to_owned());
        let number = |(column, (aggregate, _)): (&Column, &(Aggregate, String))| {
            let values = column.f64()?;
            Ok(match aggregate {
                Aggregate::Mean => values.mean(),
                Aggregate::Min => values.min(),
                Aggregate::Max => values.max(),
                Aggregate::Sum => values.sum(),
                Aggregate::Median => values.median(),
                Aggregate::Sd => values.std(1),
            })
        };
        let columns = rows.columns();
        Ok(Group {
            key: columns[..keys].iter().map(key).collect::<PolarsResult<_>>()?,
            rows: rows.height() as u64,
            numbers: columns[keys..].iter().zip(of).map(number).collect::<PolarsResult<_>>()?,
        })
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
