// A copy of a rank's checkpoint tensors in host memory, from which a save is written while training
// goes on.
#pragma once

#include <cstdint>

#include "checkpoint/checkpoint.h"
#include "device/device.h"

namespace swallow {

class Snapshot {
 public:
  /// Bytes that the tensors of a rank take, of those alone that it writes. Shapes will do.
  static int64_t bytes(const CheckpointTensors& tensors);

  /// Memory for tensors such as these; page-locked where they are on a GPU.
  explicit Snapshot(const CheckpointTensors& tensors);

  /// Copies the tensors; they are free to change when it returns. The result lies in this
  /// snapshot's memory, until the next call.
  CheckpointTensors take(const CheckpointTensors& tensors);

 private:
  HostBuffer memory_;
};

}  // namespace swallow
