#include "checkpoint/snapshot.h"

#include <optional>
#include <vector>

#include "base/check.h"
#include "base/math.h"
#include "kernels/adamw.h"

namespace swallow {

namespace {

constexpr int64_t kAlignment = 256;  // bytes

struct Part {
  Tensor CheckpointTensors::*tensor;
  bool written = false;
};

/// A split master's upper halves are the parameters.
std::vector<Part> parts_of(const CheckpointTensors& tensors) {
  const bool state = tensors.writes_state;
  const bool params = tensors.writes_params || (state && is_split_master(tensors.master));
  return {{&CheckpointTensors::params, params},
          {&CheckpointTensors::master, state},
          {&CheckpointTensors::exp_avg, state},
          {&CheckpointTensors::exp_avg_sq, state}};
}

}  // namespace

int64_t Snapshot::bytes(const CheckpointTensors& tensors) {
  int64_t total = 0;
  for (const Part& part : parts_of(tensors))
    if (part.written) total += round_up((tensors.*part.tensor).bytes(), kAlignment);
  return total;
}

Snapshot::Snapshot(const CheckpointTensors& tensors) {
  // Without sharding most data-parallel ranks write nothing.
  if (bytes(tensors) > 0) memory_ = {tensors.params.device, bytes(tensors)};
}

CheckpointTensors Snapshot::take(const CheckpointTensors& tensors) {
  SWALLOW_CHECK(bytes(tensors) == memory_.bytes(), "a snapshot of {} bytes for tensors of {}",
                memory_.bytes(), bytes(tensors));
  std::optional<Stream> host;
  Stream& stream = tensors.stream != nullptr ? *tensors.stream : host.emplace(Device{});
  CheckpointTensors copy = tensors;
  copy.stream = nullptr;
  int64_t offset = 0;
  for (const Part& part : parts_of(tensors)) {
    const Tensor& from = tensors.*part.tensor;
    Tensor& to = copy.*part.tensor;
    to.device = Device{};
    to.data = part.written ? memory_.data() + offset : nullptr;
    if (!part.written) continue;
    copy_bytes(stream, to.data, from.data, from.bytes());
    offset += round_up(from.bytes(), kAlignment);
  }
  stream.synchronize();
  return copy;
}

}  // namespace swallow
