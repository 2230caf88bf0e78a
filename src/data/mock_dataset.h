// Tokens without files, for trying a layout or measuring speed. They have something to learn, so
// that the loss of a working trainer falls: few distinct tokens, each mostly decided by the one
// before.
#pragma once

#include "data/sample_source.h"

namespace swallow {

/// Sample i is a function of (seed, stream, i) alone. In it, next = (5 previous + 7) mod m with
/// probability 7/8, else any of m tokens, where m = min(vocab_size, 512). Cross-entropy: ln(vocab)
/// at first, ln(m) once the used tokens are known, about 1.1 (m = 512) once the rule is learnt.
class MockDataset final : public SampleSource {
 public:
  /// `stream` tells splits apart.
  MockDataset(uint64_t seed, uint64_t stream, int64_t vocab_size, int64_t size);

  [[nodiscard]] int64_t size() const override { return size_; }
  void sample(int64_t index, std::span<int32_t> out) const override;
  [[nodiscard]] std::string describe(int64_t index, int64_t position) const override;

 private:
  uint64_t seed_;
  uint64_t stream_;
  uint32_t num_used_;  // m
  int64_t size_;
};

}  // namespace swallow
