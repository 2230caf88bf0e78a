#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <vector>

#include "kernels/attention_case.h"
#include "kernels/attention_workspace.h"

using namespace swallow;
using namespace swallow::test;

namespace {

void check_gpu_shape(Device device, const AttentionShape& shape, DType dtype,
                     Determinism determinism) {
  INFO(describe(shape, dtype) << (determinism == Determinism::relaxed ? "" : " deterministic"));
  Attention x(shape, dtype, device);
  x.determinism = determinism;
  x.forward(1);
  x.backward(1);
  const Result want = reference(x);
  require_close(x.stats.tensor, want.stats);
  if (dtype == DType::f32) {
    require_close(x.out.tensor, want.out);
    require_close(x.dqkv.tensor, want.dqkv, tolerance_for(dtype, 4));
  } else {
    require_within(x.out.tensor, want.out, want.out_error);
    require_within(x.dqkv.tensor, want.dqkv, want.dqkv_error);
  }
}

}  // namespace

TEST_CASE("attention on a GPU matches the textbook for every group ratio and pass",
          "[cuda][attention]") {
  const auto gpu = find_gpu("attention against the textbook");
  if (!gpu) return;
  for (const DType dtype : {DType::f32, DType::bf16})
    for (const Determinism determinism : {Determinism::relaxed, Determinism::deterministic}) {
      for (const int64_t s : {1, 17, 64, 100})
        for (const int64_t batch : {1, 2}) {
          check_gpu_shape(*gpu, {s, batch, 4, 2, 16}, dtype, determinism);
          check_gpu_shape(*gpu, {s, batch, 2, 2, 64}, dtype, determinism);
        }
      check_gpu_shape(*gpu, {100, 2, 4, 1, 128}, dtype, determinism);
      check_gpu_shape(*gpu, {65, 1, 3, 3, 128}, dtype, determinism);
      check_gpu_shape(*gpu, {33, 3, 6, 3, 40}, dtype, determinism);
      check_gpu_shape(*gpu, {0, 1, 2, 1, 16}, dtype, determinism);
    }
  check_gpu_shape(*gpu, {31, 2, 2, 1, 4}, DType::f32, Determinism::relaxed);
  check_gpu_shape(*gpu, {70, 1, 2, 1, 100}, DType::f32, Determinism::relaxed);
}

TEST_CASE("one stream serves attention of several shapes, scales and addresses in turn",
          "[cuda][attention]") {
  const auto gpu = find_gpu("attention of several shapes");
  if (!gpu) return;
  Stream stream(*gpu);
  for (const uint64_t seed : {1, 11})
    for (const AttentionShape& shape :
         {AttentionShape{40, 1, 4, 2, 16}, AttentionShape{40, 1, 2, 2, 16}})
      for (const double scale : {0.25, 0.5}) {
        INFO(describe(shape, DType::bf16) << " seed " << seed << " scale " << scale);
        Attention x(shape, DType::bf16, *gpu, seed);
        x.scale = scale;
        x.forward(stream);
        x.backward(stream);
        const Result want = reference(x);
        require_close(x.stats.tensor, want.stats);
        require_within(x.out.tensor, want.out, want.out_error);
        require_within(x.dqkv.tensor, want.dqkv, want.dqkv_error);
      }
}

TEST_CASE("deterministic attention on a GPU gives the same bits twice", "[cuda][attention]") {
  const auto gpu = find_gpu("deterministic attention");
  if (!gpu) return;
  for (const DType dtype : {DType::f32, DType::bf16}) {
    Attention x({300, 2, 4, 2, 64}, dtype, *gpu);
    x.determinism = Determinism::deterministic;
    x.forward(1);
    x.backward(1);
    const TestTensor out = clone(x.out.tensor);
    const TestTensor dqkv = clone(x.dqkv.tensor);
    x.forward(1);
    x.backward(1);
    REQUIRE(same_bits(x.out.tensor, out.tensor));
    REQUIRE(same_bits(x.dqkv.tensor, dqkv.tensor));
  }
}

TEST_CASE("a GPU's attention names what it does not take", "[unit][attention]") {
  const Device gpu{DeviceKind::cuda, 0};
  const auto bytes = [&](int64_t head_dim, DType dtype) {
    return attention_workspace_bytes(gpu, {64, 1, 4, 2, head_dim}, dtype, 1, Determinism::relaxed);
  };
  CHECK_THROWS_WITH(bytes(100, DType::bf16), Catch::Matchers::Contains("multiples of 8, got 100"));
  CHECK_THROWS_WITH(bytes(136, DType::bf16), Catch::Matchers::Contains("up to 128"));
  CHECK_THROWS_WITH(bytes(6, DType::f32), Catch::Matchers::Contains("multiples of 4, got 6"));
  CHECK_THROWS_WITH(bytes(64, DType::f64), Catch::Matchers::Contains("bf16 or f32, got f64"));
  CHECK_THROWS_AS(bytes(100, DType::bf16), DeviceError);
}

TEST_CASE("a GPU's workspace grows with the square of the sequence only when deterministic",
          "[unit][attention]") {
  const AttentionShape shape{4096, 2, 16, 16, 128};
  const int64_t of_heads = 2 * 16 * 4096 * 128 * 2;  // one bf16 tensor [s, b, n, d]
  const auto parts = [&](const AttentionShape& x, Determinism determinism) {
    return gpu_attention_backward_workspace(x, DType::bf16, determinism);
  };
  const GpuAttentionWorkspace relaxed = parts(shape, Determinism::relaxed);
  CHECK(relaxed.dq_accumulator == 2 * of_heads);
  CHECK(relaxed.row_sums == 2 * 16 * 4096 * 4);
  CHECK(relaxed.library == 2 * of_heads + (1 << 20));
  const GpuAttentionWorkspace exact = parts(shape, Determinism::deterministic);
  CHECK(exact.dq_accumulator == 0);
  CHECK(exact.library == int64_t{2} * 16 * 4096 * 4096 * 2 + (1 << 20));
  const AttentionShape grouped{4096, 2, 16, 2, 128};
  CHECK(parts(grouped, Determinism::relaxed).library == 4 * of_heads + (1 << 20));
}

TEST_CASE("cuDNN that asks for more workspace than was planned is refused by both numbers",
          "[cuda][attention]") {
  const auto gpu = find_gpu("the refusal of a large workspace");
  if (!gpu) return;
  if (list_devices().front().name != "emulated GPU") {
    WARN("a real cuDNN asks for what it needs: this test was left out");
    return;
  }
  setenv("SWALLOW_EMULATED_CUDNN_WORKSPACE", "1234567", 1);
  const Attention x({33, 1, 2, 1, 16}, DType::bf16, *gpu);
  CHECK_THROWS_AS(x.forward(1), DeviceError);
  CHECK_THROWS_WITH(x.forward(1), Catch::Matchers::Contains("asks for 1234567 bytes") &&
                                      Catch::Matchers::Contains("1048576 were planned"));
  unsetenv("SWALLOW_EMULATED_CUDNN_WORKSPACE");
  x.forward(1);
}

TEST_CASE("a GPU's attention refuses memory that is not aligned to 16 bytes", "[cuda][attention]") {
  const auto gpu = find_gpu("the refusal of unaligned memory");
  if (!gpu) return;
  Stream stream(*gpu);
  const Attention x({33, 1, 2, 1, 16}, DType::bf16, *gpu);
  const TestTensor workspace = x.make_workspace(1);
  AttentionForward op{.shape = x.shape,
                      .qkv = x.qkv.tensor,
                      .out = x.out.tensor,
                      .stats = x.stats.tensor,
                      .workspace = workspace.tensor,
                      .scale = 1};
  DeviceCopies copies(stream, 1);
  DeviceCopies aligned(stream, 0);
  copies.upload(op.qkv);
  for (Tensor* tensor : {&op.out, &op.stats, &op.workspace}) aligned.upload(*tensor);
  REQUIRE_THROWS_WITH(launch(stream, op), Catch::Matchers::Contains("16 bytes"));
}
