// Work that must succeed on every rank or count as failed on all of them: nobody goes on alone, and
// nobody waits for a rank that has thrown.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "launch/control_plane.h"

namespace swallow {

/// Runs `work`, which never throws through here: the report for agree() holds what it returned, or
/// why and with which exit code it failed. Errors that are not ours count as `failure`. For any
/// thread.
std::string attempt(ExitCode failure, const std::function<std::string()>& work);

/// Collective: the second half of on_all_ranks(), from this rank's report.
std::vector<std::string> agree(ControlPlane& control, ExitCode failure, std::string_view report);

/// Collective. Runs `work` on every rank and returns what each returned, in rank order. If it threw
/// anywhere, every rank throws the same error with the message of the first such rank: one of type
/// `failure` (io or checkpoint), or of its own type where that says more (a broken contract, a
/// wrong setting, a crash loop, a non-finite number, no memory).
std::vector<std::string> on_all_ranks(ControlPlane& control, ExitCode failure,
                                      const std::function<std::string()>& work);

}  // namespace swallow
