// The order of samples that Megatron-core's GPTDataset gives for one file and split: documents are
// shuffled epoch by epoch, laid end to end, cut into samples of s + 1 tokens that share their
// border token, and the samples are shuffled. Only arithmetic; no file is touched.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/split.h"

namespace swallow {

struct SampleOrder {
  SequenceRange sequences;      // of the split
  int64_t num_samples = 0;      // n: samples that will be asked for
  int64_t sequence_length = 0;  // s: tokens per sample, less the shared one
  uint32_t seed = 1234;
};

/// How often a split is gone through: with the seed, the sequences and s it decides the order.
struct EpochPlan {
  int64_t epochs = 1;
  /// The last epoch is shuffled on its own when less than 80 % of it is needed, so that the
  /// documents used once more than the others are not concentrated in front.
  bool separate_last = false;
  int64_t samples_before_last = 0;  // that end before the last epoch does begin
  int64_t samples = 0;              // in all epochs together, >= the number asked for
  friend bool operator==(const EpochPlan&, const EpochPlan&) = default;
};
/// ConfigError from 2^32 samples on: the shuffle alone would take 16 GiB, and at s = 4096 there
/// would be 1.7e13 tokens. Below it every draw of a shuffle of samples is one of 32 bits.
[[nodiscard]] EpochPlan plan_epochs(int64_t tokens_per_epoch, int64_t num_samples,
                                    int64_t sequence_length);

/// Memory: 4 bytes per document and epoch, 4 bytes per sample for its shuffle, and 2 for its
/// position: every eighth position is kept, the others are a short walk away.
class SampleIndex {
 public:
  /// `lengths`: tokens of each sequence of the file; must outlive this. DataError when the split
  /// holds no token, ResourceError when the order does not fit in memory, ConfigError as
  /// plan_epochs.
  SampleIndex(std::span<const int32_t> lengths, const SampleOrder& order);

  /// Samples in all epochs together, >= num_samples asked for.
  [[nodiscard]] int64_t size() const noexcept { return plan_.samples; }
  [[nodiscard]] const EpochPlan& plan() const noexcept { return plan_; }

  /// Where a sample begins: entry in the document order, token in that document.
  struct Position {
    int64_t entry = 0;
    int64_t offset = 0;
    friend bool operator==(const Position&, const Position&) = default;
  };
  /// Row `row` of Megatron's sample index, 0 <= row <= size().
  [[nodiscard]] Position position(int64_t row) const;
  /// The row that the `sample`-th sample of the run is taken from.
  [[nodiscard]] int64_t row_of(int64_t sample) const {
    return shuffle_[static_cast<size_t>(sample)];
  }
  /// Sequences of the file in the order in which they are laid end to end, all epochs.
  [[nodiscard]] std::span<const int32_t> document_order() const noexcept { return documents_; }
  [[nodiscard]] int64_t bytes() const noexcept;

 private:
  [[nodiscard]] int64_t length_at(int64_t entry) const {
    return lengths_[static_cast<size_t>(documents_[static_cast<size_t>(entry)])];
  }
  void keep_positions(int64_t num_rows);

  std::span<const int32_t> lengths_;
  int64_t sequence_length_;
  EpochPlan plan_;
  std::vector<int32_t> documents_;  // [epochs * sequences]
  std::vector<Position> kept_;      // rows 0, 8, 16, ...
  std::vector<uint32_t> shuffle_;   // [size()]
};

}  // namespace swallow
