// Runs an op whose tensors lie in host memory on any device, so that one test serves all of them.
#pragma once

#include <catch2/catch.hpp>
#include <map>
#include <optional>
#include <type_traits>
#include <vector>

#include "device/devices.h"
#include "kernels/launch.h"
#include "support/fields.h"
#include "tensor/tensor.h"

namespace swallow::test {

/// The CPU, and the first GPU where there is one: for GENERATE(from_range(devices())).
inline std::vector<Device> devices() {
  std::vector<Device> result = {Device{}};
  const std::vector<DeviceInfo> gpus = list_devices();
  if (!gpus.empty()) result.push_back(gpus.front().device);
  return result;
}

/// The first GPU; without one, warns that `test` was left out. For tests of GPUs alone, tagged
/// [cuda]: the machine that builds often has none.
inline std::optional<Device> find_gpu(const char* test) {
  if (devices().size() > 1) return devices().back();
  WARN("no GPU: " << test << " was left out");
  return std::nullopt;
}

/// GPUs compute in bf16 and f32; f64 is for gradient checks on the CPU.
inline bool computes(Device device, DType dtype) {
  return device.kind == DeviceKind::cpu || dtype != DType::f64;
}

/// Host tensors on their way to a GPU and back. Tensors that start at the same address stay one.
class DeviceCopies {
 public:
  /// Each copy starts `offset` elements behind an address that is a multiple of 256 bytes; bytes
  /// (u8) are scratch, whose alignment ops may demand.
  DeviceCopies(Stream& stream, int64_t offset) : stream_(stream), offset_(offset) {}

  void upload(Tensor& tensor) {
    if (tensor.data == nullptr) return;
    auto found = copies_.find(tensor.data);
    if (found == copies_.end()) {
      const int64_t skipped = tensor.dtype == DType::u8 ? 0 : offset_ * size_of(tensor.dtype);
      Buffer buffer(stream_.device(), tensor.bytes() + skipped + 1);
      Copy copy{
          tensor, {buffer.data() + skipped, tensor.dtype, tensor.shape, stream_.device()}, {}};
      copy.buffer = std::move(buffer);
      swallow::copy(stream_, copy.device, copy.host);
      found = copies_.emplace(tensor.data, std::move(copy)).first;
    }
    tensor.data = found->second.device.data;
    tensor.device = stream_.device();
  }

  void download() {
    for (auto& [data, copy] : copies_) swallow::copy(stream_, copy.host, copy.device);
    stream_.synchronize();
  }

 private:
  struct Copy {
    Tensor host, device;
    Buffer buffer;
  };
  Stream& stream_;
  int64_t offset_;
  std::map<void*, Copy> copies_;
};

/// launch(stream, op), with all tensors copied to the stream's device and back. `offset` in
/// elements makes every address on a GPU unaligned for 16-byte accesses.
template <class Op>
void run_on(Stream& stream, Op op, int64_t offset = 0) {
  if (stream.device().kind == DeviceKind::cpu) return launch(stream, op);
  DeviceCopies copies(stream, offset);
  for_each_field(op, [&](auto& field) {
    if constexpr (std::is_same_v<std::remove_reference_t<decltype(field)>, Tensor>)
      copies.upload(field);
  });
  launch(stream, op);
  copies.download();
}

}  // namespace swallow::test
