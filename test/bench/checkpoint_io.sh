#!/usr/bin/env bash
# How fast the binary saves and loads a checkpoint, against dd of the same bytes on the same disk, in
# turn in one run. After each save the job is stopped while dd writes a copy, so that both find the
# machine's memory in the same state; a write counts when it is on the disk. Files are dropped from
# the page cache before they are read.
#   test/bench/checkpoint_io.sh [BINARY [FOLDER [ROUNDS]]]
#   FLAGS="..." replaces the model, which is 118 M parameters or 1.65 GB of state on one rank
set -euo pipefail

binary=$(realpath "${1:-build/swallow-train}")
work=$(mktemp -d "${2:-${TMPDIR:-/tmp}}/checkpoint-io-XXXXXX")
rounds=${3:-5}
trap 'rm -rf "$work"' EXIT
cd "$work"
read -r -a flags <<<"$(tr -s ' \n' '  ' <<<"${FLAGS:---num-layers 2 --hidden-size 2048 --ffn-hidden-size
  5504 --num-attention-heads 16 --vocab-size 4096 --seq-length 16 --global-batch-size 1}")"

train() { # train LAST_ITERATION FLAG...
  local last=$1
  shift
  exec "$binary" "${flags[@]}" --mock-data --eval-iters 0 --train-iters 100 --save run \
    --most-recent-k 1 --exit-interval "$last" "$@"
}

seconds() { # seconds COMMAND...: wall time
  local begin=$EPOCHREALTIME
  "$@" 2>/dev/null
  awk -v b="$begin" -v e="$EPOCHREALTIME" 'BEGIN { print e - b }'
}

forget() { # forget FILE...: drops them from the page cache
  local file
  for file in "$@"; do dd if="$file" iflag=nocache count=0 2>/dev/null; done
}

saves() { # the seconds of each save so far
  sed -n 's/.*"kind":"save".*"seconds":\([0-9.e-]*\),.*/\1/p' run/metrics.jsonl 2>/dev/null || true
}

median() { # median NAME
  sort -g "$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

(train "$rounds" --save-interval 1) >train.out 2>&1 &
job=$!
for ((round = 1; round <= rounds; ++round)); do
  while (($(saves | wc -l) < round)); do
    kill -0 $job 2>/dev/null || { ((round == rounds)) && break; tail train.out; exit 1; }
    sleep 0.1
  done
  kill -STOP $job 2>/dev/null || true
  file=$(printf "%s\n" run/iter_*/rank-00000.safetensors | tail -n 1)
  seconds dd if="$file" of=copy bs=4M conv=fsync >>write
  rm copy
  kill -CONT $job 2>/dev/null || true
done
wait $job
saves >save

bytes=$(stat -c %s "$file")
for ((round = 1; round <= rounds; ++round)); do
  forget run/iter_*/*
  (train 1000 --load run --save-interval 100 --log-dir log --ckpt-step "$rounds") \
    >load.out 2>&1 &
  job=$!
  until grep -q 'loaded everything' load.out; do
    kill -0 $job 2>/dev/null || { tail load.out; exit 1; }
    sleep 0.1
  done
  kill -STOP $job
  sed -n 's/.*loaded everything .* in \([0-9.]*\) s$/\1/p' load.out >>load
  forget "$file"
  seconds dd if="$file" of=/dev/null bs=4M >>read
  kill -KILL $job
  wait $job 2>/dev/null || true
done

paste save write load read | awk -v bytes="$bytes" '
  BEGIN { printf "%d bytes\n%-6s %8s %8s %8s %8s   seconds\n", bytes, "round", "save", "dd", "load", "dd" }
  { printf "%-6d %8.2f %8.2f %8.2f %8.2f\n", NR, $1, $2, $3, $4 }'
awk -v s="$(median save)" -v w="$(median write)" -v l="$(median load)" -v r="$(median read)" \
  -v bytes="$bytes" 'BEGIN {
    printf "median: save %.2f GB/s, %.2f of dd; load %.2f GB/s, %.2f of dd\n",
      bytes / s / 1e9, w / s, bytes / l / 1e9, r / l }'
