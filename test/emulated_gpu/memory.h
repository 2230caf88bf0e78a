// The memory of emulated GPUs: each allocation lies between pages that nobody may touch, and is
// itself out of bounds for host code except while a DeviceAccess lives.
#pragma once

#include <cstddef>

namespace emulated_gpu {

/// `bytes` > 0 of device memory with its end at a guard page, filled with a pattern, or nullptr
/// when the device is full.
[[nodiscard]] void* allocate_device(size_t bytes);
/// False when `data` was not allocated. Reports a write between the end and the guard page.
[[nodiscard]] bool release_device(void* data);
[[nodiscard]] bool is_device_memory(const void* address);
[[nodiscard]] size_t device_bytes_in_use();

inline constexpr size_t kDeviceBytes = size_t{16} << 30;

}  // namespace emulated_gpu
