//! Client pools: by hand, against the published one, and malformed.

use super::{completes_after, drive, read, table, workload};
use crate::time::Span;
use crate::workload::pool::read_pool;
use crate::workload::{
    CompiledTrace, PoolParams, Request, Tokens, TraceParams, Window, WorkloadKind, WorkloadParams, check,
    generate_pool, open, workload_key,
};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// The two tables as files of this test alone.
fn files(name: &str, rates: &str, lengths: &str) -> (PathBuf, PathBuf) {
    let folder = std::env::temp_dir().join(format!("regionsim-pool-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (a, b) = (folder.join("rates.csv"), folder.join("lengths.csv"));
    std::fs::write(&a, rates).unwrap();
    std::fs::write(&b, lengths).unwrap();
    (a, b)
}

fn send(rates: &std::path::Path, lengths: &std::path::Path, window: Window, scale: f64) -> Vec<Request> {
    let pool = Arc::new(read_pool(rates, lengths).unwrap_or_else(|errors| panic!("{errors}")));
    let params = PoolParams { pool, scale, window, system: None };
    let params = workload("pool", WorkloadKind::Pool(params));
    let names = table(&[("a", 1.0)]);
    assert_eq!(check(&params, &names, 16), vec![]);
    drive(open(&params, &names, 16, workload_key(1, "pool")).as_mut(), completes_after(Span(7)))
}

const LENGTHS: &str = "client,t,input_tokens_p1,input_tokens_p99,output_tokens_p1,output_tokens_p99\n\
                       7,0,100,100,5,5\n7,1200,300,300,5,5\n9,0,10,20,1,1\n";

#[test]
fn each_client_follows_its_own_bins() {
    // Client 7 sends every tenth of a second for 600 s, nothing for 600 s, then 20 a second for 600 s, with even gaps
    // (a Gamma of shape 10,000); client 9 is Poisson.
    let rates = "client,t,rate,cv,pattern,p1,p2\n7,0,10,0,Gamma,10000,0\n9,0,4,1,Weibull,1,0\n7,600,0,0,,0,0\n\
                 9,600,4,1,Gamma,1,0\n7,1200,20,0,Gamma,10000,0\n9,1200,4,1,Gamma,1,0\n";
    let (rates, lengths) = files("bins", rates, LENGTHS);
    let day = Window { from: Span::ZERO, lasts: Span::from_secs(86_400) };
    let sent = send(&rates, &lengths, day, 1.0);
    let count = |tenant: u32, from: f64, to: f64| {
        let within = |at: f64| at >= from && at < to;
        sent.iter().filter(|r| r.tenant.0 == tenant && within(r.at.as_secs_f64())).count()
    };
    // n gaps of mean m and cv 0.01 end within n·m ± 5·0.01·m·√n.
    assert!(count(0, 0.0, 600.0).abs_diff(6_000) <= 5);
    assert_eq!(count(0, 600.0, 1200.0), 0);
    assert!(count(0, 1200.0, 1800.0).abs_diff(12_000) <= 7);
    assert!(count(1, 0.0, 1800.0).abs_diff(7_200) < 425, "5·√7200");
    assert!(sent.iter().all(|request| request.at.as_secs_f64() < 1800.0));
    // Lengths change at 1200 s.
    for request in sent.iter().filter(|request| request.tenant.0 == 0) {
        let want = if request.at.as_secs_f64() < 1200.0 { 100 } else { 300 };
        assert_eq!((request.prompt_tokens, request.output_tokens), (want, 5));
    }
    assert!(sent.iter().filter(|r| r.tenant.0 == 1).all(|r| (10..=20).contains(&r.prompt_tokens)));
    // A window counts from its beginning; half the scale is half the requests.
    let window = Window { from: Span::from_secs(1000), lasts: Span::from_secs(400) };
    let part = send(&rates, &lengths, window, 0.5);
    let seven: Vec<&Request> = part.iter().filter(|r| r.tenant.0 == 0).collect();
    assert!(seven.len().abs_diff(2_000) <= 4 && seven[0].at >= crate::time::SimTime(200_000_000_000));
    assert!(part.iter().all(|request| request.at.as_secs_f64() < 400.0));
}

#[test]
fn the_published_pool_keeps_its_shares_and_its_day() {
    let folder = std::env::var_os("REGIONSIM_SHARED")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared")), PathBuf::from);
    let file = |what: &str| folder.join(format!("traces/servegen/m-small_{what}_week1.csv.zst"));
    let (rates, lengths) = (file("client_rates"), file("length_quantiles"));
    if !rates.exists() {
        #[expect(clippy::print_stderr, reason = "says what was not tested")]
        {
            eprintln!("skipped: {} is absent", rates.display());
        }
        return;
    }
    let pool = read_pool(&rates, &lengths).unwrap_or_else(|errors| panic!("{errors}"));
    let summary = pool.summary();
    assert_eq!((summary.clients, summary.seconds), (43, 604_800));
    // 1,174 requests a second over two weeks; this is the first.
    assert!((summary.requests_per_s / 1_174.0 - 1.0).abs() < 0.1, "{}", summary.requests_per_s);
    assert!(pool.notices()[0].contains("of 43 clients have no lengths"), "{:?}", pool.notices());
    // What each client is meant to send on the second day, by the table itself.
    let day = |bin: &super::super::pool::Bin| bin.from_s >= 86_400.0 && bin.from_s < 172_800.0;
    let meant: Vec<f64> = pool
        .clients
        .iter()
        .map(|client| client.bins.iter().filter(|bin| day(bin)).map(|bin| bin.rate * 600.0).sum())
        .collect();
    let total: f64 = meant.iter().sum();
    let scale = 40_000.0 / total;
    let window = Window { from: Span::from_secs(86_400), lasts: Span::from_secs(86_400) };
    let sent = send(&rates, &lengths, window, scale);
    let mut found: BTreeMap<u32, f64> = BTreeMap::new();
    sent.iter().for_each(|request| *found.entry(request.tenant.0).or_default() += 1.0);
    let mut order: Vec<usize> = (0..meant.len()).collect();
    order.sort_by(|&a, &b| meant[b].total_cmp(&meant[a]));
    let top = |n: usize, of: &dyn Fn(usize) -> f64| order[..n].iter().map(|&client| of(client)).sum::<f64>();
    for n in [1, 5, 10] {
        let (want, seen) = (
            top(n, &|i| meant[i]) / total,
            top(n, &|i| found.get(&(i as u32)).copied().unwrap_or(0.0)) / sent.len() as f64,
        );
        // The tables' cv of counts: of the largest client about 3.6 rate-weighted, so a share is known to
        // 5·3.6/√40,000 = 9 % of itself at most.
        assert!((seen / want - 1.0).abs() < 0.09, "top {n}: {seen}, table {want}");
    }
    // Published over two weeks: .30, .77 and .93.
    for (n, share) in [(1, 0.30), (5, 0.77), (10, 0.93)] {
        let seen = top(n, &|i| meant[i]) / total;
        assert!((seen - share).abs() < 0.12, "top {n} of one day: {seen}, of two weeks {share}");
    }
}

#[test]
fn malformed_tables_are_told_with_line_and_field() {
    let head = "client,t,rate,cv,pattern,p1,p2\n";
    let good = "1,0,2,1,Gamma,1,0\n";
    let lengths = "client,t,input_tokens_p50,input_tokens_p99,output_tokens_p50,output_tokens_p99\n";
    let row = "1,0,10,20,3,4\n";
    let cases: [(&str, String, String, &str); 14] = [
        ("empty", String::new(), row.into(), "file"),
        ("no-column", "client,t,rate,pattern\n1,0,2,Gamma\n".into(), row.into(), "p1"),
        ("client", format!("{head}x,0,2,1,Gamma,1,0\n"), String::new(), "client"),
        ("time", format!("{head}1,-600,2,1,Gamma,1,0\n"), String::new(), "t"),
        ("late", format!("{head}1,99999999,2,1,Gamma,1,0\n"), String::new(), "t"),
        ("twice", format!("{head}{good}{good}"), String::new(), "t"),
        ("rate", format!("{head}1,0,nan,1,Gamma,1,0\n"), String::new(), "rate"),
        ("rates", format!("{head}1,0,1e9,1,Gamma,1,0\n"), String::new(), "rate"),
        ("pattern", format!("{head}1,0,2,1,Normal,1,0\n"), String::new(), "pattern"),
        ("idle", format!("{head}1,0,2,1,,0,0\n"), String::new(), "pattern"),
        ("shape", format!("{head}1,0,2,1,Weibull,0,0\n"), String::new(), "p1"),
        ("none", format!("{head}1,0,0,0,,0,0\n"), String::new(), "rate"),
        ("falling", format!("{head}{good}"), format!("{lengths}1,0,20,10,3,4\n"), "input_tokens_p99"),
        ("short", format!("{head}{good}"), format!("{lengths}1,0,20,30\n"), "line"),
    ];
    for (name, rates, lengths, field) in cases {
        let (rates, lengths) = files(name, &rates, &lengths);
        let errors = read_pool(&rates, &lengths).expect_err(name);
        assert_eq!(errors.findings[0].field, field, "{name}: {errors}");
        assert!(errors.to_string().contains(".csv"), "{errors}");
    }
    let (rates, lengths) = files("fine", &format!("{head}{good}"), &format!("{lengths}{row}"));
    assert!(read_pool(&rates, &lengths).is_ok());
}

#[test]
fn a_pool_written_as_a_trace_sends_the_same_requests() {
    let rates = "client,t,rate,cv,pattern,p1,p2\n7,0,2,0,Gamma,2,0\n9,0,1,1,Weibull,1,0\n";
    let (rates, lengths) = files("trace", rates, LENGTHS);
    let window = Window { from: Span::ZERO, lasts: Span::from_secs(120) };
    let pool = Arc::new(read_pool(&rates, &lengths).unwrap());
    let params = PoolParams { pool, scale: 1.5, window, system: Some(Tokens::fixed(64)) };
    let mut params = workload("pool", WorkloadKind::Pool(params));
    params.setting.shift = Span::from_secs(30);
    let names = table(&[("a", 1.0), ("b", 2.0)]);
    let send = |params: &WorkloadParams| {
        drive(open(params, &names, 16, workload_key(3, &params.name)).as_mut(), completes_after(Span(7)))
    };
    let mut text = Vec::new();
    let written = generate_pool(&params, &names, 16, 3, &mut text).unwrap();
    let trace = Arc::new(CompiledTrace::compile(&read(&text).unwrap(), 16).unwrap());
    let mut replay = workload("another name", WorkloadKind::Trace(TraceParams::new(trace)));
    replay.setting = params.setting.clone();
    let sent = send(&params);
    assert_eq!(written.requests, sent.len() as u64);
    assert!(sent.len() > 300, "3 a second and 1.5 a second for two minutes: {}", sent.len());
    assert!(sent[0].at.as_secs_f64() >= 30.0);
    assert_eq!(send(&replay), sent);
}
