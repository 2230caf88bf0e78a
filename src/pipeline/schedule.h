// A pipeline schedule is data: for one stage, the list of steps it takes in one training step. The
// generators know nothing of tensors; simulator.h proves a schedule and times it; executor.h plays
// it.
#pragma once

#include <cstdint>
#include <vector>

namespace swallow {

/// A message between neighbouring stages: activations travel to the next stage, gradients back.
struct StageTransfer {
  enum class Kind : uint8_t {
    send_activation,     // to the next stage
    receive_activation,  // from the previous stage
    send_gradient,       // to the previous stage
    receive_gradient,    // from the next stage
  };
  Kind kind;
  int64_t microbatch = 0;
  friend bool operator==(const StageTransfer&, const StageTransfer&) = default;
};

struct Step {
  enum class Kind : uint8_t { forward, backward, evaluate, exchange };
  Kind kind;
  int64_t microbatch = 0;                // of forward, backward and evaluate
  std::vector<StageTransfer> transfers;  // of exchange: progress together, complete together
  friend bool operator==(const Step&, const Step&) = default;
};

struct Schedule {
  int stage = 0;
  int num_stages = 1;
  int64_t num_microbatches = 1;
  int num_slots = 1;  // most micro-batches between forward and backward at any time
  std::vector<Step> steps;
};

/// 1F1B with flush (PipeDream-Flush: Narayanan et al., arXiv 2006.09503; Megatron-LM, 2104.04473):
/// stage k runs p - k - 1 forwards ahead, then alternates. At most min(p - k, m) in flight.
Schedule one_forward_one_backward(int stage, int num_stages, int64_t num_microbatches);

/// All forwards, then all backwards, both in order of micro-batches (GPipe: Huang et al., arXiv
/// 1811.06965). All m in flight.
Schedule gpipe(int stage, int num_stages, int64_t num_microbatches);

/// Forwards only, for validation. One in flight.
Schedule forward_only(int stage, int num_stages, int64_t num_microbatches);

[[nodiscard]] const char* name_of(Step::Kind kind);

}  // namespace swallow
