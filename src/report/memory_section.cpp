// The section on memory: what each stage was planned to take, and the most that was used.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "report/bars.h"
#include "report/curve.h"
#include "report/html.h"
#include "report/section.h"
#include "report/series.h"

namespace swallow {

namespace {

/// Largest that any record has of the ranks of `stage`; 0 when not known.
double peak_of_stage(const RunRecord& run, int64_t stage) {
  double peak = 0;
  for (const RanksRecord& record : run.ranks)
    for (size_t rank = 0; rank < record.peak_memory_bytes.size(); ++rank)
      if (run.stage_of(rank) == stage) peak = std::max(peak, record.peak_memory_bytes[rank]);
  return peak;
}

std::string peak_text(const RunRecord& run) {
  const double peak = range_of(values_of(run, &StepRecord::peak_memory_bytes)).high;
  if (!(peak > 1)) return {};
  return paragraph(fmt::format("Largest memory of any rank during training: {}.",
                               value_text(peak, Unit::bytes)));
}
}  // namespace

Section memory_section(const RunRecord& run) {
  Section section{"memory", "Memory", {}};
  if (run.memory.empty()) {
    section.body = peak_text(run) +
                   absent("the plan by category; a memory line in metrics.jsonl would show it.");
    return section;
  }
  StackedBars chart;
  chart.unit = Unit::bytes;
  chart.title = "memory of a rank";
  std::set<std::string> seen;
  for (const StageMemory& stage : run.memory)
    for (const auto& [category, bytes] : stage.bytes)
      if (bytes > 0 && seen.insert(category).second) chart.parts.push_back(category);
  HtmlTable table{{"stage"}, {}, true};
  table.header.insert(table.header.end(), chart.parts.begin(), chart.parts.end());
  table.header.insert(table.header.end(), {"planned", "peak"});
  for (const StageMemory& stage : run.memory) {
    StackedBar bar{fmt::format("stage {}", stage.stage), {}, peak_of_stage(run, stage.stage), {}};
    std::vector<std::string> row{fmt::format("{}", stage.stage)};
    double sum = 0;
    for (const std::string& part : chart.parts) {
      const auto found = std::find_if(stage.bytes.begin(), stage.bytes.end(),
                                      [&part](const auto& entry) { return entry.first == part; });
      const double bytes = found != stage.bytes.end() ? found->second : 0;
      sum += bytes;
      bar.parts.push_back(bytes);
      row.push_back(value_text(bytes, Unit::bytes));
    }
    row.push_back(value_text(sum, Unit::bytes));
    row.push_back(bar.mark > 0 ? value_text(bar.mark, Unit::bytes) : "-");
    bar.mark_tip =
        fmt::format("largest use of a rank of the stage: {}", value_text(bar.mark, Unit::bytes));
    table.rows.push_back(std::move(row));
    chart.bars.push_back(std::move(bar));
  }
  section.body = stacked_bars(chart, "memory by category and stage") +
                 paragraph(
                     "Bars: as planned. Upright mark: the most that a rank of the stage has "
                     "used, where that has been logged.",
                     "note") +
                 html_table(table) + peak_text(run);
  return section;
}

}  // namespace swallow
