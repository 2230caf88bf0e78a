// Saving and loading a run as a folder of safetensors files under canonical Hugging Face names,
// with a manifest. Each rank writes what it owns, nothing is gathered. A save is committed by a
// rename, so a crash at any point leaves the previous checkpoint the newest one.
#pragma once

#include <cstdint>
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
  std::string config_json = "{}";  // the whole RunConfig, one object; comes back equal as JSON
  int dp = 1, tp = 1, pp = 1;
  // Who wrote it; empty in checkpoints of the first schema. There is no state of the learning rate
  // or of random numbers: both are functions of the configuration and the iteration.
  std::string build{};          // version and build id of the program
  std::string config_digest{};  // as compared between the ranks of a job
};

/// The tensors of one rank that make up a checkpoint, in host memory or on the stream's device. Who
/// writes what must come to each element once: a save in which two ranks write the same, or nobody,
/// fails.
struct CheckpointTensors {
  const ParamLayout* layout = nullptr;
  int shard_rank = 0;             // which shard of the optimizer state this rank holds
  bool writes_params = false;     // one data-parallel rank of each model-parallel rank
  bool writes_state = true;       // the same one if the state is not sharded, else every rank
  bool writes_replicated = true;  // norm weights and their state: tensor-parallel rank 0 only
  Tensor params;                  // [total] parameter type
  Tensor master;                  // [shard_size] main type, or u16 when split: its low bits
  Tensor exp_avg;                 // [shard_size]
  Tensor exp_avg_sq;              // [shard_size]
  Stream* stream = nullptr;       // in whose order the tensors are read and written; null: the host
};

/// weights_only: weights and master, which is made from the weights where the checkpoint has none;
/// the moments stay as they are.
enum class LoadScope : uint8_t { everything, weights_only };

/// Collective over all ranks. Writes `folder`/iter_NNNNNNN and then the tracker file
/// latest_checkpointed_iteration.txt. Throws IoError on every rank if any rank failed to write, and
/// NonFiniteError if a number is not finite; the previous checkpoint stays. An iteration that is
/// there already is replaced. Returns the bytes this rank wrote. See checkpoint_save.h for the same
/// in steps.
int64_t save_checkpoint(const std::string& folder, const CheckpointState& state,
                        const CheckpointTensors& tensors, ControlPlane& control);

/// Iterations to try to load from `folder`, best first: what the tracker names, then the others
/// from the newest on. Nothing is said of their contents. Not collective.
std::vector<int64_t> checkpoint_candidates(const std::string& folder);

/// Whether an iteration has a valid manifest and its files have the right sizes; hashes are left to
/// load_checkpoint(). Not collective. Throws CheckpointError saying what is wrong.
void check_checkpoint(const std::string& folder, int64_t iteration);

/// The first candidate that check_checkpoint() accepts; nullopt when there is none. Not collective.
std::optional<int64_t> find_checkpoint(const std::string& folder);

/// The state alone, without reading tensors. Not collective. Throws CheckpointError.
CheckpointState read_checkpoint_state(const std::string& folder, int64_t iteration);

/// Collective. Fills `tensors` and returns the saved state; the grid may differ from the saved one.
/// Elements that belong to no canonical tensor (padding) become zero. The files hold masters whole,
/// however a rank holds them; a split master also sets the parameters of its shard, which differ
/// from the stored weights on exact ties if the master was not split when it was saved: gather them
/// before the ranks compute (DistributedOptimizer::gather_params). Sizes and hashes are checked
/// by the rank that reads. If any rank fails, all throw the same CheckpointError naming file and
/// tensor, and `tensors` are left half filled.
CheckpointState load_checkpoint(const std::string& folder, int64_t iteration, LoadScope scope,
                                const CheckpointTensors& tensors, ControlPlane& control);

}  // namespace swallow
