#include "checkpoint/hugging_face_load.h"

#include <catch2/catch.hpp>

#include "base/split_float.h"
#include "checkpoint/tiny_folder.h"

using namespace swallow;
using namespace swallow::test;

namespace {

const std::vector<TinyGrid> kGrids = {
    {1, 1, 1, true}, {2, 2, 1, true},  {2, 2, 1, false}, {1, 2, 2, true},
    {2, 2, 2, true}, {3, 1, 2, false}, {4, 1, 1, true},
};

/// What a rank must hold: the file's numbers as masters, rounded as parameters.
TinyRank expected_rank(const TinyGrid& grid, int rank, NumberType type) {
  TinyRank expected(grid, rank);
  std::vector<float> flat(expected.params.size());
  for (const HeldRange& held : held_ranges(expected.layout, 0, StateKind::weight)) {
    const auto whole = tiny_tensor_in_file(held.name, held.shape, type);
    const int64_t width = held.shape.rank() == 2 ? held.shape[1] : 1;
    int64_t at = held.flat;
    for (int64_t row = held.range.row_begin; row < held.range.row_end; ++row)
      for (int64_t column = held.range.column_begin; column < held.range.column_end; ++column)
        flat[static_cast<size_t>(at++)] = whole[static_cast<size_t>(row * width + column)];
  }
  for (size_t i = 0; i < flat.size(); ++i) expected.params[i] = bfloat16(flat[i]);
  expected.master = expected.shard(flat);
  std::fill(expected.exp_avg.begin(), expected.exp_avg.end(), -77.0F);  // as spoil() left them
  expected.exp_avg_sq = expected.exp_avg;
  return expected;
}

/// Numbers that a rank holds without padding: weights, then masters.
std::pair<int64_t, int64_t> held_numbers(const TinyRank& rank) {
  std::pair<int64_t, int64_t> sum;
  for (const auto& held : held_ranges(rank.layout, rank.shard_rank, StateKind::weight))
    sum.first += held.range.size();
  for (const auto& held : held_ranges(rank.layout, rank.shard_rank, StateKind::master))
    sum.second += held.range.size();
  return sum;
}

std::string load_error(const std::string& folder) {
  return run_job({}, [&](int rank, ControlPlane& control) {
    TinyRank mine({}, rank);
    load_hugging_face(folder, mine.tensors(), control);
  })[0];
}

}  // namespace

TEST_CASE("a Hugging Face folder of any type loads onto any grid, reading a rank's bytes alone",
          "[checkpoint]") {
  const ScratchFolder scratch;
  for (const NumberType type : {NumberType::bf16, NumberType::f16, NumberType::f32})
    for (const int shards : {0, 3}) {
      const std::string folder = scratch / fmt::format("{}-{}", file_dtype(type), shards);
      write_tiny_folder(folder, {.type = type, .shards = shards});
      for (const TinyGrid& grid : kGrids) {
        INFO(folder << ": dp " << grid.dp << " tp " << grid.tp << " pp " << grid.pp);
        std::vector<int> equal(static_cast<size_t>(grid.size()));
        std::vector<int64_t> extra_bytes(equal.size());
        const auto errors = run_job(grid, [&](int rank, ControlPlane& control) {
          TinyRank mine(grid, rank);
          mine.spoil();
          const FolderLoad load = load_hugging_face(folder, mine.tensors(), control);
          const auto [weights, masters] = held_numbers(mine);
          const int64_t needed = weights + (type == NumberType::bf16 ? 0 : masters);
          const auto at = static_cast<size_t>(rank);
          extra_bytes[at] = load.bytes_read - needed * size_of(type);
          equal[at] = mine == expected_rank(grid, rank, type) ? 1 : 0;
        });
        REQUIRE(errors == std::vector<std::string>(equal.size()));
        CHECK(equal == std::vector<int>(equal.size(), 1));
        CHECK(extra_bytes == std::vector<int64_t>(equal.size(), 0));
      }
    }
}

TEST_CASE("the plan of a rank's reads is what it reads, and together all of every tensor",
          "[checkpoint]") {
  const ScratchFolder scratch;
  const std::string path = scratch / "f";
  write_tiny_folder(path, {.type = NumberType::f32, .shards = 2});
  const HuggingFaceFolder folder(path);
  const TinyGrid grid{2, 2, 2, true};
  std::map<std::string, std::vector<int>> weights;  // by file: how often each byte is read
  for (const auto& [name, file] : folder.files())
    weights[name].resize(static_cast<size_t>(file.size()));
  auto masters = weights;
  for (int rank = 0; rank < grid.size(); ++rank) {
    const TinyRank mine(grid, rank);
    int64_t bytes = 0;
    for (const FolderRead& read :
         plan_folder_reads(folder, mine.layout, mine.shard_rank, DType::bf16)) {
      bytes += read.bytes();
      if (read.kind == StateKind::weight && mine.dp_rank != 0) continue;
      if (read.tensor.ends_with("norm.weight") && mine.tp_rank != 0) continue;
      auto& count = (read.kind == StateKind::weight ? weights : masters).at(read.file);
      for (const ByteRuns& runs : read.runs)
        for (int64_t i = 0; i < runs.total(); ++i)
          ++count.at(
              static_cast<size_t>(runs.offset + i / runs.bytes * runs.stride + i % runs.bytes));
    }
    const auto [numbers, shard] = held_numbers(mine);
    CHECK(bytes == 4 * (numbers + shard));
  }
  for (const auto* counts : {&weights, &masters})
    for (const auto& [name, file] : folder.files())
      for (const auto& [tensor_name, tensor] : file.header().tensors)
        for (int64_t at = tensor.offset; at < tensor.offset + tensor.bytes; ++at)
          if (counts->at(name)[static_cast<size_t>(at)] != 1) FAIL(tensor_name << " byte " << at);
}

TEST_CASE("byte runs hold each element of a range once, in order", "[unit][checkpoint]") {
  const int64_t columns = 7;
  const int64_t element = 2;
  for (const auto& [c0, c1] : {std::pair{0, 7}, {0, 3}, {2, 6}, {6, 7}})
    for (int64_t begin = 0; begin <= 4 * (c1 - c0); ++begin)
      for (int64_t end = begin; end <= 4 * (c1 - c0); ++end) {
        const CanonicalRange range{1, 5, c0, c1, begin, end};
        std::vector<int64_t> want;
        for (int64_t i = begin; i < end; ++i)
          for (int64_t b = 0; b < element; ++b)
            want.push_back(100 + ((1 + i / (c1 - c0)) * columns + c0 + i % (c1 - c0)) * element +
                           b);
        std::vector<int64_t> got;
        const auto all = byte_runs(range, columns, element, 100);
        for (const ByteRuns& runs : all)
          for (int64_t i = 0; i < runs.count; ++i)
            for (int64_t b = 0; b < runs.bytes; ++b)
              got.push_back(runs.offset + i * runs.stride + b);
        if (got != want || all.size() > 3) FAIL(c0 << " " << c1 << " " << begin << " " << end);
      }
}

TEST_CASE("a number of the file that is not finite is named by tensor, row and column",
          "[checkpoint]") {
  const ScratchFolder scratch;
  for (const NumberType type : {NumberType::bf16, NumberType::f16, NumberType::f32}) {
    const std::string folder = scratch / std::string(file_dtype(type));
    write_tiny_folder(folder, {.type = type});
    const std::string file = folder + "/model.safetensors";
    const FileTensor tensor = TensorFile(file).at("model.layers.1.mlp.down_proj.weight");
    std::fstream out(file, std::ios::in | std::ios::out | std::ios::binary);
    out.seekp(tensor.offset + (5 * 24 + 3) * size_of(type));
    const std::string bytes(static_cast<size_t>(size_of(type)), '\xff');  // a NaN in every type
    out << bytes;
    out.close();
    CHECK_THAT(load_error(folder), Catch::Contains("model.layers.1.mlp.down_proj.weight") &&
                                       Catch::Contains("row 5, column 3 is not finite"));
  }
}

TEST_CASE("a file of fp32 fills split masters exactly", "[checkpoint]") {
  const ScratchFolder scratch;
  const std::string folder = scratch / "f";
  write_tiny_folder(folder, {.type = NumberType::f32});
  const auto errors = run_job({}, [&](int rank, ControlPlane& control) {
    TinyRank mine({}, rank);
    std::vector<uint16_t> low(mine.master.size());
    CheckpointTensors tensors = mine.tensors();
    tensors.master = host_view(std::span(low));
    load_hugging_face(folder, tensors, control);
    const TinyRank expected = expected_rank({}, rank, NumberType::f32);
    for (size_t i = 0; i < low.size(); ++i) {
      const float joined = join_float({mine.params[i].bits, low[i]});
      if (joined != expected.master[i]) throw DataError("element {}", i);
    }
  });
  REQUIRE(errors == std::vector<std::string>{""});
}
