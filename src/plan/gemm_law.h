// What matrix products cost on a CPU, from measured ones: their arithmetic, what is read and laid
// out anew of the second operand, what is written of the result, and something for each product.
// Blocks of a product stay in the caches, so these are what a product waits for in turn, not at the
// same time: the costs add up.
#pragma once

#include <vector>

#include "plan/gemm_cost.h"

namespace swallow {

struct TimedGemm {
  GemmCall call;
  double calls = 1;    // how often it is made: an error of its time counts that often
  double seconds = 0;  // of one
};

/// Seconds of a product = FLOP / flops + operand_bytes / operand + result_bytes / result +
/// overhead.
struct GemmLaw {
  double flops = 0;     // a second
  double operand = 0;   // bytes a second; 0: it costs nothing
  double result = 0;    // likewise
  double overhead = 0;  // seconds
};

/// The law of least squared errors, each weighted so that the error of the sum of all times counts
/// rather than that of small products; without the terms that would come out negative. Throws
/// ConfigError when the products are too few or too much alike to tell their arithmetic apart.
[[nodiscard]] GemmLaw fit_gemm_law(const std::vector<TimedGemm>& products);

}  // namespace swallow
