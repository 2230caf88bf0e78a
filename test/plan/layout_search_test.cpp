#include "plan/layout_search.h"

#include <catch2/catch.hpp>
#include <set>

#include "config/preset.h"
#include "plan/ideal_hardware.h"
#include "plan/memory_table.h"
#include "plan/step_estimate.h"

using namespace swallow;

namespace {

LayoutQuestion question(const std::string& preset, int num_ranks) {
  LayoutQuestion q;
  apply_preset(preset, q.config);
  q.config.data.mock_data = true;
  q.num_ranks = num_ranks;
  q.planned_bytes = [](const RunConfig& config, const RunShape& run) {
    return fullest_bytes(plan_stages(config, run, Device{DeviceKind::cuda, 0}, 1));
  };
  return q;
}

double tokens_per_second(const LayoutQuestion& q, const Layout& layout) {
  const RunConfig config = with_layout(q.config, layout);
  return estimate_step(ideal_hardware(), software_profile("swallow-train"),
                       step_case(config, resolve(config, q.num_ranks)))
      .tokens_per_second;
}

}  // namespace

TEST_CASE("a search finds what trying every layout finds", "[unit][plan]") {
  LayoutQuestion q = question("tiny", 4);  // 4 layers, TP up to 2
  q.micro_batch_sizes = {1, 2};
  // Memory by a rule of our own: the largest TP times PP only, and no micro-batch of 2.
  q.planned_bytes = [](const RunConfig& config, const RunShape& run) {
    return 10 / (run.tp * run.pp) + 3 * config.training.micro_batch_size;
  };
  q.memory_limit = 5;
  const LayoutRanking ranking =
      search_layouts(q, ideal_hardware(), software_profile("swallow-train"));
  // Grids 1x1 1x2 1x4 2x1 2x2 4x1; TP 4 does not divide 2 key/value heads.
  REQUIRE(ranking.refused.size() == 2 * 3);
  for (const RankedLayout& r : ranking.refused) {
    CHECK(r.layout.tp == 4);
    CHECK(r.reason.find("num-query-groups") != std::string::npos);
  }
  const size_t valid = (1 + 2 + 2 + 1 + 2) * 2 * 3;  // schedules, micro-batches, recompute modes
  CHECK(ranking.fitting.size() + ranking.too_large.size() == valid);
  for (const RankedLayout& r : ranking.too_large) {
    CHECK(r.planned_bytes > 5);
    CHECK(r.reason.find(" of ") != std::string::npos);
  }
  // 1 x 4 and 2 x 2, each with two schedules and three recompute modes.
  REQUIRE(ranking.fitting.size() == 2 * 2 * 3);
  double best = 0;
  for (const auto& [tp, pp] : {std::pair<int64_t, int64_t>{1, 4}, {2, 2}})
    for (const PipelineSchedule schedule : {PipelineSchedule::one_f_one_b, PipelineSchedule::gpipe})
      for (const Recompute recompute : {Recompute::none, Recompute::selective, Recompute::full})
        best = std::max(best, tokens_per_second(q, {tp, pp, 1, 1, recompute, schedule}));
  CHECK(ranking.fitting.front().tokens_per_second == best);
  CHECK(ranking.fitting.front().layout.recompute == Recompute::none);
  for (size_t i = 1; i < ranking.fitting.size(); ++i)
    CHECK(ranking.fitting[i - 1].tokens_per_second >= ranking.fitting[i].tokens_per_second);
  CHECK(ranking.find(ranking.fitting.back().layout) == &ranking.fitting.back());
  CHECK(ranking.find({.tp = 4}) == nullptr);
}

TEST_CASE("the paper's layouts fit 40 GB, and a search ranks them among those that do",
          "[unit][plan]") {
  struct Expected {
    const char* preset;
    int ranks;
    Layout paper;
  };
  const HardwareProfile hw = load_hardware_profile("a100-40");
  for (const Expected& e : {Expected{"7b", 64, {2, 2, 16, 1}}, Expected{"13b", 64, {2, 4, 8, 1}},
                            Expected{"70b", 256, {8, 8, 4, 1}}}) {
    CAPTURE(e.preset);
    LayoutQuestion q = question(e.preset, e.ranks);
    q.micro_batch_sizes = {1, 2};
    q.memory_limit = hw.memory_bytes - kBesideLedgerBytes;
    const LayoutRanking ranking = search_layouts(q, hw, software_profile("swallow-train"));
    const RankedLayout* paper = ranking.find(e.paper);
    REQUIRE(paper != nullptr);
    CHECK(ranking.fitting.front().tokens_per_second >= paper->tokens_per_second);
    CHECK(paper->tokens_per_second > 0.8 * ranking.fitting.front().tokens_per_second);
    CHECK_FALSE(ranking.too_large.empty());
    std::set<std::tuple<int64_t, int64_t>> grids;
    for (const RankedLayout& r : ranking.fitting) grids.insert({r.layout.tp, r.layout.pp});
    CHECK_FALSE(grids.contains({1, 1}));  // 16 bytes a parameter and more
  }
}
