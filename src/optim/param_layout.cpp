#include "optim/param_layout.h"

#include <algorithm>

#include "base/math.h"
#include "kernels/reduce.h"

namespace swallow {

ParamLayout::ParamLayout(std::vector<ParamSpec> specs, int shards, int64_t bucket_size)
    : specs_(std::move(specs)), shards_(shards) {
  SWALLOW_CHECK(shards >= 1, "{} shards", shards);
  int64_t bucket_begin = 0;
  const auto close_bucket = [&] {
    if (total_ == bucket_begin) return;
    total_ = bucket_begin + round_up(total_ - bucket_begin, shards * kReduceBlock);
    buckets_.push_back({bucket_begin, total_});
    bucket_begin = total_;
  };
  for (size_t i = 0; i < specs_.size(); ++i) {
    const bool first_split = i > 0 && specs_[i - 1].replicated && !specs_[i].replicated;
    SWALLOW_CHECK(i == 0 || !specs_[i].replicated || specs_[i - 1].replicated,
                  "replicated parameters must come first");
    if (first_split || total_ - bucket_begin >= bucket_size) close_bucket();
    const int64_t numel = specs_[i].shape.numel();
    params_.push_back({total_, total_ + numel});
    total_ += round_up(numel, kReduceBlock);
    if (specs_[i].replicated) replicated_end_ = total_;
  }
  close_bucket();
}

FlatRange ParamLayout::shard_of_bucket(const FlatRange& bucket, int rank) const {
  const int64_t size = exact_div(bucket.size(), shards_);
  return {bucket.begin + size * rank, bucket.begin + size * (rank + 1)};
}

std::vector<ShardPiece> ParamLayout::pieces(int rank) const {
  std::vector<ShardPiece> pieces;
  int64_t shard_offset = 0;
  for (const FlatRange& bucket : buckets_) {
    const FlatRange own = shard_of_bucket(bucket, rank);
    for (size_t i = 0; i < params_.size(); ++i) {
      const int64_t begin = std::max(own.begin, params_[i].begin);
      const int64_t end = std::min(own.end, params_[i].end);
      if (begin >= end) continue;
      pieces.push_back({.param = static_cast<int>(i),
                        .begin = begin - params_[i].begin,
                        .end = end - params_[i].begin,
                        .flat = begin,
                        .shard = shard_offset + begin - own.begin});
    }
    shard_offset += own.size();
  }
  return pieces;
}

}  // namespace swallow
