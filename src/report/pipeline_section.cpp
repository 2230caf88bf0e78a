// The section on the pipeline: one step as planned, and as measured below.
#include <fmt/format.h>

#include <algorithm>

#include "pipeline/schedule.h"
#include "pipeline/simulator.h"
#include "report/curve.h"
#include "report/gantt.h"
#include "report/html.h"
#include "report/planned_step.h"
#include "report/section.h"
#include "report/trace.h"

namespace swallow {

namespace {

/// Of each stage the medians of its forwards and backwards.
SimulationCosts measured_costs(const std::vector<GanttBar>& bars, int stages, Sending sending) {
  const auto times = [&](GanttBar::Kind kind) {
    std::vector<double> medians;
    for (int stage = 0; stage < stages; ++stage) {
      std::vector<double> seconds;
      for (const GanttBar& bar : bars)
        if (bar.row == stage && bar.kind == kind) seconds.push_back(bar.end - bar.begin);
      medians.push_back(seconds.empty() ? 0 : quantile(seconds, 0.5));
    }
    return medians;
  };
  return {.forward = times(GanttBar::Kind::forward),
          .backward = times(GanttBar::Kind::backward),
          .sending = sending};
}

/// What the run's schedule comes to when all forwards of a stage take one time, and all backwards.
std::vector<GanttBar> planned_bars(const RunRecord& run, int stages, int64_t microbatches,
                                   const SimulationCosts& costs) {
  const bool all_first = text_or(run.config(), "pipeline_schedule", "1f1b") == "gpipe";
  std::vector<Schedule> schedules;
  for (int stage = 0; stage < stages; ++stage)
    schedules.push_back(all_first ? gpipe(stage, stages, microbatches)
                                  : one_forward_one_backward(stage, stages, microbatches));
  return bars_of(simulate(schedules, costs));
}

/// Micro-batches of a step; 0 when the record does not say, or says nonsense.
int64_t microbatches_of(const RunRecord& run) {
  const int64_t tp = run.setting("tensor_model_parallel_size", 0);
  const int64_t pp = run.setting("pipeline_model_parallel_size", 0);
  const int64_t micro = run.setting("micro_batch_size", 0);
  const int64_t world = run.jobs.back().world_size;
  if (tp < 1 || pp < 1 || micro < 1 || tp > world || pp > world || world % (tp * pp) != 0) return 0;
  const int64_t batches = run.setting("global_batch_size", 0) / (micro * (world / (tp * pp)));
  return std::max<int64_t>(batches, 0);
}

/// The whole step, and where bars are too many for their numbers its beginning again, larger.
std::string step_pictures(const std::vector<GanttChart>& charts, Unit unit,
                          std::string_view axis_title) {
  constexpr double kReadable = 24;  // micro-batches
  double microbatches = 0;
  double stages = 0;
  for (const GanttBar& bar : charts[0].bars) {
    microbatches = std::max(microbatches, static_cast<double>(bar.microbatch) + 1);
    stages = std::max(stages, bar.row + 1.0);
  }
  const std::string whole =
      draw_gantt(charts, unit, axis_title).element("pipeline of a whole step");
  if (microbatches <= kReadable) return whole;
  const double share = std::min(1.0, (stages + 8) / (microbatches + stages));
  std::vector<GanttChart> parts;
  for (const GanttChart& chart : charts) {
    const Interval time = time_of(chart.bars);
    parts.push_back({chart.title.substr(0, chart.title.find(':')) + ": its beginning",
                     cut_bars(chart.bars, {time.low, time.low + share * time.length()})});
  }
  return whole + draw_gantt(parts, unit, axis_title).element("beginning of the step");
}

std::string plan_alone(const RunRecord& run) {
  const int64_t stages = run.setting("pipeline_model_parallel_size", 0);
  const int64_t microbatches = microbatches_of(run);
  constexpr int64_t kMostStages = 256;
  constexpr int64_t kMostForwards = 1 << 15;  // of a picture of some 10 MB
  if (stages < 2 || stages > kMostStages || microbatches < 1 ||
      microbatches > kMostForwards / stages)
    return {};
  const auto bars = planned_bars(run, static_cast<int>(stages), microbatches,
                                 SimulationCosts::uniform(static_cast<int>(stages), 1, 2));
  return step_pictures({{gantt_title("planned", bars, Unit::plain), bars}}, Unit::plain,
                       "time in forwards of a micro-batch; a backward takes 2");
}

}  // namespace

Section pipeline_section(const RunRecord& run, const std::string& trace_folder) {
  Section section{"pipeline", "Pipeline", {}};
  const TraceRecord trace = trace_folder.empty() ? TraceRecord{} : read_trace(trace_folder);
  for (const std::string& note : trace.notes) section.body += paragraph(note, "notice");
  if (trace.bars.empty()) {
    section.body += plan_alone(run);
    section.body += absent(
        "the measured step; trace-RANK.json files of all stages, from a run with "
        "--trace-dir, in its folder trace or given by --trace-dir would show it.");
    return section;
  }
  int stages = 0;
  int64_t microbatches = 0;
  for (const GanttBar& bar : trace.bars) {
    stages = std::max(stages, bar.row + 1);
    microbatches = std::max(microbatches, bar.microbatch + 1);
  }
  const bool gpu = text_or(run.config(), "backend", "cpu") == "cuda";
  const SimulationCosts costs =
      measured_costs(trace.bars, stages, gpu ? Sending::overlapped : Sending::blocking);
  std::vector<GanttChart> charts;
  if (static_cast<size_t>(stages) * static_cast<size_t>(microbatches) * 2 == trace.bars.size()) {
    const auto bars = planned_bars(run, stages, microbatches, costs);
    charts.push_back({gantt_title("planned", bars, Unit::seconds), bars});
  }
  charts.push_back(
      {gantt_title(fmt::format("measured, step {}", trace.step), trace.bars, Unit::seconds),
       trace.bars});
  section.body +=
      step_pictures(charts, Unit::seconds, "time since the step's first forward") +
      paragraph(
          "Planned: the schedule with each stage's measured medians of a forward and a backward, "
          "and no time for transfers. Measured: the lowest rank of each stage.",
          "note");
  return section;
}

}  // namespace swallow
