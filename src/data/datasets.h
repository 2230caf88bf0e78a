// From what the user named to samples: the sets of a run, in Megatron-core's order.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "data/data_options.h"
#include "data/sample_source.h"
#include "data/set_plan.h"

namespace swallow {

/// One row of the table that is shown before training.
struct DatasetFact {
  std::string split;  // "train", "valid" or "test"
  std::string prefix;
  double share = 1.0;       // of the blend
  int64_t documents = 0;    // of this split
  int64_t tokens = 0;       // in them
  int64_t samples = 0;      // the run takes
  int64_t epochs = 0;       // needed for that
  int64_t index_bytes = 0;  // memory of the order, per rank that loads
};

struct Datasets {
  FileList files;  // outlives the sources that read them
  std::unique_ptr<SampleSource> train;
  std::unique_ptr<SampleSource> valid;  // null when the run never evaluates
  std::unique_ptr<SampleSource> test;   // null when there is nothing to test on
  std::vector<DatasetFact> facts;
  std::vector<std::string> notices;  // what the user should know before training
};

/// Opens and checks everything, builds the orders. ConfigError for a wrong combination of options,
/// DataError for files that are not what they should be.
[[nodiscard]] Datasets open_datasets(const DataOptions& options);

}  // namespace swallow
