// Which checkpoints stay: a property of every sequence of saves, and one sequence on the disk.
#include "checkpoint/retention.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <random>
#include <set>

#include "checkpoint/checkpoint.h"
#include "checkpoint/iteration_folder.h"
#include "checkpoint/tiny_job.h"

using namespace swallow;
using namespace swallow::test;

namespace {

using Iterations = std::set<int64_t>;

/// A run's folder in words: which iterations are there, and which of them are damaged.
struct Folder {
  Iterations there;
  Iterations damaged;

  void save(int64_t iteration, const Retention& retention) {
    there.insert(iteration);
    damaged.erase(iteration);
    for (const int64_t gone : expired_iterations({there.begin(), there.end()}, iteration, retention,
                                                 [&](int64_t i) { return !damaged.contains(i); }))
      REQUIRE(there.erase(gone) == 1);
  }
};

}  // namespace

TEST_CASE("retention keeps the newest whole saves and the multiples, whatever was saved",
          "[unit]") {
  std::mt19937 random(5);
  const auto pick = [&](int low, int high) {
    return std::uniform_int_distribution<int>(low, high)(random);
  };
  for (int trial = 0; trial < 2000; ++trial) {
    const Retention retention{
        .interval = pick(0, 1) * 10 * pick(1, 4),
        .most_recent_k = std::vector{-1, 1, 2, 3, 5}[static_cast<size_t>(pick(0, 4))]};
    Folder folder;
    int64_t iteration = 0;
    for (int save = 0; save < 20; ++save) {
      if (pick(0, 9) == 0) iteration = std::max(0, static_cast<int>(iteration) - 10 * pick(1, 5));
      iteration += 10;
      const Folder before = folder;
      folder.save(iteration, retention);
      INFO("trial " << trial << ", save " << save << ": interval " << retention.interval
                    << ", most recent " << retention.most_recent_k);
      REQUIRE(folder.there.contains(iteration));
      const bool rule = retention.interval > 0 || retention.most_recent_k > 0;
      int64_t newer_whole = 0;  // of `kept` and later, up to the save
      for (auto it = before.there.rbegin(); it != before.there.rend(); ++it) {
        const bool stays = folder.there.contains(*it);
        if (*it > iteration || !rule) {
          REQUIRE(stays);  // not this rule's business
          continue;
        }
        if (*it == iteration) continue;
        const bool among_newest = newer_whole + 1 < std::max<int64_t>(retention.most_recent_k, 1);
        const bool multiple = retention.interval > 0 && *it % retention.interval == 0;
        REQUIRE(stays == (among_newest || multiple));
        newer_whole += before.damaged.contains(*it) ? 0 : 1;
      }
      if (pick(0, 4) == 0) folder.damaged.insert(iteration);
    }
  }
}

TEST_CASE("what has expired is deleted from the disk, a damaged save is not counted", "[ranks]") {
  const ScratchFolder scratch;
  const std::string folder = scratch / "run";
  const TinyGrid grid{1, 1, 1, true};
  const Retention two{.most_recent_k = 2};
  for (const int64_t iteration : {10, 20, 30}) {
    REQUIRE(save_tiny(folder, grid, iteration) == std::vector<std::string>(1));
    remove_expired(folder, iteration, two);
  }
  CHECK(committed_iterations(folder) == std::vector<int64_t>{30, 20});
  std::filesystem::resize_file(std::filesystem::path(folder) / "iter_0000030" / "manifest.json", 9);
  REQUIRE(save_tiny(folder, grid, 40) == std::vector<std::string>(1));
  remove_expired(folder, 40, two);
  CHECK(committed_iterations(folder) == std::vector<int64_t>{40, 30, 20});
  REQUIRE(save_tiny(folder, grid, 50) == std::vector<std::string>(1));
  remove_expired(folder, 50, two);
  CHECK(committed_iterations(folder) == std::vector<int64_t>{50, 40});
}

TEST_CASE("a deletion that was cut short is not a checkpoint, and the next save ends it",
          "[ranks]") {
  const ScratchFolder scratch;
  const std::string folder = scratch / "run";
  const TinyGrid grid{1, 1, 1, true};
  REQUIRE(save_tiny(folder, grid, 10) == std::vector<std::string>(1));
  const auto trash = std::filesystem::path(folder) / "iter_0000005.trash";
  std::filesystem::copy(std::filesystem::path(folder) / "iter_0000010", trash);
  CHECK(committed_iterations(folder) == std::vector<int64_t>{10});
  CHECK_THROWS_AS(committed_folder(folder, 5), CheckpointError);
  REQUIRE(save_tiny(folder, grid, 20) == std::vector<std::string>(1));
  CHECK_FALSE(std::filesystem::exists(trash));
}
