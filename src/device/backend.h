// What a kind of device must offer to Stream and Buffer, as a table of functions: the host's table
// is in device.cpp, the GPU's in cuda/device.cpp. Only this room and cuda/ include this file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "device/device.h"
#include "device/devices.h"

namespace swallow {

struct DeviceBackend {
  /// The queue behind a Stream; nullptr where work runs at once.
  void* (*create_queue)(int index);
  void (*destroy_queue)(int index, void* queue) noexcept;
  void (*synchronize)(int index, void* queue);
  /// The handle behind an Event; nullptr where work runs at once.
  void* (*create_event)(int index);
  void (*destroy_event)(int index, void* event) noexcept;
  void (*record_event)(int index, void* event, void* queue);
  void (*wait_event)(int index, void* queue, void* event);
  void (*synchronize_event)(int index, void* event);
  bool (*query_event)(int index, void* event);
  double (*ms_between)(int index, void* start, void* end);
  /// `bytes` > 0 filled with zero, aligned to 256 bytes; throws ResourceError or DeviceError.
  std::byte* (*allocate)(int index, int64_t bytes);
  void (*release)(int index, std::byte* data) noexcept;
  /// The same of host memory, page-locked where the device copies by itself.
  std::byte* (*allocate_host)(int index, int64_t bytes);
  void (*release_host)(int index, std::byte* data) noexcept;
  /// Both of `bytes` > 0, in the order of the queue.
  void (*copy)(int index, void* queue, void* destination, const void* source, int64_t bytes);
  void (*zero)(int index, void* queue, void* destination, int64_t bytes);
  void (*begin_range)(const char* name) noexcept;
  void (*end_range)() noexcept;
  void (*start_profiling)(int index);
  void (*stop_profiling)(int index);
  /// Empty where there is no device; never throws for that.
  std::vector<DeviceInfo> (*devices)();
  std::vector<LibraryVersion> (*libraries)();
  /// From any thread.
  DeviceState (*state)(const std::string& pci_bus_id);
  int64_t (*memory_used)(int index);
};

/// The table of `kind`, or nullptr where this build does not hold it.
[[nodiscard]] const DeviceBackend* find_backend(DeviceKind kind);

namespace cuda {
/// Defined by cuda/device.cpp, so only in a build with CUDA.
[[nodiscard]] const DeviceBackend& backend();
}  // namespace cuda

}  // namespace swallow
