#include "parallel/vocab.h"

#include <catch2/catch.hpp>

#include "comm/solo_communicator.h"
#include "support/random_tensor.h"

using namespace swallow;
using namespace swallow::test;

namespace {

constexpr int64_t kTokens = 7;
constexpr int64_t kHidden = 6;
constexpr int64_t kVocab = 11;
constexpr int64_t kPadded = 16;

struct Result {
  std::vector<double> loss, dx, dw;
};

/// The head with the logits of `rows` tokens at a time.
Result run_head(int64_t rows) {
  Stream stream{Device{}};
  SoloCommunicator solo;
  const TensorParallel tp{stream, solo};
  const TestTensor x = random_tensor(DType::f64, {kTokens, 1, kHidden}, 1);
  const TestTensor w = random_tensor(DType::f64, {kPadded, kHidden}, 2);
  const TestTensor targets = empty_tensor(DType::i32, {kTokens});
  for (int64_t i = 0; i < kTokens; ++i)
    targets.tensor.as<int32_t>()[i] = static_cast<int32_t>(3 * i % kVocab);
  const TestTensor logits = empty_tensor(DType::f64, {rows, kPadded});
  const TestTensor maxima = empty_tensor(DType::f64, {rows});
  const TestTensor local = empty_tensor(DType::f64, {rows});
  const TestTensor sums = empty_tensor(DType::f64, {2, rows});
  const TestTensor loss = empty_tensor(DType::f64, {1});
  const TestTensor dx = empty_tensor(DType::f64, {kTokens, 1, kHidden});
  const TestTensor dw = random_tensor(DType::f64, {kPadded, kHidden}, 3);  // overwritten
  const VocabParallelHead head{.x = x.tensor,
                               .w = w.tensor,
                               .targets = targets.tensor,
                               .logits = logits.tensor,
                               .slice = {0, kVocab, maxima.tensor, local.tensor, sums.tensor},
                               .loss = loss.tensor};
  vocab_parallel_head_loss_and_gradients(tp, head, 0.5, dx.tensor, dw.tensor, Beta::zero);
  const double trained = to_doubles(loss.tensor)[0];
  zero(stream, loss.tensor);
  vocab_parallel_head_loss(tp, head);
  REQUIRE(to_doubles(loss.tensor)[0] == trained);
  return {to_doubles(loss.tensor), to_doubles(dx.tensor), to_doubles(dw.tensor)};
}

}  // namespace

TEST_CASE("the head's chunks change nothing but the order of sums", "[unit][parallel]") {
  const Result whole = run_head(kTokens);
  const auto rows = GENERATE(int64_t{1}, 2, 3, 6);  // with and without a remainder
  INFO("logits of " << rows << " tokens at a time");
  const Result chunks = run_head(rows);
  const Tolerance rounding = {1e-13, 1e-13};
  require_close(chunks.loss, whole.loss, rounding);
  require_close(chunks.dx, whole.dx, rounding);
  require_close(chunks.dw, whole.dw, rounding);
}
