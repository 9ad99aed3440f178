//! Pools of clients: their tables are read here.

use super::Resolver;
use super::workloads::tokens;
use crate::scenario::diagnostic::Diagnostic;
use crate::scenario::document::At;
use crate::scenario::raw::workload::RawClientPool;
use crate::time::Span;
use crate::workload::pool::read_pool;
use crate::workload::{PoolParams, Tokens, Window, WorkloadKind};
use std::sync::Arc;

impl Resolver<'_> {
    /// A pool of clients, and how long it sends.
    pub(super) fn client_pool(
        &mut self,
        name: &str,
        raw: &RawClientPool,
        scale: f64,
    ) -> Option<(WorkloadKind, Option<Span>)> {
        let mut whole = true;
        for (key, path) in [("rates", &raw.rates), ("lengths", &raw.lengths)] {
            let file = self.file(path);
            if !file.is_file() {
                whole = false;
                let item = self
                    .error(&["workloads", name, "pool", key], "a table of clients is a file that can be read")
                    .label(if file.exists() { "this is not a file" } else { "there is no such file" })
                    .help(format!("`--set workloads.{name}.pool.{key}=FILE` names another"));
                self.push(item);
            }
        }
        if !whole {
            return None;
        }
        let pool = match read_pool(&self.file(&raw.rates), &self.file(&raw.lengths)) {
            Ok(pool) => pool,
            Err(problems) => {
                let rates = problems.path == self.file(&raw.rates);
                let (key, path) = if rates { ("rates", &raw.rates) } else { ("lengths", &raw.lengths) };
                let count = problems.findings.len() as u64 + problems.more;
                let mut item = self
                    .error(
                        &["workloads", name, "pool", key],
                        "a table of clients must be readable to its end",
                    )
                    .label(if count == 1 {
                        "it has a mistake".to_owned()
                    } else {
                        format!("it has {count} mistakes")
                    });
                for finding in &problems.findings {
                    item = item.note(match finding.line {
                        0 => format!("{path}: {finding}"),
                        line => format!("{path}:{line}: {finding}"),
                    });
                }
                if problems.more > 0 {
                    item = item.note(format!("and {} more", problems.more));
                }
                self.push(item.help("correct the file, or name another"));
                return None;
            }
        };
        for notice in pool.notices() {
            let place = self.place(&["workloads", name, "pool", "lengths"], At::Value);
            self.push(Diagnostic::notice(place, notice.clone()));
        }
        let from = raw.from.map_or(Span::ZERO, |from| from.0);
        let left = Span(Span::from_secs(pool.summary().seconds).0.saturating_sub(from.0));
        let lasts = raw.lasts.map_or(left, |lasts| lasts.0);
        let system = raw.system.as_ref().map(|raw| tokens(Some(raw), Tokens::fixed(1)));
        let window = Window { from, lasts };
        let params =
            PoolParams { pool: Arc::new(pool.named(&raw.rates, &raw.lengths)), scale, window, system };
        Some((WorkloadKind::Pool(params), Some(lasts.min(left))))
    }
}
