#include "kernels/gemm.h"

#include <catch2/catch.hpp>
#include <tuple>
#include <utility>
#include <vector>

#include "kernels/cpu/plain_gemm.h"
#include "support/cpu_levels.h"
#include "support/gemm_cases.h"
#include "support/random_tensor.h"
#include "support/run_on.h"

using namespace swallow;
using namespace swallow::test;

namespace {

using Case = GemmCase;
using Operands = GemmOperands;

/// One case on the stream's device; on the CPU at every level that the machine has, and our plain
/// kernel, which `launch` takes only where there is no other.
void check_case(Stream& stream, const Case& c, int64_t offset = 0) {
  const Device device = stream.device();
  if (!computes(device, c.input)) return;
  INFO(to_string(device) << " " << describe(c) << " offset " << offset);
  const Operands first = make_operands(c);
  const std::vector<double> want = reference(c, first);
  for_each_level(stream, [&] {
    const Operands chosen = make_operands(c);
    run_on(stream, chosen.op, offset);
    require_close(chosen.c.tensor, want, bound(c, device.kind));
  });
  if (device.kind != DeviceKind::cpu) return;
  const Operands plain = make_operands(c);
  cpu::plain_gemm(stream, plain.op);
  require_close(plain.c.tensor, want, bound(c, device.kind));
}

}  // namespace

TEST_CASE("gemm matches its definition for every transpose, beta and type",
          "[unit][device][gemm]") {
  Stream stream(GENERATE(from_range(devices())), 2);
  const auto offset = GENERATE(int64_t{0}, 1);
  if (offset != 0 && stream.device().kind == DeviceKind::cpu) return;
  for (const auto& [input, output] : kGemmTypes)
    for (const Transpose ta : {Transpose::no, Transpose::yes})
      for (const Transpose tb : {Transpose::no, Transpose::yes})
        for (const Beta beta : {Beta::zero, adding(input, output)})
          for (const auto& [m, n, k] : {std::tuple<int64_t, int64_t, int64_t>{33, 31, 32},
                                        {1, 33, 7},
                                        {32, 1, 33},
                                        {5, 6, 1},
                                        {16, 24, 40}})
            check_case(stream, {m, n, k, input, output, ta, tb, beta}, offset);
}

TEST_CASE("gemm matches its definition on odd and large sizes", "[unit][device][gemm]") {
  Stream stream(GENERATE(from_range(devices())), 2);
  for (const auto& [input, output] : kGemmTypes) {
    for (const int64_t m : {1, 31, 32, 33})
      for (const int64_t n : {1, 31, 32, 33}) check_case(stream, {m, n, 33, input, output});
    check_case(stream, {129, 129, 129, input, output, {}, {}, adding(input, output)});
    check_case(stream,
               {150, 270, 300, input, output, Transpose::no, Transpose::yes});  // tile borders
    check_case(stream,
               {7, 9, 4099, input, output, Transpose::yes, Transpose::no, adding(input, output)});
    check_case(stream, {600, 3, 17, input, output});
    check_case(stream, {3, 600, 17, input, output});
    check_case(
        stream,
        {35, 40, 5000, input, output, {}, {}, adding(input, output)});    // blocks of the depth
    check_case(stream, {5, 2100, 9, input, output, {}, Transpose::yes});  // and of b
  }
}

TEST_CASE("gemm puts every tile of a large c in its place", "[unit][device][gemm]") {
  Stream stream(GENERATE(from_range(devices())), 2);
  for (const Transpose ta : {Transpose::no, Transpose::yes})
    for (const Transpose tb : {Transpose::no, Transpose::yes}) {
      check_case(stream, {257, 530, 9, DType::f32, DType::f32, ta, tb, Beta::one});
      check_case(stream, {257, 530, 9, DType::bf16, DType::f32, ta, tb});
    }
}

TEST_CASE("gemm of empty matrices clears or keeps c", "[unit][device][gemm]") {
  const auto device = GENERATE(from_range(devices()));
  Stream stream(device, 2);
  for (const auto& [input, output] : kGemmTypes) {
    for (const Beta beta : {Beta::zero, adding(input, output)})
      check_case(stream, {3, 5, 0, input, output, {}, {}, beta});
    check_case(stream, {0, 5, 4, input, output});
    check_case(stream, {3, 0, 4, input, output});
    if (!computes(device, input)) continue;
    Operands x = make_operands({300, 300, 0, input, output, Transpose::yes, Transpose::yes});
    x.op.a.data = x.op.b.data = nullptr;  // no element, no memory
    x.op.a.device = x.op.b.device = device;
    run_on(stream, x.op);
    require_close(x.c.tensor, std::vector<double>(size_t{300} * 300, 0));
  }
}

TEST_CASE("gemm gives the same bits for 1, 2 and 3 threads", "[unit][gemm]") {
  using Kernel = void (*)(Stream&, const Gemm&);
  std::vector<TestTensor> results;  // in the order of the loops below, once a number of threads
  for (const int threads : {1, 2, 3}) {
    Stream stream(Device{}, threads);
    size_t next = 0;
    for_each_level(stream, [&] {
      for (const Kernel kernel : {Kernel{launch<Gemm>}, Kernel{cpu::plain_gemm}})
        for (const auto& [input, output] : kGemmTypes)
          for (const Case& c :
               {Case{300, 200, 270, input, output},
                Case{64, 48, 2048, input, output, Transpose::yes},
                Case{16, 16, 6000, input, output, Transpose::yes, {}, adding(input, output)},
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
    });
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
