// The two pieces of NumPy whose exact bits decide the order of Megatron's samples: the shuffle of
// the legacy `numpy.random.RandomState`, and the order in which `numpy.sum` adds doubles.
#pragma once

#include <cstdint>
#include <random>
#include <span>
#include <utility>

namespace swallow {

/// `numpy.random.RandomState(seed)` for a 32-bit integer seed: MT19937 with Knuth's seeding, which
/// is what std::mt19937 is by the standard.
class NumpyRandomState {
 public:
  explicit NumpyRandomState(uint32_t seed) : generator_(seed) {}

  /// Uniform in [0, max]: draws, masked to the bits of `max`, until one is not above it. Above 32
  /// bits a draw is two outputs, the high word first.
  uint64_t interval(uint64_t max);

  /// `RandomState.shuffle` of a one-dimensional array: Fisher and Yates from the back.
  template <class T>
  void shuffle(std::span<T> values) {
    for (size_t i = values.size(); i-- > 1;) {
      std::swap(values[i], values[interval(i)]);
    }
  }

 private:
  std::mt19937 generator_;
};

/// `numpy.sum` of contiguous doubles: pairwise above 128 elements, eight lanes from 8 up.
[[nodiscard]] double numpy_sum(std::span<const double> values);

}  // namespace swallow
