#include "launch/stranger_log.h"

#include <fmt/ranges.h>

namespace swallow {

namespace {

constexpr size_t kNamed = 4;

}  // namespace

void StrangerLog::note(std::string_view who, std::string_view what) {
  if (count_++ < kNamed) first_.push_back(fmt::format("{}: {}", who, what));
}

std::string StrangerLog::text() const {
  if (count_ == 0) return {};
  return fmt::format("{} connection{} turned away: {}{}", count_, count_ > 1 ? "s were" : " was",
                     fmt::join(first_, "; "), count_ > first_.size() ? "; ..." : "");
}

}  // namespace swallow
