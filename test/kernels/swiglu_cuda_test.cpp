#include <catch2/catch.hpp>
#include <cmath>

#include "kernels/swiglu.h"
#include "support/device_tensor.h"
#include "support/tolerance.h"

using namespace swallow;
using namespace swallow::test;

namespace {

constexpr int64_t kRows = 5;

struct Expected {
  std::vector<double> y, dgate_up;
};

/// In double from the same rounded inputs; sigmoid' = 1 / (4 cosh^2(g / 2)).
Expected reference(const Tensor& gate_up_tensor, const Tensor& dy_tensor) {
  const auto gate_up = to_doubles(gate_up_tensor);
  const auto dy = to_doubles(dy_tensor);
  const auto width = static_cast<size_t>(dy_tensor.size(1));
  Expected want{std::vector<double>(dy.size()), std::vector<double>(gate_up.size())};
  for (size_t i = 0; i < dy.size(); ++i) {
    const size_t gate = i / width * 2 * width + i % width;
    const double g = gate_up[gate];
    const double up = gate_up[gate + width];
    const double sigmoid = 1 / (1 + std::exp(-g));
    const double cosh = std::cosh(g / 2);
    want.y[i] = g * sigmoid * up;
    want.dgate_up[gate] = dy[i] * up * (sigmoid + g / (4 * cosh * cosh));
    want.dgate_up[gate + width] = dy[i] * g * sigmoid;
  }
  return want;
}

}  // namespace

TEST_CASE("swiglu on a GPU matches a double reference at awkward sizes", "[cuda][swiglu]") {
  const auto gpu = find_gpu("swiglu");
  if (!gpu) return;
  const auto dtype = GENERATE(DType::f32, DType::bf16);
  // 4099: several blocks and a remainder; 11008 and 13824: the 7B and 13B models.
  const auto width = GENERATE(int64_t{1}, 7, 8, 31, 32, 33, 4096, 4099, 11008, 13824);
  const auto offset = GENERATE(int64_t{0}, 1);  // 1: not aligned for 16-byte accesses
  INFO(name_of(dtype) << " width " << width << " offset " << offset);
  const TestTensor gate_up = random_tensor(dtype, {kRows, 2 * width}, 1, 8);  // silu saturates
  const TestTensor dy = random_tensor(dtype, {kRows, width}, 2);
  const Expected want = reference(gate_up.tensor, dy.tensor);

  Stream stream(*gpu);
  const TestTensor gpu_gate_up = on_device(stream, gate_up.tensor, offset);
  const TestTensor gpu_dy = on_device(stream, dy.tensor, offset);
  const TestTensor gpu_y = on_device(stream, dy.tensor, offset);
  const TestTensor gpu_dgate_up = on_device(stream, gate_up.tensor, offset);
  launch(stream, SwigluForward{.gate_up = gpu_gate_up.tensor, .y = gpu_y.tensor});
  launch(stream,
         SwigluBackward{
             .gate_up = gpu_gate_up.tensor, .dy = gpu_dy.tensor, .dgate_up = gpu_dgate_up.tensor});
  require_close(on_host(stream, gpu_y.tensor).tensor, want.y);
  require_close(on_host(stream, gpu_dgate_up.tensor).tensor, want.dgate_up);

  // The gradient may overwrite the input: the same bits.
  launch(stream,
         SwigluBackward{
             .gate_up = gpu_gate_up.tensor, .dy = gpu_dy.tensor, .dgate_up = gpu_gate_up.tensor});
  CHECK(same_bits(on_host(stream, gpu_gate_up.tensor).tensor,
                  on_host(stream, gpu_dgate_up.tensor).tensor));
}

TEST_CASE("swiglu on a GPU keeps its limits for large gates", "[cuda][swiglu]") {
  const auto gpu = find_gpu("swiglu for large gates");
  if (!gpu) return;
  const TestTensor gate_up = empty_tensor(DType::f32, {1, 8});
  from_doubles(gate_up.tensor, std::vector<double>{-1000, -89, 89, 1000, 2, 2, 2, 2});
  const TestTensor dy = empty_tensor(DType::f32, {1, 4});
  from_doubles(dy.tensor, std::vector<double>{1, 1, 1, 1});
  Stream stream(*gpu);
  const TestTensor gpu_gate_up = on_device(stream, gate_up.tensor);
  const TestTensor gpu_dy = on_device(stream, dy.tensor);
  const TestTensor gpu_y = on_device(stream, dy.tensor);
  launch(stream, SwigluForward{.gate_up = gpu_gate_up.tensor, .y = gpu_y.tensor});
  require_close(on_host(stream, gpu_y.tensor).tensor, std::vector<double>{0, 0, 178, 2000});
  launch(stream,
         SwigluBackward{
             .gate_up = gpu_gate_up.tensor, .dy = gpu_dy.tensor, .dgate_up = gpu_gate_up.tensor});
  require_close(on_host(stream, gpu_gate_up.tensor).tensor,
                std::vector<double>{0, 0, 2, 2, 0, 0, 89, 1000});
}

TEST_CASE("swiglu in f64 is refused on a GPU", "[cuda][swiglu]") {
  const auto gpu = find_gpu("the refusal of f64");
  if (!gpu) return;
  Stream stream(*gpu);
  const TestTensor gate_up = on_device(stream, random_tensor(DType::f64, {1, 4}, 1).tensor);
  const TestTensor y = on_device(stream, random_tensor(DType::f64, {1, 2}, 2).tensor);
  CHECK_THROWS_AS(launch(stream, SwigluForward{.gate_up = gate_up.tensor, .y = y.tensor}),
                  DeviceError);
}
