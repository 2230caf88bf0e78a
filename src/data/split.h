// `--split 969,30,1`: which sequences of a file are for training, validation and test.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace swallow {

/// Sequences [begin, end) of one indexed dataset.
struct SequenceRange {
  int64_t begin = 0;
  int64_t end = 0;
  [[nodiscard]] int64_t size() const noexcept { return end - begin; }
  friend bool operator==(const SequenceRange&, const SequenceRange&) = default;
};

/// Each weight divided by their sum, as `numpy` does it.
[[nodiscard]] std::vector<double> normalised(std::span<const double> weights);

/// Train, validation and test ranges of `num_sequences` sequences, by Megatron-core's rule: the
/// shares are normalised, added up, and each border is rounded to the nearest sequence, ties to
/// even. The ranges tile [0, num_sequences). ConfigError unless `split` is one to three numbers,
/// >= 0 and not all 0.
[[nodiscard]] std::array<SequenceRange, 3> split_ranges(std::string_view split,
                                                        int64_t num_sequences);

}  // namespace swallow
