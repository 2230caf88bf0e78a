#include "plan/layout_search.h"

#include <algorithm>
#include <array>

#include "base/check.h"
#include "plan/step_estimate.h"
#include "telemetry/number_text.h"

namespace swallow {

namespace {

constexpr std::array kRecomputes{Recompute::none, Recompute::selective, Recompute::full};
constexpr std::array kSchedules{PipelineSchedule::one_f_one_b, PipelineSchedule::gpipe};

class Search {
 public:
  Search(const LayoutQuestion& question, const HardwareProfile& hardware,
         const SoftwareProfile& software)
      : question_(question), hardware_(hardware), software_(software) {}

  LayoutRanking run() {
    for (int64_t tp = 1; tp <= question_.num_ranks; ++tp) {
      if (question_.num_ranks % tp != 0) continue;
      for (int64_t pp = 1; pp <= question_.num_ranks / tp; ++pp)
        if (question_.num_ranks / tp % pp == 0) try_grid(tp, pp);
    }
    const auto faster = [](const RankedLayout& a, const RankedLayout& b) {
      return a.tokens_per_second > b.tokens_per_second;
    };
    std::stable_sort(ranking_.fitting.begin(), ranking_.fitting.end(), faster);
    std::stable_sort(ranking_.too_large.begin(), ranking_.too_large.end(), faster);
    return std::move(ranking_);
  }

 private:
  void try_grid(int64_t tp, int64_t pp) {
    for (const int64_t micro_batch_size : question_.micro_batch_sizes)
      for (const PipelineSchedule schedule : kSchedules) {
        // Without a pipeline both schedules are the same steps.
        if (pp == 1 && schedule != PipelineSchedule::one_f_one_b) continue;
        for (const Recompute recompute : kRecomputes)
          try_layout(
              {tp, pp, question_.num_ranks / (tp * pp), micro_batch_size, recompute, schedule});
      }
  }

  void try_layout(const Layout& layout) {
    RankedLayout candidate{.layout = layout};
    const RunConfig config = with_layout(question_.config, layout);
    RunShape run;
    try {
      run = resolve(config, question_.num_ranks);
    } catch (const ConfigError& error) {
      candidate.reason = error.what();
      ranking_.refused.push_back(std::move(candidate));
      return;
    }
    candidate.planned_bytes = question_.planned_bytes(config, run);
    const StepEstimate estimate = estimate_step(hardware_, software_, step_case(config, run));
    candidate.step_seconds = estimate.total();
    candidate.tokens_per_second = estimate.tokens_per_second;
    if (candidate.planned_bytes <= question_.memory_limit) {
      ranking_.fitting.push_back(std::move(candidate));
      return;
    }
    candidate.reason = fmt::format("takes {} of {}", bytes_text(candidate.planned_bytes),
                                   bytes_text(question_.memory_limit));
    ranking_.too_large.push_back(std::move(candidate));
  }

  const LayoutQuestion& question_;
  const HardwareProfile& hardware_;
  const SoftwareProfile& software_;
  LayoutRanking ranking_;
};

}  // namespace

const RankedLayout* LayoutRanking::find(const Layout& layout) const {
  const auto found = std::find_if(fitting.begin(), fitting.end(),
                                  [&](const RankedLayout& r) { return r.layout == layout; });
  return found == fitting.end() ? nullptr : &*found;
}

RunConfig with_layout(RunConfig config, const Layout& layout) {
  config.parallel.tensor_model_parallel_size = layout.tp;
  config.parallel.pipeline_model_parallel_size = layout.pp;
  config.parallel.sequence_parallel = layout.tp > 1;
  config.parallel.pipeline_schedule = layout.schedule;
  config.training.micro_batch_size = layout.micro_batch_size;
  config.training.recompute_granularity = layout.recompute;
  return config;
}

LayoutRanking search_layouts(const LayoutQuestion& question, const HardwareProfile& hardware,
                             const SoftwareProfile& software) {
  SWALLOW_CHECK(question.num_ranks >= 1, "{} ranks", question.num_ranks);
  return Search(question, hardware, software).run();
}

}  // namespace swallow
