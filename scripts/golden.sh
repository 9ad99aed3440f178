#!/bin/sh
# What a binary makes of every scenario, against what is on record. Needs a shell, awk, diff and sha256sum.
#
#   golden.sh check BINARY       the digests of all outcomes are those of tests/golden/digests.txt, on 1 and 2 threads and with
#                                engines that compute step by step, block by block
#   golden.sh bytes BINARY …     every file that `run` writes has the same bytes: on 1 and on 2 threads, in a second run,
#                                and from every binary that is named
#   golden.sh twice BINARY       every cell, run twice in lock-step, does the same at every event
#
# The Mooncake trace is not part of the project: its scenario runs where ../shared or REGIONSIM_SHARED has it.
set -eu
start=$PWD
cd "$(dirname "$0")/.."
mode=${1:-}
case "$mode" in check | bytes | twice) ;; *) sed -n '2,10p' "scripts/golden.sh" >&2 && exit 2 ;; esac
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
mooncake=${REGIONSIM_SHARED:-../shared}/traces/mooncake/conversation_trace.jsonl.zst

names() {
  for path in scenarios/*.toml; do
    name=$(basename "$path" .toml)
    if [ "$name" != mooncake ] || [ -e "$mooncake" ]; then echo "$name"; fi
  done
}

# simulate BINARY NAME ARGUMENT …
simulate() {
  binary=$1 name=$2
  shift 2
  if [ "$name" = mooncake ]; then
    set -- "$@" --set "workloads.main.trace.path=$(cd "$(dirname "$mooncake")" && pwd)/$(basename "$mooncake")"
  fi
  "$binary" run "scenarios/$name.toml" --quiet "$@" </dev/null 2>"$work/messages" || {
    cat "$work/messages" >&2
    echo "golden.sh: $binary failed on scenarios/$name.toml" >&2
    exit 1
  }
}

# binary PATH: the path seen from the project, or from where the script was started.
binary() {
  for path in "$1" "$start/$1"; do
    if [ -x "$path" ]; then (cd "$(dirname "$path")" && echo "$PWD/$(basename "$path")") && return; fi
  done
  echo "golden.sh: no binary at $1" >&2
  exit 2
}

if [ "$mode" = check ]; then
  program=$(binary "${1:-target/release/regionsim}")
  for name in $(names); do
    grep "^$name " tests/golden/digests.txt >"$work/expected" || true
    for how in "1 fast" "2 fast" "2 stepwise"; do
      # shellcheck disable=SC2086 # Two words.
      set -- $how
      simulate "$program" "$name" --threads "$1" --engine "$2" --no-files --json >"$work/json"
      # One key a line, in this order: the policy, then of each of its cells the seed and the digest.
      awk -F '"' -v name="$name" '
        $2 == "policy" { policy = $4 }
        $2 == "seed" { seed = $3; gsub(/[^0-9]/, "", seed) }
        $2 == "outcome_digest" { print name, policy, seed, $4 }' "$work/json" >"$work/found"
      if ! diff -u "$work/expected" "$work/found" >"$work/diff"; then
        cat "$work/diff"
        echo "golden.sh: $name: $program ($2, on $1 thread(s)) differs from tests/golden/digests.txt" >&2
        exit 1
      fi
    done
    echo "$name: $(wc -l <"$work/found" | tr -d ' ') digests as on record, on 1 and 2 threads and step by step"
  done
  exit
fi

if [ "$mode" = twice ]; then
  program=$(binary "${1:-target/release/regionsim}")
  for name in $(names); do
    simulate "$program" "$name" --twice --no-files >/dev/null
    echo "$name: twice the same"
  done
  exit
fi

[ $# -gt 0 ] || set -- target/release/regionsim
for name in $(names); do
  rm -f "$work/first"
  for given in "$@"; do
    program=$(binary "$given")
    for threads in 1 2 2; do
      simulate "$program" "$name" --threads "$threads" --plots --out "$work/out" >/dev/null
      (cd "$work/out" && find . -type f | LC_ALL=C sort | xargs sha256sum) >"$work/sums"
      rm -r "$work/out"
      [ -e "$work/first" ] || cp "$work/sums" "$work/first"
      if ! diff -u "$work/first" "$work/sums"; then
        echo "golden.sh: $name: $program on $threads thread(s) writes other bytes" >&2
        exit 1
      fi
    done
  done
  echo "$name: $(wc -l <"$work/first" | tr -d ' ') files with equal bytes from $# build(s), 1 and 2 threads, 2 runs"
done
