// JSON objects whose every value says where it is from: {"peak_tflops": {"value": 312, "source":
// "data sheet"}}. Strict: a key that is unknown, missing or given twice, a value of another type or
// out of range, or one without a source is a ConfigError that names the file, the key and what
// would be accepted.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "config/fields.h"

namespace swallow {

/// The text of a file of at most 16 MiB, parsed; no key twice in one object. Throws ConfigError.
nlohmann::ordered_json read_json_file(const std::string& path);

/// Takes the values of one object by name; finish() refuses what was not taken.
class SourcedObject {
 public:
  /// `where`: what messages begin with: the file's name.
  SourcedObject(const nlohmann::ordered_json& object, std::string where);

  [[nodiscard]] bool has(std::string_view key) const;
  /// Texts stand bare, without a source.
  std::string text(std::string_view key);
  double number(std::string_view key, const Range& range);
  int64_t integer(std::string_view key, const Range& range);
  /// A list of rows of `columns` numbers each, at least one row.
  std::vector<std::vector<double>> rows(std::string_view key, size_t columns, const Range& range);
  /// An object of numbers by name.
  std::map<std::string, double> table(std::string_view key, const Range& range);
  void finish() const;

 private:
  const nlohmann::ordered_json& take(std::string_view key);
  const nlohmann::ordered_json& sourced(std::string_view key);
  [[nodiscard]] std::string place(std::string_view key) const;

  const nlohmann::ordered_json& object_;
  std::string where_;
  std::vector<std::string> taken_;
};

}  // namespace swallow
