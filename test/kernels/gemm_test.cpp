#include "kernels/gemm.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "kernels/cpu/plain_gemm.h"
#include "support/random_tensor.h"

using namespace swallow;
using namespace swallow::test;

namespace {

struct Case {
  int64_t m, n, k;
  DType input, output;
  Transpose transpose_a = Transpose::no;
  Transpose transpose_b = Transpose::no;
  Beta beta = Beta::zero;
};

std::string describe(const Case& c) {
  return fmt::format("m {} n {} k {} {} -> {} ta {} tb {} beta {}", c.m, c.n, c.k, name_of(c.input),
                     name_of(c.output), c.transpose_a == Transpose::yes,
                     c.transpose_b == Transpose::yes, c.beta == Beta::one);
}

struct Operands {
  TestTensor a, b, c;
  Gemm op;
};

Operands make_operands(const Case& c) {
  const auto shape = [](int64_t rows, int64_t columns, Transpose transpose) {
    return transpose == Transpose::no ? Shape{rows, columns} : Shape{columns, rows};
  };
  Operands x{random_tensor(c.input, shape(c.m, c.k, c.transpose_a), 1),
             random_tensor(c.input, shape(c.k, c.n, c.transpose_b), 2),
             random_tensor(c.output, {c.m, c.n}, 3),
             {}};
  x.op = {.a = x.a.tensor,
          .b = x.b.tensor,
          .c = x.c.tensor,
          .transpose_a = c.transpose_a,
          .transpose_b = c.transpose_b,
          .beta = c.beta};
  return x;
}

/// The definition, in double.
std::vector<double> reference(const Case& s, const Operands& x) {
  const std::vector<double> a = to_doubles(x.a.tensor);
  const std::vector<double> b = to_doubles(x.b.tensor);
  std::vector<double> c = to_doubles(x.c.tensor);
  for (int64_t i = 0; i < s.m; ++i)
    for (int64_t j = 0; j < s.n; ++j) {
      double sum = 0;
      for (int64_t p = 0; p < s.k; ++p) {
        const int64_t ia = s.transpose_a == Transpose::no ? i * s.k + p : p * s.m + i;
        const int64_t ib = s.transpose_b == Transpose::no ? p * s.n + j : j * s.k + p;
        sum += a[static_cast<size_t>(ia)] * b[static_cast<size_t>(ib)];
      }
      double& element = c[static_cast<size_t>(i * s.n + j)];
      element = s.beta == Beta::one ? element + sum : sum;
    }
  return c;
}

/// Terms of norm 1 each: a sum of k of them is of size sqrt(k).
Tolerance bound(const Case& c) {
  const double scale = std::sqrt(static_cast<double>(c.k) + 1);
  return {tolerance_for(c.input, scale).absolute, tolerance_for(c.output).relative};
}

const std::vector<std::pair<DType, DType>> kTypes = {{DType::f32, DType::f32},
                                                     {DType::bf16, DType::bf16},
                                                     {DType::bf16, DType::f32},
                                                     {DType::f64, DType::f64}};

/// Both kernels on one case: the one `launch` picks, and our own.
void check_case(const Case& c) {
  INFO(describe(c));
  Stream stream(Device{}, 2);
  const Operands chosen = make_operands(c);
  const std::vector<double> want = reference(c, chosen);
  launch(stream, chosen.op);
  require_close(chosen.c.tensor, want, bound(c));
  const Operands plain = make_operands(c);
  cpu::plain_gemm(stream, plain.op);
  require_close(plain.c.tensor, want, bound(c));
}

}  // namespace

TEST_CASE("gemm matches its definition for every transpose, beta and type", "[unit][gemm]") {
  for (const auto& [input, output] : kTypes)
    for (const Transpose ta : {Transpose::no, Transpose::yes})
      for (const Transpose tb : {Transpose::no, Transpose::yes})
        for (const Beta beta : {Beta::zero, Beta::one})
          for (const auto& [m, n, k] : {std::tuple<int64_t, int64_t, int64_t>{33, 31, 32},
                                        {1, 33, 7},
                                        {32, 1, 33},
                                        {5, 6, 1}})
            check_case({m, n, k, input, output, ta, tb, beta});
}

TEST_CASE("gemm matches its definition on odd and large sizes", "[unit][gemm]") {
  for (const auto& [input, output] : kTypes) {
    for (const int64_t m : {1, 31, 32, 33})
      for (const int64_t n : {1, 31, 32, 33}) check_case({m, n, 33, input, output});
    check_case({150, 270, 300, input, output, Transpose::no, Transpose::yes});  // tile borders
    check_case({7, 9, 4099, input, output, Transpose::yes, Transpose::no, Beta::one});
    check_case({600, 3, 17, input, output});
    check_case({3, 600, 17, input, output});
  }
}

TEST_CASE("gemm puts every tile of a large c in its place", "[unit][gemm]") {
  for (const Transpose ta : {Transpose::no, Transpose::yes})
    for (const Transpose tb : {Transpose::no, Transpose::yes}) {
      check_case({257, 530, 9, DType::f32, DType::f32, ta, tb, Beta::one});
      check_case({257, 530, 9, DType::bf16, DType::f32, ta, tb});
    }
}

TEST_CASE("gemm of empty matrices clears or keeps c", "[unit][gemm]") {
  Stream stream(Device{}, 2);
  for (const auto& [input, output] : kTypes) {
    for (const Beta beta : {Beta::zero, Beta::one})
      check_case({3, 5, 0, input, output, {}, {}, beta});
    check_case({0, 5, 4, input, output});
    check_case({3, 0, 4, input, output});
    Operands x = make_operands({300, 300, 0, input, output, Transpose::yes, Transpose::yes});
    x.op.a.data = x.op.b.data = nullptr;  // no element, no memory
    launch(stream, x.op);
    require_close(x.c.tensor, std::vector<double>(size_t{300} * 300, 0));
  }
}

TEST_CASE("gemm gives the same bits for 1, 2 and 3 threads", "[unit][gemm]") {
  using Kernel = void (*)(Stream&, const Gemm&);
  std::vector<TestTensor> results;  // in the order of the loops below, once a number of threads
  for (const int threads : {1, 2, 3}) {
    Stream stream(Device{}, threads);
    size_t next = 0;
    for (const Kernel kernel : {Kernel{launch<Gemm>}, Kernel{cpu::plain_gemm}})
      for (const auto& [input, output] : kTypes)
        for (const Case& c :
             {Case{300, 200, 270, input, output}, Case{64, 48, 2048, input, output, Transpose::yes},
              Case{16, 16, 6000, input, output, Transpose::yes, {}, Beta::one},
              Case{2, 1100, 33, input, output, {}, Transpose::yes}}) {
          INFO(describe(c) << ", threads " << threads);
          Operands x = make_operands(c);
          const TestTensor again = clone(x.c.tensor);
          kernel(stream, x.op);
          if (threads == 1) {
            results.push_back(std::move(x.c));
            continue;
          }
          REQUIRE(same_bits(x.c.tensor, results[next].tensor));
          x.op.c = again.tensor;  // from the cache now
          kernel(stream, x.op);
          REQUIRE(same_bits(again.tensor, results[next].tensor));
          ++next;
        }
  }
}

TEST_CASE("gemm refuses shapes and types that do not fit", "[unit][gemm]") {
  Stream stream(Device{});
  const TestTensor a = random_tensor(DType::f32, {3, 4}, 1);
  const TestTensor b = random_tensor(DType::f32, {4, 5}, 2);
  const TestTensor half = random_tensor(DType::bf16, {4, 5}, 2);
  const TestTensor c = empty_tensor(DType::f32, {3, 5});
  const TestTensor c_half = empty_tensor(DType::bf16, {3, 5});
  Tensor missing = c.tensor;
  missing.data = nullptr;
  const auto refused = [&](const Gemm& op) {
    REQUIRE_THROWS_AS(launch(stream, op), ContractError);
  };
  refused({.a = a.tensor, .b = b.tensor, .c = c.tensor, .transpose_a = Transpose::yes});
  refused({.a = a.tensor, .b = b.tensor, .c = c.tensor, .transpose_b = Transpose::yes});
  refused({.a = a.tensor, .b = half.tensor, .c = c.tensor});
  refused({.a = a.tensor, .b = b.tensor, .c = c_half.tensor});
  refused({.a = a.tensor, .b = b.tensor, .c = missing});
  refused({.a = a.tensor, .b = b.tensor, .c = c.tensor.view({15})});
  launch(stream, Gemm{.a = a.tensor, .b = b.tensor, .c = c.tensor});
}
