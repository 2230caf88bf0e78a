#include "kernels/embedding.h"

#include <catch2/catch.hpp>

#include "support/gradcheck.h"
#include "support/random_tensor.h"
#include "support/run_on.h"
#include "support/tolerance.h"

using namespace swallow;
using namespace swallow::test;

namespace {

constexpr int64_t kVocab = 13;

/// Ids that hit some table rows many times and others never.
TestTensor make_ids(int64_t rows) {
  TestTensor ids = empty_tensor(DType::i32, {rows});
  for (int64_t i = 0; i < rows; ++i)
    ids.tensor.as<int32_t>()[i] = static_cast<int32_t>(i * i % kVocab);
  return ids;
}

}  // namespace

TEST_CASE("embedding copies table rows, split over ranks or not", "[unit][device][embedding]") {
  const auto device = GENERATE(from_range(devices()));
  const auto dtype = GENERATE(DType::f32, DType::bf16, DType::f64);
  const auto hidden = GENERATE(int64_t{1}, 31, 32, 33, 4096, 4099, 5120);
  const auto offset = GENERATE(int64_t{0}, 1);
  if (!computes(device, dtype)) return;
  INFO(to_string(device) << " " << name_of(dtype) << " h " << hidden << " offset " << offset);
  const TestTensor ids = make_ids(9);
  const TestTensor table = random_tensor(dtype, {kVocab, hidden}, 1);
  const TestTensor y = empty_tensor(dtype, {9, hidden});
  Stream stream(device, 2);
  run_on(stream, EmbeddingForward{.ids = ids.tensor, .table = table.tensor, .y = y.tensor}, offset);
  const auto rows = to_doubles(table.tensor);
  std::vector<double> want(9 * static_cast<size_t>(hidden));
  const auto h = static_cast<size_t>(hidden);
  for (size_t i = 0; i < want.size(); ++i)
    want[i] = rows[static_cast<size_t>(ids.tensor.as<int32_t>()[i / h]) * h + i % h];
  REQUIRE(to_doubles(y.tensor) == want);

  std::vector<double> sum(want.size());
  for (const int64_t start : {0, 5}) {  // ranks that hold rows [0, 5) and [5, 13)
    const Tensor part = table.tensor.rows(start, start == 0 ? 5 : kVocab);
    from_doubles(y.tensor, std::vector<double>(want.size(), 7));  // must be overwritten
    run_on(stream,
           EmbeddingForward{.ids = ids.tensor, .table = part, .y = y.tensor, .vocab_start = start},
           offset);
    const auto partial = to_doubles(y.tensor);
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += partial[i];
  }
  REQUIRE(sum == want);
}

TEST_CASE("embedding backward adds rows in order", "[unit][device][embedding]") {
  const auto device = GENERATE(from_range(devices()));
  const auto dtype = GENERATE(DType::f32, DType::bf16, DType::f64);
  const auto hidden = GENERATE(int64_t{1}, 31, 32, 33, 4096, 4099, 5120);
  const auto offset = GENERATE(int64_t{0}, 1);
  if (!computes(device, dtype)) return;
  INFO(to_string(device) << " " << name_of(dtype) << " h " << hidden << " offset " << offset);
  const TestTensor ids = make_ids(33);
  const TestTensor dy = random_tensor(dtype, {33, hidden}, 2);
  const DType state = accumulate_dtype(dtype);
  const TestTensor whole = random_tensor(state, {kVocab, hidden}, 3);
  const TestTensor split = clone(whole.tensor);
  const auto h = static_cast<size_t>(hidden);
  std::vector<double> want = to_doubles(whole.tensor);
  const auto gradients = to_doubles(dy.tensor);
  for (size_t i = 0; i < gradients.size(); ++i) {
    double& sum = want[static_cast<size_t>(ids.tensor.as<int32_t>()[i / h]) * h + i % h];
    sum = round_to(state, sum + gradients[i]);
  }
  Stream stream(device, 3);
  run_on(stream, EmbeddingBackward{.ids = ids.tensor, .dy = dy.tensor, .dtable = whole.tensor},
         offset);
  require_close(whole.tensor, want, {0, 0});

  Stream single(device, 1);  // and split over two ranks, on another number of threads
  run_on(single,
         EmbeddingBackward{.ids = ids.tensor, .dy = dy.tensor, .dtable = split.tensor.rows(0, 5)});
  run_on(single, EmbeddingBackward{.ids = ids.tensor,
                                   .dy = dy.tensor,
                                   .dtable = split.tensor.rows(5, kVocab),
                                   .vocab_start = 5});
  REQUIRE(same_bits(whole.tensor, split.tensor));
}

TEST_CASE("embedding backward finds an id wherever it stands among thousands",
          "[unit][device][embedding]") {
  const auto device = GENERATE(from_range(devices()));
  const auto dtype = GENERATE(DType::f32, DType::bf16);
  // 1100 positions: two chunks of a GPU's search, the last one not full.
  constexpr int64_t kRows = 1100;
  constexpr int64_t kWords = 250;
  constexpr int64_t kHidden = 8;
  const TestTensor ids = empty_tensor(DType::i32, {kRows});
  for (int64_t i = 0; i < kRows; ++i)  // every tenth is 7, the others appear about four times
    ids.tensor.as<int32_t>()[i] = static_cast<int32_t>(i % 10 == 3 ? 7 : i * i / 5 % kWords);
  // Alone in the search's corners: the ends of a word, of a warp's words, of a chunk, of all.
  int32_t lonely = kWords;
  for (const int64_t at : {0, 31, 32, 127, 128, 1023, 1024, 1055, 1056, 1099})
    ids.tensor.as<int32_t>()[at] = lonely++;
  ids.tensor.as<int32_t>()[1025] = kWords;  // again in another chunk
  const TestTensor dy = random_tensor(dtype, {kRows, kHidden}, 2);
  const TestTensor dtable = random_tensor(DType::f32, {lonely, kHidden}, 3);
  std::vector<double> want = to_doubles(dtable.tensor);
  const auto gradients = to_doubles(dy.tensor);
  for (size_t i = 0; i < gradients.size(); ++i) {
    double& sum =
        want[static_cast<size_t>(ids.tensor.as<int32_t>()[i / kHidden]) * kHidden + i % kHidden];
    sum = round_to(DType::f32, sum + gradients[i]);
  }
  Stream stream(device, 2);
  run_on(stream, EmbeddingBackward{.ids = ids.tensor, .dy = dy.tensor, .dtable = dtable.tensor});
  require_close(dtable.tensor, want, {0, 0});
}

TEST_CASE("embedding backward matches finite differences", "[unit][embedding]") {
  const TestTensor ids = make_ids(9);
  const TestTensor table = random_tensor(DType::f64, {kVocab, 6}, 1);
  const TestTensor y = empty_tensor(DType::f64, {9, 6});
  const TestTensor dy = random_tensor(DType::f64, {9, 6}, 2);
  const TestTensor dtable = empty_tensor(DType::f64, {kVocab, 6});
  Stream stream(Device{});
  launch(stream, EmbeddingBackward{.ids = ids.tensor, .dy = dy.tensor, .dtable = dtable.tensor});
  const auto loss = [&] {
    launch(stream, EmbeddingForward{.ids = ids.tensor, .table = table.tensor, .y = y.tensor});
    return dot(y.tensor, to_doubles(dy.tensor));
  };
  gradcheck(loss, table.tensor, to_doubles(dtable.tensor));
}

TEST_CASE("embedding refuses a negative id and names its position", "[unit][embedding]") {
  const TestTensor ids = make_ids(4);
  ids.tensor.as<int32_t>()[2] = -7;
  const TestTensor table = empty_tensor(DType::f32, {kVocab, 3});
  const TestTensor y = empty_tensor(DType::f32, {4, 3});
  Stream stream(Device{});
  REQUIRE_THROWS_WITH(
      launch(stream, EmbeddingForward{.ids = ids.tensor, .table = table.tensor, .y = y.tensor}),
      Catch::Matchers::Contains("-7 at position 2"));
}
