#!/usr/bin/env bash
# Whether ranks take the memory that `plan` says: the resident set of each rank of a run on this
# machine's CPU, at its highest, less that of the same grid with a model of next to nothing, against
# the planned bytes of its stage, less those of that model. Prints a row for each shape, of the rank
# that is farthest off.
#   test/bench/plan_memory.sh [BINARY]
set -euo pipefail

binary=${1:-build/swallow-train}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

model=(--vocab-size 32000 --hidden-size 512 --num-layers 8 --num-attention-heads 8
  --ffn-hidden-size 1376 --seq-length 512 --global-batch-size 8)
nothing=(--vocab-size 128 --hidden-size 8 --num-layers 8 --num-attention-heads 4
  --ffn-hidden-size 8 --seq-length 8 --global-batch-size 8)

# ranks NAME RANKS FLAG...: rank, planned and resident bytes, a line each; planned as `plan` says
ranks() {
  local name=$1 ranks=$2
  shift 2
  "$binary" plan --world-size "$ranks" --gpus-per-node "$ranks" --backend cpu --cpu-threads 1 "$@" |
    awk '/^Planned memory/ { on = 1; next } on && /^$/ { exit }
      on && $1 == "stage" { for (i = 1; i <= NF; ++i) if ($i == "bytes") column = i - NF; next }
      on { print $1, $(NF + column) }' >"$work/$name.plan"
  "$binary" bench --nproc "$ranks" --cpu-threads 1 --warmup-iters 0 --bench-iters 1 \
    --output "$work/$name.json" "$@" >"$work/$name.out" 2>&1 ||
    { tail -n 5 "$work/$name.out" >&2; exit 1; }
  # Ranks are in order; a stage has the same number of consecutive ones.
  sed -n 's/.*"\(planned\|peak_host\)_bytes": \([0-9]*\).*/\1 \2/p' "$work/$name.json" |
    awk -v ranks="$ranks" -v file="$work/$name.plan" '
      BEGIN { while ((getline line < file) > 0) { split(line, cell, " "); bytes[stages++] = cell[2] } }
      $1 == "planned" { allocated = $2; next }
      { stage = int(rank * stages / ranks)
        if (bytes[stage] != allocated) { print "rank " rank ": planned " bytes[stage] \
          ", allocated " allocated > "/dev/stderr"; exit 1 }
        print rank++, allocated, $2 }'
}

# measure LABEL RANKS FLAG...
measure() {
  local label=$1 ranks=$2
  shift 2
  paste -d' ' <(ranks whole "$ranks" "${model[@]}" "$@") \
    <(ranks base "$ranks" "${nothing[@]}" "$@") |
    awk -v label="$label" '
      { planned = ($2 - $5) / 1048576; resident = ($3 - $6) / 1048576
        off = 100 * (resident / planned - 1); far = off < 0 ? -off : off
        if (far >= most) { most = far
          row = sprintf("%-44s %4d %9.1f %9.1f %9.1f %+8.2f", label, $1, planned, resident,
                        $6 / 1048576, off) } }
      END { if (row == "") exit 1; print row }'
}

printf '%-44s %4s %9s %9s %9s %8s\n' "MiB of a rank" rank planned resident base "off, %"
measure "1 rank, bf16, micro-batch 4" 1 --micro-batch-size 4
measure "1 rank, fp32, full recompute, micro-batch 4" 1 --micro-batch-size 4 --params-dtype fp32 \
  --recompute-granularity full
measure "DP 2, bf16" 2 --micro-batch-size 4
measure "TP 2, sequence parallel, selective" 2 --micro-batch-size 4 \
  --tensor-model-parallel-size 2 --sequence-parallel --recompute-granularity selective
measure "PP 2, 1F1B, fp32" 2 --micro-batch-size 2 --pipeline-model-parallel-size 2 \
  --params-dtype fp32
measure "PP 2, GPipe, split masters" 2 --micro-batch-size 2 --pipeline-model-parallel-size 2 \
  --pipeline-schedule gpipe --use-precision-aware-optimizer
