// Which samples a run takes from which file: files opened, `--split` and weights applied, every
// part sized as Megatron-core would for this length of run. No order is built yet.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "data/data_options.h"
#include "data/indexed_dataset.h"
#include "data/sample_index.h"

namespace swallow {

/// In the order of the shares of `--split`.
enum class SplitName : uint8_t { train, valid, test };
[[nodiscard]] std::string_view name_of(SplitName split);
[[nodiscard]] int64_t num_samples(const DataOptions& options, SplitName split);

/// Each pair of files that a run reads, opened once.
using FileList = std::vector<std::unique_ptr<IndexedDataset>>;

/// One file's part of a set.
struct PartPlan {
  const IndexedDataset* files = nullptr;  // in the FileList
  SampleOrder order;
  double share = 1.0;    // of the blend
  int64_t tokens = 0;    // of the split in this file
  int64_t num_used = 0;  // samples that the run takes; order.num_samples are built
  EpochPlan epochs;
};

struct SetPlan {
  std::vector<PartPlan> parts;  // empty: there is no such set
  std::vector<double> shares;   // of a blend; empty for a single part that is taken as it is
  int64_t size = 0;             // samples of the blend
  std::string absent;           // why there is no set, where the user should know
};

/// Opens files that are not in the list yet. DataError for files that are not what they should be,
/// or that hold no token of the split; only of a share for the test is that no mistake.
[[nodiscard]] SetPlan plan_set(const DataOptions& options, SplitName split, FileList& files);

/// A line for each part of the training and validation sets whose samples come in another order
/// with `now` than with `before`. The two differ in how long the run is or how it evaluates, never
/// in files, shares, seed or sequence length.
[[nodiscard]] std::vector<std::string> order_changes(const DataOptions& before,
                                                     const DataOptions& now, FileList& files);

}  // namespace swallow
