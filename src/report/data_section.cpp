// The section on data: what the training read from which source.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "report/bars.h"
#include "report/html.h"
#include "report/section.h"
#include "report/series.h"
#include "telemetry/number_text.h"

namespace swallow {

namespace {

/// Samples that the run has taken so far; NaN when not known.
double consumed_samples(const RunRecord& run) {
  const StepRecord* last = last_step(run);
  return last != nullptr ? last->consumed_samples : NAN;
}

std::string source_bars(const std::vector<const SourceRecord*>& sources) {
  StackedBars chart;
  chart.unit = Unit::percent;
  StackedBar bar{"share", {}, 0, {}};
  for (const SourceRecord* source : sources) {
    chart.parts.push_back(source->prefix);
    bar.parts.push_back(source->share);
  }
  chart.bars.push_back(std::move(bar));
  return stacked_bars(chart, "shares of the training data");
}

/// Consumed so far: a blend keeps to its shares within one sample at every point.
std::vector<std::string> source_row(const SourceRecord& source, double progress,
                                    int64_t seq_length) {
  const auto epochs = [&](double samples) {
    if (source.tokens <= 0 || seq_length <= 0) return std::string("-");
    return fmt::format(
        "{:.3f}", samples * static_cast<double>(seq_length) / static_cast<double>(source.tokens));
  };
  const auto planned = static_cast<double>(source.samples);
  const bool known = source.split == "train" && std::isfinite(progress);
  return {source.split,
          source.prefix,
          fmt::format("{:.2f} %", 100 * source.share),
          count_text(source.documents),
          count_text(source.tokens),
          known ? count_text(std::llround(planned * progress)) : "-",
          count_text(source.samples),
          known ? epochs(planned * progress) : "-",
          epochs(planned)};
}

}  // namespace

Section data_section(const RunRecord& run) {
  Section section{"data", "Data", {}};
  if (run.sources.empty()) {
    section.body =
        absent("what was read from which source; a data line in metrics.jsonl would show it.");
    return section;
  }
  std::vector<const SourceRecord*> train;
  double samples = 0;
  for (const SourceRecord& source : run.sources) {
    if (source.split != "train") continue;
    train.push_back(&source);
    samples += static_cast<double>(source.samples);
  }
  const double progress = samples > 0 ? std::min(1.0, consumed_samples(run) / samples) : NAN;
  HtmlTable table{{"split", "source", "share", "documents", "tokens", "samples so far", "of",
                   "epochs so far", "of"},
                  {},
                  true};
  for (const SourceRecord& source : run.sources)
    table.rows.push_back(source_row(source, progress, run.setting("seq_length", 0)));
  if (!train.empty()) section.body += source_bars(train);
  section.body += html_table(table);
  return section;
}

}  // namespace swallow
