//! Published round-trip times between regions of one cloud. Numbers: `data/rtt-*.csv`, directed; a cell without a
//! measurement is empty.

use super::Provenance;
use crate::time::Span;
use std::sync::LazyLock;

/// A table of round-trip times between a cloud's regions.
#[derive(Clone, Debug, PartialEq)]
pub struct RttTable {
    /// The cloud it is of: the part of a region's id before the colon.
    pub name: &'static str,
    /// Where it comes from.
    pub provenance: Provenance,
    /// Region ids, `cloud:region`, of the rows and columns.
    pub regions: Vec<String>,
    /// Round trips by `[from][to]`; `None` where nothing was measured.
    pub rtt: Vec<Vec<Option<Span>>>,
}

impl RttTable {
    /// The round trip between two regions by full id, one way as published.
    pub fn directed(&self, from: &str, to: &str) -> Option<Span> {
        let index = |id: &str| self.regions.iter().position(|region| region == id);
        self.rtt[index(from)?][index(to)?]
    }
    fn parse(name: &'static str, provenance: Provenance, text: &'static str) -> RttTable {
        let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
        let header = lines.next().unwrap_or_default();
        let regions: Vec<String> = header.iter().skip(1).map(|region| format!("{name}:{region}")).collect();
        let mut rtt = vec![vec![None; regions.len()]; regions.len()];
        for cells in lines {
            let from = regions.iter().position(|region| region[name.len() + 1..] == *cells[0]);
            let from = from.unwrap_or_else(|| panic!("rtt table {name}: row {} has no column", cells[0]));
            for (to, cell) in cells[1..].iter().enumerate() {
                rtt[from][to] = cell.parse().ok().map(Span::from_ms);
            }
        }
        RttTable { name, provenance, regions, rtt }
    }
}

static TABLES: LazyLock<[RttTable; 3]> = LazyLock::new(|| {
    [
        RttTable::parse(
            "aws",
            Provenance {
                source: "cloudping.co, as embedded in a libp2p simulator's AwsLatencies",
                date: "not stated; the set of regions implies 2021 to 2023",
                statistic: "median (the site's default), whole ms",
                licence: "measurements published as facts",
            },
            include_str!("data/rtt-aws.csv"),
        ),
        RttTable::parse(
            "azure",
            Provenance {
                source: "Microsoft Learn, Azure network round-trip latency statistics (azure-network-latency.md)",
                date: "2026-07-30, over 30 days",
                statistic: "P95, whole ms",
                licence: "CC-BY-4.0, Microsoft Corporation",
            },
            include_str!("data/rtt-azure.csv"),
        ),
        RttTable::parse(
            "gcp",
            Provenance {
                source: "ping measurements of the fantoch project (latency_gcp)",
                date: "2020, approximately",
                statistic: "mean of ping, whole ms; seven of twelve rows",
                licence: "measurements published as facts",
            },
            include_str!("data/rtt-gcp.csv"),
        ),
    ]
});

/// All tables.
pub fn rtt_tables() -> &'static [RttTable] {
    &*TABLES
}

/// The table of one cloud.
pub fn rtt_table(name: &str) -> Option<&'static RttTable> {
    TABLES.iter().find(|table| table.name == name)
}

/// The round trip between two regions of one cloud, its table's name, and whether only the other way was measured.
pub fn catalogue_rtt(from: &str, to: &str) -> Option<(Span, &'static str, bool)> {
    TABLES.iter().find_map(|table| {
        let straight = table.directed(from, to).map(|rtt| (rtt, table.name, false));
        straight.or_else(|| table.directed(to, from).map(|rtt| (rtt, table.name, true)))
    })
}
