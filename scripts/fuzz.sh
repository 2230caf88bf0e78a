#!/usr/bin/env bash
# Builds the fuzz targets with clang and runs each from its seeds, two at a time; fails on the first
# input that breaks one, and keeps it.
#   scripts/fuzz.sh [SECONDS [TARGET...]]     60 seconds, all of test/fuzz
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/sections.sh

seconds=${1:-60}
[[ $seconds =~ ^[1-9][0-9]*$ ]] || fail "'$seconds' seconds; usage: scripts/fuzz.sh [SECONDS [TARGET...]]"
shift || true
targets=("$@")
if ((${#targets[@]} == 0)); then
  for source in test/fuzz/*_fuzz.cpp; do
    targets+=("$(basename "${source%_fuzz.cpp}")")
  done
fi
for target in "${targets[@]}"; do
  [[ -f test/fuzz/${target}_fuzz.cpp ]] || fail "unknown target '$target'; see test/fuzz"
done

build=$PWD/build-fuzz
section "Build: ${#targets[@]} fuzz targets"
scripts/install_dependencies.sh build fuzz
mkdir -p "$build/corpus" "$build/findings"
cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_COMPILER=clang++-16 \
  -DSWALLOW_FUZZ=ON -DSWALLOW_TESTS=OFF -DSWALLOW_CUDA=OFF -DSWALLOW_OPENMP=OFF \
  -DSWALLOW_ONEDNN=OFF >"$build/configure.log" ||
  { cat "$build/configure.log"; fail "cmake failed"; }
cmake --build "$build" --parallel "$(nproc)" --target "${targets[@]/#/fuzz_}"

# run TARGET: what it finds new is added to its corpus, so that a later run begins where this ended
run() {
  local corpus=$build/corpus/$1 log=$build/$1.log
  mkdir -p "$corpus"
  # Inputs are small on purpose: the formats repeat themselves, and small ones run faster.
  if ! "$build/test/fuzz/fuzz_$1" "$corpus" "test/fuzz/seeds/$1" -max_total_time="$seconds" \
    -max_len=2048 -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
    -artifact_prefix="$build/findings/$1-" >"$log" 2>&1; then
    tail -n 40 "$log"
    return 1
  fi
  note "$(awk -v name="$1" '/stat::number_of_executed_units/ { runs = $2 }
    /stat::average_exec_per_sec/ { rate = $2 } /stat::peak_rss_mb/ { mb = $2 }
    END { printf "%-16s %10d executions, %7d a second, %4d MB", name, runs, rate, mb }' "$log")"
}

section "Fuzz: $seconds s each"
failed=()
for ((i = 0; i < ${#targets[@]}; i += 2)); do
  pair=("${targets[@]:i:2}")
  workers=()
  for target in "${pair[@]}"; do
    run "$target" &
    workers+=("$!")
  done
  for j in "${!workers[@]}"; do
    wait "${workers[j]}" || failed+=("${pair[j]}")
  done
done
((${#failed[@]} == 0)) || fail "broken: ${failed[*]}; the inputs are in $build/findings"
