//! At least ten kinds of malformed input for each format: each names line, field and reason.

use super::malformed::wrong;
use super::read_with;
use crate::workload::{Columns, OnBadLine, ReadOptions, TimeUnit, TraceFormat};

/// Puts each bad line after the good ones and holds the one finding against field and words.
fn table(good: &str, cases: &[(&str, &str, &[&str])]) {
    assert!(cases.len() >= 10, "{} kinds", cases.len());
    let line = good.lines().count() as u64 + 1;
    for (bad, field, words) in cases {
        wrong(&format!("{good}\n{bad}\n"), line, field, words);
        // With the good lines alone there is nothing to say, and the bad one can be left out.
        let skip = ReadOptions { on_bad_line: OnBadLine::Skip, ..ReadOptions::default() };
        let data = read_with(format!("{good}\n{bad}\n").as_bytes(), &skip).expect(bad);
        let alone = read_with(good.as_bytes(), &ReadOptions::default()).expect(good);
        assert_eq!(data.rows, alone.rows, "{bad}");
        let notice = data.notices.last().unwrap();
        assert!(notice.starts_with(&format!("1 bad line was left out (line {line})")), "{notice}");
    }
}

#[test]
fn bailian() {
    table(
        r#"{"chat_id":1,"parent_chat_id":-1,"timestamp":0.5,"input_length":20,"output_length":3,"type":"text","turn":1,"hash_ids":[4,5]}"#,
        &[
            (
                r#"{"chat_id":2,"parent_chat_id":-1,"timestamp":1,"input_length":20,"output_length":3,"hash_ids":[4]"#,
                "line",
                &["not valid JSON"],
            ),
            (
                r#"{"parent_chat_id":-1,"timestamp":1,"input_length":20,"output_length":3}"#,
                "chat_id",
                &["absent"],
            ),
            (
                r#"{"chat_id":-2,"parent_chat_id":-1,"timestamp":1,"input_length":20,"output_length":3}"#,
                "chat_id",
                &["negative"],
            ),
            (
                r#"{"chat_id":1,"parent_chat_id":-1,"timestamp":1,"input_length":20,"output_length":3}"#,
                "chat_id",
                &["earlier line"],
            ),
            (
                r#"{"chat_id":2,"parent_chat_id":2,"timestamp":1,"input_length":20,"output_length":3}"#,
                "parent_chat_id",
                &["own parent"],
            ),
            (
                r#"{"chat_id":2,"parent_chat_id":-7,"timestamp":1,"input_length":20,"output_length":3}"#,
                "parent_chat_id",
                &["-1 or a chat"],
            ),
            (
                r#"{"chat_id":2,"parent_chat_id":"x","timestamp":1,"input_length":20,"output_length":3}"#,
                "parent_chat_id",
                &["integer"],
            ),
            (
                r#"{"chat_id":2,"parent_chat_id":1,"timestamp":-1,"input_length":20,"output_length":3}"#,
                "timestamp",
                &["negative"],
            ),
            (
                r#"{"chat_id":2,"parent_chat_id":1,"timestamp":1732000000,"input_length":20,"output_length":3}"#,
                "timestamp",
                &["200 days"],
            ),
            (
                r#"{"chat_id":2,"parent_chat_id":1,"timestamp":"1","input_length":20,"output_length":3}"#,
                "timestamp",
                &["number"],
            ),
            (
                r#"{"chat_id":2,"parent_chat_id":1,"timestamp":1,"input_length":0,"output_length":3}"#,
                "input_length",
                &["1..="],
            ),
            (
                r#"{"chat_id":2,"parent_chat_id":1,"timestamp":1,"input_length":20,"output_length":0}"#,
                "output_length",
                &["failed"],
            ),
            (
                r#"{"chat_id":2,"parent_chat_id":1,"timestamp":1,"input_length":40,"output_length":3,"hash_ids":[4,6,7,8,9]}"#,
                "hash_ids",
                &["5 ids", "has 3"],
            ),
            (
                r#"{"chat_id":2,"parent_chat_id":1,"timestamp":1,"input_length":20,"output_length":3,"hash_ids":[5,6]}"#,
                "hash_ids",
                &["5 after the start, but after 4 in line 1"],
            ),
            (
                r#"{"chat_id":2,"parent_chat_id":1,"timestamp":1,"input_length":20,"output_length":3,"hash_ids":[-5,6]}"#,
                "hash_ids",
                &["entry 0 is -5"],
            ),
            ("7", "line", &["JSON object"]),
        ],
    );
}

#[test]
fn azure() {
    table(
        "TIMESTAMP,ContextTokens,GeneratedTokens\r\n2023-11-16 18:15:46.6805900,374,44\r",
        &[
            ("2023-11-16 18:15:50.9951690,396", "line", &["2 values", "3 columns"]),
            ("2023-11-16 18:15:50.9951690,396,1,7", "line", &["4 values"]),
            ("2023-11-16,396,109", "TIMESTAMP", &["date and time"]),
            (",396,109", "TIMESTAMP", &["date and time"]),
            ("2023-11-31 18:15:50.9951690,396,109", "TIMESTAMP", &["2023-11-31"]),
            ("2023-11-16 18:15:45.9951690,396,109", "TIMESTAMP", &["before the first row", "Sort"]),
            ("2024-11-16 18:15:45.9951690,396,109", "TIMESTAMP", &["200 days"]),
            ("2023-11-16 18:15:50.9951690,,109", "ContextTokens", &["absent"]),
            ("2023-11-16 18:15:50.9951690,-3,109", "ContextTokens", &["\"-3\"", "integer"]),
            ("2023-11-16 18:15:50.9951690,0,109", "ContextTokens", &["1..="]),
            ("2023-11-16 18:15:50.9951690,396,many", "GeneratedTokens", &["many"]),
            ("2023-11-16 18:15:50.9951690,396,99999999999", "GeneratedTokens", &["1..="]),
            ("\"2023-11-16 18:15:50.9951690,396,109", "line", &["quote"]),
        ],
    );
    wrong("TIMESTAMP,ContextTokens,GeneratedTokens\n", 0, "file", &["header without rows"]);
}

#[test]
fn burstgpt() {
    table(
        "Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type\n5,,,ChatGPT,472,18,490,API log",
        &[
            ("6,,,ChatGPT,472,18,490", "line", &["7 values", "8 columns"]),
            ("x,,,ChatGPT,472,18,490,API log", "Timestamp", &["\"x\""]),
            (",,,ChatGPT,472,18,490,API log", "Timestamp", &["absent"]),
            ("-6,,,ChatGPT,472,18,490,API log", "Timestamp", &["number from 0"]),
            ("1e300,,,ChatGPT,472,18,490,API log", "Timestamp", &["200 days"]),
            ("nan,,,ChatGPT,472,18,490,API log", "Timestamp", &["nan"]),
            ("6,,,ChatGPT,,18,490,API log", "Request tokens", &["absent"]),
            ("6,,,ChatGPT,1.5,18,490,API log", "Request tokens", &["1.5"]),
            ("6,,,ChatGPT,0,18,490,API log", "Request tokens", &["1..="]),
            ("6,,,ChatGPT,472,x,490,API log", "Response tokens", &["\"x\""]),
            ("6,,,ChatGPT,472,17000000,490,API log", "Response tokens", &["1..="]),
            ("6,,fast,ChatGPT,472,18,490,API log", "Elapsed time", &["fast"]),
            ("6,\"a,,ChatGPT,472,18,490,API log", "line", &["quote"]),
        ],
    );
}

#[test]
fn agent_sessions() {
    let bad = |request: &str| {
        format!(r#"{{"id":"b","block_size":64,"requests":[{{"t":0,"in":64,"out":1}},{request}]}}"#)
    };
    let requests: Vec<(String, &str, &[&str])> = vec![
        (bad(r#"{"t":1,"out":1}"#), "requests[1].in", &["absent"]),
        (bad(r#"{"t":1,"in":64}"#), "requests[1].out", &["absent"]),
        (bad(r#"{"t":1,"in":-1,"out":1}"#), "requests[1].in", &["negative"]),
        (bad(r#"{"t":1,"in":0,"out":1}"#), "requests[1].in", &["1..="]),
        (bad(r#"{"t":-1,"in":64,"out":1}"#), "requests[1].t", &["negative"]),
        (bad(r#"{"t":99999999,"in":64,"out":1}"#), "requests[1].t", &["200 days"]),
        (bad(r#"{"t":1,"in":64,"out":1,"think_time":"5"}"#), "requests[1].think_time", &["number"]),
        (bad(r#"{"t":1,"in":64,"out":1,"api_time":-2}"#), "requests[1].api_time", &["negative"]),
        (bad(r#"{"t":1,"in":130,"out":1,"hash_ids":[1,2,3]}"#), "requests[1].hash_ids", &["3 ids", "has 2"]),
        (bad(r#"{"t":1,"in":130,"out":1,"hash_ids":[1,1]}"#), "requests[1].hash_ids", &["1 after 1"]),
        (bad(r#"{"t":1,"in":130,"out":1,"hash_ids":[1.5,1]}"#), "requests[1].hash_ids", &["entry 0"]),
        (bad("7"), "requests[1]", &["JSON object"]),
        (bad(r#"{"t":9,"type":"subagent","requests":5}"#), "requests[1].requests", &["list of requests"]),
        (
            bad(r#"{"t":9,"type":"subagent","requests":[{"t":0,"in":9}]}"#),
            "requests[1].requests[0].out",
            &["absent"],
        ),
        (
            bad(r#"{"t":9,"type":"subagent","requests":[{"t":0,"in":9,"out":1,"requests":[]}]}"#),
            "requests[1].requests[0].requests",
            &["no sub-agents"],
        ),
        (r#"{"block_size":0,"requests":[{"t":0,"in":64,"out":1}]}"#.to_owned(), "block_size", &["1..=65536"]),
        (
            r#"{"block_size":16,"requests":[{"t":0,"in":64,"out":1}]}"#.to_owned(),
            "block_size",
            &["64 so far"],
        ),
        (r#"{"block_size":64,"requests":{}}"#.to_owned(), "requests", &["list of requests"]),
        (r#"{"requests":[]}"#.to_owned(), "block_size", &["absent"]),
        (r#"{"block_size":64,"requests":["#.to_owned(), "line", &["not valid JSON"]),
    ];
    let cases: Vec<(&str, &str, &[&str])> =
        requests.iter().map(|(line, field, words)| (line.as_str(), *field, *words)).collect();
    table(
        r#"{"id":"a","block_size":64,"requests":[{"t":0,"type":"n","in":70,"out":5,"hash_ids":[1]}]}"#,
        &cases,
    );
}

#[test]
fn agent_turns() {
    let line = |rest: &str| {
        format!(r#"{{"session_id":"a","turn":2,"input_length":40,"output_length":2,"next":"tool"{rest}"#)
    };
    let cases = [
        (line(""), "line", "not valid JSON"),
        (line("}").replace("\"a\"", "[]"), "session_id", "name in quotes"),
        (line("}").replace("\"session_id\":\"a\",", ""), "session_id", "absent"),
        (line("}").replace("\"turn\":2", "\"turn\":3"), "turn", "next turn of session a is 2"),
        (line("}").replace("\"turn\":2", "\"turn\":1"), "turn", "is 2"),
        (line("}").replace("\"a\"", "\"b\""), "turn", "next turn of session b is 1"),
        (line("}").replace("\"tool\"", "\"nobody\""), "next", "\"tool\" or \"user\""),
        (line("}").replace("40", "0"), "input_length", "1..="),
        (line("}").replace(":2,\"next", ":0,\"next"), "output_length", "1..="),
        (line(",\"hash_ids\":[1]}"), "hash_ids", "has 3"),
        (line(",\"hash_ids\":[2,1]}"), "hash_ids", "2 after the start, but after 1"),
        (line(",\"hash_ids\":7}"), "hash_ids", "list"),
        (line("}").replace("40", "-40"), "input_length", "negative"),
    ];
    let cases: Vec<(&str, &str, [&str; 1])> = cases.iter().map(|(l, f, w)| (l.as_str(), *f, [*w])).collect();
    let cases: Vec<(&str, &str, &[&str])> = cases.iter().map(|(l, f, w)| (*l, *f, &w[..])).collect();
    table(
        r#"{"session_id":"a","turn":1,"input_length":32,"output_length":2,"next":"user","hash_ids":[1,2]}"#,
        &cases,
    );
}

#[test]
fn telemetry_tables() {
    table(
        "ts,prompt_tokens,completion_tokens,session,priority,ttft_ms,latency_ms\n2024-05-10T00:00:00Z,10,5,a,1,20,200",
        &[
            ("2024-05-10T00:00:01Z,10,5,a,1,20", "line", &["6 values"]),
            ("yesterday,10,5,a,1,20,200", "ts", &["\"yesterday\"", "time_unit"]),
            (",10,5,a,1,20,200", "ts", &["absent"]),
            ("1715299201,10,5,a,1,20,200", "ts", &["date and time"]),
            ("2024-05-10T00:00:01Z,,5,a,1,20,200", "prompt_tokens", &["absent"]),
            ("2024-05-10T00:00:01Z,0,5,a,1,20,200", "prompt_tokens", &["1..="]),
            ("2024-05-10T00:00:01Z,1.5,5,a,1,20,200", "prompt_tokens", &["1.5"]),
            ("2024-05-10T00:00:01Z,10,x,a,1,20,200", "completion_tokens", &["\"x\""]),
            ("2024-05-10T00:00:01Z,10,99999999,a,1,20,200", "completion_tokens", &["1..="]),
            ("2024-05-10T00:00:01Z,10,5,a,high,20,200", "priority", &["0 to 255", "class"]),
            ("2024-05-10T00:00:01Z,10,5,a,1,slow,200", "ttft_ms", &["slow"]),
            ("2024-05-10T00:00:01Z,10,5,a,1,20,-1", "latency_ms", &["negative"]),
            ("2024-05-10T00:00:01Z,10,5,\"a,1,20,200", "line", &["quote"]),
            ("2034-05-10T00:00:01Z,10,5,b,1,20,200", "time", &["200 days"]),
        ],
    );
    wrong("ts,prompt_tokens,b\n1,2,3\n", 1, "line", &["begins with one of"]);
    let options =
        |columns: &str| ReadOptions { columns: Columns::parse(columns).unwrap(), ..ReadOptions::default() };
    let told =
        |text: &str, columns: &str| read_with(text.as_bytes(), &options(columns)).unwrap_err().to_string();
    let said = told("a,b,c\n1,2,3\n", "time=when");
    assert!(said.contains("bad.jsonl:1: `columns.time` is \"when\": the first line has a, b, c"), "{said}");
    assert!(said.contains("`columns.input` is absent") && said.contains("`columns.output`"), "{said}");
    assert!(told("ts,in,out\n1,1,0\n", "time=ts").contains("1 failed requests"));
    let unit = ReadOptions { time_unit: Some(TimeUnit::Millis), ..options("time=ts") };
    let said = read_with(b"ts,in,out\nsoon,1,1\n", &unit).unwrap_err().to_string();
    assert!(said.contains("`ts` is \"soon\": must be a number"), "{said}");
}

#[test]
fn telemetry_lines() {
    table(
        r#"{"ts":1715299200.25,"usage":{"x":1},"prompt_tokens":10,"completion_tokens":5,"region":"eu"}"#,
        &[
            (r#"{"ts":1715299201,"prompt_tokens":10,"completion_tokens":5"#, "line", &["JSON object"]),
            ("[1,2]", "line", &["JSON object"]),
            (r#"{"prompt_tokens":10,"completion_tokens":5}"#, "ts", &["absent"]),
            (r#"{"ts":"later","prompt_tokens":10,"completion_tokens":5}"#, "ts", &["later", "number"]),
            (r#"{"ts":-5,"prompt_tokens":10,"completion_tokens":5}"#, "ts", &["negative"]),
            (r#"{"ts":1e300,"prompt_tokens":10,"completion_tokens":5}"#, "ts", &["nanoseconds"]),
            (r#"{"ts":1715299201,"completion_tokens":5}"#, "prompt_tokens", &["absent"]),
            (r#"{"ts":1715299201,"prompt_tokens":{},"completion_tokens":5}"#, "prompt_tokens", &["integer"]),
            (
                r#"{"ts":1715299201,"prompt_tokens":10,"completion_tokens":true}"#,
                "completion_tokens",
                &["true"],
            ),
            (r#"{"ts":1715299201,"prompt_tokens":0,"completion_tokens":5}"#, "prompt_tokens", &["1..="]),
            (r#"{"ts":1815299201,"prompt_tokens":7,"completion_tokens":5}"#, "time", &["200 days"]),
        ],
    );
}

#[test]
fn otlp() {
    let spans = |span: &str| {
        format!(r#"{{"resourceSpans":[{{"resource":{{}},"scopeSpans":[{{"spans":[{span}]}}]}}]}}"#)
    };
    let call = |input: &str, output: &str, start: &str, end: &str, more: &str| {
        spans(&format!(
            r#"{{"name":"chat m","startTimeUnixNano":{start},"endTimeUnixNano":{end},"attributes":[
            {{"key":"gen_ai.usage.input_tokens","value":{input}}},{{"key":"gen_ai.usage.output_tokens","value":{output}}}{more}]}}"#
        ).replace('\n', ""))
    };
    let (ten, at, end) = (r#"{"intValue":"10"}"#, "\"1715299200000000000\"", "\"1715299201000000000\"");
    let cases: Vec<(String, &str, &[&str])> = vec![
        (r#"{"resourceSpans":["#.to_owned(), "line", &["not valid JSON"]),
        (r#"{"spans":[]}"#.to_owned(), "resourceSpans", &["absent"]),
        ("[]".to_owned(), "line", &["JSON object"]),
        (call(r#"{"intValue":"ten"}"#, ten, at, end, ""), "gen_ai.usage.input_tokens", &["ten", "integer"]),
        (call(r#"{"doubleValue":1.5}"#, ten, at, end, ""), "gen_ai.usage.input_tokens", &["1.5"]),
        (call(r#"{"intValue":-4}"#, ten, at, end, ""), "gen_ai.usage.input_tokens", &["-4"]),
        (call(r#"{"intValue":0}"#, ten, at, end, ""), "gen_ai.usage.input_tokens", &["1..="]),
        (call(ten, r#"{"stringValue":"x"}"#, at, end, ""), "gen_ai.usage.output_tokens", &["\"x\""]),
        (call(ten, r#"{"intValue":"99999999"}"#, at, end, ""), "gen_ai.usage.output_tokens", &["1..="]),
        (call(ten, ten, "null", end, ""), "startTimeUnixNano", &["absent"]),
        (call(ten, ten, "\"soon\"", end, ""), "startTimeUnixNano", &["soon"]),
        (call(ten, ten, "18446744073709551615", end, ""), "startTimeUnixNano", &["since 1970"]),
        (call(ten, ten, at, "null", ""), "endTimeUnixNano", &["absent"]),
        (call(ten, ten, at, "5", ""), "endTimeUnixNano", &["before it starts"]),
        (call(ten, ten, "5", end, ""), "endTimeUnixNano", &["200 days"]),
        (
            call(
                ten,
                ten,
                at,
                end,
                r#",{"key":"gen_ai.response.time_to_first_chunk","value":{"stringValue":"fast"}}"#,
            ),
            "gen_ai.response.time_to_first_chunk",
            &["fast", "seconds"],
        ),
        (
            call(ten, ten, at, end, r#",{"key":"gen_ai.latency.e2e","value":{"doubleValue":-1.0}}"#),
            "gen_ai.latency.e2e",
            &["negative"],
        ),
    ];
    let cases: Vec<(&str, &str, &[&str])> = cases.iter().map(|(l, f, w)| (l.as_str(), *f, *w)).collect();
    table(&call(ten, ten, at, end, ""), &cases);
    wrong(&spans(r#"{"name":"GET","attributes":[]}"#), 0, "file", &["1 spans without token counts"]);
}

#[test]
fn vllm_bench() {
    let cases: [(&str, u64, &str, &[&str]); 15] = [
        (r#"{"input_lens":[1],"output_lens":[1],"ttfts":[1e7],"itls":[[1e7]]}"#, 1, "itls[0]", &["200 days"]),
        (r#"{"input_lens":[1,2],"output_lens":[1]}"#, 1, "output_lens", &["1 entries", "`input_lens` has 2"]),
        (r#"{"input_lens":[1],"output_lens":[1],"ttfts":[]}"#, 1, "ttfts", &["0 entries"]),
        (r#"{"input_lens":[1],"output_lens":[1],"itls":[[],[]]}"#, 1, "itls", &["2 entries"]),
        (r#"{"input_lens":[1],"output_lens":[1],"errors":["",""]}"#, 1, "errors", &["2 entries"]),
        (r#"{"input_lens":[1],"output_lens":[1],"start_times":[1,2]}"#, 1, "start_times", &["2 entries"]),
        (r#"{"input_lens":[-1],"output_lens":[1]}"#, 1, "input_lens", &["entry 0 is -1"]),
        (r#"{"input_lens":[0],"output_lens":[1]}"#, 1, "input_lens[0]", &["1..="]),
        (r#"{"input_lens":7,"output_lens":[1]}"#, 1, "input_lens", &["list"]),
        (r#"{"input_lens":[1],"output_lens":["1"]}"#, 1, "output_lens", &["entry 0"]),
        (r#"{"input_lens":[1],"output_lens":[17000000]}"#, 1, "output_lens[0]", &["1..="]),
        (r#"{"input_lens":[1],"output_lens":[1],"ttfts":[-0.5]}"#, 1, "ttfts[0]", &["negative"]),
        (r#"{"input_lens":[1],"output_lens":[1],"ttfts":["x"]}"#, 1, "ttfts", &["entry 0"]),
        (
            r#"{"input_lens":[1,1],"output_lens":[1,1],"start_times":[0,99999999]}"#,
            1,
            "start_times[1]",
            &["200 days"],
        ),
        (r#"{"input_lens":[1],"output_lens":[0]}"#, 0, "file", &["1 failed requests"]),
    ];
    for (text, line, field, words) in cases {
        wrong(text, line, field, words);
    }
    let one = r#"{"input_lens":[1],"output_lens":[1]}"#;
    wrong(&format!("{one}\n{one}"), 2, "line", &["a second result"]);
    wrong(&format!("{one}\n{{"), 2, "line", &["not valid JSON"]);
}

#[test]
fn skipped_lines_are_counted_and_the_first_named() {
    let good = r#"{"timestamp":0,"input_length":5,"output_length":1}"#;
    let bad = r#"{"timestamp":0,"input_length":-5,"output_length":1}"#;
    let skip = ReadOptions { on_bad_line: OnBadLine::Skip, ..ReadOptions::default() };
    let text = format!("{good}\n{}{good}\n", format!("{bad}\n").repeat(12));
    let data = read_with(text.as_bytes(), &skip).unwrap();
    assert_eq!(data.rows.len(), 2);
    let notice = data.notices.last().unwrap();
    let want = "12 bad lines were left out (line 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, …); the first: `input_length` is -5: \
                must not be negative";
    assert_eq!(notice, want);
    // Also a first line, where the format is said.
    let cut = r#"{"timestamp":0,"input_len"#;
    for format in [TraceFormat::Mooncake, TraceFormat::Telemetry] {
        let told = ReadOptions { format, ..skip.clone() };
        let read = read_with(format!("{cut}\n{good}\n{good}\n").as_bytes(), &told);
        match format {
            TraceFormat::Mooncake => assert_eq!(read.unwrap().rows.len(), 2),
            _ => assert!(read.unwrap_err().to_string().contains("bad.jsonl:1: `line`")),
        }
    }
    assert!(read_with(format!("{cut}\n{good}\n").as_bytes(), &skip).is_err(), "what is it?");
    let none = read_with(format!("{bad}\n{bad}").as_bytes(), &skip).unwrap_err();
    assert_eq!(none.findings.len(), 1);
    assert!(none.to_string().starts_with("bad.jsonl:1: `input_length` is -5"), "{none}");
}
