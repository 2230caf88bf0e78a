#!/usr/bin/env bash
# The Swallow recipe in miniature, on this machine's CPU: text from Debian's own packages, a
# SentencePiece tokenizer, a small Llama 2 pre-trained on English by 8 processes (data x tensor x
# pipeline = 2 x 2 x 2), then continued on Japanese. Ends with the Japanese validation loss before
# and after. At most 8 minutes on 2 cores once packages are installed; may be run again.
#   scripts/quickstart.sh [--smoke]     --smoke trains a few steps only, to try the commands
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/sections.sh
export LC_ALL=C.UTF-8 # the same order of files everywhere

english_iterations=200 japanese_iterations=200 eval_interval=50 eval_iterations=8 warmup=20 log_interval=10
case ${1:-} in
  "") ;;
  --smoke)
    english_iterations=6 japanese_iterations=6 eval_interval=3 eval_iterations=1 warmup=1
    log_interval=1
    ;;
  *) fail "unknown argument '$1'; usage: scripts/quickstart.sh [--smoke]" ;;
esac

work=quickstart
build="build-quickstart"
vocabulary=4000
jobs=$(nproc)
mkdir -p "$work"/{packages,data}

# Guides in HTML, and manual pages in roff, of which each language has its own packages.
declare -A guides=(
  [en]="debian-reference-en developers-reference debian-policy debian-faq aptitude-doc-en"
  [ja]="debian-reference-ja developers-reference-ja debian-policy-ja debian-faq-ja aptitude-doc-ja
        maint-guide-ja"
)
declare -A manuals=([en]="manpages manpages-dev" [ja]="manpages-ja manpages-ja-dev")

# Downloads and unpacks without installing, so that no package of the machine changes and a dpkg set
# to leave out documentation does not matter.
unpack_package() {
  local package=$1 folder=$work/packages/$1
  [[ -d $folder ]] && return
  (
    cd "$work/packages"
    rm -f "$package"_*.deb
    apt-get download -qq -o APT::Sandbox::User="$(id -un)" "$package"
    rm -rf "$package.part"
    dpkg-deb -x "$package"_*.deb "$package.part"
    find "$package.part" -type l -delete # names of the same page
    find "$package.part" -path '*/man/*' -name '*.gz' -exec gzip -dq {} +
    mv "$package.part" "$package"
    rm -f "$package"_*.deb
  )
  note "$package"
}

# extract LANGUAGE: writes data/LANGUAGE/*.jsonl.gz, one document a line, in pieces as corpora come.
extract() {
  local language=$1 package html=() man=()
  for package in ${guides[$language]}; do
    mapfile -t -O "${#html[@]}" html < <(find "$work/packages/$package" -type f -name '*.html' | sort)
  done
  # English pages lie in man/man1, translated ones in man/ja/man1.
  local pages='*/man/man[0-9]*'
  [[ $language == ja ]] && pages='*/man/ja/man[0-9]*'
  for package in ${manuals[$language]}; do
    mapfile -t -O "${#man[@]}" man < <(find "$work/packages/$package" -type f -path "$pages" | sort)
  done
  # Documents are shuffled the same way every time, so that the ones held out at the end for
  # validation come from everywhere.
  {
    LC_ALL=C awk -v language="$language" -f scripts/quickstart/paragraphs.awk \
      -f scripts/quickstart/html.awk "${html[@]}"
    LC_ALL=C awk -v language="$language" -f scripts/quickstart/paragraphs.awk \
      -f scripts/quickstart/man.awk "${man[@]}"
  } | LC_ALL=C awk '{ printf "%05d\t%s\n", NR * 7919 % 99991, $0 }' | LC_ALL=C sort | cut -f 2- \
    >"$work/data/$language.jsonl"
  rm -rf "$work/data/$language" "$work/data/$language.part"
  mkdir "$work/data/$language.part"
  # shellcheck disable=SC2016 # split sets FILE
  split --number=l/4 --numeric-suffixes --additional-suffix=.jsonl.gz --filter='gzip >"$FILE"' \
    "$work/data/$language.jsonl" "$work/data/$language.part/"
  rm "$work/data/$language.jsonl"
  mv "$work/data/$language.part" "$work/data/$language"
}

train_tokenizer() {
  local language
  # A few megabytes teach 4,000 pieces as well as all of them, in a fraction of the time.
  for language in en ja; do
    gzip -dc "$work/data/$language"/*.gz | awk 'NR <= 600' |
      sed -e 's/^{"text": "//' -e 's/"}$//' -e 's/\\n/\n/g' -e 's/\\\(.\)/\1/g' \
        >"$work/data/$language.sample.txt"
  done
  # The ids and settings of Llama 2's own tokenizer.
  spm_train --input="$work/data/en.sample.txt,$work/data/ja.sample.txt" \
    --model_prefix="$work/tokenizer.part" --vocab_size=$vocabulary --model_type=bpe \
    --character_coverage=0.9995 --byte_fallback=true --split_digits=true \
    --allow_whitespace_only_pieces=true --normalization_rule_name=identity \
    --remove_extra_whitespaces=false --unk_id=0 --bos_id=1 --eos_id=2 --pad_id=-1 \
    --max_sentence_length=16384 --num_threads="$jobs" --minloglevel=1
  mv "$work/tokenizer.part.vocab" "$work/tokenizer.vocab"
  mv "$work/tokenizer.part.model" "$work/tokenizer.model"
}

# pretrain LANGUAGE ITERATIONS ARGUMENT...: 8 processes; 5 % of the documents are held out.
pretrain() {
  local language=$1 iterations=$2
  shift 2
  rm -rf "$work/checkpoints/$language"
  "$build/swallow-train" --nproc 8 --preset quickstart \
    --data-path "$work/data/${language}_text_document" --split 95,5,0 \
    --tokenizer-model "$work/tokenizer.model" --vocab-size $vocabulary \
    --train-iters "$iterations" --lr-warmup-iters "$warmup" \
    --eval-interval "$eval_interval" --eval-iters "$eval_iterations" --log-interval "$log_interval" \
    --save "$work/checkpoints/$language" --save-interval "$iterations" "$@"
}

# validation_losses LANGUAGE: lines of "step loss" from the log of the run.
validation_losses() {
  awk '
    function number(key) {
      if (!match($0, "\"" key "\": *[-+.0-9eE]+")) return ""
      value = substr($0, RSTART, RLENGTH)
      sub(/.*: */, "", value)
      return value
    }
    /"kind": *"validation"/ { print number("step"), number("loss") }
  ' "$work/checkpoints/$1/metrics.jsonl"
}

section "Packages"
scripts/install_dependencies.sh build quickstart

section "Build"
cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DSWALLOW_TESTS=OFF >"$work/cmake.log" ||
  fail "cmake failed, see $work/cmake.log"
cmake --build "$build" --parallel "$jobs" --target swallow-train

section "Text: guides and manual pages of Debian, in English and Japanese"
# A machine whose package lists are older than its mirror fetches them anew, once.
apt-get download -qq --print-uris manpages manpages-ja >/dev/null 2>&1 ||
  $([[ $EUID == 0 ]] || echo sudo) apt-get update -qq
for language in en ja; do
  for package in ${guides[$language]} ${manuals[$language]}; do unpack_package "$package"; done
  fresh "$work/data/$language" scripts/quickstart/*.awk scripts/quickstart.sh ||
    extract "$language"
  note "$language:$(gzip -dc "$work/data/$language"/*.gz |
    LC_ALL=C awk '{ bytes += length($0) + 1 } END { printf "%6d documents, %d kB", NR, bytes / 1000 }')"
done

section "Tokenizer: SentencePiece, $vocabulary pieces for both languages"
fresh "$work/tokenizer.model" "$work"/data/{en,ja} || train_tokenizer
note "$work/tokenizer.model"

section "Preprocess: token ids in Megatron's .bin and .idx"
for language in en ja; do
  dataset=$work/data/${language}_text_document
  fresh "$dataset.idx" "$work/data/$language" "$work/tokenizer.model" "$build/swallow-train" ||
    "$build/swallow-train" preprocess --input "$work/data/$language/*.jsonl.gz" \
      --output-prefix "$work/data/$language" --tokenizer-model "$work/tokenizer.model" \
      --append-eod --workers "$jobs" --overwrite
  "$build/swallow-train" inspect "$dataset.idx" --verify --vocab-size $vocabulary
done

section "Pre-train on English: 8 processes, data 2 x tensor 2 x pipeline 2"
pretrain en "$english_iterations"

section "Continue on Japanese from that checkpoint"
pretrain ja "$japanese_iterations" --load "$work/checkpoints/en" --finetune

section "Result"
validation_losses ja | awk '
  NR == 1 { before = $2 }
  { after = $2; steps = $1 }
  END {
    if (NR < 2) { print "no validation losses were logged" >"/dev/stderr"; exit 1 }
    printf "     %-42s %8s %12s\n", "Japanese text held out from training", "loss", "perplexity"
    printf "     %-42s %8.4f %12.1f\n", "before: trained on English only", before, exp(before)
    printf "     %-42s %8.4f %12.1f\n", "after:  " steps " steps on Japanese", after, exp(after)
    if (after >= before) { print "the loss did not fall" >"/dev/stderr"; exit 1 }
  }'
note "Checkpoints are in $work/checkpoints; done in $(elapsed) min."
