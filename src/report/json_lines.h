// A file of JSON Lines as a crash or a broken disk may leave it: lines that cannot be read are
// counted and passed over, so that one torn line does not hide a run.
#pragma once

#include <cstdint>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/line_reader.h"

namespace swallow {

struct LineDamage {
  int64_t lines = 0;               // that are not empty
  int64_t damaged = 0;             // no JSON object, or without what its kind needs
  int64_t unknown = 0;             // sound, but of a kind or schema that this program does not know
  std::vector<std::string> first;  // where and why, of the first few damaged ones
};

/// What reading a line came to.
enum class LineVerdict : uint8_t { good, unknown, damaged };

/// The bytes of a file, to be handed on as std::ref(bytes). Throws DataError when it cannot be
/// opened or reading fails.
class FileBytes {
 public:
  explicit FileBytes(const std::string& path);
  int64_t operator()(std::span<char> out);

 private:
  std::string path_;
  std::ifstream file_;
};

/// Calls `take` with every line that is not empty and counts its verdicts.
LineDamage read_lines(const ByteSource& source,
                      const std::function<LineVerdict(std::string_view line)>& take);

/// One line as an object; discarded when it is none, or nested deeper than 64.
nlohmann::json parse_line(std::string_view line);

/// `value` as far as a measurement can be it: NaN beyond 1e100 in size, 0 within 1e-100 of it.
/// Sums, products and quotients of a few then stay numbers, and pictures of them finite.
double measurement(double value);

/// The number under `key`, as a measurement; `otherwise` when there is none or it is no number.
/// JSON has no NaN: null stands for it.
double number_or(const nlohmann::json& object, const char* key, double otherwise);
/// The whole number under `key`; `otherwise` when there is none or it counts nothing that a run
/// has, beyond 10^15 in size.
int64_t integer_or(const nlohmann::json& object, const char* key, int64_t otherwise);
std::string text_or(const nlohmann::json& object, const char* key, const std::string& otherwise);

/// Seconds since 1970 of "2026-03-07T14:05:09", with or without a Z behind it, as if the clock that
/// wrote it showed UTC; NaN when it is no such time.
double parse_moment(std::string_view text);

}  // namespace swallow
