#include "device/devices.h"

#include "device/backend.h"

namespace swallow {

std::vector<DeviceInfo> list_devices() {
  const DeviceBackend* cuda = find_backend(DeviceKind::cuda);
  return cuda == nullptr ? std::vector<DeviceInfo>{} : cuda->devices();
}

std::vector<LibraryVersion> accelerator_libraries() {
  const DeviceBackend* cuda = find_backend(DeviceKind::cuda);
  return cuda == nullptr ? std::vector<LibraryVersion>{} : cuda->libraries();
}

}  // namespace swallow
