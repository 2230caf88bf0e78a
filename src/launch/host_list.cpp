#include "launch/host_list.h"

#include <charconv>
#include <cstddef>
#include <utility>

#include "base/check.h"

namespace swallow {
namespace {

constexpr size_t kMostHosts = 65536;

/// Digits only, the whole text, at most `most`; -1 otherwise.
int parse_count(std::string_view text, int most) {
  int value = -1;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  const bool good = error == std::errc{} && stop == end && text.front() != '-' && value <= most;
  return good ? value : -1;
}

/// Splits at commas that are outside brackets.
std::vector<std::string_view> split_list(std::string_view list) {
  std::vector<std::string_view> parts;
  size_t start = 0;
  int depth = 0;
  for (size_t i = 0; i < list.size(); ++i) {
    if (list[i] == '[') ++depth;
    if (list[i] == ']') --depth;
    if (list[i] == ',' && depth == 0) {
      parts.push_back(list.substr(start, i - start));
      start = i + 1;
    }
  }
  parts.push_back(list.substr(start));
  return parts;
}

class HostListParser {
 public:
  explicit HostListParser(std::string_view text) : text_(text) {}

  std::vector<std::string> parse() const {
    std::vector<std::string> hosts;
    for (const std::string_view part : split_list(text_)) {
      if (part.empty()) fail("a name is empty");
      std::vector<std::string> names = expand_name(part);
      if (hosts.size() + names.size() > kMostHosts) fail("more than 65536 hosts");
      for (std::string& name : names) hosts.push_back(std::move(name));
    }
    return hosts;
  }

 private:
  [[noreturn]] void fail(std::string_view why) const {
    // A list of a thousand hosts in an error helps nobody.
    const std::string_view shown = text_.substr(0, 120);
    throw ConfigError("host list \"{}{}\": {}; expected a form like node[001-032,040],login", shown,
                      shown.size() < text_.size() ? "..." : "", why);
  }

  /// One name with any number of bracket groups.
  std::vector<std::string> expand_name(std::string_view name) const {
    std::vector<std::string> results = {""};
    while (!name.empty()) {
      const size_t open = name.find('[');
      const std::string_view plain = name.substr(0, open);
      if (plain.find_first_of("] \t\n()") != std::string_view::npos) fail("unexpected character");
      for (std::string& result : results) result += plain;
      if (open == std::string_view::npos) break;
      const size_t close = name.find(']', open);
      if (close == std::string_view::npos) fail("a bracket is not closed");
      results = multiply(results, expand_ranges(name.substr(open + 1, close - open - 1)));
      name.remove_prefix(close + 1);
    }
    return results;
  }

  std::vector<std::string> multiply(const std::vector<std::string>& prefixes,
                                    const std::vector<std::string>& numbers) const {
    if (prefixes.size() * numbers.size() > kMostHosts) fail("more than 65536 hosts");
    std::vector<std::string> results;
    results.reserve(prefixes.size() * numbers.size());
    for (const std::string& prefix : prefixes)
      for (const std::string& number : numbers) results.push_back(prefix + number);
    return results;
  }

  /// "001-003,040" as numbers in text.
  std::vector<std::string> expand_ranges(std::string_view ranges) const {
    std::vector<std::string> numbers;
    for (const std::string_view range : split_list(ranges)) {
      const size_t dash = range.find('-');
      const std::string_view low_text = range.substr(0, dash);
      const int low = bound(low_text);
      const int high = dash == std::string_view::npos ? low : bound(range.substr(dash + 1));
      if (high < low) fail("a range runs backwards");
      if (numbers.size() + static_cast<size_t>(high - low) >= kMostHosts)
        fail("more than 65536 hosts");
      for (int number = low; number <= high; ++number)
        numbers.push_back(fmt::format("{:0{}}", number, low_text.size()));
    }
    return numbers;
  }

  int bound(std::string_view text) const {
    const int value = text.empty() ? -1 : parse_count(text, 999'999'999);
    if (value < 0) fail("a range needs numbers");
    return value;
  }

  std::string_view text_;
};

}  // namespace

std::vector<std::string> expand_host_list(std::string_view text) {
  return HostListParser(text).parse();
}

std::vector<int> expand_task_counts(std::string_view text) {
  std::vector<int> counts;
  const auto fail = [&] {
    throw ConfigError("tasks per node \"{}\": expected a form like 8(x31),7", text.substr(0, 120));
  };
  for (std::string_view part : split_list(text)) {
    int repeat = 1;
    if (const size_t open = part.find("(x"); open != std::string_view::npos) {
      const std::string_view tail = part.substr(open + 2);
      if (!tail.ends_with(')') || tail.size() < 2) fail();
      repeat = parse_count(tail.substr(0, tail.size() - 1), static_cast<int>(kMostHosts));
      part = part.substr(0, open);
    }
    const int count = part.empty() ? -1 : parse_count(part, 999'999'999);
    if (count < 0 || repeat < 1 || counts.size() + static_cast<size_t>(repeat) > kMostHosts) fail();
    counts.insert(counts.end(), static_cast<size_t>(repeat), count);
  }
  return counts;
}

}  // namespace swallow
