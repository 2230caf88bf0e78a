// What the driver's management library (NVML) says of a GPU. It is opened at run time and on
// request only, and its few functions are declared here: the toolkit may come without its header.
#pragma once

#include <string>

#include "device/devices.h"

namespace swallow::cuda {

/// The state of the GPU at this bus address; without the library, or for what the GPU does not
/// tell, zeros and empty texts. Safe to call from any thread: no call of the CUDA runtime.
[[nodiscard]] DeviceState read_state(const std::string& pci_bus_id);

}  // namespace swallow::cuda
