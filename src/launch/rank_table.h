// What rank 0 tells everybody once the ranks have met: which number each of them has from now on,
// and where it runs.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "launch/host_map.h"

namespace swallow {

struct RankTable {
  struct Row {
    int launcher_rank = 0;  // the number under which it came
    HostIdentity host;
  };
  std::vector<Row> rows;    // [world size]
  std::string turned_away;  // connections of others, for the log

  [[nodiscard]] std::string encode() const;
  /// Nothing when the bytes are no table of `world_size` ranks.
  static std::optional<RankTable> decode(std::string_view bytes, int world_size);

  /// The number of the rank that came as `launcher_rank`, or -1.
  [[nodiscard]] int rank_of(int launcher_rank) const;
  [[nodiscard]] HostMap hosts() const;
};

}  // namespace swallow
