#include "checkpoint/rank_memory.h"

#include "base/check.h"
#include "checkpoint/tensor_file.h"

namespace swallow {

RankMemory::RankMemory(const CheckpointTensors& tensors) : stream_(tensors.stream) {
  if (stream_ == nullptr) stream_ = &host_.emplace(Device{});
  if (stream_->device().kind != DeviceKind::cpu) staging_ = {stream_->device(), kFileChunk};
  SWALLOW_CHECK(tensors.params.device == stream_->device(),
                "the tensors are on {}, the stream on {}", to_string(tensors.params.device),
                to_string(stream_->device()));
}

std::span<const std::byte> RankMemory::read(const std::byte* address, int64_t bytes) {
  const auto size = static_cast<size_t>(bytes);
  if (staging_.data() == nullptr) return {address, size};
  SWALLOW_CHECK(bytes <= staging_.bytes(), "{} bytes at a time", bytes);
  copy_bytes(*stream_, staging_.data(), address, bytes);
  stream_->synchronize();
  return {staging_.data(), size};
}

void RankMemory::write(std::byte* address, const std::byte* bytes, int64_t count) {
  copy_bytes(*stream_, address, bytes, count);
}

}  // namespace swallow
