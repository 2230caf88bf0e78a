#!/usr/bin/env bash
# Builds what a machine with a GPU, but without network and packages, needs to prove and to measure
# this tree: the trainer, the tests and the libraries they link, fixtures, presets, scripts. Carry
# FOLDER there and run FOLDER/gpu_check.sh OUTPUT. There must be the driver, a C library no older than
# this machine's, cuBLASLt, cuDNN and NCCL; and PyTorch for the comparison. oneDNN and SentencePiece
# stay here: no GPU needs them.
#   scripts/pack_gpu_check.sh [FOLDER]     default: build-gpu-check/packed
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/sections.sh

[[ ${1:-} != -* ]] || fail "unknown option '$1'; usage: scripts/pack_gpu_check.sh [FOLDER]"
folder=${1:-build-gpu-check/packed}
build="build-gpu-check/build"
limit_mib=60

section "Build"
id=$(git describe --always --dirty 2>/dev/null || date -u +%Y%m%dT%H%M%SZ)
# RPATH rather than RUNPATH: the carried libraries come before those that LD_LIBRARY_PATH finds.
cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DSWALLOW_CUDA=ON -DSWALLOW_WERROR=ON \
  -DSWALLOW_ONEDNN=OFF -DSWALLOW_SENTENCEPIECE=OFF -DSWALLOW_BUILD_ID="$id" \
  "-DCMAKE_BUILD_RPATH=\$ORIGIN/../lib" -DCMAKE_EXE_LINKER_FLAGS=-Wl,--disable-new-dtags |
  grep -E '^-- CUDA' || true
cmake --build "$build" --parallel "$(nproc)" --target swallow-train swallow-tests

section "Pack: $folder"
data=$folder/share/swallow-train
rm -rf "${folder:?}/bin" "${folder:?}/lib" "$data"
mkdir -p "$folder/bin" "$folder/lib" "$data/presets" "$data/golden"
for program in swallow-train swallow-tests; do
  strip --strip-all -o "$folder/bin/$program" "$build/$program"
  # All but the C library's own, which must fit the loader and the kernel there.
  while read -r library; do
    [[ $(basename "$library") =~ ^(libc|libm|libdl|libpthread|librt)\.so ]] ||
      cp --update "$library" "$folder/lib/"
  done < <(ldd "$build/$program" | sed -n 's/.* => \(\/.*\) (0x.*/\1/p')
done
cp presets/*.json "$data/presets/"
cp -r test/golden/. "$data/golden/"
cp scripts/gpu_check.sh test/bench/torch_llama.py "$folder/"
"$folder/bin/swallow-train" --version | head -n 1
size=$(du -sm "$folder" | cut -f1)
((size < limit_mib)) || fail "$folder has $size MiB; expected less than $limit_mib"
note "$size MiB; there: gpu_check.sh OUTPUT"
