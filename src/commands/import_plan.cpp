// `swallow-train import --dry-run`: what each rank of a run would read of a Hugging Face folder.
#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <ostream>
#include <set>

#include "base/check.h"
#include "checkpoint/hugging_face_load.h"
#include "commands/import.h"
#include "config/run_shape.h"
#include "plan/memory_plan.h"
#include "telemetry/number_text.h"
#include "telemetry/table.h"

namespace swallow {

namespace {

struct RankPlan {
  int rank = 0;
  GridCoordinate at;
  std::vector<FolderRead> reads;

  [[nodiscard]] int64_t bytes() const {
    int64_t sum = 0;
    for (const FolderRead& read : reads) sum += read.bytes();
    return sum;
  }
  [[nodiscard]] int64_t runs() const {
    int64_t sum = 0;
    for (const FolderRead& read : reads)
      for (const ByteRuns& run : read.runs) sum += run.count;
    return sum;
  }
  [[nodiscard]] std::set<std::string> files() const {
    std::set<std::string> names;
    for (const FolderRead& read : reads) names.insert(read.file);
    return names;
  }
};

std::vector<RankPlan> make_plans(const RunConfig& config, const RunShape& run,
                                 const HuggingFaceFolder& folder) {
  const ProcessGrid grid({.dp = run.dp, .tp = run.tp, .pp = run.pp});
  std::vector<RankPlan> plans;
  for (int rank = 0; rank < grid.world_size(); ++rank) {
    const GridCoordinate at = grid.coordinate(rank);
    const ModelShapes shapes = make_shapes(config, run, at);
    const ParamLayout layout = plan_layout(config, run, shapes);
    plans.push_back(
        {rank, at,
         plan_folder_reads(folder, layout, layout.shards() > 1 ? at.dp : 0, shapes.dtype)});
  }
  return plans;
}

nlohmann::ordered_json json_of(const RankPlan& plan) {
  nlohmann::ordered_json json{{"rank", plan.rank},
                              {"dp", plan.at.dp},
                              {"tp", plan.at.tp},
                              {"pp", plan.at.pp},
                              {"bytes", plan.bytes()}};
  for (const FolderRead& read : plan.reads) {
    nlohmann::ordered_json entry{
        {"file", read.file}, {"tensor", read.tensor}, {"for", name_of(read.kind)}};
    for (const ByteRuns& run : read.runs)
      entry["runs"].push_back({{"offset", run.offset},
                               {"bytes", run.bytes},
                               {"stride", run.stride},
                               {"count", run.count}});
    json["reads"].push_back(std::move(entry));
  }
  return json;
}

void print_table(const std::vector<RankPlan>& plans, const HuggingFaceFolder& folder,
                 std::ostream& out) {
  TextTable table{.title = fmt::format("What each rank reads of {}", folder.place()),
                  .header = {"rank", "DP", "TP", "PP", "files", "tensors", "ranges", "bytes", ""}};
  int64_t total = 0;
  for (const RankPlan& plan : plans) {
    total += plan.bytes();
    table.rows.push_back({fmt::format("{}", plan.rank), fmt::format("{}", plan.at.dp),
                          fmt::format("{}", plan.at.tp), fmt::format("{}", plan.at.pp),
                          fmt::format("{}", plan.files().size()),
                          fmt::format("{}", plan.reads.size()), fmt::format("{}", plan.runs()),
                          fmt::format("{}", plan.bytes()), bytes_text(plan.bytes())});
  }
  int64_t size = 0;
  for (const auto& [name, file] : folder.files()) size += file.size();
  out << table.text()
      << fmt::format("{} ranks read {} in all of {} files of {}\n", plans.size(), bytes_text(total),
                     folder.files().size(), bytes_text(size));
}

}  // namespace

int run_import_plan(const ParsedCommandLine& parsed, std::ostream& out) {
  RunConfig config = parsed.config;
  const HuggingFaceFolder folder(config.checkpoint.load);
  if (config.model.vocab_size == 0) config.model.vocab_size = folder.config().model.vocab_size;
  require_same_model(config.model, folder.config().model, config.checkpoint.load);
  config.data = {.split = config.data.split, .mock_data = true};  // no data is read
  const ParallelConfig& p = config.parallel;
  const int64_t smallest = p.tensor_model_parallel_size * p.pipeline_model_parallel_size;
  const RunShape run =
      resolve(config, parsed.nproc > 0 ? parsed.nproc : static_cast<int>(smallest));
  const std::vector<RankPlan> plans = make_plans(config, run, folder);
  if (!parsed.own.contains("json")) {
    for (const std::string& notice : folder.notices()) out << notice << "\n";
    print_table(plans, folder, out);
    return 0;
  }
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  for (const RankPlan& plan : plans) json.push_back(json_of(plan));
  out << json.dump(2) << "\n";
  return 0;
}

}  // namespace swallow
