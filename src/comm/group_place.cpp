#include "comm/group_place.h"

#include <algorithm>

#include "base/math.h"

namespace swallow {

namespace {

GroupPlace place_in(const char* name, std::vector<int> members, int rank) {
  const auto place = std::find(members.begin(), members.end(), rank);
  const int index = narrow<int>(place - members.begin());
  return {name, index, std::move(members)};
}

}  // namespace

GroupPlaces group_places(const ProcessGrid& grid, int rank) {
  return {place_in("tp group", grid.tp_group(rank), rank),
          place_in("dp group", grid.dp_group(rank), rank),
          place_in("pp group", grid.pp_group(rank), rank)};
}

}  // namespace swallow
