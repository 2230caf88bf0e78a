#include "data/batch_loader.h"

#include <algorithm>
#include <span>

#include "base/check.h"

namespace swallow {

namespace {

/// The first token outside [0, vocab_size), or row.size(). The search itself is rare; what every
/// sample pays is one vectorised maximum, in which negative tokens are the largest.
size_t first_outside(std::span<const int32_t> row, int64_t vocab_size) {
  uint32_t largest = 0;
  for (const int32_t token : row) largest = std::max(largest, static_cast<uint32_t>(token));
  const auto fits = [limit = std::min(vocab_size, int64_t{1} << 31)](uint32_t token) {
    return token < limit;
  };
  if (fits(largest)) return row.size();
  size_t i = 0;
  while (fits(static_cast<uint32_t>(row[i]))) ++i;
  return i;
}

}  // namespace

BatchLoader::BatchLoader(const SampleSource& source, const BatchLoaderOptions& options)
    : source_(source), options_(options), row_(static_cast<size_t>(options.seq_length + 1)) {
  SWALLOW_CHECK(options.micro_batch_size > 0 && options.seq_length > 0 && options.vocab_size > 0 &&
                    options.dp_rank >= 0 && options.dp_rank < options.dp_size,
                "micro-batches of {} x {} for dp rank {} of {}", options.micro_batch_size,
                options.seq_length, options.dp_rank, options.dp_size);
}

void BatchLoader::load(int64_t consumed_samples, int64_t microbatch, const Tensor& tokens,
                       const Tensor& targets) {
  const int64_t first = first_sample(consumed_samples, microbatch);
  const int64_t b = options_.micro_batch_size;
  if (first < 0 || first + b > source_.size()) {
    throw DataError("samples {} to {} asked for, but the data set was built with {}", first,
                    first + b, source_.size());
  }
  for (int64_t column = 0; column < b; ++column) {
    source_.sample(first + column, row_);
    if (const size_t i = first_outside(row_, options_.vocab_size); i < row_.size()) {
      throw DataError("{}: token {}, the vocabulary has {} (--vocab-size)",
                      source_.describe(first + column, static_cast<int64_t>(i)), row_[i],
                      options_.vocab_size);
    }
    if (tokens) scatter(tokens, column, row_.data());
    if (targets) scatter(targets, column, row_.data() + 1);
  }
}

void BatchLoader::scatter(const Tensor& destination, int64_t column, const int32_t* row) const {
  const int64_t s = options_.seq_length;
  const int64_t b = options_.micro_batch_size;
  SWALLOW_CHECK(destination.shape == Shape({s, b}) && destination.device.kind == DeviceKind::cpu,
                "a batch goes into a host tensor [{}, {}], not {}", s, b, to_string(destination));
  auto* out = destination.as<int32_t>();
  for (int64_t i = 0; i < s; ++i) out[i * b + column] = row[i];
}

}  // namespace swallow
