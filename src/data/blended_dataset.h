// Several datasets mixed by weight, by Megatron-core's greedy rule: each step takes the next sample
// of the dataset that is furthest behind its share.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "data/sample_source.h"

namespace swallow {

/// How many samples of each dataset a blend of `num_samples` uses, and how many are built so that
/// rounding never runs one dry.
struct BlendSizes {
  std::vector<int64_t> target;  // ceil(n w)
  std::vector<int64_t> built;   // ceil(1.005 target)
  int64_t total = 0;            // sum of targets: the length of the blend
};
/// `shares`: weights normalised once.
[[nodiscard]] BlendSizes blend_sizes(std::span<const double> shares, int64_t num_samples);

/// Which dataset gives the i-th sample, and which of its samples that is. Memory: 2 bytes per
/// sample; how often a dataset came before is counted from the nearest of the kept counts.
class BlendIndex {
 public:
  /// `shares` are normalised (again: Megatron normalises twice, and the last bit can show).
  BlendIndex(std::span<const double> shares, int64_t size);

  struct Pick {
    int64_t dataset = 0;
    int64_t sample = 0;
    friend bool operator==(const Pick&, const Pick&) = default;
  };
  [[nodiscard]] Pick pick(int64_t index) const;
  [[nodiscard]] int64_t size() const noexcept { return static_cast<int64_t>(datasets_.size()); }
  /// Samples taken from each dataset in all.
  [[nodiscard]] std::span<const int64_t> used() const noexcept { return used_; }

 private:
  std::vector<uint16_t> datasets_;  // [size()]
  std::vector<int64_t> kept_;       // [blocks, datasets] used before each block of 1024
  std::vector<int64_t> used_;       // [datasets]
};

class BlendedDataset final : public SampleSource {
 public:
  /// DataError when the blend asks for more samples of a part than it has.
  BlendedDataset(std::vector<std::unique_ptr<SampleSource>> parts, std::span<const double> shares,
                 int64_t size);

  [[nodiscard]] int64_t size() const override { return index_.size(); }
  void sample(int64_t index, std::span<int32_t> out) const override;
  [[nodiscard]] std::string describe(int64_t index, int64_t position) const override;
  [[nodiscard]] const BlendIndex& index() const noexcept { return index_; }

 private:
  std::vector<std::unique_ptr<SampleSource>> parts_;
  BlendIndex index_;
};

}  // namespace swallow
