// Every grid to every grid, up to 16 ranks. No tag: the sanitizers see fewer grids elsewhere. All
// 49 of them take minutes: swallow-tests "[every-grid]".
#include <array>
#include <catch2/catch.hpp>
#include <cstring>
#include <filesystem>
#include <map>

#include "checkpoint/checkpoint.h"
#include "checkpoint/manifest.h"
#include "checkpoint/tensor_file.h"
#include "checkpoint/tiny_job.h"

using namespace swallow;
using namespace swallow::test;

namespace {

constexpr int kMaxRanks = 16;
constexpr int64_t kLayers = 4;
constexpr int64_t kKvHeads = 4;

TinyGrid grid_of(int dp, int tp, int pp) {
  return {dp, tp, pp, true, kLayers, kKvHeads};
}

/// PP divides the layers and TP the heads; DP is free.
std::vector<TinyGrid> all_grids() {
  std::vector<TinyGrid> grids;
  for (int tp = 1; tp <= kKvHeads; tp *= 2)
    for (int pp = 1; pp <= kLayers; pp *= 2)
      for (int dp = 1; dp * tp * pp <= kMaxRanks; ++dp) grids.push_back(grid_of(dp, tp, pp));
  return grids;
}

/// Those whose DP is a power of two, and three others.
std::vector<TinyGrid> usual_grids() {
  std::vector<TinyGrid> grids = all_grids();
  std::erase_if(grids, [](const TinyGrid& grid) { return (grid.dp & (grid.dp - 1)) != 0; });
  for (const auto& [dp, tp, pp] : {std::array{3, 1, 1}, {3, 2, 2}, {7, 1, 2}})
    grids.push_back(grid_of(dp, tp, pp));
  return grids;
}

std::string name_of(const TinyGrid& grid) {
  return fmt::format("dp {} tp {} pp {}", grid.dp, grid.tp, grid.pp);
}

/// The bytes of every canonical tensor and its state, put together from the files of all ranks.
std::map<std::string, std::string> assembled(const std::string& folder, int64_t iteration) {
  const std::filesystem::path path =
      std::filesystem::path(folder) / fmt::format("iter_{:07}", iteration);
  std::map<std::string, std::string> whole;
  for (const auto& [name, tensor] : read_manifest(path, iteration).tensors)
    for (const StoredPiece& piece : tensor.pieces) {
      const TensorFile file(path / piece.file);
      const auto element = static_cast<size_t>(size_of(piece.dtype));
      const int64_t columns = tensor.shape.rank() == 2 ? tensor.shape[1] : 1;
      std::string& bytes = whole[fmt::format("{} {}", name, name_of(piece.kind))];
      bytes.resize(static_cast<size_t>(tensor.shape.numel()) * element, '?');
      file.read(file.at(piece.key), [&](std::span<const std::byte> part, int64_t offset) {
        for (size_t i = 0; i < part.size() / element; ++i) {
          const int64_t at =
              piece.range.begin + offset / static_cast<int64_t>(element) + static_cast<int64_t>(i);
          const int64_t row = piece.range.row_begin + at / piece.range.columns();
          const int64_t column = piece.range.column_begin + at % piece.range.columns();
          std::memcpy(bytes.data() + static_cast<size_t>(row * columns + column) * element,
                      part.data() + i * element, element);
        }
      });
    }
  return whole;
}

void check_all_pairs(const std::vector<TinyGrid>& grids) {
  const ScratchFolder scratch;
  const auto folder = [&](size_t i) { return scratch / fmt::format("run-{}", i); };
  std::map<std::string, std::string> want;
  for (size_t i = 0; i < grids.size(); ++i) {
    INFO("saved on " << name_of(grids[i]));
    REQUIRE(save_tiny(folder(i), grids[i], 7) ==
            std::vector<std::string>(static_cast<size_t>(grids[i].size())));
    const auto got = assembled(folder(i), 7);
    if (i == 0) want = got;
    REQUIRE(want.size() == 4 * (static_cast<size_t>(kLayers) * 9 + 3));
    REQUIRE((got == want));
  }
  // A rank that has loaded holds what it would hold, had it never been anywhere else: so what it
  // saves next is what the loop above has compared.
  for (const TinyGrid& grid : grids) {
    std::vector<TinyRank> expected;
    for (int rank = 0; rank < grid.size(); ++rank) expected.emplace_back(grid, rank).fill();
    for (size_t i = 0; i < grids.size(); ++i) {
      INFO("saved on " << name_of(grids[i]) << ", loaded on " << name_of(grid));
      std::vector<int> equal(static_cast<size_t>(grid.size()));
      REQUIRE(load_tiny(folder(i), grid, 7, LoadScope::everything, [&](TinyRank& mine, int rank) {
                const auto at = static_cast<size_t>(rank);
                equal[at] = mine == expected[at] ? 1 : 0;
              }) == std::vector<std::string>(equal.size()));
      REQUIRE(equal == std::vector<int>(equal.size(), 1));
    }
  }
}

}  // namespace

TEST_CASE("grids of up to 16 ranks save the same state and load that of every other") {
  const std::vector<TinyGrid> grids = usual_grids();
  REQUIRE(grids.size() == 30);
  check_all_pairs(grids);
}

TEST_CASE("all grids of up to 16 ranks load the state of all others", "[.][every-grid]") {
  const std::vector<TinyGrid> grids = all_grids();
  REQUIRE(grids.size() == 49);
  check_all_pairs(grids);
}
