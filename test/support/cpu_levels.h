// Runs a test at every level of CPU kernels that this machine has.
#pragma once

#include <catch2/catch.hpp>
#include <string>

#include "kernels/cpu/cpu_features.h"

namespace swallow::test {

/// Calls fn() with `stream` limited to each level in turn; once, as it is, on other devices. The
/// stream has no limit afterwards.
template <class Fn>
void for_each_level(Stream& stream, const Fn& fn) {
  if (stream.device().kind != DeviceKind::cpu) return fn();
  const auto highest = static_cast<int>(cpu::detect_cpu_level());
  for (int i = 0; i <= highest; ++i) {
    const auto level = static_cast<cpu::CpuLevel>(i);
    INFO("level " << std::string(cpu::name_of(level)));
    cpu::limit_cpu_level(stream, level);
    fn();
  }
}

}  // namespace swallow::test
