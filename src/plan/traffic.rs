//! More or less of the same traffic, and less of it in time. Knows workloads; must not know fleets. A factor keeps the
//! length of the workload: rates rise, traces are thinned or copied by whole sessions, a closed loop has more clients.

use crate::time::Span;
use crate::workload::WorkloadKind;
use crate::workload::params::{Until, Window};
use crate::world::WorldParams;

/// Multiplies all traffic.
pub fn scale(world: &mut WorldParams, factor: f64) {
    if factor == 1.0 {
        return;
    }
    for workload in &mut world.workloads {
        match &mut workload.kind {
            WorkloadKind::Synthetic(params) => {
                params.sessions_per_s *= factor;
                for stage in &mut params.stages {
                    stage.from *= factor;
                    stage.to *= factor;
                }
                if let Some(clients) = &mut params.clients {
                    clients.count = ((f64::from(clients.count) * factor).round() as u32).max(1);
                }
                if let Until::Requests(count) = &mut params.until {
                    *count = ((*count as f64 * factor).round() as u64).max(1);
                }
            }
            WorkloadKind::Trace(params) => params.sample *= factor,
            WorkloadKind::Pool(params) => params.scale *= factor,
        }
    }
}

/// Keeps the arrivals of the first `span`.
pub fn shorten(world: &mut WorldParams, span: Span) {
    for workload in &mut world.workloads {
        let left = span.saturating_sub(workload.setting.shift);
        match &mut workload.kind {
            WorkloadKind::Synthetic(params) => {
                params.until = match params.until {
                    Until::Duration(whole) => Until::Duration(whole.min(left)),
                    Until::Requests(_) => Until::Duration(left),
                };
            }
            WorkloadKind::Trace(params) => {
                let recorded = Span((left.0 as f64 * params.speed) as u64);
                params.window = Some(shorter(params.window, recorded));
            }
            WorkloadKind::Pool(params) => params.window = shorter(Some(params.window), left),
        }
    }
}

fn shorter(window: Option<Window>, lasts: Span) -> Window {
    match window {
        Some(window) => Window { lasts: window.lasts.min(lasts), ..window },
        None => Window { from: Span::ZERO, lasts },
    }
}
