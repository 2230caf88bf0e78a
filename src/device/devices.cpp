#include "device/devices.h"

#include "device/backend.h"

namespace swallow {

std::vector<DeviceInfo> list_devices() {
  const DeviceBackend* cuda = find_backend(DeviceKind::cuda);
  return cuda == nullptr ? std::vector<DeviceInfo>{} : cuda->devices();
}

DeviceState read_device_state(const DeviceInfo& device) {
  const DeviceBackend* backend = find_backend(device.device.kind);
  return backend == nullptr ? DeviceState{} : backend->state(device.pci_bus_id);
}

int64_t device_memory_used(Device device) {
  const DeviceBackend* backend = find_backend(device.kind);
  return backend == nullptr ? 0 : backend->memory_used(device.index);
}

std::vector<LibraryVersion> accelerator_libraries() {
  const DeviceBackend* cuda = find_backend(DeviceKind::cuda);
  return cuda == nullptr ? std::vector<LibraryVersion>{} : cuda->libraries();
}

}  // namespace swallow
