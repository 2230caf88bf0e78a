#!/usr/bin/env bash
# Tokens per second of `preprocess` against the sentencepiece module of Python, which Megatron uses:
# the quickstart's text, the same tokenizers, the programs in turn, medians of whole runs from start
# to end, and of the processor's time, which a busy machine changes less. What both write is compared
# byte for byte. --record leaves the table under results/.
#   test/bench/preprocess.sh [--record] [BINARY [ROUNDS]]
# Needs Debian's sentencepiece, python3-sentencepiece, python3-numpy, and the text of
# scripts/quickstart.sh --smoke.
set -euo pipefail

record=false
[ "${1:-}" != --record ] || { record=true; shift; }
here=$(cd "$(dirname "$0")" && pwd)
binary=$(realpath "${1:-$here/../../build/swallow-train}")
rounds=${2:-5}
data=$here/../../quickstart
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LC_ALL=C.UTF-8

if ! ls "$data"/data/{en,ja}/*.jsonl.gz >/dev/null 2>&1; then
  echo "there is no text in $data/data; run scripts/quickstart.sh --smoke first" >&2
  exit 1
fi
for language in en ja; do gzip -dc "$data/data/$language"/*.gz >"$work/$language.jsonl"; done

# A larger vocabulary, with the settings of the quickstart's; it learns from every fourth line.
train_large() {
  /usr/bin/python3 -c '
import json, sys
for name in sys.argv[1:]:
    for line in open(name, encoding="utf-8"):
        print(json.loads(line)["text"])' "$work"/{en,ja}.jsonl | awk 'NR % 4 == 0' >"$work/text.txt"
  spm_train --input="$work/text.txt" --model_prefix="$data/bench-16k" --vocab_size=16000 \
    --model_type=bpe --character_coverage=0.9995 --byte_fallback=true --split_digits=true \
    --allow_whitespace_only_pieces=true --normalization_rule_name=identity \
    --remove_extra_whitespaces=false --unk_id=0 --bos_id=1 --eos_id=2 --pad_id=-1 \
    --max_sentence_length=16384 --num_threads="$(nproc)" --minloglevel=1
}
[ -s "$data/bench-16k.model" ] || train_large

# timed NAME COMMAND...: appends the seconds of one run, elapsed and of the processor, to NAME.seconds
timed() {
  local name=$1 TIMEFORMAT='%R %U %S'
  shift
  { time "$@" >"$work/$name.out" 2>&1; } 2>"$work/time" || { cat "$work/$name.out" >&2; exit 1; }
  awk '{ print $1, $2 + $3 }' "$work/time" >>"$work/$name.seconds"
}

# median FILE COLUMN
median() {
  sort -g -k "$2,$2" "$1" |
    awk -v column="$2" '{ s[NR] = $column } END { print s[int((NR + 1) / 2)] }'
}

measure() { # measure MODEL LANGUAGE
  local model=$1 language=$2 input="$work/$2.jsonl" tokens side processes
  rm -f "$work"/*.seconds
  for ((round = 0; round < rounds; ++round)); do
    for processes in 1 2; do
      timed python$processes /usr/bin/python3 "$here/sentencepiece_pool.py" $processes "$model" \
        "$work/python.bin" "$input"
      timed ours$processes "$binary" preprocess --input "$input" --output-prefix "$work/ours" \
        --tokenizer-model "$model" --append-eod --workers $processes --overwrite
      cmp "$work/python.bin" "$work/ours_text_document.bin" || exit 1
    done
  done
  tokens=$(tail -n 1 "$work/python1.out")
  for side in python1 ours1 python2 ours2; do
    local other=$work/python${side: -1}.seconds
    awk -v label="$(basename "$model" .model) $language $side" -v tokens="$tokens" \
      -v wall="$(median "$work/$side.seconds" 1)" -v other_wall="$(median "$other" 1)" \
      -v cpu="$(median "$work/$side.seconds" 2)" -v other_cpu="$(median "$other" 2)" 'BEGIN {
        printf "%-24s %9.2f %11.0f %7.1f %9.2f %7.1f\n", label, wall, tokens / wall,
          other_wall / wall, cpu, other_cpu / cpu }'
  done
}

table() {
  printf '%-24s %9s %11s %7s %9s %7s\n' "vocabulary text program" "median s" "tokens/s" "ratio" "CPU s" \
    "ratio"
  for model in "$data/bench-16k.model" "$data/tokenizer.model"; do
    for language in en ja; do measure "$model" $language; done
  done
}

if $record; then
  output=$here/results/$(date +%F)-preprocess.txt
  {
    "$binary" --version
    grep -m 1 'model name' /proc/cpuinfo
    echo "$(nproc) cores, load $(cut -d ' ' -f 1-3 /proc/loadavg), $rounds rounds; the number after"
    echo "a program is of its processes or workers, the ratio is to Python's time with as many"
    echo
    table
  } | tee "$output"
else
  table
fi
