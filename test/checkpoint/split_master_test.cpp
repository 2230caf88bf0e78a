// Split masters are a matter of memory: files hold fp32 masters, whoever saved them.
#include <catch2/catch.hpp>

#include "base/split_float.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/tensor_file.h"
#include "checkpoint/tiny_job.h"
#include "support/run_on.h"

using namespace swallow;
using namespace swallow::test;

namespace {

/// Every fifth master is an exact tie between two bf16 numbers.
float with_ties(float value, size_t index) {
  if (index % 5 != 0) return value;
  return std::bit_cast<float>((std::bit_cast<uint32_t>(value) & 0xffff0000U) | 0x8000U);
}

bfloat16 away_from_zero(float value) {
  bfloat16 result;
  result.bits = split_float(value).bf16;
  return result;
}

enum class Form : uint8_t { whole, split };

/// A rank of the tiny model whose parameters are its rounded masters, as after a step.
struct Rank {
  Rank(const TinyGrid& grid, int rank, Form form_) : form(form_), tiny(grid, rank) {
    low.resize(tiny.master.size());
  }

  /// As after training in `trained`.
  void fill(Form trained) {
    tiny.fill();
    // Which elements are ties is decided by their value, as positions depend on the grid.
    std::vector<float> flat = tiny.flat<float>(StateKind::master);
    for (size_t i = 0; i < flat.size(); ++i) {
      const auto key = static_cast<size_t>(std::bit_cast<uint32_t>(flat[i]) >> 7U);
      if (flat[i] != 0) flat[i] = with_ties(flat[i], key);
      tiny.params[i] =
          trained == Form::split ? away_from_zero(flat[i]) : convert<bfloat16>(flat[i]);
    }
    tiny.master = tiny.shard(flat);
    if (form == Form::split)
      for (size_t i = 0; i < low.size(); ++i) low[i] = split_float(tiny.master[i]).low;
  }

  void spoil() {
    tiny.spoil();
    std::fill(low.begin(), low.end(), uint16_t{0x7777});
  }

  [[nodiscard]] CheckpointTensors tensors() {
    CheckpointTensors result = tiny.tensors();
    if (form == Form::split)
      result.master = {
          .data = low.data(), .dtype = DType::u16, .shape = {static_cast<int64_t>(low.size())}};
    return result;
  }

  /// The masters of this rank's shard, joined if need be.
  [[nodiscard]] std::vector<float> masters() const {
    if (form == Form::whole) return tiny.master;
    std::vector<float> result(low.size());
    for (const ShardPiece& piece : tiny.layout.pieces(tiny.shard_rank))
      for (int64_t i = 0; i < piece.size(); ++i) {
        const auto at = static_cast<size_t>(piece.shard + i);
        result[at] = join_float({tiny.params[static_cast<size_t>(piece.flat + i)].bits, low[at]});
      }
    return result;
  }

  Form form;
  TinyRank tiny;
  std::vector<uint16_t> low;
};

std::vector<std::string> no_errors(const TinyGrid& grid) {
  return std::vector<std::string>(static_cast<size_t>(grid.size()));
}

void save(const std::string& folder, const TinyGrid& grid, Form form) {
  REQUIRE(run_job(grid, [&](int rank, ControlPlane& control) {
            Rank mine(grid, rank, form);
            mine.fill(form);
            CheckpointTensors tensors = mine.tensors();
            // A shard's masters in an earlier file than its weights: a load must not mind.
            tensors.writes_params = mine.tiny.dp_rank == grid.dp - 1;
            save_checkpoint(folder, tiny_state(grid, 7), tensors, control);
          }) == no_errors(grid));
}

/// Parameters are the stored weights, but where a split master has set them.
bool params_fit(const Rank& mine, const Rank& want_as_saved, const Rank& want_as_loaded) {
  const size_t count = mine.tiny.params.size();
  std::vector<bool> own(count);
  for (const ShardPiece& piece : mine.tiny.layout.pieces(mine.tiny.shard_rank))
    for (int64_t i = 0; i < piece.size(); ++i) own[static_cast<size_t>(piece.flat + i)] = true;
  for (size_t i = 0; i < count; ++i) {
    const bool from_master = own[i] && mine.form == Form::split;
    const Rank& want = from_master ? want_as_loaded : want_as_saved;
    if (mine.tiny.params[i] != want.tiny.params[i]) return false;
  }
  return true;
}

void require_load(const std::string& folder, const TinyGrid& grid, Form saved, Form loaded) {
  std::vector<int> good(static_cast<size_t>(grid.size()));
  const auto errors = run_job(grid, [&](int rank, ControlPlane& control) {
    Rank mine(grid, rank, loaded);
    mine.spoil();
    load_checkpoint(folder, 7, LoadScope::everything, mine.tensors(), control);
    Rank as_saved(grid, rank, loaded);
    as_saved.fill(saved);
    Rank as_loaded(grid, rank, loaded);
    as_loaded.fill(loaded);
    good[static_cast<size_t>(rank)] = mine.masters() == as_loaded.tiny.master &&
                                      params_fit(mine, as_saved, as_loaded) &&
                                      mine.tiny.exp_avg == as_loaded.tiny.exp_avg &&
                                      mine.tiny.exp_avg_sq == as_loaded.tiny.exp_avg_sq &&
                                      (loaded == Form::whole || mine.low == as_loaded.low);
  });
  REQUIRE(errors == no_errors(grid));
  REQUIRE(good == std::vector<int>(good.size(), 1));
}

const std::vector<TinyGrid> kGrids = {
    {1, 1, 1, true}, {2, 2, 1, true}, {2, 2, 1, false}, {3, 1, 2, true}};

}  // namespace

TEST_CASE("masters saved split or whole load split or whole on any grid, bit for bit", "[ranks]") {
  for (const auto& [saved, loaded] : {std::pair{Form::split, Form::split},
                                      {Form::split, Form::whole},
                                      {Form::whole, Form::split}})
    for (const TinyGrid& first : kGrids) {
      const ScratchFolder folder;
      save(folder / "run", first, saved);
      for (const TinyGrid& second : kGrids) {
        INFO((saved == Form::split ? "split" : "whole")
             << " on dp " << first.dp << " tp " << first.tp << " pp " << first.pp << ", then on dp "
             << second.dp << " tp " << second.tp << " pp " << second.pp);
        require_load(folder / "run", second, saved, loaded);
      }
    }
}

TEST_CASE("a checkpoint of weights alone leaves a split master no low bits", "[ranks]") {
  const ScratchFolder folder;
  const TinyGrid grid{2, 1, 1, true};
  REQUIRE(run_job(grid, [&](int rank, ControlPlane& control) {
            Rank mine(grid, rank, Form::split);
            mine.fill(Form::split);
            mine.tiny.writes_state = false;
            save_checkpoint(folder / "run", tiny_state(grid, 7), mine.tensors(), control);
          }) == no_errors(grid));
  std::vector<int> good(2);
  REQUIRE(run_job(grid, [&](int rank, ControlPlane& control) {
            Rank mine(grid, rank, Form::split);
            mine.spoil();
            load_checkpoint(folder / "run", 7, LoadScope::weights_only, mine.tensors(), control);
            Rank want(grid, rank, Form::split);
            want.fill(Form::split);
            good[static_cast<size_t>(rank)] = mine.tiny.params == want.tiny.params &&
                                              mine.low == std::vector<uint16_t>(mine.low.size());
          }) == no_errors(grid));
  REQUIRE(good == std::vector<int>{1, 1});
}

TEST_CASE("a split master that is not finite is not saved", "[ranks]") {
  const ScratchFolder folder;
  const TinyGrid grid;
  const auto errors = run_job(grid, [&](int rank, ControlPlane& control) {
    Rank mine(grid, rank, Form::split);
    mine.fill(Form::split);
    mine.tiny.params[5] = bfloat16(std::numeric_limits<float>::infinity());
    mine.low[5] = 0;
    save_checkpoint(folder / "run", tiny_state(grid, 7), mine.tensors(), control);
  });
  CHECK_THAT(errors[0], Catch::Contains("master holds 1 numbers that are not finite"));
}

TEST_CASE("split masters longer than a file's chunk are saved from and loaded to any device",
          "[device]") {
  const auto device = GENERATE(from_range(devices()));
  INFO(to_string(device));
  const int64_t rows = kFileChunk / 4096 + 77;
  const int64_t columns = 1024;
  const int64_t count = rows * columns;
  const ParamLayout layout({{.shape = {rows, columns},
                             .parts = {{.name = "w",
                                        .shape = {rows, columns},
                                        .row_begin = 0,
                                        .row_end = rows,
                                        .column_begin = 0,
                                        .column_end = columns}}}},
                           1, 1);
  const auto value = [](int64_t i) {
    return with_ties(1.0F + static_cast<float>(i) * 0x1p-23F, static_cast<size_t>(i));
  };
  Stream stream(device);
  Buffer memory(device, layout.total() * (2 + 2 + 4 + 4));
  const auto view = [&](int64_t offset, DType dtype) {
    return Tensor{memory.data() + layout.total() * offset, dtype, {layout.total()}, device};
  };
  const CheckpointTensors tensors{.layout = &layout,
                                  .writes_params = true,
                                  .params = view(0, DType::bf16),
                                  .master = view(2, DType::u16),
                                  .exp_avg = view(4, DType::f32),
                                  .exp_avg_sq = view(8, DType::f32),
                                  .stream = &stream};
  std::vector<bfloat16> params(static_cast<size_t>(layout.total()));
  std::vector<uint16_t> low(params.size());
  for (int64_t i = 0; i < count; ++i) {
    params[static_cast<size_t>(i)] = away_from_zero(value(i));
    low[static_cast<size_t>(i)] = split_float(value(i)).low;
  }
  copy(stream, tensors.params, host_view(std::span(params)));
  copy(stream, tensors.master, host_view(std::span(low)));
  zero(stream, tensors.exp_avg);
  zero(stream, tensors.exp_avg_sq);
  const ScratchFolder folder;
  Meeting meeting(1);
  MeetingControl control(meeting, 0);
  save_checkpoint(folder / "run", {.iteration = 1}, tensors, control);

  zero(stream, tensors.params);
  zero(stream, tensors.master);
  load_checkpoint(folder / "run", 1, LoadScope::everything, tensors, control);
  std::vector<bfloat16> params_back(params.size());
  std::vector<uint16_t> low_back(low.size());
  copy(stream, host_view(std::span(params_back)), tensors.params);
  copy(stream, host_view(std::span(low_back)), tensors.master);
  stream.synchronize();
  REQUIRE((params_back == params));
  REQUIRE((low_back == low));

  std::vector<float> master(params.size());
  CheckpointTensors host{.layout = &layout,
                         .params = host_view(std::span(params_back)),
                         .master = host_view(std::span(master))};
  std::vector<float> moments(params.size());
  host.exp_avg = host.exp_avg_sq = host_view(std::span(moments));
  load_checkpoint(folder / "run", 1, LoadScope::everything, host, control);
  int64_t wrong = 0;
  for (int64_t i = 0; i < count; ++i) wrong += master[static_cast<size_t>(i)] == value(i) ? 0 : 1;
  REQUIRE(wrong == 0);
}
