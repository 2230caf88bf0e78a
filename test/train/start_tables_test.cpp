#include "train/start_tables.h"

#include <catch2/catch.hpp>

#include "config/preset.h"
#include "support/tiny_model.h"

using namespace swallow;

namespace {

HostMap hosts_of(int ranks, int per_host) {
  std::vector<HostIdentity> hosts;
  for (int rank = 0; rank < ranks; ++rank)
    hosts.push_back({fmt::format("node{}", rank / per_host), "boot"});
  return HostMap::from(hosts);
}

std::string tables(GridShape grid, int per_host) {
  RunConfig config = tiny_config();
  config.parallel.tensor_model_parallel_size = grid.tp;
  config.parallel.pipeline_model_parallel_size = grid.pp;
  return grid_tables(config, resolve(config, grid.world_size()), ProcessGrid(grid),
                     hosts_of(grid.world_size(), per_host));
}

}  // namespace

TEST_CASE("ranks are written as ranges", "[unit]") {
  REQUIRE(number_ranges({}).empty());
  REQUIRE(number_ranges({3}) == "3");
  REQUIRE(number_ranges({0, 1, 2, 7, 9, 10}) == "0-2, 7, 9-10");
}

TEST_CASE("a tensor-parallel group that leaves its host is warned of", "[unit]") {
  using Catch::Contains;
  REQUIRE_THAT(tables({1, 4, 2}, 4), !Contains("warning"));
  REQUIRE_THAT(tables({2, 2, 2}, 4), !Contains("warning"));
  REQUIRE_THAT(tables({1, 4, 2}, 2), Contains("2 of 2 tensor-parallel groups leave their host"));
  REQUIRE_THAT(tables({2, 2, 2}, 3), Contains("ranks 2"));
}

TEST_CASE("the grid's table names hosts, stages and a DP that is not the paper's", "[unit]") {
  using Catch::Contains;
  const std::string text = tables({2, 2, 2}, 4);
  REQUIRE_THAT(text, Contains("node0") && Contains("0-3") && Contains("node1") && Contains("4-7"));
  RunConfig config;
  apply_preset("70b", config);
  config.data.mock_data = true;
  const ProcessGrid grid({.dp = 2, .tp = 8, .pp = 8});
  REQUIRE_THAT(grid_tables(config, resolve(config, 128), grid, hosts_of(128, 8)),
               Contains("paper"));
}

TEST_CASE("the 7B model's plan fits a GPU of 141 GB", "[unit]") {
  // 139.8 GiB are what a process may use of it; context and libraries take 1.5 of them or so.
  constexpr double kGiB = 1024.0 * 1024.0 * 1024.0;
  RunConfig config;
  apply_preset("7b", config);
  config.parallel.backend = Backend::cuda;
  config.parallel.tensor_model_parallel_size = 1;
  config.parallel.pipeline_model_parallel_size = 1;
  config.parallel.sequence_parallel = false;
  config.data.mock_data = true;
  const auto planned = [&] {
    const Device gpu{DeviceKind::cuda, 0};
    return static_cast<double>(plan_memory(config, resolve(config, 1), {}, gpu, 1).total()) / kGiB;
  };
  config.training.micro_batch_size = 1;  // fp32 gradients, masters and moments, nothing recomputed
  CHECK(planned() < 133);
  config.training.micro_batch_size = 2;
  config.training.recompute_granularity = Recompute::selective;
  config.optimizer.use_precision_aware_optimizer = true;
  CHECK(planned() < 133);
}
