#include <catch2/catch.hpp>

#include "support/ranks.h"

using namespace swallow;

TEST_CASE("ranks meet", "[ranks][comm]") {
  for (const int size : {1, 2, 3, 8}) {
    std::vector<int64_t> got(static_cast<size_t>(size));
    run_ranks({.dp = size}, [&](World& world) {
      Stream stream(Device{});
      auto& value = got[static_cast<size_t>(world.rank)];
      value = world.rank + 1;
      world.all_reduce_world(stream, {&value, DType::i64, {1}, {}}, ReduceOp::sum);
    });
    for (const int64_t value : got) REQUIRE(value == size * (size + 1) / 2);
  }
}
