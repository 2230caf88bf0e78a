#include "launch/rank_table.h"

#include <algorithm>
#include <charconv>

#include "launch/message.h"

namespace swallow {

namespace {

constexpr size_t kTextsPerRank = 3;

}  // namespace

std::string RankTable::encode() const {
  std::vector<std::string> texts;
  for (const Row& row : rows)
    texts.insert(texts.end(), {std::to_string(row.launcher_rank), row.host.name, row.host.boot_id});
  texts.push_back(turned_away);
  return encode_texts(texts);
}

std::optional<RankTable> RankTable::decode(std::string_view bytes, int world_size) {
  const auto texts = decode_texts(bytes);
  const size_t num_texts = kTextsPerRank * static_cast<size_t>(world_size);
  if (!texts || texts->size() != num_texts + 1) return std::nullopt;
  RankTable table{.rows = {}, .turned_away = texts->back()};
  for (size_t i = 0; i < num_texts; i += kTextsPerRank) {
    const std::string& number = (*texts)[i];
    int rank = -1;
    const char* const end = number.data() + number.size();
    const auto [stop, error] = std::from_chars(number.data(), end, rank);
    if (error != std::errc{} || stop != end || rank < 0 || rank >= world_size) return std::nullopt;
    table.rows.push_back({rank, {.name = (*texts)[i + 1], .boot_id = (*texts)[i + 2]}});
  }
  return table;
}

int RankTable::rank_of(int launcher_rank) const {
  const auto at = std::ranges::find(rows, launcher_rank, &Row::launcher_rank);
  return at == rows.end() ? -1 : static_cast<int>(at - rows.begin());
}

HostMap RankTable::hosts() const {
  std::vector<HostIdentity> hosts;
  std::vector<int> launcher_ranks;
  for (const Row& row : rows) {
    hosts.push_back(row.host);
    launcher_ranks.push_back(row.launcher_rank);
  }
  HostMap map = HostMap::from(hosts);
  if (!std::ranges::is_sorted(launcher_ranks)) map.launcher_ranks = std::move(launcher_ranks);
  return map;
}

}  // namespace swallow
