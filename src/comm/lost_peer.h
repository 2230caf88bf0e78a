// What the transports between processes say, and wait for, when the ranks of a group do not agree,
// have gone or do not come.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "comm/call.h"
#include "comm/group_place.h"
#include "launch/control_plane.h"

namespace swallow {

/// A rank that fails leaves its groups shortly before or after it tells the control plane why. The
/// reason is worth waiting for: it names the cause, the missing rank only an effect.
inline constexpr std::chrono::milliseconds kReasonGrace{300};

/// "tp group: rank 0 called barrier, but rank 1 called all_gather(3 x f32)"; `peer` is a rank
/// within the group.
[[nodiscard]] std::string differing_calls(const GroupPlace& place, const Call& mine, int peer,
                                          const Call& theirs);

/// Throws the reason for which the job ends, if it comes within the grace or `timeout`.
void await_reason(ControlPlane& control, std::chrono::milliseconds timeout);

/// Ends the job: ranks `silent` of the group have not moved for `timeout`. Throws CommError.
[[noreturn]] void throw_silent(ControlPlane& control, const GroupPlace& place, const Call& doing,
                               std::chrono::milliseconds timeout, const std::vector<int>& silent);

}  // namespace swallow
