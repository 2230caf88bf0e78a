// What decides which samples a run takes and in which order, and how many each set needs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace swallow {

/// A resumed run must give the same values, except that it may move done_iters and consumed_samples
/// on together, and name other files to test on.
struct DataOptions {
  /// One prefix, or weight prefix weight prefix ... ; the three sets by `split`.
  std::vector<std::string> data_path;
  /// Instead of data_path: the files of each set, used whole.
  std::vector<std::string> train_data_path;
  std::vector<std::string> valid_data_path;
  std::vector<std::string> test_data_path;
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

/// ConfigError for a wrong combination; files are not looked at.
void check_data_options(const DataOptions& options);

/// Training has a set of its own files, rather than a share of `data_path`.
[[nodiscard]] bool has_separate_files(const DataOptions& options);

/// consumed_samples + (train_iters - done_iters) global_batch_size: the same number at every resume
/// of a run, and enough for its last step when the global batch has changed on the way.
[[nodiscard]] int64_t num_train_samples(const DataOptions& options);
/// (train_iters / eval_interval + 1) eval_iters global_batch_size; 0 when there is no evaluation.
[[nodiscard]] int64_t num_valid_samples(const DataOptions& options);
/// eval_iters global_batch_size, once after training; 0 when there is no evaluation.
[[nodiscard]] int64_t num_test_samples(const DataOptions& options);

/// Validation samples used before the evaluation that follows step `iteration`: an evaluation after
/// every eval_interval steps, each beginning where the last one ended. A function of the iteration,
/// not a count that is carried along: however often a run was extended, each evaluation lies inside
/// the set, which is sized by the same formula.
[[nodiscard]] int64_t consumed_valid_samples(const DataOptions& options, int64_t iteration);

}  // namespace swallow
