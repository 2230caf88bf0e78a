#include "data/data_options.h"

#include <algorithm>
#include <limits>

#include "base/check.h"

namespace swallow {

namespace {

void check_sources(const DataOptions& options) {
  const bool separate = !options.train_data_path.empty() || !options.valid_data_path.empty() ||
                        !options.test_data_path.empty();
  const int sources =
      (options.mock ? 1 : 0) + (options.data_path.empty() ? 0 : 1) + (separate ? 1 : 0);
  if (sources != 1) {
    throw ConfigError(
        "{} sources of data given; expected one of --data-path, --train-data-path (with "
        "--valid-data-path and --test-data-path), --mock-data",
        sources);
  }
  if (separate && options.train_data_path.empty()) {
    throw ConfigError("{} is given without --train-data-path",
                      options.valid_data_path.empty() ? "--test-data-path" : "--valid-data-path");
  }
  if (separate && options.valid_data_path.empty() && num_valid_samples(options) > 0) {
    throw ConfigError(
        "--train-data-path is given without --valid-data-path, but --eval-iters is {}: give the "
        "files to evaluate on, or --eval-iters 0",
        options.eval_iters);
  }
}

}  // namespace

void check_data_options(const DataOptions& options) {
  if (options.seed < 0 || options.seed > std::numeric_limits<uint32_t>::max()) {
    throw ConfigError("--seed {}: the shuffle takes 0 to {}", options.seed,
                      std::numeric_limits<uint32_t>::max());
  }
  SWALLOW_CHECK(options.done_iters >= 0 && options.consumed_samples >= 0,
                "a run resumed after {} steps and {} samples", options.done_iters,
                options.consumed_samples);
  SWALLOW_CHECK(options.seq_length > 0 && options.global_batch_size > 0 && options.train_iters >= 0,
                "a run of {} steps of {} samples of {} tokens", options.train_iters,
                options.global_batch_size, options.seq_length);
  check_sources(options);
}

bool has_separate_files(const DataOptions& options) {
  return !options.train_data_path.empty();
}

int64_t num_train_samples(const DataOptions& options) {
  const int64_t left = std::max<int64_t>(options.train_iters - options.done_iters, 0);
  return options.consumed_samples + left * options.global_batch_size;
}

int64_t num_valid_samples(const DataOptions& options) {
  if (options.eval_interval <= 0 || options.eval_iters <= 0) return 0;
  return (options.train_iters / options.eval_interval + 1) * options.eval_iters *
         options.global_batch_size;
}

int64_t num_test_samples(const DataOptions& options) {
  if (options.eval_interval <= 0 || options.eval_iters <= 0) return 0;
  return options.eval_iters * options.global_batch_size;
}

int64_t consumed_valid_samples(const DataOptions& options, int64_t iteration) {
  if (num_valid_samples(options) == 0) return 0;
  // The evaluation after step k * eval_interval is the k-th, counted from 1.
  const int64_t earlier = std::max<int64_t>((iteration - 1) / options.eval_interval, 0);
  return earlier * options.eval_iters * options.global_batch_size;
}

}  // namespace swallow
