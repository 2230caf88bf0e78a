#include "data/numpy_random.h"

#include <array>
#include <bit>
#include <limits>

namespace swallow {

uint64_t NumpyRandomState::interval(uint64_t max) {
  if (max == 0) return 0;
  const uint64_t mask = std::numeric_limits<uint64_t>::max() >> std::countl_zero(max);
  if (max <= std::numeric_limits<uint32_t>::max()) {
    for (;;) {
      if (const uint64_t draw = generator_() & mask; draw <= max) return draw;
    }
  }
  for (;;) {
    const uint64_t high = generator_();
    const uint64_t low = generator_();
    if (const uint64_t draw = (high << 32 | low) & mask; draw <= max) return draw;
  }
}

double numpy_sum(std::span<const double> values) {
  const size_t count = values.size();
  if (count < 8) {
    double sum = 0.0;
    for (const double value : values) sum += value;
    return sum;
  }
  if (count > 128) {
    const size_t half = count / 2 / 8 * 8;
    return numpy_sum(values.first(half)) + numpy_sum(values.subspan(half));
  }
  std::array<double, 8> lane;
  for (size_t j = 0; j < 8; ++j) lane[j] = values[j];
  size_t i = 8;
  for (; i + 8 <= count; i += 8) {
    for (size_t j = 0; j < 8; ++j) lane[j] += values[i + j];
  }
  double sum =
      ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7]));
  for (; i < count; ++i) sum += values[i];
  return sum;
}

}  // namespace swallow
