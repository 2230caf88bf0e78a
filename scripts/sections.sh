# shellcheck shell=bash
# Sourced by the other scripts: headings with the time since the start, and a last word on failure.

started_at=$SECONDS

elapsed() {
  local seconds=$((SECONDS - started_at))
  printf '%d:%02d' $((seconds / 60)) $((seconds % 60))
}

section() {
  printf '\n==== [%s] %s\n' "$(elapsed)" "$*"
}

note() {
  printf '     %s\n' "$*"
}

fail() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

# fresh OUTPUT INPUT...: true when OUTPUT is there and no INPUT is newer, so that a step can be skipped.
fresh() {
  local output=$1 input
  shift
  [[ -s $output ]] || return 1
  for input in "$@"; do
    [[ $input -nt $output ]] && return 1
  done
  return 0
}

finish() {
  local status=$?
  ((status == 0)) || echo "$0: failed with status $status after $(elapsed)" >&2
}
trap finish EXIT
