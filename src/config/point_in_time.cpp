#include "config/point_in_time.h"

#include <charconv>
#include <ctime>
#include <optional>

#include "base/check.h"
#include "config/value_text.h"

namespace swallow {

namespace {

/// Takes characters from the front of a text; every step fails for good once one has failed.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  /// Exactly `digits` digits, from `low` to `high`.
  int number(size_t digits, int low, int high) {
    int value = 0;
    if (rest_.size() < digits) return fail();
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + digits, value);
    if (error != std::errc() || end != rest_.data() + digits || rest_[0] == '-') return fail();
    rest_.remove_prefix(digits);
    return value < low || value > high ? fail() : value;
  }
  bool take(char wanted) {
    if (rest_.empty() || rest_.front() != wanted) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void require(char wanted) {
    if (!take(wanted)) fail();
  }
  [[nodiscard]] bool at_end() const { return good_ && rest_.empty(); }

 private:
  int fail() {
    good_ = false;
    return 0;
  }

  std::string_view rest_;
  bool good_ = true;
};

/// Seconds since 1970 of fields in local time, or in universal time less `offset`; nothing for a
/// day or an hour that does not exist.
std::optional<std::time_t> seconds_of(std::tm fields, std::optional<int> offset) {
  const std::tm asked = fields;
  fields.tm_isdst = -1;
  std::time_t seconds = offset ? timegm(&fields) : mktime(&fields);
  if (fields.tm_mday != asked.tm_mday || fields.tm_hour != asked.tm_hour) return std::nullopt;
  if (offset) seconds -= *offset;
  return seconds;
}

std::optional<std::time_t> parse_calendar(std::string_view text) {
  Reader reader(text);
  std::tm fields{};
  fields.tm_year = reader.number(4, 1970, 9999) - 1900;
  reader.require('-');
  fields.tm_mon = reader.number(2, 1, 12) - 1;
  reader.require('-');
  fields.tm_mday = reader.number(2, 1, 31);
  reader.require('T');
  fields.tm_hour = reader.number(2, 0, 23);
  reader.require(':');
  fields.tm_min = reader.number(2, 0, 59);
  if (reader.take(':')) fields.tm_sec = reader.number(2, 0, 59);
  std::optional<int> offset;
  if (reader.take('Z')) {
    offset = 0;
  } else if (const bool ahead = reader.take('+'); ahead || reader.take('-')) {
    const int hours = reader.number(2, 0, 14);
    reader.require(':');
    offset = (hours * 60 + reader.number(2, 0, 59)) * (ahead ? 60 : -60);
  }
  return reader.at_end() ? seconds_of(fields, offset) : std::nullopt;
}

std::optional<std::time_t> parse_epoch(std::string_view text) {
  int64_t seconds = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, seconds);
  constexpr int64_t kYear9999 = 253'402'300'799;
  if (error != std::errc() || stop != end || seconds < 0 || seconds > kYear9999)
    return std::nullopt;
  return seconds;
}

}  // namespace

std::chrono::system_clock::time_point parse_point_in_time(std::string_view where,
                                                          std::string_view text) {
  const bool epoch = text.starts_with('@');
  const auto seconds = epoch ? parse_epoch(text.substr(1)) : parse_calendar(text);
  if (!seconds)
    throw ConfigError(
        "{}{}: expected a time as 2026-01-31T18:30, 2026-01-31T18:30:00+09:00 or @1769880600",
        where, printable(text));
  return std::chrono::system_clock::from_time_t(*seconds);
}

}  // namespace swallow
