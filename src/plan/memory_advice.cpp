#include "plan/memory_advice.h"

#include <fmt/ranges.h>

#include <functional>
#include <optional>

#include "base/check.h"
#include "telemetry/number_text.h"
#include "telemetry/table.h"

namespace swallow {

namespace {

struct Candidate {
  std::string flags;
  std::function<void(RunConfig&)> apply;
  bool combines = true;  // with all others; false: one of them does the same and more
};

/// What changes the memory and neither the grid nor the result of training.
std::vector<Candidate> candidates_on_this_grid(const RunConfig& config, const RunShape& run) {
  std::vector<Candidate> list;
  const auto add = [&](bool open, std::string flags, std::function<void(RunConfig&)> apply,
                       bool combines = true) {
    if (open) list.push_back({std::move(flags), std::move(apply), combines});
  };
  const ParallelConfig& p = config.parallel;
  const int64_t batch = config.training.micro_batch_size;
  add(p.pipeline_schedule == PipelineSchedule::gpipe, "--pipeline-schedule 1f1b",
      [](RunConfig& c) { c.parallel.pipeline_schedule = PipelineSchedule::one_f_one_b; });
  add(!p.use_distributed_optimizer && run.dp > 1, "--use-distributed-optimizer",
      [](RunConfig& c) { c.parallel.use_distributed_optimizer = true; });
  add(!p.sequence_parallel && run.tp > 1, "--sequence-parallel",
      [](RunConfig& c) { c.parallel.sequence_parallel = true; });
  add(!config.optimizer.use_precision_aware_optimizer, "--use-precision-aware-optimizer",
      [](RunConfig& c) { c.optimizer.use_precision_aware_optimizer = true; });
  add(batch > 1, "--micro-batch-size 1", [](RunConfig& c) { c.training.micro_batch_size = 1; });
  const Recompute recompute = config.training.recompute_granularity;
  add(
      recompute == Recompute::none, "--recompute-granularity selective",
      [](RunConfig& c) { c.training.recompute_granularity = Recompute::selective; }, false);
  add(recompute != Recompute::full, "--recompute-granularity full",
      [](RunConfig& c) { c.training.recompute_granularity = Recompute::full; });
  return list;
}

Candidate all_of(const std::vector<Candidate>& list) {
  std::vector<Candidate> parts;
  std::vector<std::string> flags;
  for (const Candidate& candidate : list) {
    if (!candidate.combines) continue;
    parts.push_back(candidate);
    flags.push_back(candidate.flags);
  }
  return {fmt::format("{}", fmt::join(flags, " ")), [parts](RunConfig& config) {
            for (const Candidate& part : parts) part.apply(config);
          }};
}

std::vector<Candidate> candidates(const RunConfig& config, const RunShape& run) {
  std::vector<Candidate> list = candidates_on_this_grid(config, run);
  const Candidate together = all_of(list);
  list.push_back({fmt::format("--tensor-model-parallel-size {}", 2 * run.tp),
                  [](RunConfig& c) { c.parallel.tensor_model_parallel_size *= 2; }});
  list.push_back({fmt::format("--pipeline-model-parallel-size {}", 2 * run.pp),
                  [](RunConfig& c) { c.parallel.pipeline_model_parallel_size *= 2; }});
  list.push_back(together);
  return list;
}

/// None where the settings contradict each other on these ranks.
std::optional<RunShape> resolved(const RunConfig& config, int world_size) {
  try {
    return resolve(config, world_size);
  } catch (const ConfigError&) {
    return {};
  }
}

}  // namespace

std::vector<MemoryChange> memory_changes(const RunConfig& config, const RunShape& run,
                                         Device device, int num_threads) {
  const int64_t now = fullest_bytes(plan_stages(config, run, device, num_threads));
  std::vector<MemoryChange> changes;
  for (const Candidate& candidate : candidates(config, run)) {
    RunConfig changed = config;
    candidate.apply(changed);
    const std::optional<RunShape> shape = resolved(changed, run.world_size);
    if (!shape) continue;
    const int64_t bytes = fullest_bytes(plan_stages(changed, *shape, device, num_threads));
    if (bytes < now) changes.push_back({candidate.flags, bytes});
  }
  return changes;
}

std::string memory_advice(const std::vector<MemoryChange>& changes, const MemoryLimit& limit) {
  if (changes.empty())
    return "no single setting takes less on so many ranks; expected more ranks\n";
  TextTable table{.title = "What would change it, on the same ranks",
                  .header = {"flags", "fullest stage", ""}};
  for (const MemoryChange& change : changes) {
    const int64_t left = limit.bytes - change.bytes;
    table.rows.push_back(
        {change.flags, bytes_text(change.bytes),
         left < 0 ? bytes_text(-left) + " too many"
                  : fmt::format("{}, {} left", left < kBesideLedgerBytes ? "tight" : "fits",
                                bytes_text(left))});
  }
  return table.text();
}

}  // namespace swallow
