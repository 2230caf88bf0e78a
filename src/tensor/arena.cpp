#include "tensor/arena.h"

#include <algorithm>

#include "base/math.h"

namespace swallow {

namespace {
constexpr int64_t kAlignment = 256;
}

void Ledger::add(std::string_view category, int64_t bytes) {
  auto row = std::find_if(rows_.begin(), rows_.end(),
                          [&](const auto& entry) { return entry.first == category; });
  if (row == rows_.end()) row = rows_.insert(rows_.end(), {std::string(category), 0});
  row->second += bytes;
}

int64_t Ledger::total() const noexcept {
  int64_t sum = 0;
  for (const auto& [category, bytes] : rows_) sum += bytes;
  return sum;
}

Arena::Arena(Device device, const Ledger& planned)
    : device_(device), buffer_(device, std::max<int64_t>(planned.total(), 1)) {}

Tensor Arena::take(std::string_view category, DType dtype, const Shape& shape) {
  SWALLOW_CHECK(!sealed_, "allocation of {} {} after the arena was sealed", category,
                to_string(shape));
  const int64_t bytes = round_up(shape.numel() * size_of(dtype), kAlignment);
  std::byte* data = nullptr;
  if (!planning()) {
    SWALLOW_CHECK(used_ + bytes <= buffer_.bytes(),
                  "{} {} was not in the plan: {} of {} bytes used", category, to_string(shape),
                  used_, buffer_.bytes());
    data = buffer_.data() + used_;
  }
  used_ += bytes;
  ledger_.add(category, bytes);
  return {data, dtype, shape, device_};
}

void Arena::seal() {
  SWALLOW_CHECK(planning() || used_ == buffer_.bytes() || buffer_.bytes() == 1,
                "{} of {} planned bytes were taken", used_, buffer_.bytes());
  sealed_ = true;
}

}  // namespace swallow
