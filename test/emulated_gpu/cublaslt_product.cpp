#include "cublaslt_product.h"

#include <cuda_bf16.h>

#include <algorithm>
#include <cstring>
#include <vector>

namespace emulated_gpu::cublaslt {

namespace {

float load(const void* data, cudaDataType type, int64_t index) {
  if (type == CUDA_R_32F) return static_cast<const float*>(data)[index];
  return __bfloat162float(static_cast<const __nv_bfloat16*>(data)[index]);
}

void store(void* data, cudaDataType type, int64_t index, float value) {
  if (type == CUDA_R_32F)
    static_cast<float*>(data)[index] = value;
  else
    static_cast<__nv_bfloat16*>(data)[index] = __float2bfloat16(value);
}

/// op(matrix) row by row, [rows, columns].
std::vector<float> unpack(const void* data, const Layout& layout, bool transpose, int64_t rows,
                          int64_t columns) {
  std::vector<float> out(static_cast<size_t>(rows * columns));
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j)
      out[static_cast<size_t>(i * columns + j)] =
          load(data, layout.type, transpose ? j + i * layout.leading : i + j * layout.leading);
  return out;
}

/// Row i of op(a) times op(b), over k in [begin, end).
void multiply_row(const Problem& p, const std::vector<float>& a, const std::vector<float>& b,
                  int64_t i, int64_t begin, int64_t end, std::vector<double>& sums) {
  std::fill(sums.begin(), sums.end(), 0.0);
  for (int64_t l = begin; l < end; ++l) {
    const double factor = a[static_cast<size_t>(i * p.k + l)];
    const float* row = b.data() + l * p.n;
    for (int64_t j = 0; j < p.n; ++j) sums[static_cast<size_t>(j)] += factor * row[j];
  }
}

}  // namespace

void compute(const Work& w) {
  const Problem& p = w.problem;
  const std::vector<float> a = unpack(w.a, p.a, p.transpose_a, p.m, p.k);
  const std::vector<float> b = unpack(w.b, p.b, p.transpose_b, p.k, p.n);
  std::vector<double> sums(static_cast<size_t>(p.n));
  const bool splits = w.algorithm == Algorithm::split || w.algorithm == Algorithm::in_place;
  const int64_t middle = splits ? p.k / 2 : p.k;
  auto* parts = static_cast<float*>(w.workspace);  // [2, m, n]
  if (w.algorithm == Algorithm::in_place) std::memset(w.workspace, 0, 256);
  for (int64_t i = 0; i < p.m; ++i) {
    std::vector<float> product(static_cast<size_t>(p.n));
    for (const int64_t begin : {int64_t{0}, middle}) {
      if (begin == p.k) continue;
      multiply_row(p, a, b, i, begin, begin == 0 ? middle : p.k, sums);
      for (int64_t j = 0; j < p.n; ++j) {
        auto part = static_cast<float>(sums[static_cast<size_t>(j)]);
        if (w.algorithm == Algorithm::split)
          parts[(begin == 0 ? 0 : p.m * p.n) + i * p.n + j] = part;
        if (w.algorithm == Algorithm::in_place && p.d.type == CUDA_R_16BF)
          part = __bfloat162float(__float2bfloat16(part));
        product[static_cast<size_t>(j)] += part;
      }
    }
    for (int64_t j = 0; j < p.n; ++j) {
      const int64_t index = i + j * p.d.leading;
      float value = w.alpha * product[static_cast<size_t>(j)];
      if (w.beta != 0) value += w.beta * load(w.c, p.d.type, index);
      store(w.d, p.d.type, index, value);
    }
  }
}

}  // namespace emulated_gpu::cublaslt
