//! A table of named columns, as text: what CSV files hold. Knows no meaning of a column; one is of numbers where every value
//! that is there is a number.

use super::parquet::ParquetError;
use std::io::{Read, Write};

/// Columns of equal length; an empty text is no value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Name and values, in their order.
    pub columns: Vec<(String, Vec<String>)>,
}

impl Table {
    /// Reads a CSV file with a head.
    pub fn read_csv(file: impl Read) -> Result<Table, csv::Error> {
        let mut reader = csv::Reader::from_reader(file);
        let mut columns: Vec<(String, Vec<String>)> =
            reader.headers()?.iter().map(|name| (name.to_owned(), Vec::new())).collect();
        let mut record = csv::StringRecord::new();
        while reader.read_record(&mut record)? {
            for ((_, values), value) in columns.iter_mut().zip(&record) {
                values.push(value.to_owned());
            }
        }
        Ok(Table { columns })
    }
    /// How many rows.
    pub fn height(&self) -> usize {
        self.columns.first().map_or(0, |(_, values)| values.len())
    }
    /// A column.
    pub fn column(&self, name: &str) -> Option<&[String]> {
        self.columns.iter().find(|(other, _)| other == name).map(|(_, values)| values.as_slice())
    }
    /// Adds a row; columns that it has first are new, and empty before.
    pub fn push(&mut self, row: &[(String, String)]) {
        let height = self.height();
        for (name, value) in row {
            let at = self.columns.iter().position(|(other, _)| other == name).unwrap_or_else(|| {
                self.columns.push((name.clone(), vec![String::new(); height]));
                self.columns.len() - 1
            });
            if self.columns[at].1.len() == height {
                self.columns[at].1.push(value.clone());
            }
        }
        self.columns
            .iter_mut()
            .filter(|(_, values)| values.len() == height)
            .for_each(|(_, values)| values.push(String::new()));
    }
    /// Adds another table's rows.
    pub fn append(&mut self, other: Table) {
        let (height, more) = (self.height(), other.height());
        for (name, values) in other.columns {
            if let Some((_, own)) = self.columns.iter_mut().find(|(own, _)| *own == name) {
                own.extend(values);
            } else {
                let mut own = vec![String::new(); height];
                own.extend(values);
                self.columns.push((name, own));
            }
        }
        self.columns.iter_mut().for_each(|(_, values)| values.resize(height + more, String::new()));
    }
    /// Keeps the rows of which this holds.
    pub fn retain(&mut self, keep: impl Fn(&Table, usize) -> bool) {
        let kept: Vec<bool> = (0..self.height()).map(|row| keep(self, row)).collect();
        for (_, values) in &mut self.columns {
            let mut kept = kept.iter();
            values.retain(|_| kept.next().copied().unwrap_or(false));
        }
    }
    /// A column's numbers, where it is of numbers.
    pub fn numbers(&self, name: &str) -> Option<Vec<Option<f64>>> {
        let of = |value: &String| if value.is_empty() { Some(None) } else { value.parse().ok().map(Some) };
        self.column(name)?.iter().map(of).collect()
    }
    /// Writes it as Parquet: numbers as numbers, the rest as text.
    #[cfg(not(feature = "frames"))]
    pub fn write_parquet(&self, _: impl Write) -> Result<(), ParquetError> {
        Err(ParquetError::NotBuilt)
    }
    /// Writes it as Parquet: numbers as numbers, the rest as text.
    #[cfg(feature = "frames")]
    pub fn write_parquet(&self, out: impl Write) -> Result<(), ParquetError> {
        use polars_io::prelude::{ParquetCompression, ParquetWriter};
        let failed = |error: polars::prelude::PolarsError| ParquetError::Failed(error.to_string());
        let mut frame = self.frame().map_err(failed)?;
        ParquetWriter::new(out)
            .with_compression(ParquetCompression::Zstd(None))
            .set_parallel(false)
            .finish(&mut frame)
            .map_err(failed)?;
        Ok(())
    }
    #[cfg(feature = "frames")]
    pub(super) fn frame(&self) -> polars::prelude::PolarsResult<polars::prelude::DataFrame> {
        use polars::prelude::{Column, DataFrame, NamedFrom, Series};
        let column = |(name, values): &(String, Vec<String>)| {
            // Hashes look like numbers now and then.
            let words = matches!(
                name.as_str(),
                "id" | "outcome_digest" | "policy" | "reason" | "unreliable" | "name"
            );
            let series = if let Some(numbers) = self.numbers(name).filter(|_| !words) {
                Series::new(name.as_str().into(), numbers)
            } else {
                let texts: Vec<Option<&str>> =
                    values.iter().map(|value| Some(value.as_str()).filter(|v| !v.is_empty())).collect();
                Series::new(name.as_str().into(), texts)
            };
            Column::from(series)
        };
        DataFrame::new_infer_height(self.columns.iter().map(column).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: &[(&str, &str)]) -> Vec<(String, String)> {
        cells.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
    }

    #[test]
    fn rows_of_different_columns_stand_in_one_table() {
        let mut table = Table::default();
        table.push(&row(&[("a", "1"), ("b", "x")]));
        table.push(&row(&[("b", "y"), ("c", "2.5")]));
        let other = Table::read_csv("c,d\n7,z\n".as_bytes()).unwrap();
        table.append(other);
        assert_eq!(table.height(), 3);
        assert_eq!(table.column("a").unwrap(), ["1", "", ""]);
        assert_eq!(table.column("d").unwrap(), ["", "", "z"]);
        assert_eq!(table.numbers("c"), Some(vec![None, Some(2.5), Some(7.0)]));
        assert_eq!((table.numbers("b"), table.numbers("none")), (None, None));
        table.retain(|table, row| table.columns[0].1[row].is_empty());
        assert_eq!((table.height(), table.column("b").unwrap()), (2, &["y".to_string(), String::new()][..]));
    }

    #[cfg(feature = "frames")]
    #[test]
    fn what_is_written_as_parquet_is_read_back() {
        use polars::prelude::AnyValue;
        use polars_io::SerReader;
        let table = Table::read_csv("policy,id,ttft.p99\n1,0012,2.5\nx,0013,\n".as_bytes()).unwrap();
        let mut bytes = Vec::new();
        table.write_parquet(&mut bytes).unwrap();
        let frame = polars_io::prelude::ParquetReader::new(std::io::Cursor::new(bytes)).finish().unwrap();
        let at = |name: &str, row: usize| frame.column(name).unwrap().get(row).unwrap().into_static();
        assert_eq!((at("ttft.p99", 0), at("ttft.p99", 1)), (AnyValue::Float64(2.5), AnyValue::Null));
        assert_eq!(
            (at("policy", 0), at("id", 0)),
            (AnyValue::StringOwned("1".into()), AnyValue::StringOwned("0012".into()))
        );
    }

    #[cfg(not(feature = "frames"))]
    #[test]
    fn a_build_without_frames_says_so() {
        let error = Table::default().write_parquet(Vec::new()).expect_err("this build has none");
        assert!(error.to_string().contains("--features frames"), "{error}");
    }
}
