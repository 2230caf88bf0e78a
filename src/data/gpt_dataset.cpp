#include "data/gpt_dataset.h"

#include <algorithm>

#include "base/check.h"

namespace swallow {

void GptDataset::sample(int64_t index, std::span<int32_t> out) const {
  SWALLOW_CHECK(
      index >= 0 && index < size() && static_cast<int64_t>(out.size()) == sequence_length_ + 1,
      "sample {} of {} into {} tokens", index, size(), out.size());
  const std::span<const int32_t> documents = index_.document_order();
  auto [entry, offset] = index_.position(index_.row_of(index));
  for (; !out.empty(); ++entry, offset = 0) {
    const int32_t document = documents[static_cast<size_t>(entry)];
    const int64_t left = files_.lengths()[static_cast<size_t>(document)] - offset;
    const size_t count = std::min(out.size(), static_cast<size_t>(left));
    files_.read(document, offset, out.first(count));
    out = out.subspan(count);
  }
}

std::string GptDataset::describe(int64_t index, int64_t position) const {
  const std::span<const int32_t> documents = index_.document_order();
  auto [entry, offset] = index_.position(index_.row_of(index));
  int32_t document = documents[static_cast<size_t>(entry)];
  offset += position;
  while (offset >= files_.lengths()[static_cast<size_t>(document)]) {
    offset -= files_.lengths()[static_cast<size_t>(document)];
    document = documents[static_cast<size_t>(++entry)];
  }
  return files_.describe(document, offset);
}

}  // namespace swallow
