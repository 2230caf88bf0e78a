# shellcheck shell=bash disable=SC2034
# Sourced by the scripts that run whole jobs: a scratch folder, the 8 ranks that most of them start,
# and what tells whether two runs came to the same state.

work=$(mktemp -d)
cleanup() { :; } # a script with processes to end defines its own
trap 'cleanup; rm -rf "$work"' EXIT

# DP 2 x TP 2 x PP 2 with sequence parallelism, when it is given 8 ranks.
grid=(--preset tiny --mock-data --tensor-model-parallel-size 2 --pipeline-model-parallel-size 2
  --sequence-parallel --cpu-threads 1)

die() {
  echo "FAILED: $*" >&2
  tail -n 20 "$work"/*.out >&2 || true
  exit 1
}

# tensors FOLDER ITERATION: one hash over all tensor files
tensors() {
  (cd "$1/iter_$(printf '%07d' "$2")" && sha256sum -- *.safetensors | sha256sum)
}

# losses FOLDER: the step and the exact loss of every step done, once however often it was done
losses() {
  sed -n 's/.*"kind":"step".*"step":\([0-9]*\).*"loss_hex":"\([^"]*\)".*/\1 \2/p' \
    "$1/metrics.jsonl" | sort -n -u
}

# same_run FOLDER REFERENCE ITERATION: both ended there with equal bits, after equal losses.
same_run() {
  [ "$(cat "$1/latest_checkpointed_iteration.txt")" = "$3" ] || die "$1 did not come to $3"
  [ "$(tensors "$1" "$3")" = "$(tensors "$2" "$3")" ] || die "the state in $1 differs"
  [ "$(losses "$1")" = "$(losses "$2")" ] || die "the losses in $1 differ"
}
