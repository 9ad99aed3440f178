//! Reader of the detailed result of `vllm bench serve --save-result --save-detailed` (vllm-project/vllm,
//! `vllm/benchmarks/serve.py`, def9ce85): one JSON document with a list a column: `input_lens`, `output_lens`,
//! `ttfts` (seconds), `itls` (a list of seconds a request), `errors`, and in newer versions `start_times` (seconds of
//! a clock of its own).

use super::{Beginning, Reader};
use crate::workload::data::TraceData;
use crate::workload::each_line::each_line;
use crate::workload::error::{TraceErrors, TraceFinding};
use crate::workload::fields::{Field, Kind, decimal_ns, diagnose, nanoseconds, tokens};
use crate::workload::open_file::Lines;
use crate::workload::options::{ReadOptions, TraceFormat};
use crate::workload::recorded::{Recorded, finish};
use crate::workload::starts::Starts;
use serde::Deserialize;
use serde_json::Value;

pub(super) const READER: Reader = Reader {
    format: TraceFormat::VllmBench,
    name: "vllm_bench",
    about: "the detailed result of `vllm bench serve`",
    looks_for: "a JSON object with `input_lens` and `output_lens`",
    page: "docs/formats/vllm_bench.md",
    detect: |begin: &Beginning| begin.has(&["input_lens", "output_lens"]),
    read,
};

#[derive(Deserialize)]
struct Detailed {
    input_lens: Vec<u64>,
    output_lens: Vec<u64>,
    ttfts: Option<Vec<f64>>,
    itls: Option<Vec<Vec<f64>>>,
    errors: Option<Vec<Option<String>>>,
    start_times: Option<Vec<f64>>,
    /// A number or "inf".
    request_rate: Option<Value>,
}

const FIELDS: [Field; 6] = [
    Field::must("input_lens", Kind::Ids),
    Field::must("output_lens", Kind::Ids),
    Field::may("ttfts", Kind::Numbers),
    Field::may("itls", Kind::Any),
    Field::may("errors", Kind::Any),
    Field::may("start_times", Kind::Numbers),
];

fn read(lines: &mut Lines, options: &ReadOptions, errors: &mut TraceErrors) -> TraceData {
    let mut data = TraceData { format: "vllm_bench", ..TraceData::default() };
    let (mut recorded, mut failed, mut results) = (Vec::new(), 0u64, 0u64);
    let mut drawn = None::<String>;
    each_line(lines, options, errors, |number, text| {
        let result: Detailed =
            serde_json::from_slice(text).map_err(|error| diagnose(number, text, &FIELDS, false, &error))?;
        results += 1;
        if results > 1 {
            let rule = "a trace is one result: each has a clock of its own";
            return Err(TraceFinding::new(number, "line", "a second result", rule, "Split the file"));
        }
        let (rows, lost, notice) = take(number, &result, options)?;
        recorded.extend(rows);
        failed += lost;
        drawn = notice;
        Ok(())
    });
    data.notices.extend(drawn);
    finish(recorded, false, failed, &mut data, options, errors);
    data
}

type Taken = (Vec<Recorded>, u64, Option<String>);

fn take(number: u64, result: &Detailed, options: &ReadOptions) -> Result<Taken, TraceFinding> {
    let count = result.input_lens.len();
    let lengths = [
        ("output_lens", Some(result.output_lens.len())),
        ("ttfts", result.ttfts.as_ref().map(Vec::len)),
        ("itls", result.itls.as_ref().map(Vec::len)),
        ("errors", result.errors.as_ref().map(Vec::len)),
        ("start_times", result.start_times.as_ref().map(Vec::len)),
    ];
    for (name, length) in lengths {
        if let Some(length) = length.filter(|&length| length != count) {
            let (value, rule) = (format!("{length} entries"), format!("`input_lens` has {count}"));
            return Err(TraceFinding::new(number, name, value, rule, "Save the result again"));
        }
    }
    let rate = options.session_rate.or(result.request_rate.as_ref().and_then(Value::as_f64));
    let (mut starts, mut notice) = (Starts::new(rate), None);
    let begin = result.start_times.iter().flatten().copied().fold(f64::INFINITY, f64::min);
    if result.start_times.is_none() {
        notice = Some(match rate {
            Some(rate) => format!(
                "the result does not say when its requests were sent: they are sent at random, {rate} a second on \
                 average, as its request rate says"
            ),
            None => "the result does not say when its requests were sent, and its request rate is unlimited: all are \
                     sent at once (set session_rate for another)"
                .to_owned(),
        });
    }
    let (mut rows, mut failed) = (Vec::with_capacity(count), 0u64);
    for index in 0..count {
        let field = |name: &str| format!("{name}[{index}]");
        let seconds = |name: &str, value: f64| decimal_ns(number, &field(name), value, 1_000_000_000);
        let at_ns = match &result.start_times {
            Some(times) => seconds("start_times", times[index] - begin)?,
            None if rate.is_some() => starts.draw(),
            None => 0,
        };
        let error = result.errors.as_ref().and_then(|errors| errors[index].as_deref()).unwrap_or("");
        if result.output_lens[index] == 0 || !error.is_empty() {
            failed += 1;
            continue;
        }
        let ttft_ns = result.ttfts.as_ref().map(|ttfts| seconds("ttfts", ttfts[index])).transpose()?;
        let e2e_ns = match (ttft_ns, &result.itls) {
            (Some(ttft), Some(itls)) => {
                let streamed = seconds("itls", itls[index].iter().sum())?;
                Some(nanoseconds(number, &field("itls"), ttft.saturating_add(streamed), 1)?)
            }
            _ => None,
        };
        rows.push(Recorded {
            line: number,
            at_ns: at_ns as i64,
            input: tokens(number, &field("input_lens"), result.input_lens[index])?,
            output: tokens(number, &field("output_lens"), result.output_lens[index])?,
            ttft_ns,
            e2e_ns,
            ..Recorded::default()
        });
    }
    Ok((rows, failed, notice))
}
