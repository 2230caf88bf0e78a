// The section on speed: tokens per second, and TFLOPS by the named formulas.
#include <fmt/format.h>

#include <array>
#include <cmath>

#include "report/curve.h"
#include "report/html.h"
#include "report/plot.h"
#include "report/section.h"
#include "report/series.h"

namespace swallow {

namespace {

constexpr double kWidth = 960;
constexpr double kLeft = 108;
constexpr std::array kFractions{0.05, 0.5, 0.95};

std::string rate_plot(const RunRecord& run) {
  const Series rate = over_tokens(run, &StepRecord::tokens_per_second);
  const Interval range = with_room(range_without_outliers(rate.y));
  double per_token = NAN;  // TFLOPS for each token/s, the same for all steps of one model
  for (const StepRecord& step : run.steps)
    if (step.tokens_per_second > 0) per_token = step.tflops[0] / step.tokens_per_second;
  SvgWriter svg(kWidth, 8 + 190 + 40);
  Plot plot(svg, {kLeft, 8, kWidth - kLeft - 84, 190},
            linear_axis("tokens", {0, range_of(rate.x).high}, Unit::count, 9),
            linear_axis("tokens/s a rank", range, Unit::count, 6));
  plot.draw_frame(Plot::XLabels::shown);
  if (std::isfinite(per_token))
    plot.draw_right_axis(linear_axis(
        "TFLOPS a rank, causal", {range.low * per_token, range.high * per_token}, Unit::plain, 6));
  plot.curve(rate.x, rate.y, 0, "tokens/s a rank");
  const auto marks = quantiles(rate.y, kFractions);
  plot.horizontal(marks[1], "centre", fmt::format("median: {:.4g} tokens/s", marks[1]));
  plot.horizontal(marks[0], "limit", fmt::format("5 %: {:.4g} tokens/s", marks[0]));
  plot.horizontal(marks[2], "limit", fmt::format("95 %: {:.4g} tokens/s", marks[2]));
  return svg.element("tokens per second and rank over tokens");
}

std::vector<std::string> rate_row(const std::string& name, const std::vector<double>& values,
                                  double factor, std::string_view unit) {
  const auto marks = quantiles(values, kFractions);
  std::vector<std::string> row{name};
  for (const double mark : marks) row.push_back(fmt::format("{:.4g}{}", mark * factor, unit));
  return row;
}

std::string_view meaning(FlopFormula formula) {
  switch (formula) {
    case FlopFormula::causal:
      return "TFLOPS, causal: attention counted half, no recompute";
    case FlopFormula::full_attention:
      return "TFLOPS, full attention: counted whole, no recompute";
    case FlopFormula::fork_a:
      return "TFLOPS, Megatron-Llama2 until 13 December 2023 (fork_a)";
    case FlopFormula::fork_c:
      return "TFLOPS, Megatron-Llama2 from then on (fork_c)";
  }
  return {};
}

}  // namespace

Section throughput_section(const RunRecord& run) {
  Section section{"throughput", "Throughput", {}};
  const std::vector<double> rates = values_of(run, &StepRecord::tokens_per_second);
  if (std::isnan(quantile(rates, 0.5))) {
    section.body = absent("tokens_per_second_per_rank in the step lines of metrics.jsonl.");
    return section;
  }
  HtmlTable table{{"of a rank", "5 %", "median", "95 %"}, {}, true};
  table.rows.push_back(rate_row("tokens/s", rates, 1, ""));
  for (size_t i = 0; i < kFlopFormulas.size(); ++i) {
    std::vector<double> tflops;
    for (const StepRecord& step : run.steps) tflops.push_back(step.tflops[i]);
    if (!std::isnan(quantile(tflops, 0.5)))
      table.rows.push_back(rate_row(std::string(meaning(kFlopFormulas[i])), tflops, 1, ""));
  }
  const std::vector<double> mfu = values_of(run, &StepRecord::mfu);
  const bool known = !std::isnan(quantile(mfu, 0.5));
  if (known) table.rows.push_back(rate_row("MFU, causal", mfu, 100, " %"));
  section.body = rate_plot(run) + html_table(table);
  if (!known)
    section.body += absent("MFU, as the peak of a rank is not known; --peak-tflops tells it.");
  return section;
}

}  // namespace swallow
