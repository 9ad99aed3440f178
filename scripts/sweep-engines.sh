#!/bin/sh
# One sweep on every engine that is there, and whether all give the same bytes.
#
#   sweep-engines.sh BINARY [SCENARIO]
#
# As one process on 1 and on 2 threads, as 7 shards in a mixed order, killed with SIGKILL half-way and resumed, by GNU parallel
# and as an array of Slurm: the SHA-256 of the merged files must be one. Also what two threads cost more in CPU than one.
# GNU parallel and Slurm are used where they are installed (Debian: `parallel`, `slurm-wlm`, `munge`); Slurm is started on this
# machine alone, which needs root, and stopped again. Without them that is said, and the rest is done.
set -eu
[ $# -ge 1 ] || { sed -n '2,11p' "$0" >&2; exit 2; }
binary=$(realpath "$1")
scenario=$(realpath "${2:-$(dirname "$0")/../scenarios/saturated-apac.toml}")
work=$(mktemp -d)
slurm=
stop() {
    if [ -n "$slurm" ]; then
        kill $slurm 2>/dev/null || true
        wait || true
    fi
    rm -rf "$work" || true
}
trap stop EXIT
trap 'exit 130' INT TERM
cd "$work"

newline='
'
question() {
    printf '%s\n' "$scenario" --over regions.ap.pools.main.replicas=1,2,4 --over workloads.main.scale=0.25,0.5 \
        --policy nearest --policy gorgo --seeds 2
}
# A word a line.
sweep() { (IFS=$newline && exec "$binary" sweep $(question) "$@"); }
files='sweep.json points.jsonl rows.csv groups.csv histograms.jsonl'
digest() { (cd "$1" && sha256sum $files | sha256sum | cut -d' ' -f1); }
first=
failed=0
report() {
    found=$(digest "$2")
    [ -n "$first" ] || first=$found
    verdict=same
    [ "$found" = "$first" ] || { verdict=DIFFERENT; failed=1; }
    printf '%-34s %s  %s\n' "$1" "$found" "$verdict"
}
# Seconds of CPU that a command took, user and system.
cpu() { sh -c '"$@" >/dev/null 2>&1; times' sh "$@" | awk 'NR==2 { for (i = 1; i <= 2; i++) { split($i, t, /[ms]/); s += 60 * t[1] + t[2] } print s }'; }
timed() { (IFS=$newline && cpu "$binary" sweep $(question) --threads "$1" --out "$2" -q); } # threads, folder

one=$(timed 1 one)
report 'one process, 1 thread' one
two=$(timed 2 two)
report 'one process, 2 threads' two
awk -v one="$one" -v two="$two" 'BEGIN { printf "%-34s %.2f s and %.2f s: %+.1f %%\n", "CPU on 1 and on 2 threads", one, two, 100 * (two / one - 1) }'

for shard in 3 0 6 2 5 1 4; do
    sweep --out shards --shard $shard/7 --threads 1 -q
done
"$binary" sweep merge shards >/dev/null
report '7 shards' shards

# Killed as soon as a few rows are there, three times, then left alone.
kills=0
for rows in 3 9 15; do
    { IFS=$newline; exec "$binary" sweep $(question) --out killed --resume --threads 2 -q >/dev/null 2>&1; } &
    journal=killed/shards/shard-000-of-001.jsonl.part
    while kill -0 $! 2>/dev/null; do
        if [ -f $journal ] && [ "$(wc -l <$journal)" -gt $rows ]; then
            kill -KILL $! 2>/dev/null && kills=$((kills + 1))
            break
        fi
    done
    wait $! 2>/dev/null || true
done
# What a kill in the middle of a line leaves.
[ ! -f killed/shards/shard-000-of-001.jsonl.part ] || printf '{"cell":99,"id":"torn' >>killed/shards/shard-000-of-001.jsonl.part
sweep --out killed --resume -q >/dev/null
report "killed $kills times and resumed" killed

emit() { # engine
    (IFS=$newline && "$binary" sweep emit $(question) --engine "$1" --shards 7 --out "$work/$1" \
        --jobs "$work/$1-jobs" --program "$binary" >/dev/null)
}
if command -v parallel >/dev/null; then
    emit parallel
    JOBS=2 sh parallel-jobs/run.sh >/dev/null 2>parallel.err || { cat parallel.err >&2; failed=1; }
    report 'GNU parallel, 7 jobs' parallel
else
    echo 'GNU parallel: not installed, left out'
fi

if command -v slurmctld >/dev/null && command -v munged >/dev/null && [ "$(id -u)" = 0 ]; then
    conf=$work/slurm.conf
    mkdir -p "$work/state" "$work/spool" /run/munge
    cat >"$conf" <<CONF
ClusterName=one
SlurmctldHost=$(hostname -s)
AuthType=auth/munge
CryptoType=crypto/munge
SlurmUser=root
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
ReturnToService=2
SwitchType=switch/none
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd.pid
SlurmctldLogFile=$work/slurmctld.log
SlurmdLogFile=$work/slurmd.log
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool
NodeName=$(hostname -s) CPUs=$(nproc) State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES State=UP
CONF
    export SLURM_CONF="$conf"
    [ -f /etc/munge/munge.key ] || mungekey --create
    chown -R munge: /run/munge /etc/munge /var/lib/munge /var/log/munge 2>/dev/null || true
    # Daemons in the foreground, so that their numbers are known at the end.
    if ! munge -n >/dev/null 2>&1; then
        runuser -u munge -- munged --foreground >munged.log 2>&1 &
        slurm="$!"
    fi
    sleep 1
    slurmctld -D -f "$conf" >/dev/null 2>&1 &
    slurm="$slurm $!"
    sleep 2
    slurmd -D -f "$conf" >/dev/null 2>&1 &
    slurm="$slurm $!"
    tries=0
    until sinfo -h -o %T 2>/dev/null | grep -q idle; do
        tries=$((tries + 1))
        [ $tries -lt 60 ] || { echo 'Slurm does not come up:' >&2; tail -5 slurmctld.log slurmd.log >&2; exit 3; }
        sleep 0.5
    done
    emit slurm
    sh slurm-jobs/submit.sh >/dev/null
    while squeue -h -o %i 2>/dev/null | grep -q .; do sleep 0.5; done
    [ -f slurm/rows.csv ] || { cat slurm/logs/*.log >&2; exit 3; }
    report 'Slurm, an array of 7' slurm
else
    echo 'Slurm: not installed, or this is not root; left out'
fi
exit $failed
