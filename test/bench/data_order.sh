#!/usr/bin/env bash
# What stands between a corpus and a batch, on this machine: building the order of samples for 10^9 and
# 10^11 tokens of documents of some 500 tokens (log-normal), reading the .idx of such a corpus, and
# loading batches from the page cache. One thread throughout. Needs 6 GB of memory and, for a moment,
# 4 GB of disk in FOLDER.
#   test/bench/data_order.sh [BINARY [FOLDER]]
set -euo pipefail

binary=${1:-build/data_bench}
work=$(mktemp -d -p "${2:-${TMPDIR:-/tmp}}")
trap 'rm -rf "$work"' EXIT

"$binary" order 1e9
"$binary" order 1e9 3.3
"$binary" order 1e11
"$binary" index 1e9 "$work"
"$binary" index 1e11 "$work"
rm -f "$work"/*
"$binary" loader 1e9 "$work"
