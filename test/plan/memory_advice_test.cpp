#include "plan/memory_advice.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <sstream>

#include "config/cli.h"

using namespace swallow;
using Catch::Contains;

namespace {

const Device kGpu{DeviceKind::cuda, 0};

ParsedCommandLine parse(const std::string& flags) {
  std::istringstream stream(flags);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return parse_command_line(words);
}

/// On 64 ranks; micro-batches of two sequences and nothing recomputed.
const std::string kRun =
    "--preset 70b --mock-data --backend cuda --micro-batch-size 2 --no-sequence-parallel";
constexpr int kRanks = 64;

std::vector<MemoryChange> changes_of(const std::string& flags, int ranks) {
  const RunConfig config = parse(flags).config;
  return memory_changes(config, resolve(config, ranks), kGpu, 1);
}

int64_t planned(const std::string& flags) {
  const RunConfig config = parse(flags).config;
  return fullest_bytes(plan_stages(config, resolve(config, kRanks), kGpu, 1));
}

/// `flags` without one that is given again: a flag may stand once.
std::string with(std::string flags, const std::string& change) {
  for (const std::string given : {" --micro-batch-size 2", " --no-sequence-parallel"}) {
    const std::string name = given.substr(0, given.find(' ', 1));
    const std::string other = name == " --no-sequence-parallel" ? " --sequence-parallel" : name;
    if ((" " + change).find(other) != std::string::npos)
      flags.erase(flags.find(given), given.size());
  }
  return flags + " " + change;
}

}  // namespace

TEST_CASE("each change that is advised takes what training with its flags would", "[unit]") {
  const std::vector<MemoryChange> changes = changes_of(kRun, kRanks);
  const int64_t now = planned(kRun);
  REQUIRE(changes.size() >= 6);
  for (const MemoryChange& change : changes) {
    INFO(change.flags);
    CHECK(change.bytes == planned(with(kRun, change.flags)));
    CHECK(change.bytes < now);
  }
  // The last one combines those that go together, so nothing before it on this grid takes less.
  const auto least = std::ranges::min_element(changes, {}, &MemoryChange::bytes);
  CHECK(least->flags == changes.back().flags);
  CHECK_THAT(changes.back().flags,
             Contains("--sequence-parallel") && Contains("--micro-batch-size 1") &&
                 Contains("--recompute-granularity full") && !Contains("selective"));
}

TEST_CASE("only changes that are valid on the same ranks are advised", "[unit]") {
  // TP 16 would cut the 8 key/value heads; PP 16 needs 128 ranks.
  for (const MemoryChange& change : changes_of(kRun, kRanks)) {
    INFO(change.flags);
    CHECK_THAT(change.flags, !Contains("model-parallel-size"));
  }
  const auto on_more = changes_of(kRun, 2 * kRanks);
  CHECK(std::ranges::any_of(on_more, [](const MemoryChange& change) {
    return change.flags == "--pipeline-model-parallel-size 16";
  }));
}

TEST_CASE("settings that take the least already get no advice but more ranks", "[unit]") {
  const std::string lean = kRun + " --recompute-granularity full --use-precision-aware-optimizer";
  const auto changes = changes_of(with(lean, "--micro-batch-size 1 --sequence-parallel"), kRanks);
  CHECK(changes.empty());
  CHECK_THAT(memory_advice(changes, {"Some GPU", 1}), Contains("more ranks"));
}

TEST_CASE("the advice says what fits", "[unit]") {
  constexpr int64_t kGiB = int64_t{1} << 30;
  const std::vector<MemoryChange> changes = {
      {"--one", 10 * kGiB}, {"--two", 15 * kGiB}, {"--three", 20 * kGiB}};
  const std::string text = memory_advice(changes, {"Some GPU", 16 * kGiB});
  CHECK_THAT(text, Contains("--one    ") && Contains("fits, 6.00 GiB left"));
  CHECK_THAT(text, Contains("tight, 1.00 GiB left") && Contains("4.00 GiB too many"));
}
