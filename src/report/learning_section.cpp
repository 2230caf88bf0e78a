// The sections on what the model learned: every run's curve in one picture.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "report/curve.h"
#include "report/html.h"
#include "report/plot.h"
#include "report/section.h"
#include "report/series.h"
#include "report/style.h"

namespace swallow {

namespace {

constexpr double kWidth = 960;
constexpr double kLeft = 72;
constexpr double kPlotWidth = 864;
constexpr double kScoreShown = 8;  // z-scores beyond are drawn at the edge

constexpr size_t kMostRestarts = 60;  // more would hide the curve
constexpr size_t kMostPoints = 80;

PlotAxis token_axis(const std::vector<RunRecord>& runs) {
  double most = 0;
  for (const RunRecord& run : runs)
    most = std::max(most, range_of(over_tokens(run, &StepRecord::loss).x).high);
  return linear_axis("tokens", {0, most}, Unit::count, 10);
}

/// What all curves need; without outliers far above when `low_only`.
Interval values_range(const std::vector<RunRecord>& runs, double StepRecord::*member) {
  Interval range;
  bool first = true;
  for (const RunRecord& run : runs) {
    const Series series = over_tokens(run, member);
    if (series.y.empty()) continue;
    const Interval own = range_without_outliers(series.y);
    range = first ? own : joined(range, own);
    first = false;
  }
  return range;
}

Interval loss_range(Interval range) {
  const double room = 0.04 * range.length();
  return {range.low - room, range.high + room};
}

void draw_restarts(Plot& plot, const RunRecord& run) {
  const std::vector<double> at = restarts(run);
  if (at.size() > kMostRestarts) return;
  for (const double tokens : at)
    plot.vertical(
        tokens, "restart",
        fmt::format("{}: a job began after {} tokens", run.name, value_text(tokens, Unit::count)));
}

/// Marks on the upper edge; at most one in a few pixels.
void draw_troubles(Plot& plot, const RunRecord& run) {
  double last = -1e9;
  for (const StepRecord& step : run.steps) {
    const bool finite = std::isfinite(step.loss);
    if ((finite && !step.skipped) || !std::isfinite(step.consumed_tokens)) continue;
    if (plot.to_x(step.consumed_tokens) - last < 3) continue;
    last = plot.to_x(step.consumed_tokens);
    plot.mark_above(step.consumed_tokens, "alarm-fill",
                    fmt::format("{}: step {}: {}", run.name, step.step,
                                finite ? "update withheld" : "loss not finite"));
  }
}

/// Points that touch each other tell less than a line.
bool few_validations(const std::vector<RunRecord>& runs) {
  return std::all_of(runs.begin(), runs.end(),
                     [](const RunRecord& run) { return run.validations.size() <= kMostPoints; });
}

std::vector<LegendEntry> loss_legend(const std::vector<RunRecord>& runs) {
  std::vector<LegendEntry> legend;
  bool validated = false;
  bool restarted = false;
  bool lost = false;
  bool troubled = false;
  for (size_t i = 0; i < runs.size(); ++i) {
    const RunRecord& run = runs[i];
    legend.push_back(
        {LegendEntry::Sample::line, line_class(i), runs.size() == 1 ? "training loss" : run.name});
    validated = validated || !run.validations.empty();
    const size_t count = restarts(run).size();
    restarted = restarted || (count > 0 && count <= kMostRestarts);
    for (const StepRecord& step : run.steps) {
      lost = lost || step.redone;
      troubled = troubled || step.skipped || !std::isfinite(step.loss);
    }
  }
  if (validated)
    legend.push_back(
        {few_validations(runs) ? LegendEntry::Sample::point : LegendEntry::Sample::line,
         few_validations(runs) ? point_class(0) : line_class(0) + " validation",
         "validation loss"});
  if (restarted) legend.push_back({LegendEntry::Sample::dash, "restart", "restart"});
  if (lost) legend.push_back({LegendEntry::Sample::line, "redone", "done again after a restart"});
  if (troubled)
    legend.push_back({LegendEntry::Sample::area, "alarm-fill", "withheld or not finite"});
  return legend;
}

void draw_losses(Plot& plot, const std::vector<RunRecord>& runs) {
  for (size_t i = 0; i < runs.size(); ++i) {
    const RunRecord& run = runs[i];
    draw_restarts(plot, run);
    for (const Series& lost : redone_over_tokens(run, &StepRecord::loss))
      plot.thin_curve(lost.x, lost.y, "redone");
    const Series loss = over_tokens(run, &StepRecord::loss);
    plot.curve(loss.x, loss.y, i, run.name);
    const Series validation = validation_over_tokens(run);
    std::vector<std::string> tips;
    for (const LossRecord& record : run.validations)
      if (!record.redone)
        tips.push_back(fmt::format("{}: validation loss {:.4f} at step {}", run.name, record.loss,
                                   record.step));
    if (few_validations(runs))
      plot.points(validation.x, validation.y, i, tips);
    else
      plot.thin_curve(validation.x, validation.y, line_class(i) + " validation");
    draw_troubles(plot, run);
  }
}

/// Deviations of each step's loss from those before it, upwards and downwards from a middle line.
void draw_scores(Plot& plot, const std::vector<RunRecord>& runs) {
  plot.draw_frame(Plot::XLabels::shown);
  plot.horizontal(0, "axis");
  for (size_t i = 0; i < runs.size(); ++i) {
    Series score = over_tokens(runs[i], &StepRecord::loss_z);
    for (double& value : score.y) value = std::clamp(value, -kScoreShown, kScoreShown);
    plot.curve(score.x, score.y, i, runs[i].name);
  }
}

bool any_steps(const std::vector<RunRecord>& runs) {
  return std::any_of(runs.begin(), runs.end(),
                     [](const RunRecord& run) { return !run.steps.empty(); });
}

/// One quantity of the optimizer over tokens.
std::string panel(const std::vector<RunRecord>& runs, double StepRecord::*member, PlotAxis y,
                  std::string_view label) {
  std::vector<LegendEntry> legend;
  for (size_t i = 0; i < runs.size(); ++i)
    legend.push_back({LegendEntry::Sample::line, line_class(i), runs[i].name});
  const double top = runs.size() > 1 ? legend_height(legend, kWidth - kLeft) : 8;
  SvgWriter svg(kWidth, top + 150 + 40);
  Plot plot(svg, {kLeft, top, kPlotWidth, 150}, token_axis(runs), std::move(y));
  plot.draw_frame(Plot::XLabels::shown);
  for (size_t i = 0; i < runs.size(); ++i) {
    draw_restarts(plot, runs[i]);
    const Series series = over_tokens(runs[i], member);
    plot.curve(series.x, series.y, i, runs[i].name);
  }
  if (runs.size() > 1) draw_legend(svg, {kLeft, 14}, legend);
  return svg.element(label);
}

}  // namespace

Section loss_section(const std::vector<RunRecord>& runs) {
  Section section{"loss", "Loss", {}};
  if (!any_steps(runs)) {
    section.body = absent("step lines in metrics.jsonl, which training writes.");
    return section;
  }
  Interval range = values_range(runs, &StepRecord::loss);
  for (const RunRecord& run : runs) {
    const Series validation = validation_over_tokens(run);
    if (!validation.y.empty()) range.low = std::min(range.low, range_of(validation.y).low);
  }
  const std::vector<LegendEntry> legend = loss_legend(runs);
  const double top = legend_height(legend, kWidth - kLeft);
  SvgWriter svg(kWidth, top + 320 + 14 + 70 + 40);
  const PlotAxis tokens = token_axis(runs);
  draw_legend(svg, {kLeft, 14}, legend);
  Plot plot(svg, {kLeft, top, kPlotWidth, 320}, tokens,
            linear_axis("loss", loss_range(range), Unit::plain, 8));
  plot.draw_frame(Plot::XLabels::none);
  draw_losses(plot, runs);
  Plot scores(svg, {kLeft, top + 320 + 14, kPlotWidth, 70}, tokens,
              {"z-score",
               {-kScoreShown, kScoreShown},
               false,
               {{-kScoreShown, "≤ -8"}, {-4, "-4"}, {0, "0"}, {4, "4"}, {kScoreShown, "≥ 8"}}});
  draw_scores(scores, runs);
  section.body =
      svg.element("loss over tokens") +
      paragraph(
          "z-score: how many standard deviations a step's loss lies from the mean of the 128 steps "
          "before it. Where steps outnumber pixels, the line is the mean of what falls on a pixel "
          "and the light area reaches from the least to the greatest.",
          "note");
  return section;
}

Section optimization_section(const std::vector<RunRecord>& runs) {
  Section section{"optimization", "Gradient norm and learning rate", {}};
  if (!any_steps(runs)) {
    section.body = absent("step lines in metrics.jsonl, which training writes.");
    return section;
  }
  Interval norms{1e300, 0};
  Interval rates{0, 0};
  for (const RunRecord& run : runs) {
    for (const StepRecord& step : run.steps)
      if (step.grad_norm > 0 && std::isfinite(step.grad_norm))
        norms = joined(norms, {step.grad_norm, step.grad_norm});
    rates = joined(rates, {0, range_of(values_of(run, &StepRecord::lr)).high});
  }
  section.body = panel(runs, &StepRecord::grad_norm,
                       log_axis("gradient norm", {norms.low * 0.9, norms.high * 1.1}, Unit::plain),
                       "gradient norm over tokens") +
                 panel(runs, &StepRecord::lr,
                       linear_axis("learning rate", {0, rates.high * 1.05}, Unit::plain, 5),
                       "learning rate over tokens");
  return section;
}

}  // namespace swallow
