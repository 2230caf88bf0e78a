// JSON from files that may be damaged or hostile: no duplicate keys, bounded depth, integers only
// as integers, and no field too few or too many. Errors are CheckpointError.
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace swallow {

/// `text` lies at byte `offset` of `file`, which messages name. At most 64 levels deep.
nlohmann::json parse_strict_json(std::span<const std::byte> text, const std::string& file,
                                 int64_t offset);

/// Text of a file in quotes with control characters escaped, safe to print.
std::string in_quotes(std::string_view text);

/// Whether `name` is one plain component of a path: not empty, no separator, no control character,
/// no leading dot.
bool is_plain_name(std::string_view name);

/// An object whose fields are all known: each is taken by name, then finish() refuses the rest.
class StrictObject {
 public:
  /// `where`: what messages begin with, such as "manifest.json: tensor "x"".
  StrictObject(const nlohmann::json& object, std::string where);

  const nlohmann::json& field(std::string_view key);
  /// 0 .. 2^63 - 1, written as an integer.
  int64_t integer(std::string_view key);
  std::string text(std::string_view key);
  /// An array of integers, at most `most` of them.
  std::vector<int64_t> integers(std::string_view key, size_t most);
  void finish() const;

  [[noreturn]] void refuse(std::string_view key, std::string_view expected) const;

 private:
  const nlohmann::json& object_;
  std::string where_;
  std::vector<std::string_view> taken_;
};

}  // namespace swallow
