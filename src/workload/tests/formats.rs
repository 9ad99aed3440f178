//! What each reader makes of a good file, worked out by hand.

use super::{read, read_with};
use crate::time::Span;
use crate::workload::data::{Blocks, Start, TraceData};
use crate::workload::trace::CompiledTrace;
use crate::workload::{Columns, READERS, ReadOptions, TraceFormat};

fn starts(data: &TraceData) -> Vec<Start> {
    data.rows.iter().map(|row| row.start).collect()
}

fn lengths(data: &TraceData) -> Vec<(u32, u32)> {
    data.rows.iter().map(|row| (row.input, row.output)).collect()
}

fn turns(data: &TraceData) -> Vec<(u64, u32)> {
    data.rows.iter().map(|row| (row.session, row.turn)).collect()
}

const S: u64 = 1_000_000_000;

#[test]
fn every_format_has_one_reader_that_says_what_it_is() {
    let mut names: Vec<String> = Vec::new();
    for reader in READERS {
        let written = serde_json::to_value(reader.format).unwrap();
        assert_eq!(written.as_str(), Some(reader.name));
        assert!(!reader.about.is_empty() && !reader.looks_for.is_empty());
        assert!(reader.page.ends_with(&format!("{}.md", reader.name)), "{}", reader.page);
        assert!(
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(reader.page).is_file(),
            "{}",
            reader.page
        );
        names.push(reader.name.to_owned());
    }
    names.sort();
    names.dedup();
    assert_eq!(names.len(), READERS.len());
    let schema = serde_json::to_string(&schemars::schema_for!(TraceFormat)).unwrap();
    assert_eq!(schema.matches("\"const\"").count(), READERS.len() + 1, "one more is `auto`: {schema}");
}

#[test]
fn mooncake_with_aiperf_sessions() {
    let text = r#"{"timestamp":10,"session_id":"a","input_length":600,"output_length":5,"hash_ids":[1,2]}
{"session_id":"b","timestamp":20.5,"input_length":7,"output_length":5}
{"session_id":"a","delay":1500,"input_length":1100,"output_length":5,"hash_ids":[1,2,3]}
{"session_id":"a","input_length":9,"output_length":5}
{"session_id":7,"input_length":9,"output_length":5}
{"session_id":"b","timestamp":900,"input_length":9,"output_length":5}"#;
    let data = read(text.as_bytes()).unwrap();
    let ms = 1_000_000;
    let want = [
        Start::At(10 * ms),
        Start::At(20_500_000),
        Start::After(1_500 * ms),
        Start::After(0),
        Start::At(0),
        Start::At(900 * ms),
    ];
    assert_eq!(starts(&data), want);
    assert_eq!(turns(&data), [(1, 0), (2, 0), (1, 1), (1, 2), (3, 0), (2, 1)]);
    assert!(
        data.notices.iter().any(|notice| notice.starts_with("4 requests have no `hash_ids`")),
        "{:?}",
        data.notices
    );
    assert!(data.notices.iter().any(|notice| notice.starts_with("1 later turns have a `timestamp`")));
    assert!(data.notices.iter().any(|notice| notice.contains("its 1 sessions start")));
}

#[test]
fn bailian_chats_are_sessions_by_their_root() {
    let text = r#"{"chat_id":1,"parent_chat_id":-1,"timestamp":0.5,"input_length":20,"output_length":3,"type":"text","turn":1,"hash_ids":[4,5]}
{"chat_id":2,"parent_chat_id":77,"timestamp":1.25,"input_length":10,"output_length":3,"turn":4,"hash_ids":[9]}
{"chat_id":3,"parent_chat_id":1,"timestamp":2,"input_length":40,"output_length":3,"turn":2,"hash_ids":[4,6]}
{"chat_id":4,"parent_chat_id":3,"timestamp":3,"input_length":40,"output_length":3,"turn":3}"#;
    let data = read(text.as_bytes()).unwrap();
    assert_eq!((data.format, data.block_tokens), ("bailian", 16));
    assert_eq!(turns(&data), [(1, 0), (2, 0), (1, 1), (1, 2)]);
    assert_eq!(starts(&data)[1], Start::At(1_250_000_000));
    assert!(
        data.notices.iter().any(|notice| notice.starts_with("1 chats name a parent")),
        "{:?}",
        data.notices
    );
    let trace = CompiledTrace::compile(&data, 16).unwrap();
    // 20 and 40 tokens: the full blocks 4 and 4, 6 are told; only block 4 is shared. Ids 4 5 9 4 6.
    assert_eq!((trace.summary().block_refs, trace.summary().distinct_blocks), (5, 4));
    let ids = |row| {
        let mut chain = crate::workload::Chain::new();
        trace.runs_of(trace.row(row)).iter().for_each(|&run| chain.push(run));
        chain.ids(chain.blocks()).collect::<Vec<_>>()
    };
    assert_eq!(ids(0)[0], ids(2)[0]);
    assert!(!ids(2)[1..].iter().any(|id| ids(0).contains(id)));
    assert_eq!((ids(0).len(), ids(2).len()), (23 / 16, 43 / 16));
}

#[test]
fn azure_times_are_counted_from_the_first_row() {
    let text = "TIMESTAMP,ContextTokens,GeneratedTokens\r\n2023-11-16 18:15:46.6805900,374,44\r\n\
                2023-11-16 18:15:50.9951690,396,0\r\n2023-11-16 18:15:51.2224670,879,55\r\n";
    let data = read(text.as_bytes()).unwrap();
    assert_eq!(data.format, "azure");
    assert_eq!(lengths(&data), [(374, 44), (879, 55)]);
    // 51.222467 - 46.680590 = 4.541877 s.
    assert_eq!(starts(&data), [Start::At(0), Start::At(4_541_877_000)]);
    let start = data.utc_start.unwrap();
    assert_eq!((start.to_string().as_str(), start.naive), ("2023-11-16T18:15:46.68059", true));
    assert!(data.notices[0].contains("no zone") && data.notices[1].starts_with("1 rows without output"));
    // A trace without blocks fits engines of any block size.
    assert_eq!(CompiledTrace::compile(&data, 24).unwrap().summary().block_refs, 0);
}

#[test]
fn burstgpt_is_read_by_name_in_all_versions() {
    let first = "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n5,ChatGPT,472,18,490,Conversation log\n45,ChatGPT,1087,0,1087,API log\n118,GPT-4,417,276,693,Conversation log\n";
    let data = read(first.as_bytes()).unwrap();
    assert_eq!((data.format, lengths(&data)), ("burstgpt", vec![(472, 18), (417, 276)]));
    assert_eq!(starts(&data), [Start::At(5 * S), Start::At(118 * S)]);
    assert!(data.notices[0].starts_with("1 rows without response tokens"));
    let third = "Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type\n5.5,s1,2.5,ChatGPT,472,18,490,Conversation log\n6,,,GPT-4,10,1,11,API log\n9,s1,1,ChatGPT,600,18,618,Conversation log\n";
    let data = read(third.as_bytes()).unwrap();
    assert_eq!(turns(&data), [(1, 0), (0, 0), (1, 1)]);
    assert_eq!(starts(&data)[0], Start::At(5_500_000_000));
    assert_eq!((data.measured.get(0).e2e, data.measured.get(1).e2e), (Some(Span(2_500_000_000)), None));
}

/// A parent with two requests and a sub-agent between them, and a copy of it.
const SESSION: &str = r#"{"id":"a","block_size":64,"tool_tokens":100,"system_tokens":40,"requests":[{"t":0.0,"type":"n","model":"m","in":200,"out":10,"hash_ids":[1,2,3],"think_time":0.0,"api_time":7.0,"ttft":2.5},{"t":30.0,"type":"subagent","duration_ms":20000,"models":["h"],"tool_tokens":64,"system_tokens":0,"requests":[{"t":0.0,"type":"n","model":"h","in":130,"out":4,"hash_ids":[50,51],"think_time":0.0,"api_time":3.0},{"t":9.0,"type":"n","model":"h","in":200,"out":4,"hash_ids":[50,51,52],"think_time":6.0,"api_time":8.0}]},{"t":40.0,"type":"s","model":"m","in":300,"out":10,"hash_ids":[1,2,3,4],"think_time":33.0,"api_time":1.0},{"t":50.0,"type":"n","model":"m","in":60,"out":0,"hash_ids":[],"think_time":9.0},{"t":60.0,"type":"n","model":"m","in":130,"out":5,"hash_ids":[1,9],"api_time":1.0}]}"#;

#[test]
fn agent_sessions_wait_for_sub_agents_and_think_for_what_is_left() {
    let other = SESSION.replace("\"api_time\":7.0", "\"api_time\":7.5");
    let data = read(format!("{SESSION}\n{SESSION}\n{other}\n").as_bytes()).unwrap();
    assert_eq!((data.format, data.block_tokens), ("agent_sessions", 64));
    assert_eq!(lengths(&data)[..5], [(200, 10), (130, 4), (200, 4), (300, 10), (130, 5)]);
    assert_eq!(turns(&data)[..5], [(1, 0), (2, 0), (2, 1), (1, 1), (1, 2)]);
    assert_eq!(turns(&data)[5..], [(3, 0), (4, 0), (4, 1), (3, 1), (3, 2)]);
    assert_eq!(data.rows[1].parent, 1);
    // The parent was answered at 7 s, the sub-agent began at 30 - 20 = 10 s: 3 s after. Its second request came 6 s after
    // its first was answered, and was answered at 10 + 9 + 8 = 27 s. The parent went on 33 s after 7 s, at 40 s: 13 s
    // after the sub-agent. Its last request has no think time: 60 - 41 = 19 s.
    let want =
        [Start::At(0), Start::After(3 * S), Start::After(6 * S), Start::After(13 * S), Start::After(19 * S)];
    assert_eq!(starts(&data)[..5], want);
    assert_eq!(data.after[..3], [(1, 0), (3, 0), (3, 2)]);
    assert_eq!(data.after.len(), 6);
    assert_eq!(data.measured.get(0).ttft, Some(Span(2_500_000_000)));
    assert_eq!(data.measured.get(0).e2e, Some(Span(7 * S)));
    let notices = data.notices.join("\n");
    for words in
        ["its 2 sessions start", "1 sessions are exact copies", "2 requests without output", "2 sub-agents"]
    {
        assert!(notices.contains(words), "{words}: {notices}");
    }
    // Ids are the session's own: two sessions share nothing, and a session's four prompts share as told.
    let trace = CompiledTrace::compile(&data, 64).unwrap();
    // Of each session ids 1 2 3 4 9 50 51 52.
    assert_eq!(trace.summary().distinct_blocks, 16);
    assert_eq!((trace.summary().sessions, trace.summary().sub_agents), (4, 2));
    // 140 tokens of tools and system are two full blocks (1 2); sub-agents share one (50). The last prompt begins with
    // 1 9: it shares block 1 alone.
    let options = ReadOptions { restore_shared_prefix: true, ..ReadOptions::default() };
    let data = read_with(format!("{SESSION}\n{other}\n").as_bytes(), &options).unwrap();
    let trace = CompiledTrace::compile(&data, 64).unwrap();
    assert_eq!(trace.summary().distinct_blocks, 16 - 3);
    assert!(data.notices.iter().any(|notice| notice.contains("restore_shared_prefix")), "{:?}", data.notices);
    assert!(data.rows.iter().all(|row| matches!(row.blocks, Blocks::Prompt { .. })));
    // A rate is a rate: the mean gap of many sessions is one over it.
    let many: Vec<String> = (0..400)
        .map(|i| SESSION.replace("\"in\":60", &format!("\"in\":{}", 61 + i)).replace("\"hash_ids\":[],", ""))
        .collect();
    let options = ReadOptions { session_rate: Some(2.0), ..ReadOptions::default() };
    let data = read_with(many.join("\n").as_bytes(), &options).unwrap();
    let last = data
        .rows
        .iter()
        .filter_map(|row| match row.start {
            Start::At(ns) => Some(ns),
            Start::After(_) => None,
        })
        .max();
    // 399 gaps of mean 0.5 s and standard deviation 0.5 s: 199.5 ± 5 · 0.5 · sqrt(399).
    assert!((last.unwrap() as f64 / 1e9 - 199.5).abs() < 50.0, "{last:?}");
}

#[test]
fn agent_turns_wait_for_tools_and_people() {
    let text = r#"{"session_id":"t0","turn":1,"input_length":32,"output_length":2,"next":"user","hash_ids":[0,1]}
{"session_id":"t1","turn":1,"input_length":33,"output_length":2,"next":"tool","hash_ids":[0,1,2]}
{"session_id":"t0","turn":2,"input_length":64,"output_length":2,"next":"tool","hash_ids":[0,1,3,4]}
{"session_id":"t0","turn":3,"input_length":64,"output_length":2,"next":"user","hash_ids":[0,1,3,4]}"#;
    let data = read(text.as_bytes()).unwrap();
    assert_eq!((data.format, turns(&data)), ("agent_turns", vec![(1, 0), (2, 0), (1, 1), (1, 2)]));
    assert_eq!(starts(&data)[2..], [Start::After(118 * S), Start::After(9 * S)]);
    assert!(
        data.notices.iter().any(|notice| notice.contains("2 later turns wait: 9 s after a tool call, 118 s"))
    );
    let trace = CompiledTrace::compile(&data, 16).unwrap();
    assert_eq!((trace.summary().block_refs, trace.summary().distinct_blocks), (13, 5));
}

#[test]
fn telemetry_is_put_in_order_and_closed_where_answers_are_known() {
    let text = "Start_Time;tokens in;out;user;conv;zone;lat_s;ttft_ms\n\
                2024-05-10T10:00:09+02:00;30;3;u2;;eu;;\n\
                2024-05-10T08:00:10Z;10;1;u1;c1;us;2.5;40\n\
                2024-05-10T08:00:11Z;10;0;u1;c9;us;;\n\
                2024-05-10T08:00:20.75Z;20;2;u1;c1;us;1;50\n\
                2024-05-10T08:00:21Z;21;2;u1;c1;us;1;\n";
    let columns =
        Columns::parse("time=start_time,input=tokens in,session=conv,tenant=user,region=zone,e2e=lat_s")
            .unwrap();
    let data = read_with(text.as_bytes(), &ReadOptions { columns, ..ReadOptions::default() }).unwrap();
    assert_eq!(data.format, "telemetry");
    assert_eq!(lengths(&data), [(30, 3), (10, 1), (20, 2), (21, 2)]);
    // The second turn comes 10.75 - 2.5 = 8.25 s after the first's answer, the third before the second's: open.
    assert_eq!(starts(&data), [Start::At(0), Start::At(S), Start::After(8_250_000_000), Start::At(12 * S)]);
    assert_eq!(turns(&data), [(0, 0), (1, 0), (1, 1), (1, 2)]);
    assert_eq!(data.rows.iter().map(|row| row.tenant).collect::<Vec<_>>(), [1, 2, 2, 2]);
    assert_eq!(data.names.origins, ["eu", "us"]);
    assert_eq!(
        (data.names.line(0, 0), data.names.line(0, 1), data.names.line(1, 0)),
        (Some(2), Some(3), None)
    );
    assert_eq!(data.measured.get(1).ttft, Some(Span(40_000_000)));
    assert_eq!(data.measured.get(1).e2e, Some(Span(2_500_000_000)));
    assert_eq!(data.measured.get(0), Default::default());
    assert_eq!(data.utc_start.unwrap().to_string(), "2024-05-10T08:00:09Z");
    let notices = data.notices.join("\n");
    assert!(
        notices.contains("1 requests without output") && notices.contains("1 later turns are sent at"),
        "{notices}"
    );
}

#[test]
fn telemetry_units_are_told_named_or_seen() {
    let at = |header: &str, first: &str, second: &str, options: &ReadOptions| {
        let text = format!("{header},in,out\n{first},1,1\n{second},1,1\n");
        let data = read_with(text.as_bytes(), options).unwrap();
        (starts(&data), data.utc_start.is_some())
    };
    let auto = ReadOptions { columns: Columns::parse("time=t").unwrap(), ..ReadOptions::default() };
    let want = (vec![Start::At(0), Start::At(1_500_000_000)], true);
    assert_eq!(at("t", "1715299200", "1715299201.5", &auto), want);
    assert_eq!(at("t", "1715299200000", "1715299201500", &auto), want);
    assert_eq!(at("t", "1715299200000000", "1715299201500000", &auto), want);
    assert_eq!(at("t", "1715299200000000000", "1715299201500000000", &auto), want);
    assert_eq!(at("t", "2024-05-10T00:00:00Z", "2024-05-10 00:00:01.5", &auto), want);
    assert_eq!(at("t", "0", "1.5", &auto), (want.0.clone(), false));
    let named = ReadOptions { columns: Columns::parse("time=t_ms").unwrap(), ..ReadOptions::default() };
    assert_eq!(at("t_ms", "0", "1500", &named), (want.0.clone(), false));
    let told = ReadOptions { time_unit: Some(crate::workload::TimeUnit::Micros), ..auto };
    assert_eq!(at("t", "0", "1500000", &told), (want.0, false));
}

#[test]
fn telemetry_in_json_lines_with_paths() {
    let text = r#"{"created":1715299200,"usage":{"prompt_tokens":10,"completion_tokens":5},"meta":{"key":42}}
{"created":1715299201,"usage":{"prompt_tokens":11,"completion_tokens":null},"meta":{"key":"x"}}
{"created":1715299202,"usage":{"prompt_tokens":12,"completion_tokens":6},"meta":{"key":42}}"#;
    let columns =
        Columns::parse("input=usage.prompt_tokens,output=usage.completion_tokens,tenant=meta.key").unwrap();
    let data = read_with(text.as_bytes(), &ReadOptions { columns, ..ReadOptions::default() }).unwrap();
    assert_eq!(lengths(&data), [(10, 5), (12, 6)]);
    assert_eq!(starts(&data), [Start::At(0), Start::At(2 * S)]);
    assert_eq!(data.rows[0].tenant, data.rows[1].tenant);
}

#[test]
fn otlp_spans_of_calls_are_requests() {
    let text = r#"{
 "resourceSpans": [{"resource": {"attributes": [{"key": "client.zone", "value": {"stringValue": "eu"}}]},
  "scopeSpans": [{"spans": [
   {"name": "chat m", "startTimeUnixNano": "1715299201000000000", "endTimeUnixNano": "1715299203000000000", "attributes": [
     {"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}},
     {"key": "gen_ai.conversation.id", "value": {"stringValue": "c1"}},
     {"key": "gen_ai.usage.input_tokens", "value": {"intValue": "100"}},
     {"key": "gen_ai.usage.output_tokens", "value": {"intValue": 7}},
     {"key": "gen_ai.response.time_to_first_chunk", "value": {"doubleValue": 0.25}}]},
   {"name": "chat m", "startTimeUnixNano": "1715299205500000000", "endTimeUnixNano": "1715299206000000000", "attributes": [
     {"key": "gen_ai.conversation.id", "value": {"stringValue": "c1"}},
     {"key": "gen_ai.usage.prompt_tokens", "value": {"intValue": "150"}},
     {"key": "gen_ai.usage.completion_tokens", "value": {"intValue": "8"}}]},
   {"name": "invoke_agent", "startTimeUnixNano": "1", "endTimeUnixNano": "2", "attributes": [
     {"key": "gen_ai.operation.name", "value": {"stringValue": "invoke_agent"}},
     {"key": "gen_ai.usage.input_tokens", "value": {"intValue": "250"}}]},
   {"name": "GET /", "startTimeUnixNano": "1", "endTimeUnixNano": "2"},
   {"name": "llm_request", "startTimeUnixNano": "1715299200000000000", "endTimeUnixNano": "1715299209000000000", "attributes": [
     {"key": "gen_ai.usage.prompt_tokens", "value": {"intValue": "9"}},
     {"key": "gen_ai.usage.completion_tokens", "value": {"intValue": "1"}},
     {"key": "gen_ai.latency.time_to_first_token", "value": {"doubleValue": 0.5}},
     {"key": "gen_ai.latency.e2e", "value": {"doubleValue": 1.5}}]}
  ]}]}]
}"#;
    let columns = Columns::parse("origin=client.zone").unwrap();
    let options = ReadOptions { columns, format: TraceFormat::Otlp, ..ReadOptions::default() };
    let data = read_with(text.as_bytes(), &options).unwrap();
    assert_eq!(lengths(&data), [(9, 1), (100, 7), (150, 8)]);
    // The second turn starts at 5.5 s after 3.0 s.
    assert_eq!(starts(&data), [Start::At(0), Start::At(S), Start::After(2_500_000_000)]);
    assert_eq!(turns(&data), [(0, 0), (1, 0), (1, 1)]);
    assert_eq!(data.names.origins, ["eu"]);
    let measured = |row| (data.measured.get(row).ttft.map(|t| t.0), data.measured.get(row).e2e.map(|t| t.0));
    assert_eq!(measured(0), (Some(S / 2), Some(3 * S / 2)));
    assert_eq!(measured(1), (Some(S / 4), Some(2 * S)));
    assert_eq!(measured(2), (None, Some(S / 2)));
    assert!(data.notices[0].starts_with("2 spans are no calls"), "{:?}", data.notices);
    let auto = read_with(text.replace('\n', " ").as_bytes(), &ReadOptions::default()).unwrap();
    assert_eq!((auto.format, lengths(&auto)), ("otlp", lengths(&data)));
}

#[test]
fn vllm_bench_results_keep_what_was_measured() {
    let text = r#"{"date":"20240510-000000","request_rate":2.0,"input_lens":[10,20,30],"output_lens":[3,0,2],
 "ttfts":[0.5,0.0,0.25],"itls":[[0.1,0.2],[],[0.5]],"errors":["","boom",""],"start_times":[100.5,100.0,102.0],
 "generated_texts":["a","","b"]}"#;
    let data = read(text.as_bytes()).unwrap();
    assert_eq!((data.format, lengths(&data)), ("vllm_bench", vec![(10, 3), (30, 2)]));
    assert_eq!(starts(&data), [Start::At(S / 2), Start::At(2 * S)]);
    // 0.5 + 0.1 + 0.2, and 0.25 + 0.5.
    let e2e: Vec<u64> = (0..2).map(|row| data.measured.get(row).e2e.unwrap().0).collect();
    assert_eq!(e2e, [800_000_000, 750_000_000]);
    let all_at_once = read(br#"{"input_lens":[10,20],"output_lens":[3,4],"request_rate":"inf"}"#).unwrap();
    assert_eq!(starts(&all_at_once), [Start::At(0), Start::At(0)]);
    assert!(all_at_once.notices[0].contains("all are sent at once"));
    let paced = read(br#"{"input_lens":[10,20],"output_lens":[3,4],"request_rate":4}"#).unwrap();
    assert!(matches!(starts(&paced)[1], Start::At(ns) if ns > 0));
}
