// Lines are the same whatever the block they are read in, and a text taken out of one is what a
// parser of whole documents finds there.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "data/json_text.h"
#include "data/line_reader.h"
#include "fuzz/fuzz_target.h"

using namespace swallow;

namespace {

constexpr size_t kMaxLine = 64;
constexpr std::string_view kTooLong = "\n";  // no line can be this

/// The lines by definition; one longer than kMaxLine is kTooLong.
std::vector<std::string> plain_lines(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    lines.emplace_back(end > kMaxLine ? kTooLong : text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

std::vector<std::string> read_lines(std::string_view text, size_t block) {
  const auto source = [&text](std::span<char> out) {
    const size_t count = std::min(out.size(), text.size());
    std::copy_n(text.begin(), count, out.begin());
    text.remove_prefix(count);
    return static_cast<int64_t>(count);
  };
  LineReader reader(source, kMaxLine, block);
  std::vector<std::string> lines;
  for (LineChunk chunk; reader.next(chunk);) {
    fuzz::require(chunk.first_line == static_cast<int64_t>(lines.size()) + 1);
    for (const LineChunk::Line& line : chunk.lines)
      lines.emplace_back(line.too_long ? kTooLong : chunk.view(line));
  }
  return lines;
}

void check_texts(const std::string& line, const std::vector<std::string>& keys) {
  const JsonTexts found = json_texts(line, keys);
  const auto whole = nlohmann::json::parse(line, nullptr, false);
  if (!found.problem.empty()) {
    fuzz::require(std::all_of(found.problem.begin(), found.problem.end(),
                              [](char c) { return c >= ' ' && c <= '~'; }));
    return;
  }
  fuzz::require(whole.is_object() && found.texts.size() == keys.size());
  for (size_t i = 0; i < keys.size(); ++i) {
    fuzz::require(whole.contains(keys[i]) && whole.at(keys[i]).is_string());
    fuzz::require(whole.at(keys[i]).get<std::string>() == found.texts[i]);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  const std::vector<std::string> lines = plain_lines(text);
  for (const size_t block : {size_t{1}, size_t{3}, size_t{64}, size_t{65}, size_t{4096}})
    fuzz::require(read_lines(text, block) == lines);
  for (const std::string& line : lines) {
    check_texts(line, {"text"});
    check_texts(line, {"t", "text"});
  }
  return 0;
}
