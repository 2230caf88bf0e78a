#include "bench/device_check.h"

#include <catch2/catch.hpp>

using namespace swallow;

TEST_CASE("a device is measured and gives every rank the same bits", "[unit]") {
  Stream one(Device{}, 1);
  Stream two(Device{}, 2);
  int meetings = 0;
  const DeviceCheck first = check_device(one, 0, [&] { ++meetings; });
  const DeviceCheck second = check_device(two, 5, [] {});
  CHECK(meetings == 6);  // before each pass of three measurements
  CHECK(first.wrong.empty());
  CHECK(second.wrong.empty());
  CHECK(first.hashes.size() == 2);
  CHECK(first.hashes == second.hashes);
  REQUIRE(first.readings.size() == 3);
  for (const Reading& reading : second.readings) {
    CHECK(reading.ranks == std::vector{5});
    CHECK(reading.value > 0);
    CHECK(reading.best >= reading.value);
  }
}
