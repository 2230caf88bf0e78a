// The ops of a training step at one configuration's shapes: what each costs at least, and how to
// launch it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "bench/op_tensors.h"
#include "model/shapes.h"

namespace swallow {

using Launch = std::function<void(Stream& stream)>;

enum class OpFrequency : uint8_t { per_microbatch, per_step };

struct OpCase {
  std::string name;   // "SwiGLU backward"
  std::string shape;  // "4096 x 11008", or "m 4096 n 4096 k 11008 TN, f32 +="
  OpFrequency frequency = OpFrequency::per_microbatch;
  double calls = 0;  // in a micro-batch or step of this stage
  double flops = 0;  // of one call
  double bytes = 0;  // that one call must move: inputs read once, outputs written once
  bool is_gemm = false;
  /// Takes the tensors of one call and returns the call.
  std::function<Launch(OpTensors& tensors)> prepare;
};

/// The ops of the layers that `shapes` holds, of the embedding and the head (of which there may be
/// none on this stage) and of the optimizer. Collectives are not among them. The optimizer's ops
/// are timed on `flat_elements` of the `shard_elements` that this rank updates.
[[nodiscard]] std::vector<OpCase> op_cases(const ModelShapes& shapes, int64_t shard_elements,
                                           int64_t flat_elements, int num_threads);

}  // namespace swallow
