#!/usr/bin/env bash
# Builds both release binaries from nothing, with pkg-config out of reach, and prints what that cost and the parts that
# cost most. Proves that a machine with Rust and gcc is enough. `fresh-build.sh lean` builds the lean one alone.
set -euo pipefail
cd "$(dirname "$0")/.."
fresh="$PWD/target/fresh"
trap 'rm -rf "$fresh"' EXIT
export PKG_CONFIG=/bin/false CARGO_TARGET_DIR="$fresh" CARGO_TERM_PROGRESS_WHEN=never CARGO_INCREMENTAL=0
unset ZSTD_SYS_USE_PKG_CONFIG

# build NAME ARGUMENT …
build() {
  rm -rf "$fresh"
  echo "$1: cargo build --release ${*:2}"
  TIMEFORMAT="$1: %R s, of CPU %U + %S s"
  time cargo build --locked --release "${@:2}" --quiet
  awk -v name="$1" -v bytes="$(wc -c <"$fresh/release/regionsim")" \
    'BEGIN { printf "%s: a binary of %.1f MB\n", name, bytes / 1e6 }'
  "$fresh/release/regionsim" run scenarios/single-replica.toml --no-files --quiet >"$fresh/table"
  grep -q '^only' "$fresh/table"
}

build lean --no-default-features
[ "${1:-}" = lean ] || build full
