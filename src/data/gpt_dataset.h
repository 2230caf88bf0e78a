// One split of one pair of files as samples in Megatron's order: the sample index says which
// tokens, the indexed dataset reads them. Documents follow each other inside a sample; nothing is
// masked between them.
#pragma once

#include "data/indexed_dataset.h"
#include "data/sample_index.h"
#include "data/sample_source.h"

namespace swallow {

class GptDataset final : public SampleSource {
 public:
  /// `files` must outlive this.
  GptDataset(const IndexedDataset& files, const SampleOrder& order)
      : files_(files), index_(files.lengths(), order), sequence_length_(order.sequence_length) {}

  [[nodiscard]] int64_t size() const override { return index_.size(); }
  void sample(int64_t index, std::span<int32_t> out) const override;
  [[nodiscard]] std::string describe(int64_t index, int64_t position) const override;

  [[nodiscard]] const SampleIndex& index() const noexcept { return index_; }

 private:
  const IndexedDataset& files_;
  SampleIndex index_;
  int64_t sequence_length_;
};

}  // namespace swallow
