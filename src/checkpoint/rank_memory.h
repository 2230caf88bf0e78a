// How a checkpoint reads and writes a rank's memory, wherever that is: host memory directly, a
// device's through a small page-locked buffer, in the order of its stream. Split masters are joined
// and cut here; files hold them whole.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "checkpoint/pieces.h"
#include "device/device.h"
#include "tensor/tensor.h"

namespace swallow {

class RankMemory {
 public:
  explicit RankMemory(const CheckpointTensors& tensors);

  /// Where the tensors are.
  [[nodiscard]] Stream& stream() noexcept { return *stream_; }

  /// `count` elements (at most kFileChunk bytes) of the piece from element `begin` on, as the file
  /// has them, in host memory that is valid until the next call.
  std::span<const std::byte> read(const LocalPiece& piece, int64_t begin, int64_t count);
  /// Sets elements from `begin` on to these, given as the file has them. They are in the piece when
  /// the call returns, or earlier than what is launched next.
  void write(const LocalPiece& piece, int64_t begin, std::span<const std::byte> elements);

 private:
  [[nodiscard]] const std::byte* to_host(const std::byte* address, int64_t bytes,
                                         int64_t staging_offset);

  std::optional<Stream> host_;
  Stream* stream_;
  HostBuffer staging_;  // none for host memory
  // Of split masters, at most a chunk of a file.
  std::vector<float> joined_;
  std::vector<uint16_t> upper_;
  std::vector<uint16_t> low_;
};

}  // namespace swallow
