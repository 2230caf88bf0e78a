#include "checkpoint/rank_memory.h"

#include <cstring>

#include "base/check.h"
#include "base/split_float.h"
#include "checkpoint/tensor_file.h"

namespace swallow {

namespace {

constexpr int64_t kHalf = sizeof(uint16_t);

}  // namespace

RankMemory::RankMemory(const CheckpointTensors& tensors) : stream_(tensors.stream) {
  if (stream_ == nullptr) stream_ = &host_.emplace(Device{});
  if (stream_->device().kind != DeviceKind::cpu) staging_ = {stream_->device(), kFileChunk};
  SWALLOW_CHECK(tensors.params.device == stream_->device(),
                "the tensors are on {}, the stream on {}", to_string(tensors.params.device),
                to_string(stream_->device()));
}

/// Readable once the stream has been synchronized.
const std::byte* RankMemory::to_host(const std::byte* address, int64_t bytes,
                                     int64_t staging_offset) {
  if (staging_.data() == nullptr) return address;
  copy_bytes(*stream_, staging_.data() + staging_offset, address, bytes);
  return staging_.data() + staging_offset;
}

std::span<const std::byte> RankMemory::read(const LocalPiece& piece, int64_t begin, int64_t count) {
  const int64_t element = size_of(piece.dtype);
  const int64_t bytes = count * element;
  SWALLOW_CHECK(bytes <= kFileChunk, "{} bytes at a time", bytes);
  if (piece.low_bits == nullptr) {
    const std::byte* data = to_host(piece.data + begin * element, bytes, 0);
    stream_->synchronize();
    return {data, static_cast<size_t>(bytes)};
  }
  const auto* upper =
      reinterpret_cast<const uint16_t*>(to_host(piece.data + begin * kHalf, count * kHalf, 0));
  const auto* low = reinterpret_cast<const uint16_t*>(
      to_host(piece.low_bits + begin * kHalf, count * kHalf, count * kHalf));
  stream_->synchronize();
  joined_.resize(static_cast<size_t>(count));
  for (size_t i = 0; i < joined_.size(); ++i) joined_[i] = join_float({upper[i], low[i]});
  return std::as_bytes(std::span(joined_));
}

void RankMemory::write(const LocalPiece& piece, int64_t begin,
                       std::span<const std::byte> elements) {
  const int64_t element = size_of(piece.dtype);
  if (piece.low_bits == nullptr)
    return copy_bytes(*stream_, piece.data + begin * element, elements.data(),
                      static_cast<int64_t>(elements.size()));
  const size_t count = elements.size() / sizeof(float);
  upper_.resize(count);
  low_.resize(count);
  for (size_t i = 0; i < count; ++i) {
    float value;
    std::memcpy(&value, elements.data() + i * sizeof value, sizeof value);
    const SplitFloat split = split_float(value);
    upper_[i] = split.bf16;
    low_[i] = split.low;
  }
  const auto bytes = static_cast<int64_t>(count) * kHalf;
  copy_bytes(*stream_, piece.data + begin * kHalf, upper_.data(), bytes);
  copy_bytes(*stream_, piece.low_bits + begin * kHalf, low_.data(), bytes);
}

}  // namespace swallow
