#!/usr/bin/env bash
# Installs what is missing of Debian's packages, by groups:
#   scripts/install_dependencies.sh build test quickstart check
# Asks apt only when something is missing, and says what it installs. --list prints the names.
set -euo pipefail

declare -A packages=(
  [build]="g++ cmake ninja-build libfmt-dev libspdlog-dev nlohmann-json3-dev libcli11-dev
           libsentencepiece-dev libdnnl-dev libxxhash-dev libssl-dev zlib1g-dev"
  [test]="catch2 procps sentencepiece python3 strace shellcheck"
  [slurm]="slurmctld slurmd slurm-client munge libpmix-dev openmpi-bin mpich iproute2 procps"
  [quickstart]="sentencepiece"
  [check]="git clang-format ccache"
  [fuzz]="clang-16 libclang-rt-16-dev"
)

list_only=false
wanted=()
for group in "$@"; do
  if [[ $group == --list ]]; then
    list_only=true
  elif [[ -n ${packages[$group]:-} ]]; then
    read -r -a names <<<"${packages[$group]//$'\n'/ }"
    wanted+=("${names[@]}")
  else
    echo "$0: unknown group '$group'; there are: ${!packages[*]}" >&2
    exit 2
  fi
done
if ((${#wanted[@]} == 0)); then
  echo "usage: $0 [--list] GROUP...   with groups: ${!packages[*]}" >&2
  exit 2
fi
if $list_only; then
  printf '%s\n' "${wanted[@]}"
  exit 0
fi

missing=()
for package in "${wanted[@]}"; do
  status=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || true)
  [[ $status == installed ]] || missing+=("$package")
done
if ((${#missing[@]} == 0)); then
  echo "     packages: all ${#wanted[@]} are installed"
  exit 0
fi

as_root=()
if ((EUID != 0)); then
  command -v sudo >/dev/null || {
    echo "$0: run as root: apt-get install ${missing[*]}" >&2
    exit 1
  }
  as_root=(sudo)
fi
echo "     packages: installing ${missing[*]}"
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
  apt-get install -y -qq --no-install-recommends "${missing[@]}" </dev/null
