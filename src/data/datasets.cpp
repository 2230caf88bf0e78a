#include "data/datasets.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <utility>

#include "base/check.h"
#include "base/philox.h"
#include "data/blended_dataset.h"
#include "data/gpt_dataset.h"
#include "data/mock_dataset.h"
#include "data/split.h"

namespace swallow {

namespace {

enum class SplitName : uint8_t { train, valid };

std::string_view name_of(SplitName split) {
  return split == SplitName::train ? "train" : "valid";
}

struct Blend {
  std::vector<std::string> prefixes;
  std::vector<double> weights;  // empty when a single prefix was given alone
};

/// One prefix, or weight prefix weight prefix ...
Blend parse_blend(const std::vector<std::string>& paths, std::string_view flag) {
  Blend blend;
  if (paths.size() == 1) {
    blend.prefixes = paths;
    return blend;
  }
  if (paths.size() % 2 != 0) {
    throw ConfigError("{}: {} values; expected one prefix, or a weight before every prefix", flag,
                      paths.size());
  }
  for (size_t i = 0; i < paths.size(); i += 2) {
    const std::string& text = paths[i];
    double weight = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), weight);
    if (error != std::errc{} || end != text.data() + text.size() || !std::isfinite(weight) ||
        weight <= 0) {
      throw ConfigError("{} {}: expected a weight, a number > 0, before the prefix {}", flag, text,
                        paths[i + 1]);
    }
    blend.weights.push_back(weight);
    blend.prefixes.push_back(paths[i + 1]);
  }
  return blend;
}

/// Opens the files of one split and builds its source.
class Builder {
 public:
  Builder(const DataOptions& options, Datasets& datasets) : options_(options), out_(datasets) {}

  /// `split`: empty to use the files whole.
  std::unique_ptr<SampleSource> build(SplitName name, const Blend& blend, std::string_view split,
                                      int64_t num_samples) {
    // Megatron builds a lone prefix for exactly n samples; so too, whatever its weight, one that
    // is given for a split of its own.
    if (blend.prefixes.size() == 1 && (blend.weights.empty() || split.empty())) {
      return part(name, blend.prefixes[0], split, num_samples, num_samples, 1.0);
    }
    const std::vector<double> shares = normalised(blend.weights);
    const BlendSizes sizes = blend_sizes(shares, num_samples);
    std::vector<std::unique_ptr<SampleSource>> parts;
    for (size_t i = 0; i < shares.size(); ++i) {
      parts.push_back(
          part(name, blend.prefixes[i], split, sizes.built[i], sizes.target[i], shares[i]));
    }
    return std::make_unique<BlendedDataset>(std::move(parts), shares, sizes.total);
  }

 private:
  const IndexedDataset& open(const std::string& prefix) {
    for (const auto& file : out_.files) {
      if (file->prefix() == prefix) return *file;
    }
    return *out_.files.emplace_back(std::make_unique<IndexedDataset>(prefix));
  }

  std::unique_ptr<SampleSource> part(SplitName name, const std::string& prefix,
                                     std::string_view split, int64_t num_built, int64_t num_used,
                                     double share) {
    const IndexedDataset& file = open(prefix);
    SampleOrder order;
    order.sequences = {0, file.num_sequences()};
    if (!split.empty()) {
      order.sequences = split_ranges(split, file.num_sequences())[static_cast<size_t>(name)];
    }
    order.num_samples = num_built;
    order.sequence_length = options_.seq_length;
    order.seed = static_cast<uint32_t>(options_.seed);

    int64_t tokens = 0;
    for (int64_t i = order.sequences.begin; i < order.sequences.end; ++i) {
      tokens += file.lengths()[static_cast<size_t>(i)];
    }
    if (tokens == 0) {
      throw DataError("{}: its {} split holds no token: {} of {} documents{}{}", prefix,
                      name_of(name), order.sequences.size(), file.num_sequences(),
                      split.empty() ? "" : " by --split ", split);
    }
    auto source = std::make_unique<GptDataset>(file, order);
    const SampleIndex& index = source->index();
    out_.facts.push_back({std::string(name_of(name)), prefix, share, order.sequences.size(), tokens,
                          num_used, index.plan().epochs, index.bytes()});
    return source;
  }

  const DataOptions& options_;
  Datasets& out_;
};

void check(const DataOptions& options) {
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
  const bool separate = !options.train_data_path.empty() || !options.valid_data_path.empty();
  const int sources =
      (options.mock ? 1 : 0) + (options.data_path.empty() ? 0 : 1) + (separate ? 1 : 0);
  if (sources != 1) {
    throw ConfigError(
        "{} sources of data given; expected one of --data-path, --train-data-path (with "
        "--valid-data-path), --mock-data",
        sources);
  }
  if (separate && options.train_data_path.empty()) {
    throw ConfigError("--valid-data-path is given without --train-data-path");
  }
  if (separate && options.valid_data_path.empty() && num_valid_samples(options) > 0) {
    throw ConfigError(
        "--train-data-path is given without --valid-data-path, but --eval-iters is {}: give the "
        "files to evaluate on, or --eval-iters 0",
        options.eval_iters);
  }
}

}  // namespace

int64_t num_train_samples(const DataOptions& options) {
  const int64_t left = std::max<int64_t>(options.train_iters - options.done_iters, 0);
  return options.consumed_samples + left * options.global_batch_size;
}

int64_t num_valid_samples(const DataOptions& options) {
  if (options.eval_interval <= 0 || options.eval_iters <= 0) return 0;
  return (options.train_iters / options.eval_interval + 1) * options.eval_iters *
         options.global_batch_size;
}

int64_t consumed_valid_samples(const DataOptions& options, int64_t iteration) {
  if (num_valid_samples(options) == 0) return 0;
  // The evaluation after step k * eval_interval is the k-th, counted from 1.
  const int64_t earlier = std::max<int64_t>((iteration - 1) / options.eval_interval, 0);
  return earlier * options.eval_iters * options.global_batch_size;
}

Datasets open_datasets(const DataOptions& options) {
  check(options);
  Datasets datasets;
  const int64_t num_train = num_train_samples(options);
  const int64_t num_valid = num_valid_samples(options);
  if (options.mock) {
    const auto seed = static_cast<uint64_t>(options.seed);
    const auto add = [&](std::string_view name, int64_t samples) {
      datasets.facts.push_back({std::string(name), "mock data", 1.0, samples,
                                samples * (options.seq_length + 1), samples, 1, 0});
      return std::make_unique<MockDataset>(seed, stream_of(name), options.vocab_size, samples);
    };
    datasets.train = add("train", num_train);
    if (num_valid > 0) datasets.valid = add("valid", num_valid);
    return datasets;
  }

  Builder builder(options, datasets);
  const bool separate = !options.train_data_path.empty();
  const std::string_view split = separate ? std::string_view() : options.split;
  const Blend train = separate ? parse_blend(options.train_data_path, "--train-data-path")
                               : parse_blend(options.data_path, "--data-path");
  datasets.train = builder.build(SplitName::train, train, split, num_train);
  if (num_valid > 0) {
    const Blend valid =
        separate ? parse_blend(options.valid_data_path, "--valid-data-path") : train;
    datasets.valid = builder.build(SplitName::valid, valid, split, num_valid);
  }
  return datasets;
}

}  // namespace swallow
