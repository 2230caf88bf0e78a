#include "kernels/cross_entropy.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "base/math.h"
#include "support/gradcheck.h"
#include "support/random_tensor.h"
#include "support/run_on.h"
#include "support/tolerance.h"

using namespace swallow;
using namespace swallow::test;

namespace {

struct Result {
  double loss = 0;
  std::vector<double> dlogits;  // [rows, vocab], padding left out
};

TestTensor make_targets(int64_t rows, int64_t vocab) {
  TestTensor targets = empty_tensor(DType::i32, {rows});
  for (int64_t i = 0; i < rows; ++i)
    targets.tensor.as<int32_t>()[i] = static_cast<int32_t>((i * 7 + vocab - 1) % vocab);
  return targets;
}

/// One simulated rank: its columns of the logits and its statistics.
struct Rank {
  TestTensor logits, maxima, sums;
  int64_t start = 0, valid = 0, width = 0;

  Rank(const Tensor& whole, int64_t index, int64_t columns)
      : logits(empty_tensor(whole.dtype, {whole.size(0), columns})),
        maxima(empty_tensor(accumulate_dtype(whole.dtype), {whole.size(0)})),
        sums(empty_tensor(accumulate_dtype(whole.dtype), {2, whole.size(0)})),
        start(index * columns),
        valid(std::clamp<int64_t>(whole.size(1) - start, 0, columns)),
        width(columns) {
    const auto values = to_doubles(whole);
    std::vector<double> mine(static_cast<size_t>(whole.size(0) * columns));
    for (int64_t i = 0; i < whole.size(0); ++i)
      for (int64_t j = 0; j < columns; ++j)  // padding holds what must never be looked at
        mine[static_cast<size_t>(i * columns + j)] =
            j < valid ? values[static_cast<size_t>(i * whole.size(1) + start + j)]
                      : std::numeric_limits<double>::quiet_NaN();
    from_doubles(logits.tensor, mine);
  }
};

/// How the whole is cut: `ranks` simulated ranks, each with `padding` columns more than it needs;
/// `offset` is run_on's.
struct Split {
  int64_t ranks = 1, padding = 0, offset = 0;
};

/// The three steps over simulated ranks.
Result split_cross_entropy(Stream& stream, const Tensor& logits, const Tensor& targets,
                           const Split& split, double scale) {
  const int64_t rows = logits.size(0);
  const int64_t vocab = logits.size(1);
  const DType state = accumulate_dtype(logits.dtype);
  std::vector<Rank> parts;
  for (int64_t r = 0; r < split.ranks; ++r)
    parts.emplace_back(logits, r, ceil_div(vocab, split.ranks) + split.padding);
  std::vector<double> maxima(static_cast<size_t>(rows), -std::numeric_limits<double>::infinity());
  for (const Rank& part : parts) {
    run_on(stream,
           CrossEntropyLocal{.logits = part.logits.tensor,
                             .targets = targets,
                             .maxima = part.maxima.tensor,
                             .sums = part.sums.tensor,
                             .vocab_start = part.start,
                             .valid = part.valid},
           split.offset);
    const auto local = to_doubles(part.maxima.tensor);
    for (size_t i = 0; i < maxima.size(); ++i) maxima[i] = std::max(maxima[i], local[i]);
  }
  const TestTensor global = empty_tensor(state, {rows});
  from_doubles(global.tensor, maxima);
  std::vector<double> total(static_cast<size_t>(2 * rows));
  for (const Rank& part : parts) {
    run_on(stream,
           CrossEntropyRescale{.local_maxima = part.maxima.tensor,
                               .global_maxima = global.tensor,
                               .sums = part.sums.tensor},
           split.offset);
    const auto local = to_doubles(part.sums.tensor);
    for (size_t i = 0; i < total.size(); ++i) total[i] += local[i];
  }
  const TestTensor sums = empty_tensor(state, {2, rows});
  from_doubles(sums.tensor, total);
  const TestTensor loss = empty_tensor(DType::f64, {1});
  run_on(stream,
         CrossEntropyLoss{.global_maxima = global.tensor, .sums = sums.tensor, .loss = loss.tensor},
         split.offset);

  Result result{loss.tensor.as<double>()[0],
                std::vector<double>(static_cast<size_t>(rows * vocab))};
  for (const Rank& part : parts) {
    run_on(stream,
           CrossEntropyBackward{.logits = part.logits.tensor,
                                .targets = targets,
                                .global_maxima = global.tensor,
                                .sums = sums.tensor,
                                .vocab_start = part.start,
                                .valid = part.valid,
                                .scale = scale},
           split.offset);
    const auto local = to_doubles(part.logits.tensor);
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < part.width; ++j) {
        const double value = local[static_cast<size_t>(i * part.width + j)];
        if (j < part.valid)
          result.dlogits[static_cast<size_t>(i * vocab + part.start + j)] = value;
        else
          REQUIRE(value == 0);
      }
  }
  return result;
}

Result reference(const Tensor& logits, const Tensor& targets, double scale) {
  const auto values = to_doubles(logits);
  const auto vocab = static_cast<size_t>(logits.size(1));
  Result result{0, std::vector<double>(values.size())};
  for (size_t i = 0; i < static_cast<size_t>(logits.size(0)); ++i) {
    const double* row = values.data() + i * vocab;
    const auto target = static_cast<size_t>(targets.as<int32_t>()[i]);
    double sum = 0;  // relative to the target, in extended range: logits of the tests are moderate
    for (size_t j = 0; j < vocab; ++j) sum += std::exp(row[j] - row[target]);
    result.loss += std::log(sum);
    for (size_t j = 0; j < vocab; ++j)
      result.dlogits[i * vocab + j] =
          (std::exp(row[j] - row[target]) / sum - (j == target ? 1 : 0)) * scale;
  }
  return result;
}

}  // namespace

TEST_CASE("cross entropy, split over ranks and padded, matches the whole",
          "[unit][device][cross_entropy]") {
  const auto device = GENERATE(from_range(devices()));
  const auto dtype = GENERATE(DType::f32, DType::bf16, DType::f64);
  // 4099 and 8200 give each thread of a GPU several packs, the second of 16 bytes.
  const auto vocab = GENERATE(int64_t{1}, 31, 32, 33, 4099, 8200);
  const auto ranks = GENERATE(int64_t{1}, 2, 3);
  const auto padding = GENERATE(int64_t{0}, 5);
  const auto offset = GENERATE(int64_t{0}, 1);
  if (!computes(device, dtype)) return;
  CAPTURE(to_string(device), name_of(dtype), vocab, ranks, padding, offset);
  const TestTensor logits = random_tensor(dtype, {6, vocab}, 1, 3);
  const TestTensor targets = make_targets(6, vocab);
  Stream stream(device, 2);
  const Result got =
      split_cross_entropy(stream, logits.tensor, targets.tensor, {ranks, padding, offset}, 0.5);
  Result want = reference(logits.tensor, targets.tensor, 0.5);
  const Tolerance tolerance = tolerance_for(dtype);
  const Tolerance sums = tolerance_for(accumulate_dtype(dtype));
  REQUIRE(got.loss == Approx(want.loss).epsilon(sums.relative).margin(sums.absolute));
  for (double& value : want.dlogits) value = round_to(dtype, value);
  require_close(got.dlogits, want.dlogits, tolerance);
}

TEST_CASE("cross entropy backward matches finite differences", "[unit][cross_entropy]") {
  const auto ranks = GENERATE(int64_t{1}, 2, 3);
  const TestTensor logits = random_tensor(DType::f64, {3, 10}, 2);
  const TestTensor targets = make_targets(3, 10);
  Stream stream(Device{});
  const auto result = [&] {
    return split_cross_entropy(stream, logits.tensor, targets.tensor, {ranks, 3}, 1);
  };
  gradcheck([&] { return result().loss; }, logits.tensor, result().dlogits);
}

TEST_CASE("cross entropy survives logits far apart", "[unit][device][cross_entropy]") {
  const auto device = GENERATE(from_range(devices()));
  const auto dtype = GENERATE(DType::f32, DType::bf16, DType::f64);
  const auto ranks = GENERATE(int64_t{1}, 2, 3);
  if (!computes(device, dtype)) return;
  CAPTURE(to_string(device), name_of(dtype), ranks);
  const TestTensor logits = empty_tensor(dtype, {2, 3});
  from_doubles(logits.tensor, std::vector<double>{-8192, 0, 8192, 8192, 0, -8192});
  const TestTensor targets = empty_tensor(DType::i32, {2});
  targets.tensor.as<int32_t>()[0] = 2;
  targets.tensor.as<int32_t>()[1] = 1;
  Stream stream(device);
  const Result got = split_cross_entropy(stream, logits.tensor, targets.tensor, {ranks}, 1);
  REQUIRE(got.loss == 8192);
  REQUIRE(got.dlogits == std::vector<double>{0, 0, 0, 1, -1, 0});
}

TEST_CASE("cross entropy has the same bits on any number of threads", "[unit][cross_entropy]") {
  const auto dtype = GENERATE(DType::f32, DType::bf16, DType::f64);
  const TestTensor logits = random_tensor(dtype, {7, 133}, 3);
  const TestTensor targets = make_targets(7, 133);
  Stream single(Device{}, 1);
  Stream three(Device{}, 3);
  const Result one = split_cross_entropy(single, logits.tensor, targets.tensor, {2}, 1);
  const Result many = split_cross_entropy(three, logits.tensor, targets.tensor, {2}, 1);
  REQUIRE(one.loss == many.loss);
  REQUIRE(one.dlogits == many.dlogits);
}

TEST_CASE("cross entropy sums the rows' losses in the contract's order",
          "[unit][device][cross_entropy]") {
  const auto device = GENERATE(from_range(devices()));
  const auto dtype = GENERATE(DType::f32, DType::f64);
  const auto rows = GENERATE(int64_t{1}, 31, 1023, 1024, 1025, 5000);
  if (!computes(device, dtype)) return;
  CAPTURE(to_string(device), name_of(dtype), rows);
  const TestTensor maxima = random_tensor(dtype, {rows}, 4, 5);
  const TestTensor sums = random_tensor(dtype, {2, rows}, 5);
  auto values = to_doubles(sums.tensor);
  // The logarithm of 1 is exact in any library, so the order alone shows.
  for (int64_t i = 0; i < rows; ++i) values[static_cast<size_t>(i)] = 1;
  from_doubles(sums.tensor, values);
  const TestTensor loss = random_tensor(DType::f64, {1}, 6);
  double lanes[kLossLanes] = {};
  const auto maximum = to_doubles(maxima.tensor);
  for (int64_t i = 0; i < rows; ++i)
    lanes[i % kLossLanes] +=
        maximum[static_cast<size_t>(i)] - values[static_cast<size_t>(rows + i)];
  for (int64_t width = kLossLanes / 2; width > 0; width /= 2)
    for (int64_t lane = 0; lane < width; ++lane) lanes[lane] += lanes[lane + width];
  const double want = loss.tensor.as<double>()[0] + lanes[0];
  Stream stream(device, 2);
  run_on(stream, CrossEntropyLoss{
                     .global_maxima = maxima.tensor, .sums = sums.tensor, .loss = loss.tensor});
  REQUIRE(loss.tensor.as<double>()[0] == want);
}

TEST_CASE("cross entropy gives the same bits whenever it is run", "[device][cross_entropy]") {
  const auto device = GENERATE(from_range(devices()));
  const auto dtype = GENERATE(DType::f32, DType::bf16);
  const TestTensor logits = random_tensor(dtype, {40, 4096}, 3);
  const TestTensor targets = make_targets(40, 4096);
  Stream stream(device);
  const Result one = split_cross_entropy(stream, logits.tensor, targets.tensor, {2}, 1);
  const Result two = split_cross_entropy(stream, logits.tensor, targets.tensor, {2}, 1);
  REQUIRE(one.loss == two.loss);
  REQUIRE(one.dlogits == two.dlogits);
}

TEST_CASE("cross entropy shows logits that are not finite", "[unit][device][cross_entropy]") {
  const auto device = GENERATE(from_range(devices()));
  const auto dtype = GENERATE(DType::f32, DType::bf16, DType::f64);
  const auto bad =
      GENERATE(std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN());
  if (!computes(device, dtype)) return;
  CAPTURE(to_string(device), name_of(dtype), bad);
  const TestTensor logits = random_tensor(dtype, {2, 600}, 7);
  auto values = to_doubles(logits.tensor);
  values[700] = bad;
  from_doubles(logits.tensor, values);
  const TestTensor targets = make_targets(2, 600);
  Stream stream(device);
  REQUIRE(std::isnan(split_cross_entropy(stream, logits.tensor, targets.tensor, {2}, 1).loss));
}

TEST_CASE("cross entropy lets a logit of minus infinity have no part",
          "[unit][device][cross_entropy]") {
  const auto device = GENERATE(from_range(devices()));
  const auto dtype = GENERATE(DType::f32, DType::bf16, DType::f64);
  if (!computes(device, dtype)) return;
  CAPTURE(to_string(device), name_of(dtype));
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const TestTensor logits = empty_tensor(dtype, {1, 16});
  std::vector<double> values(16, -kInfinity);
  values[9] = 3;
  values[12] = 3;
  from_doubles(logits.tensor, values);
  const TestTensor targets = empty_tensor(DType::i32, {1});
  targets.tensor.as<int32_t>()[0] = 9;
  Stream stream(device);
  const Result got = split_cross_entropy(stream, logits.tensor, targets.tensor, {1}, 1);
  REQUIRE(got.loss == Approx(std::log(2.0)));
  std::vector<double> want(16);
  want[9] = -0.5;
  want[12] = 0.5;
  REQUIRE(got.dlogits == want);
}

TEST_CASE("cross entropy adds to the loss", "[unit][device][cross_entropy]") {
  const auto device = GENERATE(from_range(devices()));
  const TestTensor maxima = empty_tensor(DType::f32, {1});
  const TestTensor sums = empty_tensor(DType::f32, {2, 1});
  sums.tensor.as<float>()[0] = 1;
  sums.tensor.as<float>()[1] = -2;
  const TestTensor loss = empty_tensor(DType::f64, {1});
  loss.tensor.as<double>()[0] = 40;
  Stream stream(device);
  run_on(stream, CrossEntropyLoss{
                     .global_maxima = maxima.tensor, .sums = sums.tensor, .loss = loss.tensor});
  REQUIRE(loss.tensor.as<double>()[0] == 42);
}

TEST_CASE("cross entropy refuses more valid columns than there are", "[unit][cross_entropy]") {
  const TestTensor logits = empty_tensor(DType::f32, {2, 4});
  const TestTensor targets = make_targets(2, 4);
  const TestTensor maxima = empty_tensor(DType::f32, {2});
  const TestTensor sums = empty_tensor(DType::f32, {2, 2});
  const CrossEntropyLocal op{.logits = logits.tensor,
                             .targets = targets.tensor,
                             .maxima = maxima.tensor,
                             .sums = sums.tensor,
                             .valid = 5};
  REQUIRE_THROWS_WITH(op.check(), Catch::Matchers::Contains("CrossEntropyLocal: valid"));
}

TEST_CASE("a GPU refuses cross entropy in f64", "[cuda][cross_entropy]") {
  const auto gpu = find_gpu("the refusal of f64");
  if (!gpu) return;
  const TestTensor logits = random_tensor(DType::f64, {2, 4}, 1);
  const TestTensor targets = make_targets(2, 4);
  Stream stream(*gpu);
  REQUIRE_THROWS_WITH(split_cross_entropy(stream, logits.tensor, targets.tensor, {1}, 1),
                      Catch::Matchers::Contains("bf16 or f32"));
}
