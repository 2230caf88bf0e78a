// Times ops one by one and holds each to its floor: the time that its operations take at the
// device's rate, or its bytes at the memory's, whichever is longer.
#pragma once

#include <string>
#include <vector>

#include "bench/op_cases.h"
#include "bench/timing.h"

namespace swallow {

/// What the device gives at best.
struct Ceilings {
  double tflops = 0;
  double gbytes_per_second = 0;
  std::string tflops_source;     // "measured: 8192 x 8192 x 8192 bf16", "--peak-tflops"
  std::string bandwidth_source;  // "measured: copy of 1.00 GiB", "--peak-bandwidth"
};

/// Peaks that are given are taken, and those that are 0 measured: a large copy, counting bytes read
/// and written, and a large product of random matrices in `dtype`.
[[nodiscard]] Ceilings find_ceilings(Stream& stream, DType dtype, double peak_tflops,
                                     double peak_gbytes_per_second, int64_t repeats);

struct OpTiming {
  OpCase op;
  Statistics ms;     // of one call
  int64_t sets = 1;  // of tensors, used in turn so that none stays in a cache
};

[[nodiscard]] OpTiming time_op(Stream& stream, RandomFill& random, const OpCase& op,
                               int64_t repeats);

/// Milliseconds of one call that nothing can beat.
[[nodiscard]] double floor_ms(const OpCase& op, const Ceilings& ceilings);

}  // namespace swallow
