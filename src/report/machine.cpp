// The sections on the machine: memory of the stages, ranks by host, the pipeline's step.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "pipeline/schedule.h"
#include "pipeline/simulator.h"
#include "report/bars.h"
#include "report/curve.h"
#include "report/gantt.h"
#include "report/heat_map.h"
#include "report/html.h"
#include "report/section.h"
#include "report/series.h"
#include "report/trace.h"

namespace swallow {

namespace {

constexpr double kSlowRank = 1.1;  // times the median of the ranks
constexpr size_t kMostColumns = 16;

/// Stage of a rank; axes in Megatron's order: tp fastest, then dp, then pp. -1: not known.
int64_t stage_of(const RunRecord& run, size_t rank) {
  const int64_t pp = run.setting("pipeline_model_parallel_size", 0);
  const int64_t world = run.jobs.back().world_size;
  return pp >= 1 && world >= pp && static_cast<int64_t>(rank) < world
             ? static_cast<int64_t>(rank) / (world / pp)
             : -1;
}

/// Largest that any record has of the ranks of `stage`; 0 when not known.
double peak_of_stage(const RunRecord& run, int64_t stage) {
  double peak = 0;
  for (const RanksRecord& record : run.ranks)
    for (size_t rank = 0; rank < record.peak_memory_bytes.size(); ++rank)
      if (stage_of(run, rank) == stage) peak = std::max(peak, record.peak_memory_bytes[rank]);
  return peak;
}

std::string peak_text(const RunRecord& run) {
  const double peak = range_of(values_of(run, &StepRecord::peak_memory_bytes)).high;
  if (!(peak > 1)) return {};
  return paragraph(fmt::format("Largest memory of any rank during training: {}.",
                               value_text(peak, Unit::bytes)));
}

/// Median of each rank's times over the records that are as wide as the last.
std::vector<double> median_seconds(const RunRecord& run) {
  const size_t ranks = run.ranks.back().compute_seconds.size();
  std::vector<double> medians;
  for (size_t rank = 0; rank < ranks; ++rank) {
    std::vector<double> seconds;
    for (const RanksRecord& record : run.ranks)
      if (record.compute_seconds.size() == ranks) seconds.push_back(record.compute_seconds[rank]);
    medians.push_back(quantile(seconds, 0.5));
  }
  return medians;
}

std::string host_of(const RanksRecord& record, int node) {
  const auto index = static_cast<size_t>(node);
  return node >= 0 && index < record.hosts.size() ? record.hosts[index] : "host not known";
}

/// Ranks of each node in their order; all of one when the record does not say.
std::vector<std::pair<int, std::vector<size_t>>> ranks_by_node(const RanksRecord& record) {
  std::vector<std::pair<int, std::vector<size_t>>> nodes;
  for (size_t rank = 0; rank < record.compute_seconds.size(); ++rank) {
    const int node = rank < record.node_of_rank.size() ? record.node_of_rank[rank] : -1;
    auto found = std::find_if(nodes.begin(), nodes.end(),
                              [node](const auto& entry) { return entry.first == node; });
    if (found == nodes.end()) found = nodes.insert(nodes.end(), {node, {}});
    found->second.push_back(rank);
  }
  return nodes;
}

/// Ranks are compared within their stage, for stages differ in work by design.
struct RankTimes {
  std::vector<double> seconds;        // by rank
  std::vector<double> stage_medians;  // by rank: of its stage; the lower one of two in the middle

  [[nodiscard]] double excess(size_t rank) const { return seconds[rank] / stage_medians[rank]; }
  [[nodiscard]] bool slow(size_t rank) const { return excess(rank) > kSlowRank; }
};

RankTimes rank_times(const RunRecord& run) {
  RankTimes times{median_seconds(run), {}};
  std::map<int64_t, std::vector<double>> by_stage;
  for (size_t rank = 0; rank < times.seconds.size(); ++rank)
    by_stage[stage_of(run, rank)].push_back(times.seconds[rank]);
  for (size_t rank = 0; rank < times.seconds.size(); ++rank)
    times.stage_medians.push_back(quantile(by_stage[stage_of(run, rank)], 0.5));
  return times;
}

HeatCell cell_of(const RankTimes& times, size_t rank) {
  return {times.seconds[rank],
          fmt::format("{}: {}", rank, value_text(times.seconds[rank], Unit::seconds)),
          fmt::format("rank {}: median {}, {:.3f} times the median of its stage", rank,
                      value_text(times.seconds[rank], Unit::seconds), times.excess(rank)),
          times.slow(rank)};
}

HeatMap map_of(const RanksRecord& record, const RankTimes& times) {
  const Interval range = range_of(times.seconds);
  HeatMap map{{},
              {},
              "median compute time of a step",
              value_text(range.low, Unit::seconds),
              value_text(range.high, Unit::seconds)};
  size_t widest = 0;
  for (const auto& [node, ranks] : ranks_by_node(record)) {
    for (size_t begin = 0; begin < ranks.size(); begin += kMostColumns) {
      const size_t end = std::min(begin + kMostColumns, ranks.size());
      HeatRow row{begin == 0 ? host_of(record, node) : fmt::format("… {}", begin), {}};
      for (size_t i = begin; i < end; ++i) row.cells.push_back(cell_of(times, ranks[i]));
      widest = std::max(widest, row.cells.size());
      map.rows.push_back(std::move(row));
    }
  }
  for (size_t i = 0; i < widest; ++i) map.columns.push_back(fmt::format("{}", i));
  return map;
}

std::string slow_ranks_text(const RanksRecord& record, const RankTimes& times) {
  std::string text;
  for (size_t rank = 0; rank < times.seconds.size(); ++rank) {
    if (!times.slow(rank)) continue;
    const int node = rank < record.node_of_rank.size() ? record.node_of_rank[rank] : -1;
    text += fmt::format("{}rank {} on {} ({:.2f} times)", text.empty() ? "" : ", ", rank,
                        host_of(record, node), times.excess(rank));
  }
  return text.empty()
             ? fmt::format("No rank is slower than {} times the median of its stage.", kSlowRank)
             : fmt::format("Slower than {} times the median of its stage: {}.", kSlowRank, text);
}

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
  std::vector<GanttBar> bars;
  for (const PipelineSpan& work : simulate(schedules, costs).spans)
    bars.push_back({.row = work.stage,
                    .kind = work.kind == Step::Kind::backward ? GanttBar::Kind::backward
                                                              : GanttBar::Kind::forward,
                    .microbatch = work.microbatch,
                    .begin = work.begin,
                    .end = work.end});
  return bars;
}

/// Micro-batches of a step; 0 when the record does not say, or says nonsense.
int64_t microbatches_of(const RunRecord& run) {
  const int64_t tp = run.setting("tensor_model_parallel_size", 0);
  const int64_t pp = run.setting("pipeline_model_parallel_size", 0);
  const int64_t micro = run.setting("micro_batch_size", 0);
  const int64_t world = run.jobs.back().world_size;
  if (tp < 1 || pp < 1 || micro < 1 || tp > world || pp > world || world % (tp * pp) != 0) return 0;
  const int64_t batches = run.setting("global_batch_size", 0) / (micro * (world / (tp * pp)));
  constexpr int64_t kMost = 4096;  // of one picture
  return batches >= 1 && batches <= kMost ? batches : 0;
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
  if (stages < 2 || stages > kMostStages || microbatches < 1) return {};
  const auto bars = planned_bars(run, static_cast<int>(stages), microbatches,
                                 SimulationCosts::uniform(static_cast<int>(stages), 1, 2));
  return step_pictures({{gantt_title("planned", bars, Unit::plain), bars}}, Unit::plain,
                       "time in forwards of a micro-batch; a backward takes 2");
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

Section ranks_section(const RunRecord& run) {
  Section section{"ranks", "Ranks", {}};
  if (run.ranks.empty()) {
    section.body = absent("each rank's compute time; ranks lines in metrics.jsonl would show it.");
    return section;
  }
  const RanksRecord& last = run.ranks.back();
  const RankTimes times = rank_times(run);
  section.body = paragraph(slow_ranks_text(last, times)) +
                 heat_map(map_of(last, times)).element("compute time by host and rank") +
                 paragraph(fmt::format("A row a host, a column a place on it; in a cell the rank "
                                       "and its median over {} records. A frame and ! mark more "
                                       "than {} times the median.",
                                       run.ranks.size(), kSlowRank),
                           "note");
  return section;
}

}  // namespace swallow
