#include "report/json_lines.h"

#include <fmt/format.h>

#include <cmath>
#include <ctime>
#include <limits>

#include "base/check.h"
#include "config/value_text.h"

namespace swallow {

namespace {

constexpr size_t kMaxLine = size_t{16} << 20;
constexpr size_t kMaxDepth = 64;
constexpr size_t kDamageShown = 3;

bool is_blank(std::string_view line) {
  return line.find_first_not_of(" \t\r") == std::string_view::npos;
}

/// The digits of text[at, at + count) as a number; -1 when one is none.
int digits(std::string_view text, size_t at, size_t count) {
  int value = 0;
  for (size_t i = at; i < at + count; ++i) {
    if (text[i] < '0' || text[i] > '9') return -1;
    value = value * 10 + (text[i] - '0');
  }
  return value;
}

}  // namespace

FileBytes::FileBytes(const std::string& path) : path_(path), file_(path, std::ios::binary) {
  if (!file_) throw DataError("{}: cannot be opened", printable(path));
}

int64_t FileBytes::operator()(std::span<char> out) {
  file_.read(out.data(), static_cast<std::streamsize>(out.size()));
  if (file_.bad()) throw DataError("{}: reading failed", printable(path_));
  return static_cast<int64_t>(file_.gcount());
}

LineDamage read_lines(const ByteSource& source,
                      const std::function<LineVerdict(std::string_view line)>& take) {
  LineReader reader(source, kMaxLine, size_t{1} << 20);
  LineDamage damage;
  for (LineChunk chunk; reader.next(chunk);) {
    int64_t number = chunk.first_line;
    for (const LineChunk::Line& line : chunk.lines) {
      const std::string_view text = chunk.view(line);
      const int64_t at = number++;
      if (!line.too_long && is_blank(text)) continue;
      ++damage.lines;
      const LineVerdict verdict = line.too_long ? LineVerdict::damaged : take(text);
      if (verdict == LineVerdict::unknown) ++damage.unknown;
      if (verdict != LineVerdict::damaged) continue;
      ++damage.damaged;
      if (damage.first.size() < kDamageShown)
        damage.first.push_back(
            fmt::format("line {}: {}", at,
                        line.too_long ? "longer than 16 MiB" : printable(text.substr(0, 60))));
    }
  }
  return damage;
}

nlohmann::json parse_line(std::string_view line) {
  using Json = nlohmann::json;
  bool deep = false;
  const auto watch = [&deep](int depth, Json::parse_event_t, Json&) {
    deep = deep || depth > static_cast<int>(kMaxDepth);
    return !deep;
  };
  Json parsed = Json::parse(line, watch, /*allow_exceptions=*/false);
  return parsed.is_object() && !deep ? parsed : Json(Json::value_t::discarded);
}

double measurement(double value) {
  constexpr double kMost = 1e100;
  const double size = std::abs(value);
  if (size <= kMost) return size < 1 / kMost ? 0.0 : value;
  return std::numeric_limits<double>::quiet_NaN();
}

double number_or(const nlohmann::json& object, const char* key, double otherwise) {
  const auto found = object.find(key);
  if (found == object.end()) return otherwise;
  if (found->is_null()) return std::numeric_limits<double>::quiet_NaN();
  return found->is_number() ? measurement(found->get<double>()) : otherwise;
}

int64_t integer_or(const nlohmann::json& object, const char* key, int64_t otherwise) {
  const auto found = object.find(key);
  constexpr double kMost = 1e15;  // below 2^53, so that a double holds it
  if (found == object.end() || !found->is_number_integer()) return otherwise;
  return std::abs(found->get<double>()) <= kMost ? found->get<int64_t>() : otherwise;
}

std::string text_or(const nlohmann::json& object, const char* key, const std::string& otherwise) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : otherwise;
}

double parse_moment(std::string_view text) {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  if (text.size() == 20 && text.back() == 'Z') text.remove_suffix(1);
  if (text.size() != 19 || text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' ||
      text[16] != ':')
    return kNone;
  std::tm t{};
  const int year = digits(text, 0, 4);
  t.tm_year = year - 1900;
  t.tm_mon = digits(text, 5, 2) - 1;
  t.tm_mday = digits(text, 8, 2);
  t.tm_hour = digits(text, 11, 2);
  t.tm_min = digits(text, 14, 2);
  t.tm_sec = digits(text, 17, 2);
  const bool sound = year >= 1970 && t.tm_mon >= 0 && t.tm_mon < 12 && t.tm_mday >= 1 &&
                     t.tm_mday <= 31 && t.tm_hour >= 0 && t.tm_hour < 24 && t.tm_min >= 0 &&
                     t.tm_min < 60 && t.tm_sec >= 0 && t.tm_sec <= 60;
  return sound ? static_cast<double>(timegm(&t)) : kNone;
}

}  // namespace swallow
