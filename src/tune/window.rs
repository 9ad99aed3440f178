//! Parts of a trace: what is learned from, and what is judged on. Knows plans and their traces; must not know what is run.
//! Sessions stay whole, so a part begins with cold caches, as its first part did.

use crate::scenario::Plan;
use crate::scenario::tuning::WindowError;
use crate::time::Span;
use crate::workload::{Window, WorkloadKind};

/// The time that all traces of a plan have; `None` where it has a workload that is no trace, and so no parts.
pub fn span(plan: &Plan) -> Option<Span> {
    let of = |kind: &WorkloadKind| match kind {
        WorkloadKind::Trace(trace) => {
            let whole = trace.trace.summary().span_ns;
            Some(trace.window.map_or(whole, |window| window.lasts.0.min(whole)))
        }
        _ => None,
    };
    let spans: Option<Vec<u64>> = plan.world.workloads.iter().map(|workload| of(&workload.kind)).collect();
    spans?.into_iter().min().map(Span)
}

/// The plan with this part of every trace.
///
/// # Errors
/// When a workload is no trace.
pub fn part(plan: &Plan, window: Window) -> Result<Plan, WindowError> {
    let mut plan = plan.clone();
    for workload in plan.world.workloads.iter_mut() {
        let WorkloadKind::Trace(trace) = &mut workload.kind else {
            return Err(WindowError(format!(
                "`{}` is no trace and has no parts; leave --train and --judge out: it is judged on other seeds",
                workload.name
            )));
        };
        trace.window = Some(window);
    }
    Ok(plan)
}
