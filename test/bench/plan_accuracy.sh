#!/usr/bin/env bash
# How far the model behind `swallow-train plan` is from published training runs: predicted beside
# published step times of test/bench/plan_cases.json, by software profile, with the mean and largest
# error on the rows that its two factors were fitted to (odd ones) and on the others.
#   test/bench/plan_accuracy.sh [BUILD_FOLDER [--fit SOFTWARE [SET]]]
set -euo pipefail

folder=${1:-build}
shift || true
cmake --build "$folder" --target plan_accuracy >/dev/null
exec "$folder/plan_accuracy" "$(dirname "$0")/plan_cases.json" "$@"
