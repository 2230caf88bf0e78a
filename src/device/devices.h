// What accelerators this machine and this build have: for `--version`, the memory table and the
// choice of a device. Answers on every machine: a build without CUDA, or a machine without a GPU or
// a driver, has none.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "device/device.h"

namespace swallow {

struct DeviceInfo {
  Device device;
  std::string name;            // as the driver says it: "NVIDIA H100 80GB HBM3"
  int64_t memory_bytes = 0;    // of the whole device
  int compute_capability = 0;  // 10 * major + minor: 80, 90
  std::string uuid;            // "GPU-8dc5...": the same for every process that sees this device
};

/// A library that is opened at run time, and only when the device is a GPU.
struct LibraryVersion {
  std::string name;     // "cuDNN"
  std::string version;  // "9.19.0"; empty when the library cannot be opened
  std::string problem;  // why not, in the loader's words; empty when it can
};

/// The GPUs a rank may use, by index.
[[nodiscard]] std::vector<DeviceInfo> list_devices();

/// Versions of cuBLASLt, cuDNN and NCCL as found by the loader; empty in a build without CUDA.
/// Opens them, which costs about 0.1 s and 200 MB of address space: not for a training rank on a
/// CPU.
[[nodiscard]] std::vector<LibraryVersion> accelerator_libraries();

}  // namespace swallow
