#!/usr/bin/env bash
# `preprocess` as a user runs it, judged by SentencePiece's own program and an independent writer of
# the format, and killed while it works.
#   test/run/preprocess.sh BINARY CASE
set -euo pipefail

binary=$1
case_name=$2
tests=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LC_ALL=C.UTF-8

die() {
  echo "FAILED: $*" >&2
  tail -n 20 "$work"/*.out >&2 || true
  exit 1
}

# Lines of text in two scripts: this repository's own documents, and Japanese with what is awkward.
make_text() {
  awk -v most="$1" '/./ && ++lines <= most' "$tests"/../{README.md,LICENSE} "$tests"/*/*_test.cpp
  local i
  for ((i = 0; i < $1 / 20; ++i)); do
    printf '燕は春に海を越えて戻る。全角　空白と、続く  空白 %d 号\n' "$i"
    printf 'ツバメは%d年に　人家の軒先で巣を作ります（e.g. 😀 ﬁ ①）\t終わり \n' $((i * 7919 % 2030))
    printf ' leading and trailing  \n\n한국어 텍스트 %d\r\n\n▁▁ U+2581 itself ▁x\n' "$i"
  done
}

# train NAME SETTING...: a tokenizer of 1,000 pieces, NAME.model
train() {
  local name=$1
  shift
  make_text 2000 >"$work/train.txt"
  spm_train --input="$work/train.txt" --model_prefix="$work/$name" --vocab_size=1000 \
    --model_type=bpe --byte_fallback=true --character_coverage=0.9995 --unk_id=0 --bos_id=1 \
    --eos_id=2 --pad_id=-1 --num_threads=1 --minloglevel=2 "$@" 2>/dev/null
}

# Settings of Llama 2's tokenizer.
llama=(--normalization_rule_name=identity --remove_extra_whitespaces=false --split_digits=true
  --allow_whitespace_only_pieces=true)

# extend NAME NEW: NEW.model with more than 65,500 pieces; the last are Hangul syllables.
extend() {
  python3 - "$work/$1.model" "$work/$2.model" <<'PYTHON'
import struct, sys

def field(number, content):
    size, varint = len(content), b""
    while size >= 128:
        varint, size = varint + bytes([size & 127 | 128]), size >> 7
    return bytes([number << 3 | 2]) + varint + bytes([size]) + content

def piece(text, score):
    return field(1, field(1, text.encode()) + b"\x15" + struct.pack("<f", score))

old = open(sys.argv[1], "rb").read()
texts = ["⟦%d⟧" % i for i in range(66000)] + [chr(0xAC00 + i) for i in range(11172)]
known = set("한국어텍스트")  # in the text that the old model was trained on
new = b"".join(piece(t, -1000.0 - i) for i, t in enumerate(texts) if t not in known)
open(sys.argv[2], "wb").write(old + new)
PYTHON
}

# json FILE: the lines of a text as JSON Lines, every third one in pure ASCII
json() {
  python3 -c '
import json, sys
for i, line in enumerate(open(sys.argv[1], encoding="utf-8", newline="\n")):
    print(json.dumps({"id": i, "text": line.rstrip("\n")}, ensure_ascii=i % 3 == 0))' "$1"
}

# judge NAME: the dataset that our program makes is that of spm_encode and the independent writer
judge() {
  local model=$work/$1.model size workers
  size=$(spm_export_vocab --model="$model" --output=/dev/stdout | wc -l)
  spm_encode --model="$model" --output_format=id <"$work/text.txt" |
    "$tests/data/megatron_layout.py" "$work/$1.judge" "$size" 1 2
  for workers in 1 3; do
    "$binary" preprocess --input "$work/"'part?.jsonl' "$work/"'part*.gz' --workers $workers \
      --output-prefix "$work/$1" --tokenizer-model "$model" --append-eod --overwrite \
      >"$work/$1.out" 2>&1 || die "$1: preprocess"
    cmp "$work/$1.judge.idx" "$work/$1_text_document.idx" || die "$1: .idx, $workers workers"
    cmp "$work/$1.judge.bin" "$work/$1_text_document.bin" || die "$1: .bin, $workers workers"
  done
  "$binary" inspect "$work/$1_text_document.idx" --verify --vocab-size "$size" >"$work/$1.facts"
  grep -q "$2" "$work/$1.facts" || die "$1: tokens are not $2"
}

case $case_name in
  a_dataset_is_what_spm_encode_and_an_independent_writer_make)
    make_text 4000 >"$work/text.txt"
    # Two plain files, then one of two gzip members.
    split -n l/4 "$work/text.txt" "$work/quarter."
    json "$work/quarter.aa" >"$work/part1.jsonl"
    json "$work/quarter.ab" >"$work/part2.jsonl"
    { json "$work/quarter.ac" | gzip; json "$work/quarter.ad" | gzip; } >"$work/part3.jsonl.gz"
    train llama "${llama[@]}"
    train nfkc --normalization_rule_name=nmt_nfkc
    train suffix "${llama[@]}" --treat_whitespace_as_suffix=true
    train bare "${llama[@]}" --add_dummy_prefix=false --user_defined_symbols='ます（,e.g.'
    extend llama extended
    judge llama u16
    judge nfkc u16
    judge suffix u16
    judge bare u16
    judge extended i32
    ;;

  a_killed_preprocess_leaves_no_dataset_and_may_be_run_again)
    train llama "${llama[@]}"
    make_text 4000 >"$work/text.txt"
    json "$work/text.txt" >"$work/one.jsonl"
    for _ in $(seq 100); do cat "$work/one.jsonl"; done >"$work/many.jsonl"
    run=("$binary" preprocess --input "$work/many.jsonl" --tokenizer-model "$work/llama.model"
      --append-eod --workers 1 --output-prefix)
    "${run[@]}" "$work/whole" >"$work/whole.out" 2>&1 || die "preprocess"
    for kill_after in 1 2000000 10000000; do
      "${run[@]}" "$work/out" >"$work/out.out" 2>&1 &
      pid=$!
      until size=$(stat -c %s "$work"/out_text_document.bin.partial.$pid 2>/dev/null) &&
        ((size >= kill_after)); do
        kill -0 $pid 2>/dev/null || die "it ended before it was killed"
        sleep 0.01
      done
      kill -KILL $pid
      wait $pid 2>/dev/null || true
      left=("$work"/out_*)
      [ "${left[*]}" = "$work/out_text_document.bin.partial.$pid $work/out_text_document.idx.partial.$pid" ] ||
        die "left: ${left[*]}"
    done
    # While one works, another may not write the same; and it is not disturbed by the attempt.
    "${run[@]}" "$work/out" >"$work/out.out" 2>&1 &
    pid=$!
    until [ -e "$work/out_text_document.idx.partial.$pid" ]; do sleep 0.01; done
    status=0
    "${run[@]}" "$work/out" >"$work/second.out" 2>&1 || status=$?
    [ $status = 2 ] || die "exit $status of the second, expected 2"
    grep -q 'is being written by another process' "$work/second.out" || die "no word of the first"
    wait $pid || die "the run after the killed ones"
    for ending in idx bin; do
      cmp "$work/whole_text_document.$ending" "$work/out_text_document.$ending" || die "$ending differs"
    done
    left=("$work"/out_*)
    [ ${#left[@]} = 2 ] || die "left: ${left[*]}"
    # Now it is there, and stays unless --overwrite is given.
    status=0
    "${run[@]}" "$work/out" >"$work/third.out" 2>&1 || status=$?
    [ $status = 2 ] || die "exit $status where the output exists, expected 2"
    grep -q 'out_text_document.idx exists' "$work/third.out" || die "the file is not named"
    "${run[@]}" "$work/out" --overwrite >"$work/fourth.out" 2>&1 || die "--overwrite"
    ;;

  *)
    echo "unknown case $case_name" >&2
    exit 2
    ;;
esac
echo "passed: $case_name"
