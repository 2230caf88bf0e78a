#include "plan/preset_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <vector>

#include "config/preset.h"
#include "config/run_shape.h"
#include "plan/memory_table.h"
#include "plan/step_estimate.h"

namespace swallow {

namespace {

/// A preset on the grid and GPUs of the paper.
struct PaperRun {
  RunConfig config;
  RunShape run;
  std::vector<StageLedger> stages;
  StepEstimate estimate;
};

/// TFLOPS a GPU by the printer of Megatron-Llama2: arXiv 2404.17790, Table 2.
constexpr std::array<std::pair<std::string_view, int>, 3> kPaperTflops{
    {{"7b", 134}, {"13b", 143}, {"70b", 158}}};

std::string paper_tflops(std::string_view preset) {
  for (const auto& [name, tflops] : kPaperTflops)
    if (name == preset) return std::to_string(tflops);
  return "-";
}

PaperRun paper_run(const std::string& preset) {
  PaperRun paper;
  RunConfig& config = paper.config;
  apply_preset(preset, config);
  config.parallel.backend = Backend::cuda;
  config.data.mock_data = true;  // no data is read
  const ParallelConfig& p = config.parallel;
  paper.run =
      resolve(config, static_cast<int>(p.paper_data_parallel_size * p.tensor_model_parallel_size *
                                       p.pipeline_model_parallel_size));
  paper.stages = plan_stages(config, paper.run, {DeviceKind::cuda, 0}, 1);
  paper.estimate = estimate_step(load_hardware_profile("a100-40"),
                                 software_profile("swallow-train"), step_case(config, paper.run));
  return paper;
}

bool is_papers(const std::string& preset) {
  RunConfig config;
  apply_preset(preset, config);
  return config.parallel.paper_data_parallel_size > 0;
}

double gib(int64_t bytes) {
  return static_cast<double>(bytes) / (1 << 30);
}

double tflops(const PaperRun& paper, FlopFormula formula) {
  const auto at = std::ranges::find(kFlopFormulas, formula) - kFlopFormulas.begin();
  return paper.estimate.tflops[static_cast<size_t>(at)];
}

struct Column {
  const char* header;
  std::function<std::string(const PaperRun&)> cell;
};

const std::vector<Column>& columns() {
  using P = const PaperRun&;
  static const std::vector<Column> list = {
      {"preset", [](P p) { return fmt::format("`{}`", p.config.preset); }},
      {"TP", [](P p) { return std::to_string(p.run.tp); }},
      {"PP", [](P p) { return std::to_string(p.run.pp); }},
      {"paper's DP, nodes",
       [](P p) { return fmt::format("{}, {}", p.run.dp, p.config.parallel.paper_nodes); }},
      {"smallest world", [](P p) { return fmt::format("{} ranks", p.run.tp * p.run.pp); }},
      {"planned GiB", [](P p) { return fmt::format("{:.1f}", gib(fullest_bytes(p.stages))); }},
      {"estimated tokens/s",
       [](P p) { return fmt::format("{:.0f}", p.estimate.tokens_per_second); }},
      {"TFLOPS, causal; fork_a",
       [](P p) {
         return fmt::format("{:.0f}; {:.0f}", tflops(p, FlopFormula::causal),
                            tflops(p, FlopFormula::fork_a));
       }},
      {"paper's TFLOPS", [](P p) { return paper_tflops(p.config.preset); }},
  };
  return list;
}

}  // namespace

std::string presets_markdown() {
  std::string text = "|";
  std::string rule = "|";
  for (const Column& column : columns()) {
    text += fmt::format(" {} |", column.header);
    rule += " --- |";
  }
  text += "\n" + rule + "\n";
  std::vector<PaperRun> papers;
  for (const std::string& preset : preset_names())
    if (is_papers(preset)) papers.push_back(paper_run(preset));
  std::ranges::sort(papers, {}, [](const PaperRun& p) { return p.config.model.num_layers; });
  for (const PaperRun& paper : papers) {
    text += "|";
    for (const Column& column : columns()) text += fmt::format(" {} |", column.cell(paper));
    text += "\n";
  }
  return text;
}

}  // namespace swallow
