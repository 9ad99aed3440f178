#!/usr/bin/env bash
# Builds both binaries from nothing, with pkg-config out of reach, and prints what that cost. Proves that a machine
# with Rust and gcc is enough.
set -euo pipefail
cd "$(dirname "$0")/.."
target="$(mktemp -d)"
trap 'rm -rf "$target"' EXIT
export PKG_CONFIG=/bin/false CARGO_TARGET_DIR="$target"
for features in "--no-default-features" ""; do
  rm -rf "${target:?}"/*
  echo "cargo build --release $features"
  # shellcheck disable=SC2086
  bash -c "time cargo build --release $features --quiet"
  ls -l "$target/release/regionsim" | awk '{ printf "binary: %.1f MB\n", $5 / 1e6 }'
done
