#include "report/step_shares.h"

#include <catch2/catch.hpp>

#include "report/lines.h"

using namespace swallow;
using test::RunFolder;

namespace {

/// Two ranks; each list is one number a rank.
void ranks(RunFolder& folder, int step, int steps, const std::string& compute,
           const std::string& waiting, const std::string& data) {
  folder.line(fmt::format(R"({{"schema":1,"kind":"ranks","step":{},"steps":{},)"
                          R"("compute_seconds":[{}],"waiting_seconds":[{}],"data_seconds":[{}]}})",
                          step, steps, compute, waiting, data));
}

}  // namespace

TEST_CASE("shares of the steps are weighted by the steps of each record", "[unit][report]") {
  RunFolder folder;
  folder.run(0);
  folder.step(2, 1, 2);
  ranks(folder, 1, 1, "1,2", "0,0", "1,0");  // rank 0: half of 1 step for data
  ranks(folder, 4, 3, "2,1", "0,0", "0,1");  // rank 1: half of 3 steps
  const auto shares = step_shares(read_run(folder.path()));
  REQUIRE(shares);
  CHECK(shares->steps == 4);
  CHECK(shares->ranks == 2);
  // 16 rank-seconds in all: compute 1 + 2 + 3 (2 + 1), data 1 + 3.
  CHECK(shares->mean[0] == Approx(12.0 / 16));
  CHECK(shares->mean[1] == 0);
  CHECK(shares->mean[2] == Approx(4.0 / 16));
  CHECK(shares->data_rank == 1);
  CHECK(shares->of_data_rank[2] == Approx(3.0 / 8));
}

TEST_CASE("records of steps done again, or of another number of ranks, count as they should",
          "[unit][report]") {
  RunFolder folder;
  folder.run(0);
  ranks(folder, 4, 4, "0,0", "0,0", "1,1");  // lost: the next job goes on after step 2
  folder.run(20);
  ranks(folder, 3, 1, "1,1,1", "3,3,3", "0,0,0");
  const auto shares = step_shares(read_run(folder.path()));
  REQUIRE(shares);
  CHECK(shares->steps == 1);
  CHECK(shares->mean == Shares{0.25, 0.75, 0});
  CHECK(shares->ranks == 3);
  CHECK(shares->data_rank == 0);
  CHECK(shares->of_data_rank == Shares{0.25, 0.75, 0});
}

TEST_CASE("records without waits, or without any time, have no shares", "[unit][report]") {
  RunFolder folder;
  folder.run(0);
  folder.line(R"({"schema":1,"kind":"ranks","step":1,"steps":1,"compute_seconds":[1,2]})");
  RunRecord run = read_run(folder.path());
  CHECK(run.ranks.size() == 1);
  CHECK_FALSE(step_shares(run));
  ranks(folder, 2, 1, "0,0", "0,0", "0,0");
  run = read_run(folder.path());
  CHECK(run.ranks.size() == 2);
  CHECK_FALSE(step_shares(run));
}
