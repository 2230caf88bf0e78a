// What a batch loader draws from: numbered samples of s + 1 tokens each. A sample is a pure
// function of its number, so the position in a run is one integer.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace swallow {

class SampleSource {
 public:
  virtual ~SampleSource() = default;

  [[nodiscard]] virtual int64_t size() const = 0;
  /// Fills `out`, [s + 1] tokens, with sample `index` in [0, size()). May be called from several
  /// threads at once.
  virtual void sample(int64_t index, std::span<int32_t> out) const = 0;
  /// Where token `position` of a sample comes from, for an error message.
  [[nodiscard]] virtual std::string describe(int64_t index, int64_t position) const = 0;
};

}  // namespace swallow
