// Tensors of a test on a GPU and back. A test tagged [cuda] starts with find_gpu and, where there
// is none, says so and ends: the machine that builds often has no GPU.
#pragma once

#include <catch2/catch.hpp>
#include <optional>

#include "device/devices.h"
#include "support/random_tensor.h"

namespace swallow::test {

/// The first GPU; without one, warns that `test` was left out.
inline std::optional<Device> find_gpu(const char* test) {
  const std::vector<DeviceInfo> devices = list_devices();
  if (!devices.empty()) return devices.front().device;
  WARN("no GPU: " << test << " was left out");
  return std::nullopt;
}

/// A deep copy on the stream's device, complete on return. Its address is `offset` elements behind
/// one that is a multiple of 256 bytes.
inline TestTensor on_device(Stream& stream, const Tensor& source, int64_t offset = 0) {
  const int64_t skipped = offset * size_of(source.dtype);
  Buffer buffer(stream.device(), source.bytes() + skipped + 1);
  const Tensor tensor{buffer.data() + skipped, source.dtype, source.shape, stream.device()};
  copy(stream, tensor, source);
  stream.synchronize();
  return {std::move(buffer), tensor};
}

/// A deep copy in host memory of a tensor on the stream's device.
inline TestTensor on_host(Stream& stream, const Tensor& source) {
  TestTensor result = empty_tensor(source.dtype, source.shape);
  copy(stream, result.tensor, source);
  stream.synchronize();
  return result;
}

}  // namespace swallow::test
