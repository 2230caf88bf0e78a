// Saving and loading a run as a folder of safetensors files under canonical Hugging Face names,
// with a manifest. Each rank writes what it owns, nothing is gathered. A save is committed by a
// rename, so a crash at any point leaves the previous checkpoint the newest one.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "device/device.h"
#include "launch/control_plane.h"
#include "optim/param_layout.h"
#include "tensor/tensor.h"

namespace swallow {

/// Where in the run a checkpoint was taken, and what it must agree with.
struct CheckpointState {
  int64_t iteration = 0;
  int64_t consumed_train_samples = 0;
  int64_t consumed_valid_samples = 0;
  std::string config_json;  // the whole RunConfig, for the record and for comparison
  int dp = 1, tp = 1, pp = 1;
};

/// The tensors of one rank that make up a checkpoint.
struct CheckpointTensors {
  const ParamLayout* layout = nullptr;
  int shard_rank = 0;          // which shard of the optimizer state this rank holds
  bool writes_params = false;  // one data-parallel rank of each model-parallel rank writes weights
  Tensor params;               // [total] parameter type
  Tensor master;               // [shard_size] main type
  Tensor exp_avg;              // [shard_size]
  Tensor exp_avg_sq;           // [shard_size]
};

enum class LoadScope : uint8_t { everything, weights_only };

/// Collective over all ranks. Writes `folder`/iter_NNNNNNN and then the tracker file
/// latest_checkpointed_iteration.txt. Throws IoError on every rank if any rank failed to write; the
/// previous checkpoint stays. Returns the bytes this rank wrote.
int64_t save_checkpoint(const std::string& folder, const CheckpointState& state,
                        const CheckpointTensors& tensors, ControlPlane& control);

/// The newest committed iteration in `folder`: what the tracker names if that is whole, else the
/// newest folder with a valid manifest. nullopt when there is none.
std::optional<int64_t> find_checkpoint(const std::string& folder);

/// Collective. Fills `tensors` and returns the saved state. Sizes and hashes are checked by the
/// rank that reads. Throws CheckpointError naming file and tensor.
CheckpointState load_checkpoint(const std::string& folder, int64_t iteration, LoadScope scope,
                                const CheckpointTensors& tensors, ControlPlane& control);

}  // namespace swallow
