#include "data/json_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>

namespace swallow {

namespace {

constexpr int kMaxDepth = 64;
constexpr size_t kMaxQuote = 160;

/// The parser quotes what it read last, which may be a whole bad line: keeps the front of it, and
/// lets nothing through that a terminal would act on.
std::string printable(std::string_view text) {
  std::string result(text.substr(0, kMaxQuote));
  for (char& c : result) {
    if (c < ' ' || c > '~') c = '?';
  }
  if (text.size() > kMaxQuote) result += "...";
  return result;
}

/// Receives the parser's events; a method returns false to stop. nlohmann/json checks UTF-8.
class TextHandler {
 public:
  TextHandler(std::span<const std::string> keys, JsonTexts& result)
      : keys_(keys), found_(keys.size(), false), result_(result) {
    result.texts.resize(keys.size());
  }

  bool null() { return scalar("null"); }
  bool boolean(bool /*value*/) { return scalar("a boolean"); }
  bool number_integer(int64_t /*value*/) { return scalar("a number"); }
  bool number_unsigned(uint64_t /*value*/) { return scalar("a number"); }
  bool number_float(double /*value*/, const std::string& /*text*/) { return scalar("a number"); }
  bool binary(nlohmann::json::binary_t& /*value*/) { return scalar("binary"); }

  bool string(std::string& value) {
    if (depth_ == 0) return fail("the line is a string, expected an object");
    if (wanted_ != kNone) {
      result_.texts[wanted_] = std::move(value);
      wanted_ = kNone;
    }
    return true;
  }

  bool start_object(size_t /*size*/) { return open("an object"); }
  bool end_object() { return close(); }
  bool start_array(size_t /*size*/) {
    if (depth_ == 0) return fail("the line is an array, expected an object");
    return open("an array");
  }
  bool end_array() { return close(); }

  bool key(std::string& name) {
    if (depth_ != 1) return true;
    const auto place = std::find(keys_.begin(), keys_.end(), name);
    if (place == keys_.end()) return true;
    wanted_ = static_cast<size_t>(place - keys_.begin());
    if (found_[wanted_]) return fail(fmt::format("the key \"{}\" is there twice", name));
    found_[wanted_] = true;
    return true;
  }

  bool parse_error(size_t position, const std::string& /*token*/,
                   const nlohmann::json::exception& error) {
    // The library's text begins "[json.exception.parse_error.101] parse error at line 1, column
    // 7:".
    std::string_view text = error.what();
    if (const size_t colon = text.find(": "); colon != std::string_view::npos) {
      text.remove_prefix(colon + 2);
    }
    return fail(fmt::format("byte {}: {}", position, printable(text)));
  }

  /// After the last event: a key that did not come is a problem.
  void finish() {
    for (size_t i = 0; i < keys_.size(); ++i) {
      if (!found_[i]) {
        fail(fmt::format("no key \"{}\"", keys_[i]));
        return;
      }
    }
  }

 private:
  static constexpr size_t kNone = SIZE_MAX;

  bool fail(std::string problem) {
    result_.problem = std::move(problem);
    return false;
  }
  bool wrong_type(std::string_view type) {
    return fail(fmt::format("\"{}\" is {}, expected a string", keys_[wanted_], type));
  }
  bool scalar(std::string_view type) {
    if (depth_ == 0) return fail(fmt::format("the line is {}, expected an object", type));
    return wanted_ == kNone || wrong_type(type);
  }
  bool open(std::string_view type) {
    if (wanted_ != kNone) return wrong_type(type);
    if (++depth_ > kMaxDepth) return fail(fmt::format("nested deeper than {}", kMaxDepth));
    return true;
  }
  bool close() {
    --depth_;
    return true;
  }

  std::span<const std::string> keys_;
  std::vector<bool> found_;  // of each key
  JsonTexts& result_;
  int depth_ = 0;
  size_t wanted_ = kNone;  // the key whose value comes next
};

}  // namespace

JsonTexts json_texts(std::string_view line, std::span<const std::string> keys) {
  JsonTexts result;
  TextHandler handler(keys, result);
  if (nlohmann::json::sax_parse(line.begin(), line.end(), &handler)) handler.finish();
  return result;
}

}  // namespace swallow
