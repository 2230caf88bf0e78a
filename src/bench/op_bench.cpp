#include "bench/op_bench.h"

#include <algorithm>

#include "base/math.h"
#include "kernels/gemm.h"
#include "telemetry/number_text.h"

namespace swallow {

namespace {

// Several times the caches of any device: 60 MB on the largest GPU, 32 MB a slice on CPUs.
constexpr int64_t kRotatedBytes = int64_t{256} << 20;
constexpr int64_t kMostSets = 16;

double measure_copy(Stream& stream, int64_t bytes, int64_t repeats) {
  RandomFill random(stream);
  OpTensors tensors(stream, random);
  const Tensor from = tensors.normal(DType::f32, {bytes / 4});
  const Tensor to = tensors.scratch(DType::f32, {bytes / 4});
  const Statistics ms = time_calls(stream, repeats, [&](int64_t) { copy(stream, to, from); });
  return 2 * static_cast<double>(bytes) / (ms.median * 1e6);
}

double measure_product(Stream& stream, DType dtype, int64_t size, int64_t repeats) {
  RandomFill random(stream);
  OpTensors tensors(stream, random);
  const Gemm op{.a = tensors.normal(dtype, {size, size}),
                .b = tensors.normal(dtype, {size, size}),
                .c = tensors.scratch(dtype, {size, size}),
                .workspace = tensors.gemm_workspace(),
                .transpose_b = Transpose::yes};
  const Statistics ms = time_calls(stream, repeats, [&](int64_t) { launch(stream, op); });
  const auto n = static_cast<double>(size);
  return 2 * n * n * n / (ms.median * 1e9);
}

}  // namespace

Ceilings find_ceilings(Stream& stream, DType dtype, double peak_tflops,
                       double peak_gbytes_per_second, int64_t repeats) {
  const bool gpu = stream.device().kind == DeviceKind::cuda;
  Ceilings ceilings{peak_tflops, peak_gbytes_per_second, "--peak-tflops", "--peak-bandwidth"};
  if (peak_gbytes_per_second == 0) {
    const int64_t bytes = int64_t{gpu ? 1024 : 256} << 20;
    ceilings.gbytes_per_second = measure_copy(stream, bytes, repeats);
    ceilings.bandwidth_source = fmt::format("measured: copy of {}", bytes_text(bytes));
  }
  if (peak_tflops == 0) {
    const int64_t size = gpu ? 8192 : 1024;
    ceilings.tflops = measure_product(stream, dtype, size, repeats);
    ceilings.tflops_source =
        fmt::format("measured: {} x {} x {} {}", size, size, size, name_of(dtype));
  }
  return ceilings;
}

OpTiming time_op(Stream& stream, RandomFill& random, const OpCase& op, int64_t repeats) {
  OpTensors tensors(stream, random);
  std::vector<Launch> sets{op.prepare(tensors)};
  const int64_t num_sets = std::clamp<int64_t>(
      ceil_div(kRotatedBytes, std::max<int64_t>(tensors.bytes(), 1)), 1, kMostSets);
  while (static_cast<int64_t>(sets.size()) < num_sets) sets.push_back(op.prepare(tensors));
  const Statistics ms = time_calls(
      stream, repeats, [&](int64_t call) { sets[static_cast<size_t>(call % num_sets)](stream); });
  return {op, ms, num_sets};
}

double floor_ms(const OpCase& op, const Ceilings& ceilings) {
  return std::max(op.flops / (ceilings.tflops * 1e9),
                  op.bytes / (ceilings.gbytes_per_second * 1e6));
}

}  // namespace swallow
