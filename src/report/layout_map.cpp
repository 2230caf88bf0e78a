#include "report/layout_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <set>

#include "plan/ranking_table.h"
#include "report/heat_map.h"

namespace swallow {

namespace {

/// Of the layouts with this TP and PP: the fastest that fits, or why there is none.
HeatCell cell_of(const LayoutRanking& ranking, int64_t tp, int64_t pp, const Layout& given) {
  HeatCell cell{.value = std::numeric_limits<double>::quiet_NaN()};
  const auto here = [&](const RankedLayout& found) {
    return found.layout.tp == tp && found.layout.pp == pp;
  };
  cell.marked = given.tp == tp && given.pp == pp;
  const auto best = std::find_if(ranking.fitting.begin(), ranking.fitting.end(), here);
  if (best != ranking.fitting.end()) {
    cell.value = best->tokens_per_second;
    cell.text = fmt::format("{:.4g}", best->tokens_per_second);
    cell.tip = layout_text(best->layout);
    return cell;
  }
  for (const auto* list : {&ranking.too_large, &ranking.refused}) {
    const auto found = std::find_if(list->begin(), list->end(), here);
    if (found == list->end()) continue;
    cell.text = list == &ranking.too_large ? "too large" : "refused";
    cell.tip = found->reason;
    break;
  }
  return cell;
}

}  // namespace

std::string layout_map_svg(const LayoutRanking& ranking, const Layout& given,
                           const std::string& what) {
  std::set<int64_t> tps, pps;  // of which some layout is valid
  for (const auto* list : {&ranking.fitting, &ranking.too_large})
    for (const RankedLayout& found : *list) {
      tps.insert(found.layout.tp);
      pps.insert(found.layout.pp);
    }
  HeatMap map{.scale_title = "tokens/s a rank, " + what + "; the settings' own is framed",
              .low_text = "slow",
              .high_text = "fast"};
  for (const int64_t pp : pps) map.columns.push_back(fmt::format("PP {}", pp));
  for (const int64_t tp : tps) {
    HeatRow row{.label = fmt::format("TP {}", tp)};
    for (const int64_t pp : pps) row.cells.push_back(cell_of(ranking, tp, pp, given));
    map.rows.push_back(std::move(row));
  }
  return heat_map(map).document(what);
}

}  // namespace swallow
