//! Reader of the Azure LLM inference traces (Azure/AzurePublicDataset at b469a113; 2023 and 2024 have the same three
//! columns): `TIMESTAMP` without a zone and with seven fractional digits, `ContextTokens`, `GeneratedTokens`. Times
//! are counted from the first row; its own is kept as the naive start.

use super::{Beginning, Reader};
use crate::workload::clock::UtcStart;
use crate::workload::data::{Start, TraceData, TraceRow, UNUSED_BLOCK};
use crate::workload::each_line::each_line;
use crate::workload::error::{TraceErrors, TraceFinding};
use crate::workload::fields::{nanoseconds, tokens};
use crate::workload::open_file::Lines;
use crate::workload::options::{ReadOptions, TraceFormat};
use crate::workload::table::Table;

pub(super) const READER: Reader = Reader {
    format: TraceFormat::Azure,
    name: "azure",
    about: "Azure LLM inference trace CSV, 2023 and 2024",
    looks_for: "CSV with the columns TIMESTAMP, ContextTokens and GeneratedTokens",
    page: "docs/formats/azure.md",
    detect: |begin: &Beginning| begin.has_columns(&["timestamp", "contexttokens", "generatedtokens"]),
    read,
};

fn read(lines: &mut Lines, options: &ReadOptions, errors: &mut TraceErrors) -> TraceData {
    let mut data = TraceData { format: "azure", block_tokens: UNUSED_BLOCK, ..TraceData::default() };
    let names = ["TIMESTAMP", "ContextTokens", "GeneratedTokens"];
    let Some((mut table, [time, input, output])) = Table::open(lines, names, errors) else { return data };
    let header = lines.number();
    let (mut failed, mut first) = (0u64, None::<UtcStart>);
    each_line(lines, options, errors, |number, text| {
        if number == header {
            return Ok(());
        }
        table.split(number, text)?;
        let at = UtcStart::parse(table.text(time)).ok_or_else(|| {
            let rule = "must be a date and time, as 2023-11-16 18:15:46.6805900";
            TraceFinding::new(number, "TIMESTAMP", table.text(time), rule, "Correct or drop the line")
        })?;
        let input = tokens(number, "ContextTokens", table.integer(number, "ContextTokens", input)?)?;
        let output = match table.integer(number, "GeneratedTokens", output)? {
            0 => {
                failed += 1;
                return Ok(());
            }
            output => tokens(number, "GeneratedTokens", output)?,
        };
        let begin = first.get_or_insert(at);
        let Ok(since) = u64::try_from(at.unix_ns - begin.unix_ns) else {
            let rule = format!("is before the first row ({begin})");
            let next = "Sort the file by time: times are counted from the first row";
            return Err(TraceFinding::new(number, "TIMESTAMP", at, rule, next));
        };
        let start = Start::At(nanoseconds(number, "TIMESTAMP", since, 1)?);
        data.rows.push(TraceRow { start, input, output, ..TraceRow::EMPTY });
        Ok(())
    });
    data.utc_start = first;
    if let Some(first) = first.filter(|first| first.naive) {
        data.notices.push(format!("times are counted from {first}; the file says no zone"));
    }
    if failed > 0 {
        data.notices
            .push(format!("{failed} rows without output are failures of the recorded service: left out"));
    }
    data.notices.push("the format has no block ids: requests share no prefix".to_owned());
    data
}
