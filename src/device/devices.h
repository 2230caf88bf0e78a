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
  std::string pci_bus_id;      // "0000:1b:00.0"
};

/// What a GPU's driver says of it at this moment; zero and empty where it does not say.
struct DeviceState {
  std::string driver;  // "580.65.06"
  int sm_clock_mhz = 0;
  int max_sm_clock_mhz = 0;
  int memory_clock_mhz = 0;
  int power_watts = 0;  // mean over about a second
  int power_limit_watts = 0;
  int temperature_celsius = 0;
};

/// A library that is opened at run time, and only when the device is a GPU.
struct LibraryVersion {
  std::string name;     // "cuDNN"
  std::string version;  // "9.19.0"; empty when the library cannot be opened
  std::string problem;  // why not, in the loader's words; empty when it can
};

/// The GPUs a rank may use, by index.
[[nodiscard]] std::vector<DeviceInfo> list_devices();

/// Reads clocks, power and temperature. May be called from another thread than the device's.
[[nodiscard]] DeviceState read_device_state(const DeviceInfo& device);

/// Bytes of the device's memory that are in use, by anybody; 0 for the CPU.
[[nodiscard]] int64_t device_memory_used(Device device);

/// Versions of cuBLASLt, cuDNN and NCCL as found by the loader; empty in a build without CUDA.
/// Opens them, which costs about 0.1 s and 200 MB of address space: not for a training rank on a
/// CPU.
[[nodiscard]] std::vector<LibraryVersion> accelerator_libraries();

}  // namespace swallow
