#include "plan/gemm_cost.h"

#include <algorithm>
#include <limits>

#include "base/math.h"

namespace swallow {

namespace {

double tiled_seconds(const HardwareProfile& hw, const GemmCall& call) {
  const GemmShape& s = call.shape;
  const double rate = hw.peak_tflops * 1e12 * hw.gemm_efficiency;
  const double multiprocessors = static_cast<double>(hw.multiprocessors);
  double best = std::numeric_limits<double>::infinity();
  for (const GemmTile& tile : hw.gemm_tiles) {
    const int64_t tiles = call.batch * ceil_div(s.m, tile.m) * ceil_div(s.n, tile.n);
    const auto waves = static_cast<double>(ceil_div(tiles, hw.multiprocessors));
    const double tile_flops =
        2 * static_cast<double>(tile.m * tile.n) * (static_cast<double>(s.k) + hw.gemm_ramp);
    best = std::min(best, waves * tile_flops * multiprocessors / (rate * tile.efficiency));
  }
  return best;
}

double moved_bytes(const GemmCall& call) {
  constexpr double kAddedToBytes = 8;  // an fp32 result is read and written
  const auto m = static_cast<double>(call.shape.m);
  const auto n = static_cast<double>(call.shape.n);
  const auto k = static_cast<double>(call.shape.k);
  const double result = call.shape.adds ? kAddedToBytes : call.element_bytes;
  return static_cast<double>(call.batch) * ((m + n) * k * call.element_bytes + m * n * result);
}

/// What `bytes` cost beside the arithmetic; nothing where the profile has no rate for it.
double seconds_beside(double bytes, double gbytes_per_second) {
  return gbytes_per_second > 0 ? bytes / (gbytes_per_second * 1e9) : 0;
}

}  // namespace

double gemm_flops(const GemmCall& call) {
  return 2 * static_cast<double>(call.batch) * static_cast<double>(call.shape.m) *
         static_cast<double>(call.shape.n) * static_cast<double>(call.shape.k);
}

double gemm_operand_bytes(const GemmCall& call) {
  return static_cast<double>(call.batch) * static_cast<double>(call.shape.n) *
         static_cast<double>(call.shape.k) * call.element_bytes;
}

double gemm_result_bytes(const GemmCall& call) {
  constexpr double kSumBytes = 4;
  return static_cast<double>(call.batch) * static_cast<double>(call.shape.m) *
         static_cast<double>(call.shape.n) * (call.shape.adds ? kSumBytes : call.element_bytes);
}

double gemm_seconds(const HardwareProfile& hw, const GemmCall& call) {
  if (call.batch == 1) {
    const auto measured = hw.measured_gemms.find(call.shape);
    if (measured != hw.measured_gemms.end()) return measured->second;
  }
  const double memory = moved_bytes(call) / (hw.memory_gbytes_per_second * 1e9);
  return std::max(tiled_seconds(hw, call), memory) + hw.gemm_overhead_us * 1e-6 +
         seconds_beside(gemm_operand_bytes(call), hw.gemm_operand_gbytes_per_second) +
         seconds_beside(gemm_result_bytes(call), hw.gemm_result_gbytes_per_second);
}

}  // namespace swallow
