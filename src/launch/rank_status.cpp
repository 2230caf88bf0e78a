#include "launch/rank_status.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "launch/message.h"

namespace swallow {

namespace {

using Seconds = std::chrono::duration<double>;

constexpr double kLongSilence = 5;   // seconds; a rank says something every second
constexpr double kLongBusy = 10;     // seconds
constexpr size_t kNamed = 4;         // suspects in a message
constexpr size_t kMostDoing = 1024;  // bytes

/// Nothing from a peer may put control characters into our log.
std::string clean(std::string_view text) {
  std::string result(text.substr(0, kMostDoing));
  std::ranges::replace_if(
      result, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '?');
  return result;
}

}  // namespace

std::string RankStatus::encode() const {
  return encode_texts({fmt::format("{:.1f}", busy_seconds), doing});
}

std::optional<RankStatus> RankStatus::decode(std::string_view payload) {
  const auto texts = decode_texts(payload);
  if (!texts || texts->size() != 2) return std::nullopt;
  const std::string& number = texts->front();
  RankStatus status{.doing = clean(texts->back())};
  const auto [end, error] =
      std::from_chars(number.data(), number.data() + number.size(), status.busy_seconds);
  if (error != std::errc() || end != number.data() + number.size()) return std::nullopt;
  return status;
}

void RankStatuses::note(int rank, std::string name, RankStatus status, Time now) {
  entries_[static_cast<size_t>(rank)] = {
      .name = std::move(name), .status = std::move(status), .heard = now};
}

std::string RankStatuses::last_words(int rank, Time now) const {
  const Entry& entry = entries_[static_cast<size_t>(rank)];
  if (!entry.heard) return {};
  return fmt::format("; {:.1f} s before, it was in {}", Seconds(now - *entry.heard).count(),
                     entry.status.doing);
}

std::string RankStatuses::suspects(Time now) const {
  struct Suspect {
    double seconds = 0;
    std::string text;
  };
  std::vector<Suspect> found;
  for (const Entry& entry : entries_) {
    if (!entry.heard) continue;
    const double silent = Seconds(now - *entry.heard).count();
    if (silent > kLongSilence)
      found.push_back({silent, fmt::format("{} (no word for {:.0f} s; then in {})", entry.name,
                                           silent, entry.status.doing)});
    else if (entry.status.busy_seconds > kLongBusy)
      found.push_back(
          {entry.status.busy_seconds, fmt::format("{} ({})", entry.name, entry.status.doing)});
  }
  if (found.empty()) return {};
  std::ranges::stable_sort(found, std::ranges::greater(), &Suspect::seconds);
  std::string text = "; not waiting for others:";
  for (size_t i = 0; i < std::min(found.size(), kNamed); ++i)
    text += fmt::format("{} {}", i > 0 ? "," : "", found[i].text);
  if (found.size() > kNamed) text += fmt::format(" and {} more", found.size() - kNamed);
  return text;
}

}  // namespace swallow
