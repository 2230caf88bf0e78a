// Hardware without losses, so that times follow by hand: products at the peak whatever their shape,
// no latency, and communication and memory at given rates.
#pragma once

#include "plan/hardware_profile.h"

namespace swallow {

inline HardwareProfile ideal_hardware() {
  HardwareProfile hw;
  hw.name = "ideal";
  hw.peak_tflops = 100;
  hw.gemm_efficiency = 1;
  hw.gemm_tiles = {{1, 1, 1}};
  hw.attention_forward_tflops = 50;
  hw.attention_backward_tflops = 40;
  hw.memory_bytes = int64_t{1} << 40;
  hw.memory_gbytes_per_second = 1000;
  hw.ranks_per_node = 8;
  hw.link_gbytes_per_second = 100;
  hw.network_gbytes_per_second = 40;
  return hw;
}

}  // namespace swallow
