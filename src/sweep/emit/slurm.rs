//! A job array of Slurm. The merge waits for the array's end, however it ended (`afterany`): after a failure it says which
//! shards to run again, where `afterok` would leave it pending for ever.

use super::{Job, JobFile, quoted};

pub(super) fn files(job: &Job) -> (Vec<JobFile>, String) {
    let (last, n) = (job.shards - 1, job.shards);
    let logs = quoted(&format!("{}/logs", job.out));
    // A directive is no shell: no quotes, and spaces end it.
    let sweep = format!(
        "#!/bin/sh\n\
         #SBATCH --job-name=regionsim-sweep\n\
         #SBATCH --array=0-{last}\n\
         #SBATCH --cpus-per-task={threads}\n\
         #SBATCH --requeue\n\
         # The number of shards is written here: part of an array, submitted again, does not tell it.\n\
         exec {command} --shard \"${{SLURM_ARRAY_TASK_ID}}/{n}\" --resume --quiet\n",
        threads = job.threads,
        command = job.command(),
    );
    let merge = format!("#!/bin/sh\n#SBATCH --job-name=regionsim-merge\nexec {}\n", job.merge());
    let submit = format!(
        "#!/bin/sh\n\
         # Submits the array and then the merge, from the folder that paths start from. Which shards to run again after a\n\
         # failure may be given: submit.sh 2,5\n\
         set -eu\n\
         here=$(cd \"$(dirname \"$0\")\" && pwd)\n\
         mkdir -p {logs}\n\
         array=$(sbatch --parsable --array=\"${{1:-0-{last}}}\" --output={logs}/%A-%a.log \"$here/sweep.sbatch\")\n\
         echo \"array $array\"\n\
         sbatch --parsable --dependency=\"afterany:${{array%%;*}}\" --output={logs}/merge-%j.log \"$here/merge.sbatch\"\n"
    );
    let files = [("sweep.sbatch", sweep), ("merge.sbatch", merge), ("submit.sh", submit)];
    let files = files.map(|(name, text)| (name.to_owned(), text)).to_vec();
    (files, "sh submit.sh, from the folder that paths start from".to_owned())
}
