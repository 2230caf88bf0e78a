// What a cluster can do, as far as the time of a training step depends on it: a JSON file for each
// kind of node, in which every number has its source. Rates are of one rank and achieved ones,
// unless a name says "peak".
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "plan/gemm_measurements.h"

namespace swallow {

/// Passes over memory that the model tells apart. A profile may give each its own rate.
enum class MemoryPass : uint8_t {
  norm_forward,
  norm_backward,
  rope,
  activation_forward,
  activation_backward,
  scores,  // softmax and dropout of attention that keeps its scores in memory
  embedding,
  cross_entropy,
  adamw,
  gradient_norm,
  gradient_zero,
};
std::string_view name_of(MemoryPass pass);

/// A block of the result that one multiprocessor computes at a time.
struct GemmTile {
  int64_t m = 1;
  int64_t n = 1;
  double efficiency = 1;  // relative to the best tile
};

struct HardwareProfile {
  std::string name;
  std::string description;
  // Computation
  double peak_tflops = 0;      // dense, in the type of the parameters
  double gemm_efficiency = 0;  // of the peak: large products, before the losses below
  int64_t multiprocessors = 1;
  std::vector<GemmTile> gemm_tiles;
  double gemm_ramp = 0;         // start and end of a tile, as so many elements of k
  double gemm_overhead_us = 0;  // of one product
  // What a product does beside its arithmetic, not behind it; 0: nothing.
  double gemm_operand_gbytes_per_second = 0;  // reads and lays out its second operand
  double gemm_result_gbytes_per_second = 0;   // writes its result
  GemmMeasurements measured_gemms;
  double attention_forward_tflops = 0;   // fused; masked-out work not counted
  double attention_backward_tflops = 0;  // likewise
  /// Side of the blocks of scores; those on the diagonal, half of which is masked out, count whole.
  /// 0: the rates are taken as they are for any length.
  int64_t attention_block = 0;
  // Memory
  int64_t memory_bytes = 0;
  double memory_gbytes_per_second = 0;  // of passes without a rate of their own
  std::map<MemoryPass, double> pass_gbytes_per_second;
  // Communication
  int64_t ranks_per_node = 1;
  double link_gbytes_per_second = 0;     // between ranks of a node, each direction
  double link_latency_us = 0;            // of a collective
  double network_gbytes_per_second = 0;  // of a node, each direction
  double network_latency_us = 0;         // of a message
  /// Cores that the ranks of a node share; 0: each rank has a device of its own. Ranks of one
  /// thread; while some wait, others use their cores.
  int64_t shared_cores = 0;

  [[nodiscard]] double pass_seconds(MemoryPass pass, double bytes) const;
};

/// Reads a profile; `name_or_path` is the path of a .json file, or the name of one in
/// presets/gpu/. Throws ConfigError naming file, key and value.
HardwareProfile load_hardware_profile(const std::string& name_or_path);

/// Names of the profiles in presets/gpu/, sorted.
std::vector<std::string> hardware_profile_names();

}  // namespace swallow
