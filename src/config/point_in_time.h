// A point in time as a person or `date` writes it: the value of --exit-at.
#pragma once

#include <chrono>
#include <string_view>

namespace swallow {

/// "2026-01-31T18:30", with :seconds or not, in local time or with Z or an offset as +09:00 behind
/// it; or "@1769880600", seconds since 1970 as `date +@%s` prints them. Throws ConfigError, which
/// begins with `where`, for any other text and for days that do not exist.
std::chrono::system_clock::time_point parse_point_in_time(std::string_view where,
                                                          std::string_view text);

}  // namespace swallow
