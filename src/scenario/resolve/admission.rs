//! Admission and names: defaults, and parts that nothing goes by.

use super::Resolver;
use crate::fleet::admission::{
    AdmissionParams, GateParams, QueueParams, SaturationParams, ShedParams, Signal, ThrottleParams,
};
use crate::fleet::{DnsParams, HealthParams};
use crate::id::{IdVec, SourceId};
use crate::scenario::raw::admission::{RawAdmission, RawSaturation, RawShed};
use crate::time::Span;
use crate::workload::WorkloadParams;
use crate::workload::params::WorkloadKind;

/// Whom a resolver's messages are about: the path of the table.
type At<'p> = &'p [&'p str];

fn below<'p>(path: At<'p>, keys: &[&'p str]) -> Vec<&'p str> {
    [path, keys].concat()
}

impl Resolver<'_> {
    /// The admission written at `path`.
    pub(super) fn admission(
        &mut self,
        path: At<'_>,
        raw: &RawAdmission,
        workloads: &IdVec<SourceId, WorkloadParams>,
    ) -> AdmissionParams {
        if raw.saturation.is_some() && raw.gate.is_none() && raw.shed.is_none() {
            let item = self
                .error_at_key(&below(path, &["saturation"]), "`saturation` is what `gate` and `shed` go by")
                .label("there is neither")
                .help("add `gate = {}` or `shed = {}`, or leave it out");
            self.push(item);
        }
        let parts = [raw.gate.is_some(), raw.shed.is_some(), raw.queue.is_some(), raw.throttle.is_some()];
        if raw.saturation.is_none() && !parts.contains(&true) {
            let item = self
                .error_at_key(path, "admission has a gate, a line, shedding or throttling")
                .label("it has none of them")
                .help("add `gate = {}`, `queue = { capacity = 100 }`, `shed = {}` or `throttle = {}`, or leave the table out");
            self.push(item);
        }
        let shed = raw.shed.as_ref().map(|shed| self.shed(path, shed, workloads));
        let queue = raw.queue.as_ref().map(|queue| {
            if queue.timeout.is_some_and(|timeout| timeout.0 == Span::ZERO) {
                let item = self
                    .error(
                        &below(path, &["queue", "timeout"]),
                        "a line is for waiting: its `timeout` is above 0",
                    )
                    .label("nobody could wait")
                    .help(
                        "leave `queue` out, so that the gate refuses at once, or give a time such as \"30s\"",
                    );
                self.push(item);
            }
            QueueParams {
                capacity: queue.capacity,
                timeout: queue.timeout.map(|timeout| timeout.0),
                discipline: queue.discipline.unwrap_or_default(),
            }
        });
        let throttle = raw.throttle.as_ref().map(|throttle| {
            let usual = ThrottleParams::default();
            let window = throttle.window.map_or(usual.window, |window| window.0);
            if window < Span::from_ms(1) {
                let item = self
                    .error(
                        &below(path, &["throttle", "window"]),
                        "a client remembers for at least a millisecond",
                    )
                    .label("this is less")
                    .help("write a time such as \"2m\"");
                self.push(item);
            }
            let by = throttle.by.unwrap_or_default();
            ThrottleParams { k: throttle.k.unwrap_or(usual.k), window, by }
        });
        let usual = GateParams::default();
        AdmissionParams {
            saturation: raw
                .saturation
                .as_ref()
                .map_or_else(SaturationParams::default, |raw| self.saturation(path, raw)),
            gate: raw.gate.as_ref().map(|gate| GateParams {
                closes_at: gate.closes_at.unwrap_or(usual.closes_at),
                from_priority: gate.from_priority.unwrap_or(usual.from_priority),
            }),
            shed,
            queue,
            throttle,
        }
    }

    fn saturation(&mut self, path: At<'_>, raw: &RawSaturation) -> SaturationParams {
        let signal = if let Some(requests) = raw.in_flight {
            for (key, given) in
                [("queue_depth", raw.queue_depth.is_some()), ("kv_usage", raw.kv_usage.is_some())]
            {
                if given {
                    let item = self
                        .error_at_key(&below(path, &["saturation", key]), "saturation is of one kind")
                        .label("beside `in_flight`")
                        .help("keep `in_flight`, the gateway's own requests, or `queue_depth` and `kv_usage`, the replicas' loads");
                    self.push(item);
                }
            }
            Signal::Concurrency { requests }
        } else {
            let kv_usage = raw.kv_usage.map_or(0.8, |usage| usage.0);
            if !(kv_usage > 0.0 && kv_usage <= 1.0) {
                let item = self
                    .error(
                        &below(path, &["saturation", "kv_usage"]),
                        "`kv_usage` is a share above 0 and at most 1",
                    )
                    .label(format!("{kv_usage} is not"))
                    .help("write a share such as 0.8 or \"80%\"");
                self.push(item);
            }
            Signal::Utilization { queue_depth: raw.queue_depth.unwrap_or(5.0), kv_usage }
        };
        SaturationParams { signal, over: raw.over.unwrap_or_default() }
    }

    fn shed(
        &mut self,
        path: At<'_>,
        raw: &RawShed,
        workloads: &IdVec<SourceId, WorkloadParams>,
    ) -> ShedParams {
        let usual = ShedParams::default();
        let params = ShedParams {
            scale: raw.scale.unwrap_or(usual.scale),
            power: raw.power.unwrap_or(usual.power),
            from_priority: raw.from_priority.unwrap_or(usual.from_priority),
        };
        // Rows of a trace bring priorities of their own.
        let spared = |workload: &WorkloadParams| {
            !matches!(workload.kind, WorkloadKind::Trace(_)) && workload.priority < params.from_priority
        };
        if !workloads.is_empty() && workloads.iter().all(spared) {
            let given = raw.from_priority.is_some();
            let place = if given { below(path, &["shed", "from_priority"]) } else { below(path, &["shed"]) };
            let most = workloads.iter().map(|workload| workload.priority).max().unwrap_or(0);
            let item = self
                .error_at_key(&place, "shedding needs somebody who can be shed")
                .label(format!(
                    "requests from priority {} on can be, and no workload has more than {most}",
                    params.from_priority
                ))
                .help("give a class of `[slo]` a larger `priority`, or write `from_priority = 0` for all");
            self.push(item);
        }
        params
    }

    /// How clients find gateways.
    pub(super) fn dns(&mut self) -> Option<DnsParams> {
        let raw = self.raw.dns.as_ref()?;
        let usual = DnsParams::default();
        let params = DnsParams {
            ttl: raw.ttl.map_or(usual.ttl, |ttl| ttl.0),
            misplaced: raw.misplaced.map_or(usual.misplaced, |share| share.0),
            health: HealthParams {
                interval: raw.interval.map_or(usual.health.interval, |interval| interval.0),
                failures: raw.failures.unwrap_or(usual.health.failures),
                successes: raw.successes.unwrap_or(usual.health.successes),
            },
        };
        if !(0.0..=1.0).contains(&params.misplaced) {
            let item = self
                .error(&["dns", "misplaced"], "`misplaced` is a share from 0 to 1")
                .label(format!("{} is not", params.misplaced))
                .help("write a share such as 0.05 or \"5%\"");
            self.push(item);
        }
        if params.health.interval < Span::from_ms(1) {
            let item = self
                .error(&["dns", "interval"], "probes are at least a millisecond apart")
                .label(format!("{} is less", params.health.interval))
                .help("write a time such as \"10s\"");
            self.push(item);
        }
        Some(params)
    }
}
