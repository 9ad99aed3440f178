#!/usr/bin/env bash
# Compares what a binary makes of every scenario with the committed digests (`scripts/golden.txt`), on one thread and
# on two. `golden.sh update BINARY` writes them anew: say why in CHANGELOG.md under "Results change".
set -euo pipefail
cd "$(dirname "$0")/.."
mode="${1:?check or update}"
binary="${2:-target/release/regionsim}"

digests() {
  for scenario in scenarios/*.toml; do
    case "$scenario" in */mooncake.toml) continue ;; esac # its trace does not travel with the project
    "$binary" run "$scenario" --threads "$1" --no-files --quiet --json |
      python3 -c '
import json, sys
for cell in json.load(sys.stdin)["cells"]:
    print(sys.argv[1], cell["policy"], cell["seed"], cell["outcome_digest"])' "$scenario"
  done
}

if [ "$mode" = update ]; then
  digests 2 >scripts/golden.txt
  exit
fi
for threads in 1 2; do
  if ! diff -u scripts/golden.txt <(digests "$threads"); then
    echo "golden.sh: $binary on $threads thread(s) differs from scripts/golden.txt" >&2
    exit 1
  fi
done
echo "$binary: all digests as committed"
