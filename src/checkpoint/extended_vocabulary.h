// A model with more tokens than its source: rows are added to the embedding and the head, all else
// stays. A filter over a source, so that nothing is held but the old rows of one matrix.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "checkpoint/tensor_source.h"

namespace swallow {

/// What a new row starts as: the mean of the rows of its pieces, the mean of all old rows, or
/// normal numbers of the given deviation.
enum class RowInit : uint8_t { mean_of_pieces, mean, random };

struct VocabularyExtension {
  RowInit init = RowInit::mean_of_pieces;
  /// One entry for each new token: old tokens. Where it has none, its row is the mean of all.
  std::vector<std::vector<int32_t>> pieces;
  uint64_t seed = 1234;  // of random rows, with the tensor's name and the element
  double std = 0.02;
};

class ExtendedVocabulary final : public TensorSource {
 public:
  /// Both outlive the new source. Throws CheckpointError when the source has no embedding or head.
  ExtendedVocabulary(const TensorSource& source, const VocabularyExtension& extension);

  [[nodiscard]] std::string place() const override { return source_.place(); }
  /// The two grown tensors are of type fp64: means are not rounded before they are stored.
  [[nodiscard]] const SourceTensors& tensors() const override { return tensors_; }
  [[nodiscard]] std::unique_ptr<TensorReader> open(const std::string& name) const override;

 private:
  const TensorSource& source_;
  const VocabularyExtension& extension_;
  SourceTensors tensors_;
};

}  // namespace swallow
