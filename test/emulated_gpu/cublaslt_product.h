// The arithmetic of the emulated cuBLASLt: column-major products in bf16 and fp32, summed in double
// and rounded where the algorithm says so.
#pragma once

#include <library_types.h>

#include <cstdint>

namespace emulated_gpu::cublaslt {

struct Layout {
  static constexpr uint64_t kTag = 0x4C41594F55540000;
  uint64_t tag = kTag;
  uint64_t rows = 0, columns = 0;
  int64_t leading = 0;
  cudaDataType type = CUDA_R_32F;
};

inline int64_t size_of(cudaDataType type) {
  return type == CUDA_R_16BF ? 2 : 4;
}

/// A product d = alpha op(a) op(b) + beta c: d is [m, n].
struct Problem {
  int64_t m = 0, n = 0, k = 0;
  bool transpose_a = false, transpose_b = false;
  Layout a, b, d;
};

// The algorithms. `plain` takes any address; `vector` needs rows and addresses of whole 16 bytes;
// the two others cut k in half and keep the parts in the workspace, or in d and in d's type.
enum class Algorithm : uint32_t { vector = 1, split, in_place, plain };

struct Work {
  Problem problem;
  Algorithm algorithm = Algorithm::plain;
  float alpha = 1, beta = 0;
  const void *a = nullptr, *b = nullptr, *c = nullptr;
  void *d = nullptr, *workspace = nullptr;
};

/// Runs the product; for work on a stream.
void compute(const Work& work);

}  // namespace emulated_gpu::cublaslt
