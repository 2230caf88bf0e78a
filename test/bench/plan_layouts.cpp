// The fastest layouts of a preset by the model of plan/, and the place of the preset's own.
//   plan_layouts PRESET GPUS HARDWARE [SOFTWARE]
#include <fmt/format.h>

#include <chrono>
#include <cstdio>

#include "config/preset.h"
#include "config/value_text.h"
#include "plan/layout_search.h"
#include "plan/memory_table.h"
#include "telemetry/number_text.h"

using namespace swallow;

namespace {

void print(size_t place, const RankedLayout& r) {
  const Layout& l = r.layout;
  fmt::print(
      "{:>4}. DP {:>3} TP {} PP {:>2} mbs {} {:<9} {:<5} {:>8.0f} tokens/s a GPU, {:7.2f} s, "
      "{}{}{}\n",
      place, l.dp, l.tp, l.pp, l.micro_batch_size, name_of(l.recompute), name_of(l.schedule),
      r.tokens_per_second, r.step_seconds, bytes_text(r.planned_bytes),
      r.reason.empty() ? "" : ": ", r.reason);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4 && argc != 5) {
    fmt::print(stderr, "usage: {} PRESET GPUS HARDWARE [SOFTWARE]\n", argv[0]);
    return 2;
  }
  LayoutQuestion question;
  apply_preset(argv[1], question.config);
  question.config.data.mock_data = true;
  question.num_ranks = static_cast<int>(parse_integer("GPUS ", argv[2], {1, 1 << 20}));
  const HardwareProfile hardware = load_hardware_profile(argv[3]);
  question.memory_limit = hardware.memory_bytes - kBesideLedgerBytes;
  question.planned_bytes = [](const RunConfig& config, const RunShape& run) {
    return fullest_bytes(plan_stages(config, run, Device{DeviceKind::cuda, 0}, 1));
  };
  const auto begin = std::chrono::steady_clock::now();
  const LayoutRanking ranking =
      search_layouts(question, hardware, software_profile(argc == 5 ? argv[4] : "swallow-train"));
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begin;
  fmt::print("{} fit {}, {} are too large, {} refused; {:.2f} s\n", ranking.fitting.size(),
             bytes_text(question.memory_limit), ranking.too_large.size(), ranking.refused.size(),
             elapsed.count());
  const ParallelConfig& own = question.config.parallel;
  for (size_t i = 0; i < ranking.fitting.size(); ++i) {
    const Layout& l = ranking.fitting[i].layout;
    const bool preset = l.tp == own.tensor_model_parallel_size &&
                        l.pp == own.pipeline_model_parallel_size && l.micro_batch_size == 1 &&
                        l.recompute == Recompute::none &&
                        l.schedule == PipelineSchedule::one_f_one_b;
    if (i < 8 || preset) print(i + 1, ranking.fitting[i]);
  }
  fmt::print("the fastest that do not fit:\n");
  for (size_t i = 0; i < std::min<size_t>(3, ranking.too_large.size()); ++i)
    print(i + 1, ranking.too_large[i]);
  return 0;
}
