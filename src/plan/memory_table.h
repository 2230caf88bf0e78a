// The memory ledger of a run by pipeline stage, as a table, against the memory of a device.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config/run_config.h"
#include "config/run_shape.h"
#include "device/device.h"
#include "tensor/arena.h"

namespace swallow {

/// What the fullest rank of a pipeline stage takes. The ranks of a stage differ in nothing but
/// `snapshot_bytes`.
struct StageLedger {
  Ledger ledger;
  int num_slots = 1;           // micro-batches between forward and backward at a time
  int64_t snapshot_bytes = 0;  // of host memory for --async-save, where that is on
};

/// One for each stage, from the plan that an engine on `device` allocates.
std::vector<StageLedger> plan_stages(const RunConfig& config, const RunShape& run, Device device,
                                     int num_threads);

/// The bytes of the fullest stage.
int64_t fullest_bytes(const std::vector<StageLedger>& stages);

/// What a rank's ledger must fit into.
struct MemoryLimit {
  std::string device;  // as a person knows it: "A100 40GB"
  int64_t bytes = 0;
};

/// Beside the ledger a process takes memory of its GPU for the driver's context, the libraries and
/// their communication: about this much, so a plan that leaves less may fail.
constexpr int64_t kBesideLedgerBytes = int64_t{3} << 29;  // 1.5 GiB

/// A row for each stage: bytes by category, in all, and what they leave of the limit.
std::string memory_table(const std::vector<StageLedger>& stages,
                         const std::optional<MemoryLimit>& limit = {});

/// Lines that say whether the stages fit the limit.
std::string memory_verdict(const std::vector<StageLedger>& stages, const MemoryLimit& limit);

}  // namespace swallow
