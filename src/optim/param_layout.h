// How parameters lie in the flat buffers, and which part of them each data-parallel rank owns.
// Parameters start on kReduceBlock borders and buckets are cut into shards on such borders, so that
// no border of the sharding shows in the gradient norm. Pure integers; no memory, no communication.
// (ZeRO stage 1: Rajbhandari et al., arXiv 1910.02054; Megatron's distributed optimizer.)
#pragma once

#include <cstdint>
#include <vector>

#include "model/params.h"

namespace swallow {

/// Flat elements [begin, end).
struct FlatRange {
  int64_t begin = 0;
  int64_t end = 0;
  [[nodiscard]] int64_t size() const noexcept { return end - begin; }
  friend bool operator==(const FlatRange&, const FlatRange&) = default;
};

/// Elements [begin, end) of parameter `param` that a rank owns: at `flat` in the flat buffers and
/// at `shard` in the rank's own state (master, moments).
struct ShardPiece {
  int param = 0;
  int64_t begin = 0;
  int64_t end = 0;
  int64_t flat = 0;
  int64_t shard = 0;
  [[nodiscard]] int64_t size() const noexcept { return end - begin; }
};

class ParamLayout {
 public:
  /// `shards`: ranks that share the state: the data-parallel size, or 1 without the distributed
  /// optimizer. `bucket_size`: least elements of a bucket, save for the first, which holds the
  /// replicated parameters, and the last.
  ParamLayout(std::vector<ParamSpec> specs, int shards, int64_t bucket_size);

  [[nodiscard]] const std::vector<ParamSpec>& specs() const noexcept { return specs_; }
  [[nodiscard]] int shards() const noexcept { return shards_; }
  /// Elements of the flat buffers, padding included.
  [[nodiscard]] int64_t total() const noexcept { return total_; }
  /// Elements of one rank's state; equal on all ranks.
  [[nodiscard]] int64_t shard_size() const noexcept { return total_ / shards_; }
  [[nodiscard]] FlatRange param(size_t index) const { return params_[index]; }
  /// Each is a multiple of shards * kReduceBlock, and they tile [0, total).
  [[nodiscard]] const std::vector<FlatRange>& buckets() const noexcept { return buckets_; }
  /// The replicated parameters: a prefix of the buffer.
  [[nodiscard]] FlatRange replicated() const noexcept { return {0, replicated_end_}; }
  /// What `rank` owns of one bucket.
  [[nodiscard]] FlatRange shard_of_bucket(const FlatRange& bucket, int rank) const;
  /// What `rank` owns, in order of the flat buffer.
  [[nodiscard]] std::vector<ShardPiece> pieces(int rank) const;

 private:
  std::vector<ParamSpec> specs_;
  int shards_;
  int64_t total_ = 0;
  int64_t replicated_end_ = 0;
  std::vector<FlatRange> params_;
  std::vector<FlatRange> buckets_;
};

}  // namespace swallow
