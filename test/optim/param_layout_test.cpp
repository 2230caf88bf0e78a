#include "optim/param_layout.h"

#include <catch2/catch.hpp>
#include <set>

#include "kernels/reduce.h"

using namespace swallow;

namespace {

std::vector<ParamSpec> some_specs() {
  std::vector<ParamSpec> specs;
  for (const int64_t size : {7, 300}) specs.push_back({.shape = {size}, .replicated = true});
  for (const int64_t rows : {1, 40, 513, 9, 1000}) specs.push_back({.shape = {rows, 33}});
  return specs;
}

}  // namespace

TEST_CASE("shards of all ranks tile every parameter exactly", "[unit]") {
  for (const int shards : {1, 2, 3, 4, 16}) {
    for (const int64_t bucket_size : {1, 1000, 20'000, 40'000'000}) {
      const ParamLayout layout(some_specs(), shards, bucket_size);
      std::vector<std::vector<int>> owners(layout.specs().size());
      for (size_t i = 0; i < owners.size(); ++i)
        owners[i].assign(static_cast<size_t>(layout.specs()[i].shape.numel()), 0);
      for (int rank = 0; rank < shards; ++rank) {
        int64_t last_end = 0;
        for (const ShardPiece& piece : layout.pieces(rank)) {
          for (int64_t e = piece.begin; e < piece.end; ++e)
            ++owners[static_cast<size_t>(piece.param)][static_cast<size_t>(e)];
          REQUIRE(piece.shard >= last_end);
          last_end = piece.shard + piece.size();
          REQUIRE(last_end <= layout.shard_size());
          REQUIRE(piece.flat == layout.param(static_cast<size_t>(piece.param)).begin + piece.begin);
        }
      }
      for (const auto& counts : owners)
        for (const int count : counts) REQUIRE(count == 1);
    }
  }
}

TEST_CASE("pieces and parameters start on reduction blocks, buckets tile the buffer", "[unit]") {
  const ParamLayout layout(some_specs(), 3, 1000);
  for (int rank = 0; rank < 3; ++rank)
    for (const ShardPiece& piece : layout.pieces(rank)) REQUIRE(piece.begin % kReduceBlock == 0);
  int64_t end = 0;
  for (const FlatRange& bucket : layout.buckets()) {
    REQUIRE(bucket.begin == end);
    REQUIRE(bucket.size() % (3 * kReduceBlock) == 0);
    end = bucket.end;
  }
  REQUIRE(end == layout.total());
}

TEST_CASE("replicated parameters are a prefix with a bucket of their own", "[unit]") {
  const ParamLayout layout(some_specs(), 2, 40'000'000);
  REQUIRE(layout.replicated() == FlatRange{0, 768});
  REQUIRE(layout.buckets().front().end >= 768);
  REQUIRE(layout.param(2).begin == layout.buckets()[1].begin);
}
