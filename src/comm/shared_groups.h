// Finds out which of a rank's groups lie on one host, and gives each of them memory to share.
#pragma once

#include <algorithm>
#include <array>
#include <optional>

#include "comm/group_place.h"
#include "comm/shared_segment.h"
#include "launch/control_plane.h"

namespace swallow {

struct SharedGroups {
  /// Of the tp, dp and pp group: their memory, or nothing where a member is on another host, in
  /// another process namespace, or could not map it. All members of a group have the same answer.
  std::array<std::optional<SharedSegment>, 3> memory;
  /// Ranks of the job on this rank's host, itself included.
  int num_neighbours = 1;
  /// Of the whole job, by axis: whether groups of several ranks have memory, and whether others
  /// have none.
  std::array<bool, 3> some_with{}, some_without{};

  /// Whether no rank of the job has a group of several ranks without memory.
  [[nodiscard]] bool complete() const noexcept {
    return std::none_of(some_without.begin(), some_without.end(), [](bool some) { return some; });
  }
};

/// Every rank of the job calls this at the same time. Throws CommError when a rank is lost.
[[nodiscard]] SharedGroups share_memory(const GroupPlaces& places, ControlPlane& control);

}  // namespace swallow
