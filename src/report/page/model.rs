//! What a page is made of: sections of blocks, which the templates lay out. Knows text and marks; must not know where a
//! number came from. All text is plain: it is escaped where it is written.

use serde::Serialize;

/// A section with its own place in the contents.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Section {
    /// Its anchor.
    pub id: &'static str,
    /// Its heading.
    pub title: String,
    /// What is in it, in order.
    pub blocks: Vec<Block>,
}

/// A part of a section.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Block {
    /// A heading below the section's.
    Heading { text: String },
    /// A paragraph.
    Text { spans: Vec<Span> },
    /// Points of a list.
    List { items: Vec<Vec<Span>> },
    /// A table.
    Table { table: Table },
    /// Small tables, beside each other where there is room.
    Beside { tables: Vec<Table> },
    /// A drawing of the report's own making, with its caption.
    Figure {
        id: String,
        title: String,
        caption: Vec<Span>,
        svg: String,
        /// The policy that it is about, by its place in the filter.
        policy: Option<usize>,
        /// Whether its lines are policies, by their place.
        series: bool,
    },
    /// Text as it is, folded.
    Code { title: String, text: String },
    /// A command to type.
    Command { text: String },
    /// Blocks that are folded until somebody asks.
    Fold { title: String, blocks: Vec<Block> },
}

/// A run of text.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Span {
    /// The text.
    pub text: String,
    /// Whether it stands out.
    pub strong: bool,
    /// Whether it is a name or a value as a scenario writes it.
    pub code: bool,
}

/// Plain text.
pub(super) fn plain(text: impl Into<String>) -> Span {
    Span { text: text.into(), ..Span::default() }
}

/// Text that stands out.
pub(super) fn strong(text: impl Into<String>) -> Span {
    Span { text: text.into(), strong: true, code: false }
}

/// A name as a scenario writes it.
pub(super) fn code(text: impl Into<String>) -> Span {
    Span { text: text.into(), strong: false, code: true }
}

/// Words as messages have them: names between backticks.
pub(super) fn marked(text: &str) -> Vec<Span> {
    let parts = text.split('`').enumerate().filter(|(_, part)| !part.is_empty());
    parts.map(|(at, part)| if at % 2 == 1 { code(part) } else { plain(part) }).collect()
}

/// A paragraph, names between backticks.
pub(super) fn text(text: impl AsRef<str>) -> Block {
    Block::Text { spans: marked(text.as_ref()) }
}

/// A table.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Table {
    /// What it shows.
    pub caption: String,
    /// Its columns.
    pub columns: Vec<Column>,
    /// Its rows.
    pub rows: Vec<Row>,
    /// What its marks mean.
    pub notes: Vec<String>,
    /// Whether its rows can be sorted.
    pub sortable: bool,
}

/// A column.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Column {
    /// Its head.
    pub head: String,
    /// Its unit; empty where it holds words.
    pub unit: String,
    /// What it means, where the head does not say.
    pub about: String,
    /// Whether it holds numbers.
    pub number: bool,
    /// The region that it is about, by its place in the filter.
    pub region: Option<usize>,
}

/// A column of words.
pub(super) fn words(head: &str) -> Column {
    Column { head: head.to_owned(), ..Column::default() }
}

/// A column of numbers.
pub(super) fn number(head: &str, unit: &str, about: &str) -> Column {
    Column {
        head: head.to_owned(),
        unit: unit.to_owned(),
        about: about.to_owned(),
        number: true,
        region: None,
    }
}

/// A row.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Row {
    /// The policy that it is about, by its place in the filter.
    pub policy: Option<usize>,
    /// The region.
    pub region: Option<usize>,
    /// Its cells, one a column.
    pub cells: Vec<Cell>,
}

/// A cell.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Cell {
    /// What stands in it.
    pub text: String,
    /// Half the width of its interval.
    pub half: Option<String>,
    /// What hovering tells.
    pub title: Option<String>,
    /// Best of its column.
    pub best: bool,
    /// Standing on too few samples.
    pub unsure: bool,
    /// Length of its bar, in per cent of the largest of its column.
    pub bar: Option<u8>,
    /// How deep it is tinted, in per cent.
    pub tint: Option<u8>,
    /// The colour in front of it, such as `#0072b2`.
    pub swatch: Option<String>,
    /// Whether it is the head of its row.
    pub head: bool,
    /// Whether it is set as a scenario writes it.
    pub code: bool,
}

/// A cell with this text.
pub(super) fn cell(text: impl Into<String>) -> Cell {
    Cell { text: text.into(), ..Cell::default() }
}

/// A cell with a name as a scenario writes it.
pub(super) fn name(text: impl Into<String>) -> Cell {
    Cell { text: text.into(), code: true, ..Cell::default() }
}
