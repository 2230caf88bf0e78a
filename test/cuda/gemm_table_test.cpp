#include "cuda/gemm_table.h"

#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "base/check.h"
#include "support/scratch_folder.h"

using namespace swallow;
using namespace swallow::cuda;
using swallow::test::ScratchFolder;

namespace {

const GpuIdentity kGpu{"NVIDIA H200", 90, 130100};

GemmKey key(int64_t m) {
  return {.m = m,
          .n = 4096,
          .k = 11008,
          .input = DType::bf16,
          .output = DType::f32,
          .transpose_a = Transpose::yes,
          .beta = Beta::one,
          .alignment_a = 256,
          .alignment_b = 16,
          .alignment_c = 2,
          .workspace_bytes = int64_t{64} << 20};
}

TunedGemm tuned(uint64_t seed) {
  TunedGemm result;
  for (size_t i = 0; i < result.algorithm.size(); ++i)
    result.algorithm[i] = (seed + i) * 0x9E3779B97F4A7C15U;
  result.algorithm[3] = 0;
  result.heuristic_ms = 1.1 * static_cast<double>(seed + 1);
  result.chosen_ms = 0.7 * static_cast<double>(seed + 1);
  return result;
}

std::string text_of(const std::filesystem::path& file) {
  std::ifstream stream(file);
  return {std::istreambuf_iterator<char>(stream), {}};
}

}  // namespace

TEST_CASE("tuned products survive on disk", "[unit][gemm]") {
  const ScratchFolder folder;
  GemmTable table(folder / "deep/er", kGpu);
  CHECK(table.find(key(1)) == nullptr);
  for (uint64_t i = 0; i < 3; ++i)
    CHECK(table.insert(key(static_cast<int64_t>(i)), tuned(i)) == tuned(i));
  CHECK(table.path().filename() == "gemm-NVIDIA-H200-sm90-cublasLt130100.json");
  const GemmTable later(folder / "deep/er", kGpu);
  for (uint64_t i = 0; i < 3; ++i) {
    const TunedGemm* found = later.find(key(static_cast<int64_t>(i)));
    REQUIRE(found != nullptr);
    CHECK(*found == tuned(i));
  }
  CHECK(later.find(key(3)) == nullptr);
}

TEST_CASE("each field of a product's key tells it from others", "[unit][gemm]") {
  const ScratchFolder folder;
  GemmTable table(folder.path(), kGpu);
  std::vector<GemmKey> keys(12, key(1));
  keys[1].m = 2;
  keys[2].n = 2;
  keys[3].k = 2;
  keys[4].input = DType::f32;
  keys[5].output = DType::bf16;
  keys[6].transpose_a = Transpose::no;
  keys[7].transpose_b = Transpose::yes;
  keys[8].beta = Beta::zero;
  keys[9].alignment_a = 16;
  keys[10].alignment_c = 4;
  keys[11].workspace_bytes = 0;
  for (size_t i = 0; i < keys.size(); ++i) table.insert(keys[i], tuned(i));
  const GemmTable later(folder.path(), kGpu);
  for (size_t i = 0; i < keys.size(); ++i) CHECK(*later.find(keys[i]) == tuned(i));
}

TEST_CASE("a table in memory writes nothing", "[unit][gemm]") {
  GemmTable table("", kGpu);
  CHECK(table.path().empty());
  CHECK(table.insert(key(1), tuned(1)) == tuned(1));
  CHECK(*table.find(key(1)) == tuned(1));
}

TEST_CASE("a damaged table counts as empty and is replaced", "[unit][gemm]") {
  const ScratchFolder folder;
  std::string whole;
  std::filesystem::path file;
  {
    GemmTable table(folder.path(), kGpu);
    table.insert(key(1), tuned(1));
    file = table.path();
    whole = text_of(file);
  }
  const auto replaced = [&](const std::string& from, const std::string& to) {
    std::string text = whole;
    REQUIRE(text.find(from) != std::string::npos);
    return text.replace(text.find(from), from.size(), to);
  };
  const std::vector<std::string> damaged = {
      "",
      "\xff\xfe nonsense",
      whole.substr(0, whole.size() / 2),
      whole + "more",
      "[]",
      "{}",
      replaced("\"format\": 1", "\"format\": 2"),
      replaced("\"m\": 1", "\"m\": \"1\""),
      replaced("\"input\": \"bf16\"", "\"input\": \"f64\""),
      replaced("\"k\": 11008", "\"q\": 11008"),
      replaced("\"algorithm\": \"", "\"algorithm\": \"0"),
      replaced("0000000000000000", "000000000000000x"),
      replaced("\"alignment\": [", "\"alignment\": 7, \"x\": ["),
  };
  for (const std::string& text : damaged) {
    INFO(text);
    std::ofstream(file) << text;
    GemmTable table(folder.path(), kGpu);
    CHECK(table.find(key(1)) == nullptr);
    table.insert(key(2), tuned(2));
    const GemmTable later(folder.path(), kGpu);
    CHECK(*later.find(key(2)) == tuned(2));
  }
}

TEST_CASE("a table of another GPU or library is not read", "[unit][gemm]") {
  const ScratchFolder folder;
  GemmTable table(folder.path(), kGpu);
  table.insert(key(1), tuned(1));
  const std::vector<GpuIdentity> others = {
      {"NVIDIA H100", 90, 130100}, {"NVIDIA H200", 80, 130100}, {"NVIDIA H200", 90, 130101}};
  for (const GpuIdentity& other : others) {
    const GemmTable theirs(folder.path(), other);
    CHECK(theirs.path() != table.path());
    CHECK(theirs.find(key(1)) == nullptr);
    // Nor under the right name.
    std::filesystem::copy_file(table.path(), theirs.path());
    CHECK(GemmTable(folder.path(), other).find(key(1)) == nullptr);
  }
}

TEST_CASE("the first to store a product is right, and all entries are kept", "[unit][gemm]") {
  const ScratchFolder folder;
  GemmTable a(folder.path(), kGpu);
  GemmTable b(folder.path(), kGpu);
  CHECK(a.insert(key(1), tuned(1)) == tuned(1));
  CHECK(b.insert(key(1), tuned(2)) == tuned(1));  // b had not seen it
  CHECK(*b.find(key(1)) == tuned(1));
  CHECK(b.insert(key(2), tuned(3)) == tuned(3));
  CHECK(a.insert(key(3), tuned(4)) == tuned(4));
  const GemmTable later(folder.path(), kGpu);
  CHECK(*later.find(key(2)) == tuned(3));
  CHECK(*later.find(key(3)) == tuned(4));
}

TEST_CASE("an unusable entry is replaced, unless another rank did so", "[unit][gemm]") {
  const ScratchFolder folder;
  GemmTable(folder.path(), kGpu).insert(key(1), tuned(1));
  GemmTable table(folder.path(), kGpu);
  GemmTable slower(folder.path(), kGpu);
  CHECK(table.insert(key(1), tuned(2), table.find(key(1))) == tuned(2));
  CHECK(*GemmTable(folder.path(), kGpu).find(key(1)) == tuned(2));
  CHECK(slower.insert(key(1), tuned(3), slower.find(key(1))) == tuned(2));
}

TEST_CASE("ranks that tune the same products at once end with one table", "[unit][gemm]") {
  const ScratchFolder folder;
  constexpr int kRanks = 6;
  constexpr int64_t kProducts = 8;
  std::vector<std::vector<TunedGemm>> kept(kRanks);
  std::vector<std::thread> ranks;
  for (int rank = 0; rank < kRanks; ++rank)
    ranks.emplace_back([&, rank] {
      GemmTable table(folder.path(), kGpu);
      for (int64_t i = 0; i < kProducts; ++i)
        kept[static_cast<size_t>(rank)].push_back(
            table.insert(key(i), tuned(static_cast<uint64_t>(100 * rank + i))));
    });
  for (std::thread& rank : ranks) rank.join();
  const GemmTable later(folder.path(), kGpu);
  for (int64_t i = 0; i < kProducts; ++i)
    for (const auto& mine : kept) CHECK(mine[static_cast<size_t>(i)] == *later.find(key(i)));
}

TEST_CASE("a cache folder that cannot be written is named", "[unit][gemm]") {
  const ScratchFolder folder;
  std::ofstream(folder / "file") << "not a folder";
  GemmTable table(folder / "file", kGpu);
  CHECK_THROWS_AS(table.insert(key(1), tuned(1)), IoError);
  CHECK_THROWS_WITH(table.insert(key(1), tuned(1)), Catch::Matchers::Contains(folder / "file"));
}
