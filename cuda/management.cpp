#include "management.h"

#include <array>

#include "library.h"

namespace swallow::cuda {

namespace {

// NVML's types, functions and numbers, of which the interface has never changed.
struct NvmlDevice;
using Handle = NvmlDevice*;
using Start = int();
using SystemText = int(char* text, unsigned length);
using FindDevice = int(const char* pci_bus_id, Handle* device);
using ReadNumber = int(Handle device, unsigned* value);
using ReadKind = int(Handle device, int kind, unsigned* value);
constexpr int kSuccess = 0;
constexpr int kSmClock = 1;
constexpr int kMemoryClock = 2;
constexpr int kGpuTemperature = 0;

int read_number(const SharedLibrary& library, const char* name, Handle device) {
  unsigned value = 0;
  return library.function<ReadNumber>(name)(device, &value) == kSuccess ? static_cast<int>(value)
                                                                        : 0;
}

int read_kind(const SharedLibrary& library, const char* name, Handle device, int kind) {
  unsigned value = 0;
  return library.function<ReadKind>(name)(device, kind, &value) == kSuccess
             ? static_cast<int>(value)
             : 0;
}

/// Between construction and destruction the library is in use; it counts its users itself.
class Session {
 public:
  explicit Session(const SharedLibrary& library)
      : library_(library), open_(library.function<Start>("nvmlInit_v2")() == kSuccess) {}
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session() {
    if (open_) library_.function<Start>("nvmlShutdown")();
  }
  [[nodiscard]] bool open() const noexcept { return open_; }

 private:
  const SharedLibrary& library_;
  bool open_;
};

}  // namespace

DeviceState read_state(const std::string& pci_bus_id) {
  DeviceState state;
  const SharedLibrary library("libnvidia-ml.so.1");
  if (!library.problem().empty()) return state;
  const Session session(library);
  if (!session.open()) return state;
  std::array<char, 96> driver{};
  if (library.function<SystemText>("nvmlSystemGetDriverVersion")(
          driver.data(), static_cast<unsigned>(driver.size())) == kSuccess)
    state.driver = driver.data();
  Handle device = nullptr;
  if (library.function<FindDevice>("nvmlDeviceGetHandleByPciBusId_v2")(pci_bus_id.c_str(),
                                                                       &device) != kSuccess)
    return state;
  state.sm_clock_mhz = read_kind(library, "nvmlDeviceGetClockInfo", device, kSmClock);
  state.memory_clock_mhz = read_kind(library, "nvmlDeviceGetClockInfo", device, kMemoryClock);
  state.max_sm_clock_mhz = read_kind(library, "nvmlDeviceGetMaxClockInfo", device, kSmClock);
  state.temperature_celsius =
      read_kind(library, "nvmlDeviceGetTemperature", device, kGpuTemperature);
  state.power_watts = read_number(library, "nvmlDeviceGetPowerUsage", device) / 1000;
  state.power_limit_watts = read_number(library, "nvmlDeviceGetEnforcedPowerLimit", device) / 1000;
  return state;
}

}  // namespace swallow::cuda
