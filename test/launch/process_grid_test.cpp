#include "launch/process_grid.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <limits>
#include <set>

#include "base/check.h"

using swallow::ContractError;
using swallow::GridCoordinate;
using swallow::GridShape;
using swallow::ProcessGrid;

namespace {

std::vector<GridShape> shapes() {
  std::vector<GridShape> result;
  for (const int dp : {1, 2, 3, 4})
    for (const int tp : {1, 2, 3, 8})
      for (const int pp : {1, 2, 5}) result.push_back({.dp = dp, .tp = tp, .pp = pp});
  // The paper's grids (dp x tp x pp) of 7B, 13B and 70B.
  result.push_back({.dp = 16, .tp = 2, .pp = 2});
  result.push_back({.dp = 8, .tp = 2, .pp = 4});
  result.push_back({.dp = 4, .tp = 8, .pp = 8});
  return result;
}

using Group = std::vector<int> (ProcessGrid::*)(int) const;

}  // namespace

TEST_CASE("rank and coordinate are a bijection", "[unit]") {
  for (const GridShape& shape : shapes()) {
    const ProcessGrid grid(shape);
    std::set<std::array<int, 3>> seen;
    for (int rank = 0; rank < grid.world_size(); ++rank) {
      const GridCoordinate at = grid.coordinate(rank);
      REQUIRE(grid.rank(at) == rank);
      seen.insert({at.dp, at.tp, at.pp});
    }
    REQUIRE(static_cast<int>(seen.size()) == shape.dp * shape.tp * shape.pp);
  }
}

TEST_CASE("the groups of each axis partition the ranks and vary only along it", "[unit]") {
  for (const GridShape& shape : shapes()) {
    const ProcessGrid grid(shape);
    struct Axis {
      Group group;
      int GridCoordinate::*index;
      int degree;
    };
    for (const Axis& axis : {Axis{&ProcessGrid::tp_group, &GridCoordinate::tp, shape.tp},
                             Axis{&ProcessGrid::dp_group, &GridCoordinate::dp, shape.dp},
                             Axis{&ProcessGrid::pp_group, &GridCoordinate::pp, shape.pp}}) {
      for (int rank = 0; rank < grid.world_size(); ++rank) {
        const std::vector<int> group = (grid.*axis.group)(rank);
        REQUIRE(static_cast<int>(group.size()) == axis.degree);
        REQUIRE(std::count(group.begin(), group.end(), rank) == 1);
        for (int i = 0; i < axis.degree; ++i) {
          GridCoordinate expected = grid.coordinate(rank);
          expected.*axis.index = i;
          REQUIRE(grid.coordinate(group[static_cast<size_t>(i)]) == expected);
          REQUIRE((grid.*axis.group)(group[static_cast<size_t>(i)]) == group);
        }
      }
    }
  }
}

TEST_CASE("tensor parallel is the fastest axis, then data, then pipeline", "[unit]") {
  // 13B's grid, worked by hand: dp 8, tp 2, pp 4, so a stage is 16 ranks.
  const ProcessGrid grid({.dp = 8, .tp = 2, .pp = 4});
  REQUIRE(grid.coordinate(1) == GridCoordinate{.dp = 0, .tp = 1, .pp = 0});
  REQUIRE(grid.coordinate(2) == GridCoordinate{.dp = 1, .tp = 0, .pp = 0});
  REQUIRE(grid.coordinate(16) == GridCoordinate{.dp = 0, .tp = 0, .pp = 1});
  REQUIRE(grid.coordinate(37) == GridCoordinate{.dp = 2, .tp = 1, .pp = 2});
  REQUIRE(grid.tp_group(37) == std::vector<int>{36, 37});
  REQUIRE(grid.dp_group(37) == std::vector<int>{33, 35, 37, 39, 41, 43, 45, 47});
  REQUIRE(grid.pp_group(37) == std::vector<int>{5, 21, 37, 53});
}

TEST_CASE("70B's tensor-parallel groups are hosts of eight ranks", "[unit]") {
  const ProcessGrid grid({.dp = 4, .tp = 8, .pp = 8});
  REQUIRE(grid.world_size() == 256);
  for (int rank = 0; rank < 256; ++rank)
    for (const int peer : grid.tp_group(rank)) REQUIRE(peer / 8 == rank / 8);
}

TEST_CASE("a grid refuses degrees below one, ranks and coordinates outside it", "[unit]") {
  REQUIRE_THROWS_AS(ProcessGrid({.dp = 0, .tp = 1, .pp = 1}), ContractError);
  REQUIRE_THROWS_AS(ProcessGrid({.dp = 1, .tp = -1, .pp = -1}), ContractError);
  constexpr int kHuge = std::numeric_limits<int>::max();
  REQUIRE_THROWS_AS(ProcessGrid({.dp = kHuge, .tp = kHuge, .pp = 2}), ContractError);
  const ProcessGrid grid({.dp = 2, .tp = 2, .pp = 2});
  REQUIRE_THROWS_AS(grid.coordinate(-1), ContractError);
  REQUIRE_THROWS_AS(grid.coordinate(8), ContractError);
  REQUIRE_THROWS_AS(grid.rank({.dp = 0, .tp = 2, .pp = 0}), ContractError);
}
