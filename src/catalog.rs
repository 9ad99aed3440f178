//! Facts about the world, dated and sourced: GPUs, models, cloud regions and round-trip tables. Knows only its data
//! files, `src/catalog/data/*.csv`, embedded and parsed once; must not know what uses them. Sources and licences:
//! docs/DATA.md.

pub mod country;
pub mod egress;
pub mod gpu;
pub mod model;
pub mod price;
pub mod region;
pub mod rtt;

pub use country::{Country, countries, country};
pub use egress::{EgressPrice, egress_price, egress_prices};
pub use gpu::{Gpu, gpu, gpus};
pub use model::{DimsProblem, Dtype, MlaDims, Model, ModelDims, MoeDims, model, models};
pub use price::{Price, Term, price, prices};
pub use region::{CloudRegion, nearest_region_id, region, regions};
pub use rtt::{RttTable, catalogue_rtt, rtt_table, rtt_tables};

/// Where a table's numbers come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Provenance {
    /// Who published or measured it.
    pub source: &'static str,
    /// When it was measured, as far as known.
    pub date: &'static str,
    /// What the numbers are: mean, median, P95, data-sheet peak.
    pub statistic: &'static str,
    /// The licence the numbers came under, or why none is needed.
    pub licence: &'static str,
}

/// A table of the catalogue, for lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct TableInfo {
    /// Its name, such as `gpus` or `rtt/aws`.
    pub name: &'static str,
    /// How many rows it has.
    pub rows: usize,
    /// Where it comes from.
    pub provenance: Provenance,
}

/// Every table of the catalogue.
pub fn tables() -> Vec<TableInfo> {
    let rtt_names = ["rtt/aws", "rtt/azure", "rtt/gcp"];
    let mut tables = vec![
        TableInfo { name: "egress", rows: egress_prices().len(), provenance: egress::PROVENANCE },
        TableInfo { name: "gpus", rows: gpus().len(), provenance: gpu::PROVENANCE },
        TableInfo { name: "models", rows: models().len(), provenance: model::PROVENANCE },
        TableInfo { name: "prices", rows: prices().len(), provenance: price::PROVENANCE },
        TableInfo { name: "regions", rows: regions().len(), provenance: region::PROVENANCE },
    ];
    tables.extend(rtt_names.iter().zip(rtt_tables()).map(|(name, table)| {
        let rows = table.rtt.iter().filter(|row| row.iter().any(Option::is_some)).count();
        TableInfo { name, rows, provenance: table.provenance }
    }));
    tables.push(TableInfo {
        name: "countries",
        rows: country::countries().len(),
        provenance: country::PROVENANCE,
    });
    tables
}

/// One row of an embedded table. The files are part of the program and tested, so a cell that does not parse is a
/// defect of the program, not of its user: it panics, naming the cell.
struct Row {
    columns: std::rc::Rc<Vec<&'static str>>,
    cells: Vec<&'static str>,
}

impl Row {
    fn text(&self, column: &str) -> &'static str {
        let index = self.columns.iter().position(|name| *name == column);
        index
            .and_then(|index| self.cells.get(index))
            .unwrap_or_else(|| panic!("no column {column} in {:?}", self.cells))
    }
    fn number<T: std::str::FromStr>(&self, column: &str) -> T {
        self.optional(column).unwrap_or_else(|| panic!("column {column} is no number in {:?}", self.cells))
    }
    fn optional<T: std::str::FromStr>(&self, column: &str) -> Option<T> {
        self.text(column).parse().ok()
    }
}

/// The rows of an embedded table without quotes.
fn rows(text: &'static str) -> impl Iterator<Item = Row> {
    let mut lines = text.lines();
    let columns: std::rc::Rc<Vec<_>> =
        std::rc::Rc::new(lines.next().unwrap_or_default().split(',').collect());
    lines.map(move |line| Row { columns: columns.clone(), cells: line.split(',').collect() })
}

#[cfg(test)]
#[path = "catalog/tests.rs"]
mod tests;
