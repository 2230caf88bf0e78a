#include "data/datasets.h"

#include <utility>

#include "base/philox.h"
#include "data/blended_dataset.h"
#include "data/gpt_dataset.h"
#include "data/mock_dataset.h"

namespace swallow {

namespace {

std::unique_ptr<SampleSource> mock_set(const DataOptions& options, SplitName split,
                                       Datasets& datasets) {
  const int64_t samples = num_samples(options, split);
  if (split != SplitName::train && samples == 0) return nullptr;
  const std::string_view name = name_of(split);
  datasets.facts.push_back({std::string(name), "mock data", 1.0, samples,
                            samples * (options.seq_length + 1), samples, 1, 0});
  return std::make_unique<MockDataset>(static_cast<uint64_t>(options.seed), stream_of(name),
                                       options.vocab_size, samples);
}

std::unique_ptr<SampleSource> file_set(const DataOptions& options, SplitName split,
                                       Datasets& datasets) {
  const SetPlan plan = plan_set(options, split, datasets.files);
  if (!plan.absent.empty()) datasets.notices.push_back(plan.absent);
  std::vector<std::unique_ptr<SampleSource>> parts;
  for (const PartPlan& part : plan.parts) {
    auto source = std::make_unique<GptDataset>(*part.files, part.order);
    datasets.facts.push_back({std::string(name_of(split)), part.files->prefix(), part.share,
                              part.order.sequences.size(), part.tokens, part.num_used,
                              part.epochs.epochs, source->index().bytes()});
    parts.push_back(std::move(source));
  }
  if (parts.empty()) return nullptr;
  if (plan.shares.empty()) return std::move(parts[0]);
  return std::make_unique<BlendedDataset>(std::move(parts), plan.shares, plan.size);
}

}  // namespace

Datasets open_datasets(const DataOptions& options) {
  check_data_options(options);
  Datasets datasets;
  const auto make = options.mock ? mock_set : file_set;
  datasets.train = make(options, SplitName::train, datasets);
  datasets.valid = make(options, SplitName::valid, datasets);
  datasets.test = make(options, SplitName::test, datasets);
  return datasets;
}

}  // namespace swallow
