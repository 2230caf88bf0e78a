// Work that must succeed on every rank or count as failed on all of them: nobody goes on alone, and
// nobody waits for a rank that has thrown.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/check.h"
#include "launch/control_plane.h"

namespace swallow {

/// Collective. Runs `work` on every rank and returns what each returned, in rank order. If it threw
/// anywhere, every rank throws the same error with the message of the first such rank: one of type
/// `failure` (io or checkpoint), or of its own type where that says more (a broken contract, a
/// non-finite number, no memory).
std::vector<std::string> on_all_ranks(ControlPlane& control, ExitCode failure,
                                      const std::function<std::string()>& work);

}  // namespace swallow
