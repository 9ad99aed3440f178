//! A hand-made cell for the tests of exporters: a hundred requests with a TTFT of 1, 2, … 100 steps.

use super::summarise::{summarise, summarise_cell};
use super::summary::Summary;
use crate::id::{ClassId, IdVec, OriginId, PoolId, RegionId, ReplicaId, RequestId};
use crate::observe::{Leg, Legs, Observation, Observer, Outcome, RequestRow, Work};
use crate::run::{
    CapacityLine, Conservation, DataTable, Labels, PoolLabel, Provenance, ReplicaLabel, ReplicaTotals,
    RunResult, SeriesSink,
};
use crate::time::{SimTime, Span};
use crate::world::SloParams;
use std::sync::Arc;

/// TTFTs are 1, 2, … 100 times `step_ms`, half of them a queue; three output tokens, 10 ms apart; request i is
/// sent at i × 100 ms; the last ten are shed. Even requests are from `americas`, odd ones from `europe`; all are
/// served in `us`.
pub(crate) fn rows(step_ms: u64) -> Vec<RequestRow> {
    let mut rows = Vec::new();
    for i in 0..100u64 {
        let ttft = Span::from_ms((i + 1) * step_ms);
        let (sent_at, half) = (SimTime(i * 100_000_000), Span(ttft.0 / 2));
        let mut legs = Legs::default();
        legs.add(Leg::Queue, half);
        legs.add(Leg::Prefill, ttft - half);
        let shed = i >= 90;
        rows.push(RequestRow {
            id: RequestId(i as u32),
            key: i,
            origin: OriginId(i as u32 % 2),
            class: ClassId(0),
            region: (!shed).then_some(RegionId(0)),
            replica: (!shed).then_some(ReplicaId(0)),
            sent_at,
            outcome: if shed { Outcome::Shed } else { Outcome::Completed },
            prompt_tokens: 100,
            output_tokens: if shed { 0 } else { 3 },
            cached_tokens: if shed { 0 } else { 25 },
            computed_tokens: if shed { 0 } else { 75 },
            legs: if shed { Legs::default() } else { legs },
            first_token_at: (!shed).then_some(sent_at + ttft),
            ended_at: if shed { sent_at } else { sent_at + ttft + Span::from_ms(20) },
            attempts: 1,
            ..Default::default()
        });
    }
    rows
}

/// These rows as a cell.
pub(crate) fn cell(policy: &str, seed: u64, step_ms: u64) -> RunResult {
    let rows = rows(step_ms);
    let region = |name: &str| name.to_string();
    let labels = Labels {
        regions: IdVec::from(vec![region("us"), region("eu")]),
        origins: IdVec::from(vec!["americas".to_string(), "europe".to_string()]),
        homes: IdVec::from(vec![Some(RegionId(0)), Some(RegionId(1))]),
        classes: IdVec::from(vec!["interactive".to_string()]),
        data_classes: vec!["unrestricted".to_string()],
        gateways: vec!["us".to_string()],
        sources: vec!["main".to_string()],
        pools: IdVec::from(vec![PoolLabel {
            name: "us/main".to_string(),
            region: RegionId(0),
            gpu: "h100-sxm".to_string(),
            gpus_per_replica: 4,
        }]),
        replicas: IdVec::from(vec![ReplicaLabel {
            name: "us/main/0".to_string(),
            pool: PoolId(0),
            region: RegionId(0),
        }]),
    };
    let ended_at = SimTime::from_secs_f64(20.0);
    let work = Work {
        steps: 180,
        sequence_steps: 360,
        busy_ps: 5_000_000_000_000,
        prompt_tokens: 9_000,
        cached_tokens: 2_250,
        computed_tokens: 6_750,
        output_tokens: 270,
        completed: 90,
        kv_peak_blocks: 300,
        ..Default::default()
    };
    let (mut checker, mut series) = (Conservation::new(), SeriesSink::new(Span::from_secs(10)));
    for row in &rows {
        let RequestRow { id, origin, class, tenant, prompt_tokens, .. } = *row;
        checker.observe(SimTime::ZERO, &Observation::Arrived { id, origin, class, tenant, prompt_tokens });
        if let (Some(region), Some(replica)) = (row.region, row.replica) {
            let gateway = crate::id::GatewayId(0);
            let sent = Observation::Sent { id, gateway, replica, region, class, tenant, prompt_tokens };
            checker.observe(SimTime::ZERO, &sent);
            series.observe(row.sent_at, &sent);
        }
        checker.observe(SimTime::ZERO, &Observation::Ended(row));
        series.observe(row.ended_at, &Observation::Ended(row));
    }
    RunResult {
        scenario: "sample".to_string(),
        policy: policy.to_string(),
        seed,
        labels: Arc::new(labels),
        slos: IdVec::from(vec![SloParams {
            ttft: Some(Span::from_ms(50)),
            itl: Some(Span::from_ms(10)),
            e2e: None,
        }]),
        warmup: Span::ZERO,
        ended_at,
        outcome_digest: 0xfeed_0000_0000_0000 | seed,
        book: rows.iter().collect(),
        series: series.finish(2, ended_at),
        series_window: Span::from_secs(10),
        replicas: IdVec::from(vec![ReplicaTotals {
            whole: work,
            kv_total_blocks: 1_000,
            provisioned: Span::from_secs(20),
            ..Default::default()
        }]),
        capacity: vec![CapacityLine {
            pool: "us/main".to_string(),
            kv_blocks: 1_000,
            block_tokens: 16,
            given: true,
            note: "kv_blocks in the scenario".to_string(),
        }],
        conservation: checker.finish(&[work]),
        events: 1_234,
        provenance: Arc::new(Provenance {
            tool_version: "0.0.0".to_string(),
            scenario_hash: "00000000000000aa".to_string(),
            workload_hashes: vec![("main".to_string(), "00000000000000bb".to_string())],
            origins: Vec::new(),
            profiles: vec![("linear".to_string(), "given in the scenario".to_string())],
            profile_status: None,
            data_tables: vec![DataTable {
                name: "aws-rtt".to_string(),
                date: "2022".to_string(),
                statistic: "median".to_string(),
                source: "a sample".to_string(),
            }],
            prices: Vec::new(),
            api_prices: None,
            egress_prices: None,
        }),
        ..Default::default()
    }
}

/// The summary of these cells: policies with their seeds' cells.
pub(crate) fn summary(policies: &[(&str, Vec<RunResult>)]) -> Summary {
    let first = &policies[0].1[0];
    let seeds: Vec<u64> = policies[0].1.iter().map(|cell| cell.seed).collect();
    let cells =
        policies.iter().map(|(name, cells)| (name.to_string(), cells.iter().map(summarise_cell).collect()));
    summarise(&first.scenario, &first.provenance, &first.capacity, &seeds, cells.collect())
}
