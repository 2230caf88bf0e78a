#include "plan/memory_table.h"

#include <catch2/catch.hpp>

#include "config/preset.h"
#include "plan/memory_plan.h"

using namespace swallow;
using Catch::Contains;

namespace {

constexpr int64_t kGiB = int64_t{1} << 30;

StageLedger stage_of(std::vector<std::pair<std::string, int64_t>> categories, int num_slots = 1) {
  StageLedger stage{.num_slots = num_slots};
  for (const auto& [category, bytes] : categories) stage.ledger.add(category, bytes);
  return stage;
}

/// Two stages of 12 and 20 GiB.
std::vector<StageLedger> two_stages() {
  return {stage_of({{"weights", 4 * kGiB}, {"activations", 8 * kGiB}}, 2),
          stage_of({{"weights", 5 * kGiB}, {"activations", 14 * kGiB}, {"logits", kGiB}})};
}

MemoryLimit limit_of(double gib) {
  return {"Some GPU", static_cast<int64_t>(gib * static_cast<double>(kGiB))};
}

}  // namespace

TEST_CASE("the memory table has a row for each stage and a column for each category", "[unit]") {
  const std::string text = memory_table(two_stages());
  CHECK(text ==
        "Planned memory of a rank, GiB\n"
        "  stage  in flight  weights  activations  logits  total        bytes\n"
        "  0              2     4.00         8.00          12.00  12884901888\n"
        "  1              1     5.00        14.00    1.00  20.00  21474836480\n");
  CHECK(fullest_bytes(two_stages()) == 20 * kGiB);
}

TEST_CASE("the memory table counts small plans in MiB, and copies where there are any", "[unit]") {
  StageLedger stage = stage_of({{"weights", 3 << 20}});
  stage.snapshot_bytes = 2 << 20;
  const std::string text = memory_table({stage});
  CHECK_THAT(text, Contains("MiB") && Contains("--async-save") && Contains("3.0"));
  CHECK_THAT(memory_table(two_stages()), !Contains("--async-save"));
}

TEST_CASE("the memory table says by stage what is left or missing", "[unit]") {
  CHECK_THAT(memory_table(two_stages(), limit_of(40)),
             Contains("left of 40.00") && Contains("28.00\n") && Contains(" 20.00\n"));
  CHECK_THAT(memory_table(two_stages(), limit_of(21)),
             Contains("9.00\n") && Contains("1.00, tight\n"));
  CHECK_THAT(memory_table(two_stages(), limit_of(16)),
             Contains("4.00\n") && Contains("4.00 too many\n"));
}

TEST_CASE("the verdict names the device and every stage that does not fit", "[unit]") {
  CHECK_THAT(memory_verdict(two_stages(), limit_of(40)),
             Catch::StartsWith("fits Some GPU") && Contains("leaves 20.00 GiB"));
  CHECK_THAT(memory_verdict(two_stages(), limit_of(21)),
             Catch::StartsWith("may not fit Some GPU") && Contains("leaves 1.00 GiB"));
  CHECK(memory_verdict(two_stages(), limit_of(16)) ==
        "stage 1 does not fit Some GPU, 16.00 GiB: 4.00 GiB too many\n");
  const std::string both = memory_verdict(two_stages(), limit_of(10));
  CHECK_THAT(both, Contains("stage 0 does not fit") && Contains("stage 1 does not fit"));
}

TEST_CASE("the 7B model's plan fits a GPU of 141 GB", "[unit]") {
  // 139.8 GiB are what a process may use of it; context and libraries take 1.5 of them or so.
  RunConfig config;
  apply_preset("7b", config);
  config.parallel.backend = Backend::cuda;
  config.parallel.tensor_model_parallel_size = 1;
  config.parallel.pipeline_model_parallel_size = 1;
  config.parallel.sequence_parallel = false;
  config.data.mock_data = true;
  const auto planned = [&] {
    const Device gpu{DeviceKind::cuda, 0};
    return static_cast<double>(plan_memory(config, resolve(config, 1), {}, gpu, 1).total()) /
           static_cast<double>(kGiB);
  };
  config.training.micro_batch_size = 1;  // fp32 gradients, masters and moments, nothing recomputed
  CHECK(planned() < 133);
  config.training.micro_batch_size = 2;
  config.training.recompute_granularity = Recompute::selective;
  config.optimizer.use_precision_aware_optimizer = true;
  CHECK(planned() < 133);
}
