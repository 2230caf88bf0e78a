#include "launch/process_grid.h"

#include <limits>

#include "base/check.h"

namespace swallow {

ProcessGrid::ProcessGrid(GridShape shape) : shape_(shape) {
  SWALLOW_CHECK(shape.dp >= 1 && shape.tp >= 1 && shape.pp >= 1,
                "process grid: dp {}, tp {}, pp {} must all be at least 1", shape.dp, shape.tp,
                shape.pp);
  const int64_t stage = int64_t{shape.dp} * shape.tp;
  SWALLOW_CHECK(stage <= std::numeric_limits<int>::max() / shape.pp,
                "process grid: dp {} * tp {} * pp {} is too large", shape.dp, shape.tp, shape.pp);
}

GridCoordinate ProcessGrid::coordinate(int rank) const {
  SWALLOW_CHECK(rank >= 0 && rank < world_size(), "rank {} is not in a grid of {} ranks", rank,
                world_size());
  return {.dp = rank / shape_.tp % shape_.dp,
          .tp = rank % shape_.tp,
          .pp = rank / (shape_.tp * shape_.dp)};
}

int ProcessGrid::rank(GridCoordinate at) const {
  SWALLOW_CHECK(at.dp >= 0 && at.dp < shape_.dp && at.tp >= 0 && at.tp < shape_.tp && at.pp >= 0 &&
                    at.pp < shape_.pp,
                "coordinate dp {}, tp {}, pp {} is not in the {}x{}x{} (dp, tp, pp) grid", at.dp,
                at.tp, at.pp, shape_.dp, shape_.tp, shape_.pp);
  return (at.pp * shape_.dp + at.dp) * shape_.tp + at.tp;
}

std::vector<int> ProcessGrid::tp_group(int rank) const {
  GridCoordinate at = coordinate(rank);
  std::vector<int> group;
  for (at.tp = 0; at.tp < shape_.tp; ++at.tp) group.push_back(this->rank(at));
  return group;
}

std::vector<int> ProcessGrid::dp_group(int rank) const {
  GridCoordinate at = coordinate(rank);
  std::vector<int> group;
  for (at.dp = 0; at.dp < shape_.dp; ++at.dp) group.push_back(this->rank(at));
  return group;
}

std::vector<int> ProcessGrid::pp_group(int rank) const {
  GridCoordinate at = coordinate(rank);
  std::vector<int> group;
  for (at.pp = 0; at.pp < shape_.pp; ++at.pp) group.push_back(this->rank(at));
  return group;
}

}  // namespace swallow
