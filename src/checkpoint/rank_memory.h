// How a checkpoint reads and writes a rank's memory, wherever that is: host memory directly, a
// device's through a small page-locked buffer, in the order of its stream.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "checkpoint/checkpoint.h"
#include "device/device.h"
#include "tensor/tensor.h"

namespace swallow {

class RankMemory {
 public:
  explicit RankMemory(const CheckpointTensors& tensors);

  /// Where the tensors are.
  [[nodiscard]] Stream& stream() noexcept { return *stream_; }

  /// `bytes` (at most kFileChunk) at `address`, as host memory that is valid until the next call.
  std::span<const std::byte> read(const std::byte* address, int64_t bytes);
  /// The same bytes are at `address` when the call returns, or earlier than what is launched next.
  void write(std::byte* address, const std::byte* bytes, int64_t count);

 private:
  std::optional<Stream> host_;
  Stream* stream_;
  HostBuffer staging_;  // none for host memory
};

}  // namespace swallow
