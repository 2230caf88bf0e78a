#include "plan/step_table.h"

#include <fmt/format.h>

#include "telemetry/number_text.h"
#include "telemetry/table.h"

namespace swallow {

namespace {

TextTable anatomy(const StepEstimate& e) {
  TextTable table{.title = "Estimated step", .header = {"part", "seconds", "share"}};
  const auto add = [&](const char* part, double seconds) {
    table.rows.push_back(
        {part, fmt::format("{:.4g}", seconds), fmt::format("{:.1f} %", 100 * seconds / e.total())});
  };
  add("matrix products", e.gemm);
  add("attention", e.attention);
  add("passes over memory", e.memory);
  add("waiting for the host", e.host);
  add("tensor-parallel traffic, exposed", e.tp);
  add("pipeline's transfers, exposed", e.pp);
  add("pipeline's bubble", e.bubble);
  add("data-parallel traffic, exposed", e.dp);
  add("optimizer", e.optimizer);
  if (e.shared > 0) add("waiting for shared cores", e.shared);
  add("step", e.total());
  return table;
}

std::string speed(const StepEstimate& e, const StepCase& step, const HardwareProfile& hardware) {
  const auto ranks = static_cast<double>(step.world_size());
  std::string text =
      fmt::format("{:.4g} tokens/s a rank, {:.4g} in all; TFLOPS a rank:", e.tokens_per_second,
                  e.tokens_per_second * ranks);
  for (size_t i = 0; i < kFlopFormulas.size(); ++i)
    text +=
        fmt::format("{} {:.3g} ({})", i == 0 ? "" : ",", e.tflops[i], name_of(kFlopFormulas[i]));
  return text + fmt::format("\nMFU {:.1f} % of {:.4g} TFLOPS, causal\n",
                            100 * e.tflops[0] / hardware.peak_tflops, hardware.peak_tflops);
}

}  // namespace

std::string step_table(const StepEstimate& estimate, const StepCase& step,
                       const HardwareProfile& hardware, const SoftwareProfile& software,
                       double train_tokens) {
  return anatomy(estimate).text() + speed(estimate, step, hardware) +
         fmt::format("{} tokens take {:.3g} days\nby profiles {} ({}) and {} ({})\n",
                     count_text(static_cast<int64_t>(train_tokens)),
                     estimate.days(train_tokens, step.world_size()), hardware.name,
                     hardware.description, software.name, software.description);
}

}  // namespace swallow
