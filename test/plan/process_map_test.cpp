#include "plan/process_map.h"

#include <catch2/catch.hpp>
#include <sstream>

#include "config/preset.h"
#include "support/tiny_model.h"

using namespace swallow;

namespace {

std::string tables(GridShape grid, const HostMap& hosts) {
  RunConfig config = tiny_config();
  config.parallel.tensor_model_parallel_size = grid.tp;
  config.parallel.pipeline_model_parallel_size = grid.pp;
  return grid_tables(config, resolve(config, grid.world_size()), ProcessGrid(grid), hosts);
}

std::string tables(GridShape grid, int per_host) {
  return tables(grid, assumed_hosts(grid.world_size(), per_host));
}

/// The rows of the host table, with one space between cells.
std::vector<std::string> host_rows(const std::string& text) {
  std::vector<std::string> rows;
  std::istringstream lines(text.substr(text.find("\nHosts\n") + 7));
  std::string line;
  std::getline(lines, line);  // the header
  while (std::getline(lines, line) && line.starts_with("  ")) {
    std::istringstream cells(line);
    std::string row;
    for (std::string cell; cells >> cell;) row += (row.empty() ? "" : " ") + cell;
    rows.push_back(row);
  }
  return rows;
}

}  // namespace

TEST_CASE("ranks are written as ranges", "[unit]") {
  REQUIRE(number_ranges({}).empty());
  REQUIRE(number_ranges({3}) == "3");
  REQUIRE(number_ranges({0, 1, 2, 7, 9, 10}) == "0-2, 7, 9-10");
}

TEST_CASE("hosts are assumed to be filled one after the other", "[unit]") {
  const HostMap hosts = assumed_hosts(10, 4);
  CHECK(hosts.host_names == std::vector<std::string>{"node0", "node1", "node2"});
  CHECK(hosts.node_of_rank == std::vector<int>{0, 0, 0, 0, 1, 1, 1, 1, 2, 2});
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
  REQUIRE_THAT(grid_tables(config, resolve(config, 128), grid, assumed_hosts(128, 8)),
               Contains("paper"));
}

TEST_CASE("each host has the stages, DP and TP ranks that are on it", "[unit]") {
  using Rows = std::vector<std::string>;
  // host, ranks, stage, DP, TP
  CHECK(host_rows(tables({2, 2, 2}, 4)) == Rows{"node0 0-3 0 0-1 0-1", "node1 4-7 1 0-1 0-1"});
  CHECK(host_rows(tables({2, 2, 2}, 8)) == Rows{"node0 0-7 0-1 0-1 0-1"});
  CHECK(host_rows(tables({2, 2, 2}, 2)) ==
        Rows{"node0 0-1 0 0 0-1", "node1 2-3 0 1 0-1", "node2 4-5 1 0 0-1", "node3 6-7 1 1 0-1"});
}

TEST_CASE("a host that cuts groups has a row for each part of a group", "[unit]") {
  using Rows = std::vector<std::string>;
  CHECK(host_rows(tables({2, 2, 2}, 3)) ==
        Rows{"node0 0-1 0 0 0-1", "2 0 1 0", "node1 3 0 1 1", "4-5 1 0 0-1", "node2 6-7 1 1 0-1"});
}

TEST_CASE("ranks that go round the hosts are shown by what each host has of every group",
          "[unit]") {
  HostMap hosts;
  hosts.host_names = {"a", "b"};
  for (int rank = 0; rank < 8; ++rank) hosts.node_of_rank.push_back(rank % 2);
  const std::vector<std::string> rows = host_rows(tables({2, 2, 2}, hosts));
  CHECK(rows == std::vector<std::string>{"a 0, 2, 4, 6 0-1 0-1 0", "b 1, 3, 5, 7 0-1 0-1 1"});
}
