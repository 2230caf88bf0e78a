// From what the user named to samples: opens files, applies split and weights, and sizes every
// part as Megatron-core would for this length of run.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "data/indexed_dataset.h"
#include "data/sample_source.h"

namespace swallow {

/// Everything here decides the order of samples: a resumed run must give the same values, except
/// that it may move done_iters and consumed_samples on together.
struct DataOptions {
  /// One prefix, or weight prefix weight prefix ... ; train and validation by `split`.
  std::vector<std::string> data_path;
  /// Instead of data_path: the files of each split, used whole.
  std::vector<std::string> train_data_path;
  std::vector<std::string> valid_data_path;
  std::string split = "969,30,1";
  int64_t seed = 1234;
  int64_t seq_length = 0;
  int64_t global_batch_size = 0;
  int64_t train_iters = 0;
  int64_t done_iters = 0;        // steps before this resume
  int64_t consumed_samples = 0;  // by them; their global batch may have been another one
  int64_t eval_interval = 0;     // 0: never
  int64_t eval_iters = 0;
  bool mock = false;  // no files; MockDataset over `vocab_size` tokens
  int64_t vocab_size = 0;
};

/// One row of the table that is shown before training.
struct DatasetFact {
  std::string split;  // "train" or "valid"
  std::string prefix;
  double share = 1.0;       // of the blend
  int64_t documents = 0;    // of this split
  int64_t tokens = 0;       // in them
  int64_t samples = 0;      // the run takes
  int64_t epochs = 0;       // needed for that
  int64_t index_bytes = 0;  // memory of the order, per rank that loads
};

struct Datasets {
  std::vector<std::unique_ptr<IndexedDataset>> files;  // outlives the sources that read them
  std::unique_ptr<SampleSource> train;
  std::unique_ptr<SampleSource> valid;  // null when the run never evaluates
  std::vector<DatasetFact> facts;
};

/// consumed_samples + (train_iters - done_iters) global_batch_size: the same number at every resume
/// of a run, and enough for its last step when the global batch has changed on the way.
[[nodiscard]] int64_t num_train_samples(const DataOptions& options);
/// (train_iters / eval_interval + 1) eval_iters global_batch_size; 0 when there is no evaluation.
[[nodiscard]] int64_t num_valid_samples(const DataOptions& options);
/// Validation samples used before the evaluation that follows step `iteration`: an evaluation after
/// every eval_interval steps, each beginning where the last one ended.
[[nodiscard]] int64_t consumed_valid_samples(const DataOptions& options, int64_t iteration);

/// Opens and checks everything, builds the orders. ConfigError for a wrong combination of options,
/// DataError for files that are not what they should be.
[[nodiscard]] Datasets open_datasets(const DataOptions& options);

}  // namespace swallow
