// The section on where the time of a run went.
#include <fmt/format.h>

#include "report/bars.h"
#include "report/goodput.h"
#include "report/html.h"
#include "report/section.h"

namespace swallow {

Section goodput_section(const RunRecord& run) {
  Section section{"goodput", "Where the time went", {}};
  const Goodput goodput = account(run);
  if (!(goodput.wall() > 0)) {
    section.body = absent("lines with times in metrics.jsonl, which training writes.");
    return section;
  }
  StackedBars chart;
  chart.unit = Unit::seconds;
  StackedBar bar{"whole run", {}, 0, {}};
  HtmlTable table{{"part", "time", "share", "what it is"}, {}, true};
  for (const GoodputPart& part : goodput_parts()) {
    const double seconds = goodput.*part.seconds;
    chart.parts.emplace_back(part.name);
    bar.parts.push_back(seconds);
    table.rows.push_back({std::string(part.name), value_text(seconds, Unit::seconds),
                          fmt::format("{:.1f} %", 100 * seconds / goodput.wall()),
                          std::string(part.meaning)});
  }
  table.rows.push_back({"all", value_text(goodput.wall(), Unit::seconds), "100.0 %", ""});
  chart.bars.push_back(std::move(bar));
  section.body =
      paragraph(fmt::format("Goodput: {:.1f} % of {} went into steps that are part of "
                            "the model.",
                            100 * goodput.share(), value_text(goodput.wall(), Unit::seconds))) +
      stacked_bars(chart, "parts of the run's time") + html_table(table);
  return section;
}

}  // namespace swallow
