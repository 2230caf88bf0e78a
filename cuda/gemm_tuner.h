// Finds the fastest kernel for a product by running each on the product's own inputs, without
// touching a result that counts.
#pragma once

#include <cublasLt.h>

#include <cstddef>
#include <functional>
#include <optional>
#include <vector>

#include "gemm_product.h"

namespace swallow::cuda {

struct Fastest {
  size_t candidate = 0;
  double first_ms = 0;  // of the first candidate that runs: what would be used without measuring
  double best_ms = 0;
};

/// Milliseconds per launch of a candidate that is launched over and over for about `turn_ms`;
/// nothing when it does not run.
using TimeCandidate = std::function<std::optional<double>(size_t candidate, double turn_ms)>;

/// Times all candidates briefly and the best of them again, each in long turns at full load: there
/// a GPU is held by its limit of power, and a kernel that needs less energy runs at a higher clock.
/// The first one that runs is kept unless another is faster by more than the noise. Nothing when
/// none runs.
std::optional<Fastest> find_fastest(size_t num_candidates, const TimeCandidate& time);

/// The fastest kernel for `op`. c keeps its value where it counts (beta one); elsewhere it holds
/// the product or garbage. Nothing when no candidate runs or memory for a copy of c is lacking.
/// Waits for the stream.
std::optional<Fastest> measure(Stream& stream, const Gemm& op, const LtProduct& product,
                               const std::vector<cublasLtMatmulAlgo_t>& candidates);

}  // namespace swallow::cuda
