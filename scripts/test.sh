#!/usr/bin/env bash
# Builds and runs all tests: Release (with CUDA where there is a toolkit), the same cases under
# AddressSanitizer and UndefinedBehaviorSanitizer, and those of ranks as threads under
# ThreadSanitizer. Ends with one summary of all three by ctest.
#   scripts/test.sh [--fast]     --fast leaves the sanitizers out
# Jobs under Slurm and mpirun are among them where `scripts/install_dependencies.sh slurm` was run;
# SWALLOW_LAUNCHER_TESTS=ON demands them, =OFF leaves them out.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/sections.sh

fast=false
case ${1:-} in
  "") ;;
  --fast) fast=true ;;
  *) fail "unknown argument '$1'; usage: scripts/test.sh [--fast]" ;;
esac

root=$PWD/build-test
jobs=$(nproc)

# build NAME TITLE CMAKE_ARGUMENT...
build() {
  local name=$1 title=$2
  shift 2
  section "Build: $title"
  cmake -S . -B "$root/$name" -G Ninja "$@" | { grep -E '^-- (CUDA|oneDNN|Sent|Launchers)' || true; }
  cmake --build "$root/$name" --parallel "$jobs"
}

section "Packages"
scripts/install_dependencies.sh build test

variants=(release)
# Warnings are errors here alone: with the sanitizers' instrumentation g++ 12 warns of its own library.
build release "Release" -DCMAKE_BUILD_TYPE=Release -DSWALLOW_CUDA=AUTO -DSWALLOW_WERROR=ON \
  "-DSWALLOW_LAUNCHER_TESTS=${SWALLOW_LAUNCHER_TESTS:-AUTO}"
if ! $fast; then
  variants+=(asan tsan)
  # Optimised a little, so that the sanitizers' cost stays bearable; CUDA's runtime and they do not
  # get on.
  sanitizer_flags=(-DCMAKE_BUILD_TYPE=Debug "-DCMAKE_CXX_FLAGS_DEBUG=-O1 -g1" -DSWALLOW_CUDA=OFF)
  build asan "AddressSanitizer and UndefinedBehaviorSanitizer" "${sanitizer_flags[@]}" \
    -DSWALLOW_SANITIZE=address,undefined "-DSWALLOW_TEST_SPEC=[unit]"
  # ThreadSanitizer does not know the locks of OpenMP's runtime, which oneDNN uses too.
  build tsan "ThreadSanitizer" "${sanitizer_flags[@]}" -DSWALLOW_OPENMP=OFF -DSWALLOW_ONEDNN=OFF \
    -DSWALLOW_SANITIZE=thread "-DSWALLOW_TEST_SPEC=[ranks]"
fi

section "Test: ${variants[*]}"
# One ctest over all builds, so that there is one summary.
for variant in "${variants[@]}"; do
  printf 'subdirs("%s")\n' "$variant"
done >"$root/CTestTestfile.cmake"
export UBSAN_OPTIONS=print_stacktrace=1
section "ctest"
ctest --test-dir "$root" --output-on-failure --parallel "$jobs" --no-tests=error
