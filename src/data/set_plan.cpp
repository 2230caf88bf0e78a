#include "data/set_plan.h"

#include <charconv>
#include <cmath>

#include "base/check.h"
#include "data/blended_dataset.h"
#include "data/split.h"

namespace swallow {

namespace {

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

Blend blend_of(const DataOptions& options, SplitName split) {
  if (!has_separate_files(options)) return parse_blend(options.data_path, "--data-path");
  switch (split) {
    case SplitName::train:
      return parse_blend(options.train_data_path, "--train-data-path");
    case SplitName::valid:
      return parse_blend(options.valid_data_path, "--valid-data-path");
    case SplitName::test:
      break;
  }
  return parse_blend(options.test_data_path, "--test-data-path");
}

const IndexedDataset& open(const std::string& prefix, FileList& files) {
  for (const auto& file : files) {
    if (file->prefix() == prefix) return *file;
  }
  return *files.emplace_back(std::make_unique<IndexedDataset>(prefix));
}

PartPlan plan_part(const DataOptions& options, SplitName split, const IndexedDataset& file) {
  PartPlan part{.files = &file};
  part.order = {.sequences = {0, file.num_sequences()},
                .num_samples = 0,
                .sequence_length = options.seq_length,
                .seed = static_cast<uint32_t>(options.seed)};
  SequenceRange& range = part.order.sequences;
  if (!has_separate_files(options))
    range = split_ranges(options.split, file.num_sequences())[static_cast<size_t>(split)];
  for (int64_t i = range.begin; i < range.end; ++i)
    part.tokens += file.lengths()[static_cast<size_t>(i)];
  return part;
}

std::string emptiness(const DataOptions& options, SplitName split, const PartPlan& part) {
  const bool separate = has_separate_files(options);
  return fmt::format("{}: its {} split holds no token: {} of {} documents{}{}",
                     part.files->prefix(), name_of(split), part.order.sequences.size(),
                     part.files->num_sequences(), separate ? "" : " by --split ",
                     separate ? "" : options.split);
}

void size_part(PartPlan& part, int64_t num_built, int64_t num_used) {
  part.order.num_samples = num_built;
  part.num_used = num_used;
  part.epochs = plan_epochs(part.tokens, num_built, part.order.sequence_length);
}

std::string text_of(const EpochPlan& plan) {
  return fmt::format("{} epoch{}{}", plan.epochs, plan.epochs == 1 ? "" : "s",
                     plan.separate_last ? ", the last one apart" : "");
}

}  // namespace

std::string_view name_of(SplitName split) {
  constexpr std::string_view kNames[] = {"train", "valid", "test"};
  return kNames[static_cast<size_t>(split)];
}

int64_t num_samples(const DataOptions& options, SplitName split) {
  switch (split) {
    case SplitName::train:
      return num_train_samples(options);
    case SplitName::valid:
      return num_valid_samples(options);
    case SplitName::test:
      break;
  }
  return num_test_samples(options);
}

SetPlan plan_set(const DataOptions& options, SplitName split, FileList& files) {
  const int64_t n = num_samples(options, split);
  const bool separate = has_separate_files(options);
  const bool test = split == SplitName::test;
  if (split != SplitName::train && n == 0) return {};
  if (test && separate && options.test_data_path.empty()) return {};
  const Blend blend = blend_of(options, split);
  SetPlan set;
  for (const std::string& prefix : blend.prefixes) {
    PartPlan part = plan_part(options, split, open(prefix, files));
    if (part.tokens == 0 && test && !separate)
      return {.absent = "no test after training: " + emptiness(options, split, part)};
    if (part.tokens == 0) throw DataError("{}", emptiness(options, split, part));
    set.parts.push_back(std::move(part));
  }
  // Megatron builds a lone prefix for exactly n samples; so too, whatever its weight, one that is
  // given for a split of its own.
  if (set.parts.size() == 1 && (blend.weights.empty() || separate)) {
    size_part(set.parts[0], n, n);
    return set;
  }
  set.shares = normalised(blend.weights);
  const BlendSizes sizes = blend_sizes(set.shares, n);
  set.size = sizes.total;
  for (size_t i = 0; i < set.parts.size(); ++i) {
    set.parts[i].share = set.shares[i];
    size_part(set.parts[i], sizes.built[i], sizes.target[i]);
  }
  return set;
}

std::vector<std::string> order_changes(const DataOptions& before, const DataOptions& now,
                                       FileList& files) {
  std::vector<std::string> lines;
  if (now.mock) return lines;  // a sample is a function of its number
  for (const SplitName split : {SplitName::train, SplitName::valid}) {
    const SetPlan old_set = plan_set(before, split, files);
    const SetPlan new_set = plan_set(now, split, files);
    if (old_set.parts.empty() || new_set.parts.empty()) continue;  // evaluates only once of the two
    for (size_t i = 0; i < new_set.parts.size(); ++i) {
      const EpochPlan& old_plan = old_set.parts[i].epochs;
      const EpochPlan& new_plan = new_set.parts[i].epochs;
      if (old_plan == new_plan) continue;
      lines.push_back(fmt::format("{} samples of {}: {}, now {}", name_of(split),
                                  new_set.parts[i].files->prefix(), text_of(old_plan),
                                  text_of(new_plan)));
    }
  }
  return lines;
}

}  // namespace swallow
