#include "checkpoint/strict_json.h"

#include <algorithm>
#include <limits>
#include <set>

#include "base/check.h"

namespace swallow {

namespace {

constexpr size_t kMaxDepth = 64;

bool is_integer(const nlohmann::json& value) {
  return value.is_number_unsigned() &&
         value.get<uint64_t>() <= uint64_t{std::numeric_limits<int64_t>::max()};
}

/// Throws where the text breaks a rule, else does nothing.
class StrictPass final : public nlohmann::json_sax<nlohmann::json> {
 public:
  StrictPass(const std::string& file, int64_t offset) : file_(file), offset_(offset) {}

  bool null() override { return true; }
  bool boolean(bool /*value*/) override { return true; }
  bool number_integer(number_integer_t /*value*/) override { return true; }
  bool number_unsigned(number_unsigned_t /*value*/) override { return true; }
  bool number_float(number_float_t /*value*/, const string_t& /*text*/) override { return true; }
  bool string(string_t& /*value*/) override { return true; }
  bool binary(binary_t& /*value*/) override { return true; }
  bool start_object(size_t /*elements*/) override { return enter(); }
  bool start_array(size_t /*elements*/) override { return enter(); }
  bool end_object() override { return leave(); }
  bool end_array() override { return leave(); }
  bool key(string_t& name) override {
    if (!keys_.back().insert(name).second)
      throw CheckpointError("{}: key {} appears twice", file_, in_quotes(name));
    return true;
  }
  bool parse_error(size_t position, const std::string& /*token*/,
                   const nlohmann::json::exception& error) override {
    constexpr int kNumberOverflow = 406;  // such as 1e999
    if (error.id == kNumberOverflow)
      throw CheckpointError("{}: a number in the JSON text at byte {} is out of range", file_,
                            offset_ + static_cast<int64_t>(position));
    throw CheckpointError("{}: byte {}: not valid JSON", file_,
                          offset_ + static_cast<int64_t>(position));
  }

 private:
  bool enter() {
    keys_.emplace_back();
    if (keys_.size() > kMaxDepth)
      throw CheckpointError("{}: JSON nested deeper than {} levels", file_, kMaxDepth);
    return true;
  }
  bool leave() {
    keys_.pop_back();
    return true;
  }

  const std::string& file_;
  int64_t offset_;
  std::vector<std::set<std::string>> keys_;  // of the objects that are open
};

}  // namespace

nlohmann::json parse_strict_json(std::span<const std::byte> text, const std::string& file,
                                 int64_t offset) {
  // The parser takes a zero byte for the end of its input and would accept what follows unseen.
  const auto zero = std::ranges::find(text, std::byte{0});
  if (zero != text.end())
    throw CheckpointError("{}: byte {}: zero byte in JSON text", file,
                          offset + (zero - text.begin()));
  const char* begin = reinterpret_cast<const char*>(text.data());
  // A pass of its own: a callback of parse() takes time that grows with the square of an object's
  // fields.
  StrictPass pass(file, offset);
  nlohmann::json::sax_parse(begin, begin + text.size(), &pass);
  return nlohmann::json::parse(begin, begin + text.size());
}

std::string in_quotes(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}

bool is_plain_name(std::string_view name) {
  return !name.empty() && name.size() <= 255 && name.front() != '.' &&
         std::ranges::all_of(name, [](char c) {
           return static_cast<unsigned char>(c) > 0x20 && c != '/' && c != '\\' && c != 0x7f;
         });
}

StrictObject::StrictObject(const nlohmann::json& object, std::string where)
    : object_(object), where_(std::move(where)) {
  if (!object.is_object()) throw CheckpointError("{}: expected a JSON object", where_);
}

const nlohmann::json& StrictObject::field(std::string_view key) {
  const auto found = object_.find(key);
  if (found == object_.end()) throw CheckpointError("{}: field \"{}\" is missing", where_, key);
  taken_.push_back(key);
  return *found;
}

int64_t StrictObject::integer(std::string_view key) {
  const nlohmann::json& value = field(key);
  if (!is_integer(value)) refuse(key, "an integer from 0 to 2^63 - 1");
  return value.get<int64_t>();
}

std::string StrictObject::text(std::string_view key) {
  const nlohmann::json& value = field(key);
  if (!value.is_string()) refuse(key, "a string");
  return value.get<std::string>();
}

std::vector<int64_t> StrictObject::integers(std::string_view key, size_t most) {
  const nlohmann::json& value = field(key);
  if (!value.is_array() || value.size() > most || !std::ranges::all_of(value, is_integer))
    refuse(key, fmt::format("an array of at most {} integers from 0 to 2^63 - 1", most));
  return value.get<std::vector<int64_t>>();
}

void StrictObject::finish() const {
  for (const auto& [key, value] : object_.items())
    if (std::ranges::find(taken_, key) == taken_.end())
      throw CheckpointError("{}: unknown field {}", where_, in_quotes(key));
}

void StrictObject::refuse(std::string_view key, std::string_view expected) const {
  throw CheckpointError("{}: field \"{}\" must be {}", where_, key, expected);
}

}  // namespace swallow
