#include "launch/greeting.h"

#include <charconv>

#include "base/check.h"
#include "launch/message.h"

namespace swallow {
namespace {

constexpr size_t kMostNumber = 1 << 20;

/// A number of at most seven digits; -1 for anything else.
int parse_number(std::string_view text) {
  int value = -1;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool good = error == std::errc{} && stop == text.data() + text.size() && value >= 0;
  return good && static_cast<size_t>(value) <= kMostNumber ? value : -1;
}

std::string describe_difference(const std::vector<Greeting>& greetings, std::string_view what,
                                std::string Greeting::*field) {
  std::vector<int> different;
  for (const Greeting& greeting : greetings)
    if (greeting.*field != greetings.front().*field) different.push_back(greeting.rank);
  if (different.empty()) return {};
  const Greeting& other = greetings[static_cast<size_t>(different.front())];
  return fmt::format("rank{} {} run{} another {} than rank 0: {} on {}, {} on {}",
                     different.size() > 1 ? "s" : "", format_ranks(different),
                     different.size() > 1 ? "" : "s", what, other.*field, other.host.name,
                     greetings.front().*field, greetings.front().host.name);
}

}  // namespace

std::string Greeting::encode() const {
  return encode_texts({run_id, std::to_string(rank), std::to_string(world_size), host.name,
                       host.boot_id, build_id, config_digest});
}

std::optional<Greeting> Greeting::decode(std::string_view bytes) {
  auto texts = decode_texts(bytes);
  if (!texts || texts->size() != 7) return std::nullopt;
  std::vector<std::string>& text = *texts;
  Greeting greeting{.run_id = text[0],
                    .rank = parse_number(text[1]),
                    .world_size = parse_number(text[2]),
                    .host = {.name = text[3], .boot_id = text[4]},
                    .build_id = text[5],
                    .config_digest = text[6]};
  if (greeting.rank < 0 || greeting.world_size < 1) return std::nullopt;
  return greeting;
}

std::vector<HostIdentity> hosts_of(const std::vector<Greeting>& greetings) {
  std::vector<HostIdentity> hosts;
  hosts.reserve(greetings.size());
  for (const Greeting& greeting : greetings) hosts.push_back(greeting.host);
  return hosts;
}

std::string format_ranks(const std::vector<int>& ranks) {
  std::string text;
  for (size_t i = 0; i < ranks.size();) {
    size_t end = i + 1;
    while (end < ranks.size() && ranks[end] == ranks[end - 1] + 1) ++end;
    if (end - i < 3) end = i + 1;
    text += fmt::format("{}{}", text.empty() ? "" : ", ", ranks[i]);
    if (end > i + 1) text += fmt::format("-{}", ranks[end - 1]);
    i = end;
  }
  return text;
}

std::string describe_mismatch(const std::vector<Greeting>& greetings) {
  const std::string build = describe_difference(greetings, "build", &Greeting::build_id);
  if (!build.empty()) return build;
  return describe_difference(greetings, "configuration", &Greeting::config_digest);
}

}  // namespace swallow
