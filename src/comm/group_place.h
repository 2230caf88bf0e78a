// A rank's place in each of its groups.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "launch/process_grid.h"

namespace swallow {

struct GroupPlace {
  std::string name;          // "tp group", for messages
  int index = 0;             // this rank within the group
  std::vector<int> members;  // global ranks

  [[nodiscard]] int size() const noexcept { return static_cast<int>(members.size()); }
  [[nodiscard]] int global(int peer) const { return members[static_cast<size_t>(peer)]; }
};

/// By axis: tp, dp, pp.
using GroupPlaces = std::array<GroupPlace, 3>;

[[nodiscard]] GroupPlaces group_places(const ProcessGrid& grid, int rank);

}  // namespace swallow
