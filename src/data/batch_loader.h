// Cuts the sequence of samples into the micro-batches of this data-parallel rank. It has no state:
// the position is the number of samples consumed so far by all ranks together, so a checkpoint
// keeps one integer and a resume on another number of ranks goes on with the next unseen sample.
#pragma once

#include <cstdint>
#include <vector>

#include "data/sample_source.h"
#include "tensor/tensor.h"

namespace swallow {

struct BatchLoaderOptions {
  int64_t micro_batch_size = 1;  // b
  int64_t seq_length = 0;        // s
  int64_t vocab_size = 0;        // tokens at or above it are refused
  int dp_rank = 0;
  int dp_size = 1;
};

class BatchLoader {
 public:
  /// `source` must outlive this.
  BatchLoader(const SampleSource& source, const BatchLoaderOptions& options);

  /// First of the b consecutive samples of a micro-batch: c + (k d + r) b. Over all ranks and
  /// micro-batches a global step takes samples [c, c + global batch), whatever d and b are.
  [[nodiscard]] int64_t first_sample(int64_t consumed_samples, int64_t microbatch) const {
    return consumed_samples +
           (microbatch * options_.dp_size + options_.dp_rank) * options_.micro_batch_size;
  }

  /// Micro-batch k of the global step that begins after `consumed_samples`: the first s tokens of
  /// each sample as input, the last s as targets. Either tensor may be empty and is then left out:
  /// the first pipeline stage needs tokens, the last one targets. Host memory. DataError for a
  /// token outside the vocabulary (names file, document, offset) and for a sample past the end.
  void load(int64_t consumed_samples, int64_t microbatch,
            const Tensor& tokens,    // [s, b] i32, or empty
            const Tensor& targets);  // [s, b] i32, or empty

 private:
  void scatter(const Tensor& destination, int64_t column, const int32_t* row) const;

  const SampleSource& source_;
  BatchLoaderOptions options_;
  std::vector<int32_t> row_;  // [s + 1] one sample
};

}  // namespace swallow
