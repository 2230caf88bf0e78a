#include "plan/pipeline_time.h"

#include "base/check.h"

namespace swallow {

namespace {

double played(PipelineSchedule schedule, int64_t microbatches, const SimulationCosts& costs) {
  const auto generate = schedule == PipelineSchedule::gpipe ? gpipe : one_forward_one_backward;
  const int num_stages = static_cast<int>(costs.forward.size());
  std::vector<Schedule> stages;
  for (int stage = 0; stage < num_stages; ++stage)
    stages.push_back(generate(stage, num_stages, microbatches));
  const SimulationResult result = simulate(stages, costs);
  SWALLOW_CHECK(result.error.empty(), "{}", result.error);
  return result.time;
}

}  // namespace

double pipeline_seconds(PipelineSchedule schedule, int64_t microbatches,
                        const SimulationCosts& costs) {
  const auto enough = static_cast<int64_t>(8 * costs.forward.size());
  if (microbatches <= 2 * enough) return played(schedule, microbatches, costs);
  // Over a whole round of micro-batches, should they not be quite alike yet.
  const double half = played(schedule, enough / 2, costs);
  const double whole = played(schedule, enough, costs);
  const double each = (whole - half) / static_cast<double>(enough - enough / 2);
  return whole + static_cast<double>(microbatches - enough) * each;
}

}  // namespace swallow
