# Sourced by the other scripts: headings with the time since the start, and an error that says where.

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

trap 'printf "%s: failed at line %s after %s\n" "$0" "$LINENO" "$(elapsed)" >&2' ERR
