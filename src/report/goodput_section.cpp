// The section on where the time of a run went, and within the useful steps that of its ranks.
#include <fmt/format.h>

#include <algorithm>

#include "report/bars.h"
#include "report/goodput.h"
#include "report/html.h"
#include "report/section.h"
#include "report/step_shares.h"

namespace swallow {

namespace {

std::string percent(double share) {
  return value_text(share, Unit::percent);
}

std::string rank_name(size_t rank) {
  return fmt::format("rank {}", rank);
}

HtmlTable shares_table(const StepShares& shares, double useful_seconds) {
  HtmlTable table{{"in the useful steps", "time", "share"}, {}, true};
  const bool several = shares.ranks > 1;
  if (several) table.header.push_back("of " + rank_name(shares.data_rank));
  table.header.emplace_back("what it is");
  for (size_t i = 0; i < step_parts().size(); ++i) {
    table.rows.push_back({std::string(step_parts()[i].name),
                          value_text(shares.mean[i] * useful_seconds, Unit::seconds),
                          percent(shares.mean[i])});
    if (several) table.rows.back().push_back(percent(shares.of_data_rank[i]));
    table.rows.back().emplace_back(step_parts()[i].meaning);
  }
  return table;
}

StackedBars shares_chart(const StepShares& shares) {
  StackedBars chart;
  chart.unit = Unit::percent;
  for (const StepPart& part : step_parts()) chart.parts.emplace_back(part.name);
  const auto add = [&chart](std::string label, const Shares& parts) {
    chart.bars.push_back({std::move(label), {parts.begin(), parts.end()}, 0, {}});
  };
  if (shares.ranks == 1) {
    add("the rank", shares.mean);
  } else {
    add("mean of ranks", shares.mean);
    add(rank_name(shares.data_rank), shares.of_data_rank);
  }
  return chart;
}

std::string source_text(const RunRecord& run, const StepShares& shares) {
  const auto steps = std::count_if(run.steps.begin(), run.steps.end(),
                                   [](const StepRecord& step) { return !step.redone; });
  std::string text = fmt::format(
      "From the ranks lines of metrics.jsonl, each the means over the steps since the one before: "
      "they cover {:.0f} of {} steps.",
      shares.steps, steps);
  if (shares.ranks > 1)
    text += fmt::format(" Of all ranks, {} waited for data longest.", rank_name(shares.data_rank));
  if (text_or(run.config(), "backend", "") == "cuda" &&
      run.setting("tensor_model_parallel_size", 1) > 1)
    text += " On GPUs the calls within a tensor-parallel group count as computing.";
  return text;
}

/// Nothing when the run's lines do not say it, as those of older programs.
std::string within_steps(const RunRecord& run, double useful_seconds) {
  const std::optional<StepShares> shares = step_shares(run);
  if (!shares) return {};
  return paragraph(fmt::format("In the useful steps ranks computed {} of the time, waited for each "
                               "other {} and for data {}.",
                               percent(shares->mean[0]), percent(shares->mean[1]),
                               percent(shares->mean[2]))) +
         stacked_bars(shares_chart(*shares), "parts of the useful steps' time") +
         html_table(shares_table(*shares, useful_seconds)) +
         paragraph(source_text(run, *shares), "note");
}

}  // namespace

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
                          percent(seconds / goodput.wall()), std::string(part.meaning)});
  }
  table.rows.push_back({"all", value_text(goodput.wall(), Unit::seconds), "100.0 %", ""});
  chart.bars.push_back(std::move(bar));
  section.body =
      paragraph(fmt::format("Goodput: {} of {} went into steps that are part of the model.",
                            percent(goodput.share()), value_text(goodput.wall(), Unit::seconds))) +
      stacked_bars(chart, "parts of the run's time") + html_table(table) +
      within_steps(run, goodput.useful);
  return section;
}

}  // namespace swallow
