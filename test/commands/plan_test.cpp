#include "commands/plan.h"

#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>
#include <sstream>

#include "base/check.h"
#include "data/fixtures.h"
#include "support/scratch_folder.h"

using namespace swallow;
using namespace swallow::test;
using Catch::Contains;

namespace {

using Words = std::vector<std::string>;

struct Output {
  int status = 0;
  std::string text;
};

Output plan(const Words& flags) {
  Words words = {"plan"};
  words.insert(words.end(), flags.begin(), flags.end());
  std::ostringstream out;
  const int status = run_plan(parse_command_line(words), out);
  return {status, out.str()};
}

/// The message of what is refused before anything is printed.
template <class E>
std::string refusal(const Words& flags) {
  return message_of<E>([&] { plan(flags); });
}

}  // namespace

TEST_CASE("plan shows grid, hosts, memory and pipeline of the paper's run without data or GPU",
          "[unit][commands]") {
  const Output output = plan({"--preset", "70b", "--gpu-memory-gib", "40"});
  CHECK(output.status == 0);
  CHECK_THAT(output.text, Contains("256 ranks, 8 on a host") && Contains("node31  248-255"));
  CHECK_THAT(output.text, Contains("left of 40.00") && Contains("fits the GPU"));
  CHECK_THAT(output.text, Contains("stage 7 |") && Contains("the bubble"));
  CHECK_THAT(output.text, !Contains("Data"));
}

TEST_CASE("plan takes the world from nodes, from ranks or from the preset", "[unit][commands]") {
  CHECK_THAT(plan({"--preset", "70b", "--nodes", "16"}).text, Contains("128 ranks, 8 on a host"));
  CHECK_THAT(plan({"--preset", "70b", "--nodes", "32", "--gpus-per-node", "4"}).text,
             Contains("128 ranks, 4 on a host"));
  CHECK_THAT(plan({"--preset", "70b", "--world-size", "64"}).text, Contains("64 ranks"));
  CHECK_THAT(plan({"--preset", "70b", "--nproc", "64"}).text, Contains("64 ranks"));
  CHECK_THAT(plan({"--preset", "tiny", "--pipeline-model-parallel-size", "2"}).text,
             Contains("2 ranks, 2 on a host"));
}

TEST_CASE("plan --map shows the processes alone, with a warning where TP leaves a host",
          "[unit][commands]") {
  const Output output = plan({"--preset", "7b", "--nodes", "4", "--map"});
  CHECK(output.status == 0);
  CHECK_THAT(output.text, Catch::StartsWith("Grid") && Contains("node3  24-31"));
  CHECK_THAT(output.text, !Contains("memory") && !Contains("bubble") && !Contains("warning"));
  CHECK_THAT(plan({"--preset", "7b", "--world-size", "4", "--gpus-per-node", "3", "--map"}).text,
             Contains("1 of 2 tensor-parallel groups leave their host"));
}

TEST_CASE("a plan that does not fit its GPU says by how much, what would, and exits with 71",
          "[unit][commands]") {
  const Output output = plan(
      {"--preset", "70b", "--nodes", "8", "--micro-batch-size", "2", "--gpu-memory-gib", "40"});
  CHECK(output.status == 71);
  CHECK_THAT(output.text, Contains("stage 0 does not fit the GPU, 40.00 GiB:") &&
                              Contains("too many") && !Contains("stage 1 does not fit"));
  CHECK_THAT(output.text, Contains("What would change it") &&
                              Contains("--recompute-granularity selective") && Contains("fits, "));
}

TEST_CASE("plan for CPU ranks counts their memory and knows no GPU", "[unit][commands]") {
  const Words cpu = {"--preset", "tiny", "--backend", "cpu", "--cpu-threads", "1"};
  const Output output = plan(cpu);
  CHECK(output.status == 0);
  CHECK_THAT(output.text, Contains("Planned memory of a rank, MiB") && !Contains("left of"));
  Words both = cpu;
  both.insert(both.end(), {"--gpu-memory-gib", "40"});
  CHECK_THAT(refusal<ConfigError>(both), Contains("--gpu-memory-gib"));
}

TEST_CASE("plan refuses what training would refuse, by name", "[unit][commands]") {
  CHECK_THAT(refusal<ConfigError>({"--preset", "70b", "--nodes", "7"}),
             Contains("56 ranks") && Contains("= 64"));
  CHECK_THAT(refusal<ConfigError>({"--preset", "70b", "--global-batch-size", "30"}),
             Contains("--global-batch-size 30"));
  CHECK_THAT(refusal<ConfigError>({"--preset", "70b", "--nodes", "0"}), Contains("--nodes 0"));
  CHECK_THAT(refusal<ConfigError>({"--preset", "70b", "--nodes", "8", "--world-size", "64"}),
             Contains("--nodes") && Contains("--world-size"));
  CHECK_THAT(refusal<ConfigError>({"--preset", "70b", "--gpu-memory-gib", "much"}),
             Contains("--gpu-memory-gib much"));
  CHECK_THAT(refusal<ConfigError>({"--num-layers", "2"}), Contains("--vocab-size"));
}

TEST_CASE("plan opens the data that it is given, and shows what the run takes of it",
          "[unit][commands]") {
  const ScratchFolder scratch;
  const std::string prefix = scratch / "text";
  write_dataset(prefix, uneven_lengths(200), 500);
  const Words flags = {"--preset", "tiny",        "--train-iters", "30",      "--eval-iters",
                       "0",        "--data-path", prefix,          "--split", "1"};
  const Output output = plan(flags);
  CHECK(output.status == 0);
  CHECK_THAT(output.text, Contains("Data\n") && Contains(prefix) && Contains(" 480 "));
  Words map = flags;
  map.emplace_back("--map");
  CHECK_THAT(plan(map).text, !Contains("Data"));
  CHECK_THAT(refusal<DataError>({"--preset", "tiny", "--data-path", scratch / "nothing"}),
             Contains("nothing"));
}

TEST_CASE("the table of presets has a row for each of the paper's, from the smallest",
          "[unit][commands]") {
  const std::string table = plan({"--presets-markdown"}).text;
  CHECK_THAT(table, Catch::StartsWith("| preset | TP | PP |"));
  const size_t small = table.find("\n| `7b` | 2 | 2 | 16, 8 | 4 ranks |");
  const size_t middle = table.find("\n| `13b` | 2 | 4 | 8, 8 | 8 ranks |");
  const size_t large = table.find("\n| `70b` | 8 | 8 | 4, 32 | 64 ranks |");
  REQUIRE(large != std::string::npos);
  CHECK(small < middle);
  CHECK(middle < large);
  CHECK(table.find("tiny") == std::string::npos);
  // The number in the table is the one that the plan shows for its fullest stage.
  CHECK_THAT(plan({"--preset", "70b"}).text, Contains(" 20.21  "));
  CHECK_THAT(table, Contains("| 64 ranks | 20.2 |"));
}

TEST_CASE("plan --gpu tells where the seconds of a step go", "[unit][commands]") {
  const Output output = plan({"--preset", "70b", "--gpu", "a100-40", "--tokens", "1e11"});
  CHECK(output.status == 0);
  CHECK_THAT(output.text, Contains("left of 39.58") && Contains("matrix products"));
  CHECK_THAT(output.text, Contains("pipeline's bubble") && Contains("(fork_a)"));
  CHECK_THAT(output.text,
             Contains("100.0B tokens take") && Contains("assumed before, and met within 1 % by"));
  CHECK_THAT(output.text, !Contains("by its FLOPs alone"));
}

TEST_CASE("plan --search ranks layouts, places the settings' own and says why others are out",
          "[unit][commands]") {
  const ScratchFolder folder;
  const std::string picture = folder / "layouts.svg";
  const Output output =
      plan({"--preset", "13b", "--gpu", "a100-40", "--nodes", "2", "--search", "--svg", picture});
  CHECK(output.status == 0);
  CHECK_THAT(output.text, Contains("layouts fit; the fastest") && Contains("are too large"));
  CHECK_THAT(output.text, Contains("The settings' own layout (TP 2, PP 4, DP 2"));
  CHECK_THAT(output.text, Contains("--tensor-model-parallel-size"));
  std::ifstream file(picture);
  const std::string svg{std::istreambuf_iterator<char>(file), {}};
  CHECK_THAT(svg, Contains("</svg>") && Contains("PP 2") && Contains("TP 4"));
}

TEST_CASE("plan --svg draws every forward and backward of the step", "[unit][commands]") {
  const ScratchFolder folder;
  const std::string picture = folder / "step.svg";
  plan({"--preset", "13b", "--gpu", "h100", "--world-size", "8", "--global-batch-size", "4",
        "--svg", picture});
  std::ifstream file(picture);
  const std::string svg{std::istreambuf_iterator<char>(file), {}};
  size_t rectangles = 0;
  for (size_t at = svg.find("<rect"); at != std::string::npos; at = svg.find("<rect", at + 1))
    ++rectangles;
  CHECK(rectangles >= 2 * 4 * 4);  // 4 stages, 4 micro-batches
}

TEST_CASE("plan refuses what needs a profile without one, and profiles of another kind",
          "[unit][commands]") {
  CHECK_THAT(refusal<ConfigError>({"--preset", "7b", "--search"}),
             Contains("--search needs --gpu") && Contains("a100-40"));
  CHECK_THAT(refusal<ConfigError>({"--preset", "7b", "--gpu", "v100"}), Contains("v100"));
  CHECK_THAT(refusal<ConfigError>({"--preset", "7b", "--gpu", "h100", "--backend", "cpu"}),
             Contains("--gpu h100: its profile is of a GPU, but --backend is cpu"));
  CHECK_THAT(refusal<ConfigError>({"--preset", "7b", "--gpu", "h100", "--software", "x"}),
             Contains("x"));
}
