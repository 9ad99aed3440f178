//! Where the requests of a run go as traces, a file a workload.

use super::super::exit::Failure;
use super::super::trace::output::{LEVEL, Output};
use crate::report::loaded::folder_name;
use crate::run::{CellInput, Prepared, SentRows, export};
use crate::workload::WorkloadParams;
use crate::workload::write::write_native;
use anyhow::anyhow;
use std::path::{Path, PathBuf};

/// The open files.
pub(super) struct Exports(Vec<Output>);

impl Exports {
    pub(super) fn open(path: &Path, loaded: &Prepared, cells: usize) -> Result<Exports, Failure> {
        if cells != 1 {
            let rule = "what is sent may hang on the policy and the seed, and --export-trace writes one run";
            return Err(Failure::usage(anyhow!(
                "{rule}: there are {cells}; choose with --policy, without --seeds"
            )));
        }
        let workloads = &loaded.plan.world.workloads;
        if path == Path::new("-") && workloads.len() > 1 {
            return Err(Failure::usage(anyhow!(
                "--export-trace writes a file a workload, and stdout is one: there are {}; name a file",
                workloads.len()
            )));
        }
        let open = |workload: &WorkloadParams| {
            let path = if workloads.len() > 1 { beside(path, &workload.name) } else { path.to_path_buf() };
            Output::open(&path.to_string_lossy(), LEVEL)
        };
        Ok(Exports(workloads.iter().map(open).collect::<Result<_, _>>()?))
    }
    pub(super) fn write(self, input: &CellInput<'_>, sent: &SentRows) -> Result<(), Failure> {
        for ((name, trace), mut file) in export(input, sent).into_iter().zip(self.0) {
            let source = format!(
                "regionsim run, scenario {}, workload {name}, policy {}, seed {}",
                input.scenario, input.policy.name, input.seed
            );
            write_native(&trace, &source, &mut file)?;
            file.finish()?;
        }
        Ok(())
    }
}

/// `sent.jsonl.zst` of the workload `chat`: `sent-chat.jsonl.zst`.
fn beside(path: &Path, workload: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let (stem, rest) = name.split_once('.').unwrap_or((&name, ""));
    let dot = if rest.is_empty() { "" } else { "." };
    path.with_file_name(format!("{stem}-{}{dot}{rest}", folder_name(workload)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_export_of_several_workloads_is_a_file_each() {
        assert_eq!(beside(Path::new("a.b/sent.jsonl.zst"), "x/y"), Path::new("a.b/sent-x-y.jsonl.zst"));
        assert_eq!(beside(Path::new("sent"), "chat"), Path::new("sent-chat"));
    }
}
