#include "data/mock_dataset.h"

#include <algorithm>

#include "base/check.h"
#include "base/philox.h"

namespace swallow {

MockDataset::MockDataset(uint64_t seed, uint64_t stream, int64_t vocab_size, int64_t size)
    : seed_(seed),
      stream_(stream),
      num_used_(static_cast<uint32_t>(std::min<int64_t>(vocab_size, 512))),
      size_(size) {
  SWALLOW_CHECK(vocab_size > 0, "mock data of a vocabulary of {}", vocab_size);
}

void MockDataset::sample(int64_t index, std::span<int32_t> out) const {
  SWALLOW_CHECK(index >= 0 && index < size_, "sample {} of {}", index, size_);
  const std::array<uint32_t, 2> key = {static_cast<uint32_t>(seed_ ^ stream_),
                                       static_cast<uint32_t>((seed_ ^ stream_) >> 32)};
  const auto number = static_cast<uint64_t>(index);
  uint32_t token = 0;
  for (size_t i = 0; i < out.size(); ++i) {
    const PhiloxBlock draw =
        philox({static_cast<uint32_t>(number), static_cast<uint32_t>(number >> 32),
                static_cast<uint32_t>(i), 0},
               key);
    const bool follows = i > 0 && draw[0] % 8 != 0;
    token = (follows ? 5 * token + 7 : draw[1]) % num_used_;
    out[i] = static_cast<int32_t>(token);
  }
}

std::string MockDataset::describe(int64_t index, int64_t position) const {
  return fmt::format("mock data: sample {}, token {}", index, position);
}

}  // namespace swallow
