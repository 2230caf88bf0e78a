#include "plan/ranking_table.h"

#include <algorithm>
#include <map>

#include "config/enum_names.h"
#include "telemetry/number_text.h"
#include "telemetry/table.h"

namespace swallow {

namespace {

constexpr size_t kShown = 12;
constexpr size_t kShownTooLarge = 5;
constexpr size_t kShownReasons = 6;

TextTable table_of(const std::string& title, const std::vector<RankedLayout>& layouts,
                   size_t most) {
  TextTable table{.title = title,
                  .header = {"place", "TP", "PP", "DP", "micro-batch", "recompute", "schedule",
                             "planned", "s/step", "tokens/s/rank"}};
  for (size_t i = 0; i < std::min(most, layouts.size()); ++i) {
    const RankedLayout& found = layouts[i];
    const Layout& at = found.layout;
    table.rows.push_back({std::to_string(i + 1), std::to_string(at.tp), std::to_string(at.pp),
                          std::to_string(at.dp), std::to_string(at.micro_batch_size),
                          std::string(name_of(at.recompute)), std::string(name_of(at.schedule)),
                          bytes_text(found.planned_bytes),
                          fmt::format("{:.4g}", found.step_seconds),
                          fmt::format("{:.4g}", found.tokens_per_second)});
  }
  return table;
}

std::string place_of(const LayoutRanking& ranking, const Layout& given) {
  const std::string text = layout_text(given);
  if (const RankedLayout* found = ranking.find(given); found != nullptr) {
    const RankedLayout& best = ranking.fitting.front();
    const auto place = found - ranking.fitting.data() + 1;
    if (place == 1) return fmt::format("The settings' own layout ({}) is the best.\n", text);
    return fmt::format("The settings' own layout ({}) is in place {}, {:.1f} % behind the best.\n",
                       text, place, 100 * (1 - found->tokens_per_second / best.tokens_per_second));
  }
  for (const auto* list : {&ranking.too_large, &ranking.refused})
    for (const RankedLayout& candidate : *list)
      if (candidate.layout == given)
        return fmt::format("The settings' own layout ({}) is out: {}.\n", text, candidate.reason);
  return fmt::format("The settings' own layout ({}) was not searched.\n", text);
}

/// Of what is too large, the smallest that would be faster than all that fits.
std::vector<RankedLayout> worth_more_memory(const LayoutRanking& ranking) {
  const double best = ranking.fitting.empty() ? 0 : ranking.fitting.front().tokens_per_second;
  std::vector<RankedLayout> found;
  for (const RankedLayout& candidate : ranking.too_large)
    if (candidate.tokens_per_second > best) found.push_back(candidate);
  std::ranges::stable_sort(found, {}, &RankedLayout::planned_bytes);
  return found;
}

/// Reasons differ in the layout's numbers; the text before the first digit tells their kinds apart.
std::string refusals(const std::vector<RankedLayout>& refused) {
  std::map<std::string, std::pair<size_t, const RankedLayout*>> kinds;
  for (const RankedLayout& candidate : refused) {
    const std::string kind =
        candidate.reason.substr(0, candidate.reason.find_first_of("0123456789"));
    auto& [count, example] = kinds.try_emplace(kind, 0, &candidate).first->second;
    ++count;
  }
  std::string text =
      fmt::format("{} layouts are refused by the rules on settings:\n", refused.size());
  size_t shown = 0;
  for (const auto& [kind, entry] : kinds) {
    if (shown++ == kShownReasons) break;
    text += fmt::format("  {} as {}: {}\n", entry.first, layout_text(entry.second->layout),
                        entry.second->reason);
  }
  if (kinds.size() > kShownReasons)
    text += fmt::format("  and {} other kinds of reasons\n", kinds.size() - kShownReasons);
  return text;
}

}  // namespace

std::string layout_text(const Layout& layout) {
  return fmt::format("TP {}, PP {}, DP {}, micro-batch {}, {} recompute, {}", layout.tp, layout.pp,
                     layout.dp, layout.micro_batch_size, name_of(layout.recompute),
                     name_of(layout.schedule));
}

Layout layout_of(const RunConfig& config, const RunShape& run) {
  return {
      .tp = run.tp,
      .pp = run.pp,
      .dp = run.dp,
      .micro_batch_size = config.training.micro_batch_size,
      .recompute = config.training.recompute_granularity,
      .schedule = run.pp == 1 ? PipelineSchedule::one_f_one_b : config.parallel.pipeline_schedule};
}

std::string ranking_text(const LayoutRanking& ranking, const Layout& given) {
  if (ranking.fitting.empty() && ranking.too_large.empty())
    return "No layout is valid.\n" + refusals(ranking.refused);
  std::string text;
  if (ranking.fitting.empty())
    text += "No layout fits.\n";
  else
    text += table_of(fmt::format("{} layouts fit; the fastest", ranking.fitting.size()),
                     ranking.fitting, kShown)
                .text();
  text += place_of(ranking, given);
  if (!ranking.too_large.empty()) {
    text += '\n';
    const std::vector<RankedLayout> larger = worth_more_memory(ranking);
    text += table_of(fmt::format("{} layouts are too large, {} of them faster than what fits; the "
                                 "smallest of these",
                                 ranking.too_large.size(), larger.size()),
                     larger, kShownTooLarge)
                .text();
  }
  if (!ranking.refused.empty()) {
    text += '\n';
    text += refusals(ranking.refused);
  }
  return text;
}

}  // namespace swallow
