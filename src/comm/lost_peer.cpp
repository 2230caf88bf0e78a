#include "comm/lost_peer.h"

#include <poll.h>

#include <algorithm>

#include "base/check.h"
#include "launch/socket.h"

namespace swallow {

std::string differing_calls(const GroupPlace& place, const Call& mine, int peer,
                            const Call& theirs) {
  return fmt::format("{}: rank {} called {}, but rank {} called {}", place.name,
                     place.global(place.index), to_string(mine), place.global(peer),
                     to_string(theirs));
}

void await_reason(ControlPlane& control, std::chrono::milliseconds timeout) {
  pollfd polled{control.wake_fd(), POLLIN, 0};
  const Deadline deadline = deadline_after(std::min(kReasonGrace, timeout));
  while (polled.fd >= 0 && AwakeClock::now() < deadline) {
    if (poll(&polled, 1, poll_timeout(deadline)) > 0) control.check();
  }
}

void throw_silent(ControlPlane& control, const GroupPlace& place, const Call& doing,
                  std::chrono::milliseconds timeout, const std::vector<int>& silent) {
  std::string ranks;
  for (const int peer : silent) ranks += fmt::format(" {}", place.global(peer));
  const std::string what = fmt::format("{}: rank {} called {} and has waited {} s for rank{}",
                                       place.name, place.global(place.index), to_string(doing),
                                       std::chrono::duration<double>(timeout).count(), ranks);
  // Those may be waiting in turn: rank 0 adds who does not.
  control.abort(what);
  await_reason(control, timeout);
  throw CommError("{}", what);
}

}  // namespace swallow
