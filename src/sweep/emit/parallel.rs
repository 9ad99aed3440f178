//! GNU parallel. Words are quoted once more by parallel itself (`-q`), which hands them to a shell.

use super::{Job, JobFile, quoted};

pub(super) fn files(job: &Job) -> (Vec<JobFile>, String) {
    let (last, n) = (job.shards - 1, job.shards);
    let log = quoted(&format!("{}/parallel.log", job.out));
    let run = format!(
        "#!/bin/sh\n\
         # Runs the shards side by side and then puts them together. JOBS is how many at a time; other words go to parallel,\n\
         # such as --sshloginfile hosts.\n\
         mkdir -p {out}\n\
         seq 0 {last} | parallel -q --jobs \"${{JOBS:-100%}}\" --retries 2 --joblog {log} \"$@\" \\\n    \
         {command} --shard {{}}/{n} --resume --quiet\n\
         exec {merge}\n",
        out = quoted(&job.out),
        command = job.command(),
        merge = job.merge(),
    );
    (vec![("run.sh".to_owned(), run)], "sh run.sh, from the folder that paths start from".to_owned())
}
