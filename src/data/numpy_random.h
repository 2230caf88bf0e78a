// The two pieces of NumPy whose exact bits decide the order of Megatron's samples: the shuffle of
// the legacy `numpy.random.RandomState`, and the order in which `numpy.sum` adds doubles.
#pragma once

#include <array>
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

  /// `RandomState.shuffle` of a one-dimensional array: Fisher and Yates from the back. Draws are
  /// made kAhead swaps before their use, so that an array larger than the caches is on its way.
  template <class T>
  void shuffle(std::span<T> values) {
    std::array<size_t, kAhead> partners;
    size_t next = values.size();  // values[next - 1] is the next to be given a partner
    const auto draw = [&] {
      if (next <= 1) return;
      const size_t partner = interval(--next);
      __builtin_prefetch(&values[partner], 1);
      partners[next % kAhead] = partner;
    };
    for (size_t i = 0; i < kAhead; ++i) draw();
    for (size_t i = values.size(); i-- > 1; draw()) {
      std::swap(values[i], values[partners[i % kAhead]]);
    }
  }

 private:
  static constexpr size_t kAhead = 32;

  std::mt19937 generator_;
};

/// `numpy.sum` of contiguous doubles: pairwise above 128 elements, eight lanes from 8 up.
[[nodiscard]] double numpy_sum(std::span<const double> values);

}  // namespace swallow
