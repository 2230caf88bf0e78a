#include "checkpoint/checkpoint.h"

#include <catch2/catch.hpp>
#include <cstring>
#include <fstream>

#include "checkpoint/manifest.h"
#include "checkpoint/tensor_file.h"
#include "checkpoint/tiny_job.h"

using namespace swallow;
using namespace swallow::test;

namespace {

const std::vector<TinyGrid> kGrids = {
    {1, 1, 1, true}, {2, 2, 1, true},  {2, 2, 1, false}, {1, 2, 2, true},
    {2, 2, 2, true}, {2, 2, 2, false}, {3, 1, 2, true},  {4, 1, 1, true},
};

std::string name_of(const TinyGrid& grid) {
  return fmt::format("dp {} tp {} pp {}{}", grid.dp, grid.tp, grid.pp,
                     grid.sharded ? " sharded" : "");
}

std::vector<std::string> no_errors(const TinyGrid& grid) {
  return std::vector<std::string>(static_cast<size_t>(grid.size()));
}

/// A load that must give every rank exactly what fill() makes, padding included.
void require_exact_load(const std::string& folder, const TinyGrid& grid, int64_t iteration) {
  std::vector<int> equal(static_cast<size_t>(grid.size()));
  const auto errors =
      load_tiny(folder, grid, iteration, LoadScope::everything, [&](TinyRank& mine, int rank) {
        TinyRank expected(grid, rank);
        expected.fill();
        equal[static_cast<size_t>(rank)] = mine == expected ? 1 : 0;
      });
  REQUIRE(errors == no_errors(grid));
  REQUIRE(equal == std::vector<int>(equal.size(), 1));
}

}  // namespace

TEST_CASE("a checkpoint of any grid loads bit for bit on any grid", "[ranks]") {
  for (const TinyGrid& saved : kGrids) {
    const ScratchFolder folder;
    REQUIRE(save_tiny(folder / "run", saved, 7) == no_errors(saved));
    for (const TinyGrid& loaded : kGrids) {
      INFO("saved on " << name_of(saved) << ", loaded on " << name_of(loaded));
      require_exact_load(folder / "run", loaded, 7);
    }
  }
}

TEST_CASE("a tensor longer than a read's chunk loads on another split", "[ranks]") {
  const ScratchFolder folder;
  const int64_t rows = kFileChunk / 4096 + 77;  // of 4 KiB of fp32
  const int64_t columns = 1024;
  struct Half {
    Half(int64_t num_rows, int64_t begin, int64_t end, int64_t whole)
        : layout({{.shape = {num_rows, end - begin},
                   .parts = {{.name = "w",
                              .shape = {num_rows, whole},
                              .row_begin = 0,
                              .row_end = num_rows,
                              .column_begin = begin,
                              .column_end = end}}}},
                 1, 1),
          data(4, std::vector<float>(static_cast<size_t>(layout.total()))) {
      const auto view = [&](size_t kind) {
        return Tensor{.data = data[kind].data(), .shape = {layout.total()}};
      };
      tensors = {.layout = &layout,
                 .writes_params = true,
                 .params = view(0),
                 .master = view(1),
                 .exp_avg = view(2),
                 .exp_avg_sq = view(3)};
    }
    ParamLayout layout;
    std::vector<std::vector<float>> data;
    CheckpointTensors tensors;
  };
  const auto value = [](size_t kind, int64_t row, int64_t column) {
    return static_cast<float>(row * 1024 + column) + 0.25F * static_cast<float>(kind);
  };
  const TinyGrid one;
  REQUIRE(run_job(one, [&](int, ControlPlane& control) {
            Half whole(rows, 0, columns, columns);
            for (size_t kind = 0; kind < 4; ++kind)
              for (int64_t i = 0; i < rows * columns; ++i)
                whole.data[kind][static_cast<size_t>(i)] = value(kind, i / columns, i % columns);
            save_checkpoint(folder / "run", tiny_state(one, 1), whole.tensors, control);
          }) == no_errors(one));
  const TinyGrid two{1, 2, 1, true};
  std::vector<int64_t> wrong(2);
  REQUIRE(run_job(two, [&](int rank, ControlPlane& control) {
            const int64_t begin = rank == 0 ? 0 : 300;
            const int64_t end = rank == 0 ? 300 : columns;
            Half half(rows, begin, end, columns);
            load_checkpoint(folder / "run", 1, LoadScope::everything, half.tensors, control);
            for (size_t kind = 0; kind < 4; ++kind)
              for (int64_t i = 0; i < rows * (end - begin); ++i)
                if (half.data[kind][static_cast<size_t>(i)] !=
                    value(kind, i / (end - begin), begin + i % (end - begin)))
                  ++wrong[static_cast<size_t>(rank)];
          }) == no_errors(two));
  REQUIRE(wrong == std::vector<int64_t>{0, 0});
}

TEST_CASE("buckets may be cut otherwise when a checkpoint is loaded", "[ranks]") {
  const ScratchFolder folder;
  const TinyGrid grid{2, 1, 1, true};
  REQUIRE(save_tiny(folder / "run", grid, 1) == no_errors(grid));
  int equal = 0;
  const auto errors = run_job(grid, [&](int rank, ControlPlane& control) {
    TinyRank mine(grid, rank, 2, 1 << 20);
    TinyRank expected(grid, rank, 2, 1 << 20);
    expected.fill();
    load_checkpoint(folder / "run", 1, LoadScope::everything, mine.tensors(), control);
    const bool same = mine == expected;
    control.barrier();
    if (rank == 0) equal = same ? 1 : 0;
  });
  REQUIRE(errors == no_errors(grid));
  REQUIRE(equal == 1);
}

TEST_CASE("the saved state comes back with the tensors and without them", "[ranks]") {
  const ScratchFolder folder;
  const TinyGrid grid{1, 2, 1, true};
  REQUIRE(save_tiny(folder / "run", grid, 30) == no_errors(grid));
  const auto check = [](const CheckpointState& state) {
    return state.iteration == 30 && state.consumed_train_samples == 240 &&
           state.consumed_valid_samples == 60 && state.dp == 1 && state.tp == 2 && state.pp == 1 &&
           state.config_json == R"({"lr":1e-05,"model":{"num_layers":2}})";
  };
  REQUIRE(check(read_checkpoint_state(folder / "run", 30)));
  std::vector<int> good(2);
  run_job(grid, [&](int rank, ControlPlane& control) {
    TinyRank mine(grid, rank);
    good[static_cast<size_t>(rank)] =
        check(load_checkpoint(folder / "run", 30, LoadScope::everything, mine.tensors(), control));
  });
  REQUIRE(good == std::vector<int>{1, 1});
  REQUIRE_THROWS_WITH(read_checkpoint_state(folder / "run", 31),
                      Catch::Contains("no checkpoint of iteration 31"));
}

TEST_CASE("files hold canonical names, real rows only, and as many bytes as reported", "[ranks]") {
  const ScratchFolder folder;
  const TinyGrid grid{2, 2, 1, false};
  std::vector<int64_t> bytes(4);
  const auto errors = run_job(grid, [&](int rank, ControlPlane& control) {
    TinyRank mine(grid, rank);
    mine.fill();
    bytes[static_cast<size_t>(rank)] =
        save_checkpoint(folder / "run", tiny_state(grid, 5), mine.tensors(), control);
  });
  REQUIRE(errors == no_errors(grid));
  const std::filesystem::path iteration = folder.path() / "run" / "iter_0000005";
  const TensorFile first((iteration / "rank-00000.safetensors").string());
  const TensorFile second((iteration / "rank-00001.safetensors").string());
  // Without sharding the second data-parallel rank (global ranks 2 and 3) owns nothing.
  CHECK(bytes == std::vector<int64_t>{first.size(), second.size(), 0, 0});
  CHECK_FALSE(std::filesystem::exists(iteration / "rank-00002.safetensors"));
  CHECK(first.at("model.embed_tokens.weight").shape == std::vector<int64_t>{20, 16});
  CHECK(second.at("model.embed_tokens.weight").shape == std::vector<int64_t>{17, 16});
  CHECK(first.at("model.layers.1.self_attn.k_proj.weight").shape == std::vector<int64_t>{4, 16});
  CHECK(first.at("model.layers.1.self_attn.o_proj.weight").shape == std::vector<int64_t>{16, 8});
  CHECK(first.at("model.norm.weight").dtype == "BF16");
  CHECK(first.at("model.norm.weight.exp_avg_sq").dtype == "F32");
  CHECK_FALSE(second.header().tensors.contains("model.norm.weight"));

  // An element read by hand: row 21 of the embedding is row 1 of the second rank's block.
  std::vector<std::byte> data;
  second.read(second.at("model.embed_tokens.weight"),
              [&](auto chunk, int64_t) { data.insert(data.end(), chunk.begin(), chunk.end()); });
  bfloat16 value;
  std::memcpy(&value, data.data() + (1 * 16 + 3) * 2, 2);
  CHECK(value ==
        convert<bfloat16>(tiny_value(StateKind::weight, "model.embed_tokens.weight", 21 * 16 + 3)));
}

TEST_CASE("weights_only takes weights and master and leaves the moments alone", "[ranks]") {
  const ScratchFolder folder;
  const TinyGrid saved{2, 1, 1, true};
  const TinyGrid grid{1, 2, 1, true};
  REQUIRE(save_tiny(folder / "run", saved, 3) == no_errors(saved));
  std::vector<int> good(2);
  const auto errors =
      load_tiny(folder / "run", grid, 3, LoadScope::weights_only, [&](TinyRank& mine, int rank) {
        TinyRank expected(grid, rank);
        expected.spoil();
        const auto untouched = expected.exp_avg;
        expected.fill();
        good[static_cast<size_t>(rank)] = mine.params == expected.params &&
                                          mine.master == expected.master &&
                                          mine.exp_avg == untouched && mine.exp_avg_sq == untouched;
      });
  REQUIRE(errors == no_errors(grid));
  REQUIRE(good == std::vector<int>{1, 1});
}

TEST_CASE("a checkpoint without optimizer state gives its weights and nothing else", "[ranks]") {
  const ScratchFolder folder;
  const TinyGrid grid{2, 1, 1, true};
  REQUIRE(save_tiny(folder / "run", grid, 3,
                    [](TinyRank& mine, int) { mine.writes_state = false; }) == no_errors(grid));
  std::vector<int> good(2);
  const auto errors =
      load_tiny(folder / "run", grid, 3, LoadScope::weights_only, [&](TinyRank& mine, int rank) {
        TinyRank expected(grid, rank);
        expected.fill();
        std::vector<float> main;
        for (const bfloat16 w : expected.params) main.push_back(static_cast<float>(w));
        good[static_cast<size_t>(rank)] =
            mine.params == expected.params && mine.master == expected.shard(main);
      });
  REQUIRE(errors == no_errors(grid));
  REQUIRE(good == std::vector<int>{1, 1});
  for (const std::string& error : load_tiny(folder / "run", grid, 3))
    CHECK_THAT(error, Catch::Contains("holds weights only"));
}

TEST_CASE("a save in which nobody or two ranks own an element is refused", "[ranks]") {
  const ScratchFolder folder;
  const TinyGrid grid{2, 1, 1, false};
  auto errors =
      save_tiny(folder / "run", grid, 3, [](TinyRank& mine, int) { mine.writes_state = true; });
  for (const std::string& error : errors) CHECK_THAT(error, Catch::Contains("stored twice"));
  errors = save_tiny(folder / "run", grid, 3, [](TinyRank& mine, int) { mine.dp_rank = 1; });
  for (const std::string& error : errors) CHECK_THAT(error, Catch::Contains("weight: missing"));
  CHECK(std::filesystem::is_empty(folder / "run"));
}

TEST_CASE("a model that differs from the checkpoint is refused by name on all ranks", "[ranks]") {
  const ScratchFolder folder;
  const TinyGrid grid{1, 1, 2, true};
  REQUIRE(save_tiny(folder / "run", grid, 3) == no_errors(grid));
  const auto load_layers = [&](int64_t layers) {
    return run_job(grid, [&](int rank, ControlPlane& control) {
      TinyRank mine(grid, rank, layers);
      load_checkpoint(folder / "run", 3, LoadScope::everything, mine.tensors(), control);
    });
  };
  for (const std::string& error : load_layers(3)) {
    CHECK_THAT(error, Catch::StartsWith("4: rank 1: "));
    CHECK_THAT(error, Catch::Contains("model.layers.2") && Catch::Contains("checkpoint has not"));
  }
  const TinyGrid whole{1, 1, 1, true};
  const auto fewer = run_job(whole, [&](int rank, ControlPlane& control) {
    TinyRank mine(whole, rank, 1);
    load_checkpoint(folder / "run", 3, LoadScope::everything, mine.tensors(), control);
  });
  CHECK_THAT(fewer[0], Catch::Contains("model.layers.1") && Catch::Contains("the model has not"));
}
