// Reads every #include of ours under src/ and cuda/ and holds it to the table of rooms.
#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

/// A room may include its own headers and those of rooms in lower rows. Rooms of one row never see
/// each other. "main" is the files that lie in src/ itself.
const std::map<std::string, int>& rows() {
  static const std::map<std::string, int> table{
      {"base", 0},   {"config", 1},   {"launch", 1}, {"telemetry", 1},  {"device", 2},
      {"tensor", 3}, {"kernels", 4},  {"comm", 4},   {"data", 4},       {"parallel", 5},
      {"model", 6},  {"pipeline", 7}, {"optim", 7},  {"checkpoint", 8}, {"plan", 9},
      {"train", 10}, {"report", 10},  {"bench", 10}, {"commands", 11},  {"main", 12},
  };
  return table;
}

constexpr int kFirstEngineRow = 2;  // device .. data: know nothing of RunConfig
constexpr int kLastEngineRow = 4;   // also the highest row that cuda/ implements headers of

/// Why `room` may not include `header`, or empty. `room` is "cuda" for files under cuda/.
std::string violation(const std::string& room, const std::string& header) {
  const size_t slash = header.find('/');
  if (room == "cuda" && slash == std::string::npos) return {};  // its own neighbour
  if (slash == std::string::npos) return "includes are written from src/, as \"room/file.h\"";
  const std::string target = header.substr(0, slash);
  if (target == room) return {};
  if (target == "cuda") return "cuda/ is included by nobody";
  const auto to = rows().find(target);
  if (to == rows().end()) return "no such room";
  if (room == "cuda")
    return to->second <= kLastEngineRow && target != "config" ? "" : "cuda/ sits below this room";
  const auto from = rows().find(room);
  if (from == rows().end()) return "the including file is in no room of the table";
  if (to->second > from->second) return "upward";
  if (to->second == from->second) return "sideways";
  const bool engine = from->second >= kFirstEngineRow && from->second <= kLastEngineRow;
  if (engine && target == "config") return "this row never sees the configuration";
  return {};
}

std::vector<std::string> own_includes(const fs::path& file) {
  std::vector<std::string> headers;
  std::ifstream stream(file);
  for (std::string line; std::getline(stream, line);) {
    const size_t hash = line.find_first_not_of(" \t");
    if (hash == std::string::npos || line[hash] != '#') continue;
    const size_t open = line.find('"');
    if (line.find("include") == std::string::npos || open == std::string::npos) continue;
    headers.push_back(line.substr(open + 1, line.find('"', open + 1) - open - 1));
  }
  return headers;
}

bool is_source(const fs::path& file) {
  const std::string extension = file.extension().string();
  return extension == ".h" || extension == ".cpp" || extension == ".cu" || extension == ".cuh";
}

}  // namespace

TEST_CASE("the rule on layers tells upward and sideways from downward", "[unit][repo]") {
  CHECK(violation("train", "model/stage.h").empty());
  CHECK(violation("comm", "launch/process_grid.h").empty());
  CHECK(violation("kernels", "kernels/cpu/simd.h").empty());
  CHECK(violation("main", "commands/train.h").empty());
  CHECK(violation("cuda", "kernels/gemm.h").empty());
  CHECK(violation("cuda", "reduce.cuh").empty());
  CHECK(violation("model", "train/trainer.h") == "upward");
  CHECK(violation("base", "config/cli.h") == "upward");
  CHECK(violation("config", "telemetry/table.h") == "sideways");
  CHECK(violation("kernels", "comm/communicator.h") == "sideways");
  CHECK(violation("optim", "pipeline/executor.h") == "sideways");
  CHECK_FALSE(violation("comm", "config/run_config.h").empty());
  CHECK_FALSE(violation("cuda", "model/stage.h").empty());
  CHECK_FALSE(violation("device", "cuda/check.h").empty());
  CHECK_FALSE(violation("model", "stage.h").empty());
  CHECK_FALSE(violation("model", "utils/math.h").empty());
}

TEST_CASE("every include under src/ and cuda/ points to its own room or downward", "[unit][repo]") {
  const fs::path root = SWALLOW_SOURCE_DIR;
  int files = 0;
  for (const std::string top : {"src", "cuda"}) {
    if (!fs::exists(root / top)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(root / top)) {
      if (!entry.is_regular_file() || !is_source(entry.path())) continue;
      ++files;
      const fs::path path = entry.path().lexically_relative(root / top);
      std::string room = top == "cuda" ? "cuda" : path.begin()->string();
      if (room == path.string()) room = top == "cuda" ? "cuda" : "main";
      for (const std::string& header : own_includes(entry.path())) {
        INFO(top << "/" << path.string() << " includes \"" << header << "\"");
        CHECK(violation(room, header) == "");
      }
    }
  }
  CHECK(files > 20);
}

TEST_CASE("files for wider instruction sets share no inline function with others", "[unit][repo]") {
  // Of an inline function the linker keeps one copy, perhaps that of a file compiled for AVX-512,
  // and every machine would run it. So these files see intrinsics and each other.
  const std::vector<std::string> allowed = {
      "<immintrin.h>",
      "<cstdint>",
      "\"base/dtype.h\"",
      "\"kernels/cpu/amx_tiles.h\"",
      "\"kernels/cpu/attention_kernels.h\"",
      "\"kernels/cpu/avx512_attention.h\"",
      "\"kernels/cpu/avx512_attention_passes.h\"",
      "\"kernels/cpu/avx512_bf16_operands.h\"",
      "\"kernels/cpu/avx512_vectors.h\"",
      "\"kernels/cpu/block_sums.h\"",
      "\"kernels/cpu/lanes.h\"",
      "\"kernels/cpu/panel_kernels.h\"",
      "\"kernels/cpu/row_kernels.h\"",
      "\"kernels/cpu/rows.h\"",
      "\"kernels/cpu/vector_exp.h\"",
  };
  int files = 0;
  for (const auto& entry :
       fs::directory_iterator(fs::path(SWALLOW_SOURCE_DIR) / "src/kernels/cpu")) {
    const std::string name = entry.path().filename().string();
    const bool restricted = name.starts_with("avx512_") || name.starts_with("amx_") ||
                            name.ends_with("_kernels.h") || name == "rows.h";
    if (!restricted) continue;
    ++files;
    std::ifstream stream(entry.path());
    for (std::string line; std::getline(stream, line);) {
      if (!line.starts_with("#include ")) continue;
      INFO(name << ": " << line);
      CHECK(std::count(allowed.begin(), allowed.end(), line.substr(9)) == 1);
    }
  }
  CHECK(files >= 4);
}
