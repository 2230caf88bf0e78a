#include "device/devices.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "base/check.h"

using namespace swallow;

TEST_CASE("GPUs are listed by index, none where there is none", "[unit][device]") {
  const std::vector<DeviceInfo> devices = list_devices();
  for (size_t i = 0; i < devices.size(); ++i) {
    CHECK(devices[i].device == Device{DeviceKind::cuda, static_cast<int>(i)});
    CHECK_FALSE(devices[i].name.empty());
    CHECK(devices[i].memory_bytes > 1'000'000'000);
    CHECK(devices[i].compute_capability >= 75);
    CHECK(std::count(devices[i].pci_bus_id.begin(), devices[i].pci_bus_id.end(), ':') == 2);
    CHECK(device_memory_used(devices[i].device) <= devices[i].memory_bytes);
    const DeviceState state = read_device_state(devices[i]);
    CHECK(state.sm_clock_mhz >= 0);
    CHECK(state.driver.empty() == (state.max_sm_clock_mhz == 0));  // all of it or nothing
  }
}

TEST_CASE("a stream on a GPU that is not there is refused by name", "[unit][device]") {
  const int beyond = static_cast<int>(list_devices().size());
  const std::string name = "cuda:" + std::to_string(beyond);
  CHECK_THROWS_AS(Stream(Device{DeviceKind::cuda, beyond}), DeviceError);
  CHECK_THROWS_WITH(Stream(Device{DeviceKind::cuda, beyond}), Catch::Contains(name));
}

TEST_CASE("each run-time library has a version or the loader's reason", "[unit][device]") {
  const std::vector<LibraryVersion> libraries = accelerator_libraries();
  CHECK((libraries.empty() || libraries.size() == 3));
  for (const LibraryVersion& library : libraries) {
    INFO(library.name << " '" << library.version << "' '" << library.problem << "'");
    CHECK(library.version.empty() != library.problem.empty());
    if (!library.version.empty())
      CHECK(std::count(library.version.begin(), library.version.end(), '.') == 2);
  }
}

TEST_CASE("a CPU stream copies and clears, and buffers start as zero", "[unit][device]") {
  Stream stream(Device{}, 2);
  CHECK(stream.queue() == nullptr);
  const Buffer a(Device{}, 3);
  Buffer b(Device{}, 3);
  CHECK(a.data()[2] == std::byte{0});
  a.data()[2] = std::byte{7};
  copy_bytes(stream, b.data(), a.data(), 3);
  CHECK(b.data()[2] == std::byte{7});
  zero_bytes(stream, b.data(), 3);
  CHECK(b.data()[2] == std::byte{0});
  const Buffer moved = std::move(b);
  CHECK(moved.bytes() == 3);
  CHECK(reinterpret_cast<uintptr_t>(moved.data()) % 256 == 0);
}
