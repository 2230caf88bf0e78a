#!/usr/bin/env bash
# Formats every C++ and CUDA file in place; with --check, changes nothing and fails where
# something would change.
set -euo pipefail
cd "$(dirname "$0")/.."

mode=(-i)
case ${1:-} in
  "") ;;
  --check) mode=(--dry-run --Werror) ;;
  *)
    echo "usage: $0 [--check]" >&2
    exit 2
    ;;
esac
find src cuda test -name '*.h' -o -name '*.cpp' -o -name '*.cu' -o -name '*.cuh' |
  sort | xargs clang-format "${mode[@]}"
