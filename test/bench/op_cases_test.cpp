#include "bench/op_cases.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "bench/op_bench.h"
#include "config/run_shape.h"
#include "support/random_tensor.h"
#include "support/run_on.h"
#include "support/tiny_model.h"
#include "telemetry/flops.h"

using namespace swallow;
using namespace swallow::test;
using Catch::Generators::from_range;

namespace {

ModelShapes shapes_of(RunConfig config, int tp, Recompute recompute) {
  config.parallel.tensor_model_parallel_size = tp;
  config.parallel.sequence_parallel = tp > 1;
  config.training.recompute_granularity = recompute;
  return make_shapes(config, resolve(config, tp), {});
}

RunConfig config_of_ops(ParamsDtype dtype) {
  RunConfig config = tiny_config();
  config.data.mock_data = true;
  config.training.params_dtype = dtype;
  return config;
}

double sum_of_product_flops(const std::vector<OpCase>& cases) {
  double flops = 0;
  for (const OpCase& op : cases)
    if (op.is_gemm) flops += op.calls * op.flops;
  return flops;
}

}  // namespace

TEST_CASE("the matrix products of the op table are those that training is charged for",
          "[unit][bench]") {
  const int tp = GENERATE(1, 2);
  const ModelShapes m = shapes_of(config_of_ops(ParamsDtype::bf16), tp, Recompute::none);
  const std::vector<OpCase> cases = op_cases(m, 4096, 4096, 1);
  const ModelSize size{.num_layers = m.num_layers,
                       .hidden_size = m.hidden,
                       .ffn_hidden_size = m.ffn,
                       .num_attention_heads = m.heads,
                       .kv_heads = m.kv_heads,
                       .head_dim = m.head_dim,
                       .vocab_size = m.vocab_local * tp,  // padding is computed too
                       .seq_length = 0};                  // attention is no matrix product here
  const double tokens = static_cast<double>(m.sequence * m.batch);
  CHECK(sum_of_product_flops(cases) * tp ==
        Approx(tokens * flops_per_token(FlopFormula::causal, size)));
}

TEST_CASE("full recompute runs all products of the forward again but the last of each layer",
          "[unit][bench]") {
  const RunConfig config = config_of_ops(ParamsDtype::bf16);
  const ModelShapes m = shapes_of(config, 1, Recompute::none);
  const double again =
      sum_of_product_flops(op_cases(shapes_of(config, 1, Recompute::full), 4096, 4096, 1)) -
      sum_of_product_flops(op_cases(m, 4096, 4096, 1));
  const double weights =
      static_cast<double>(m.hidden * (m.qkv_local() + m.attention_local() + 2 * m.ffn_local()));
  CHECK(again == Approx(2.0 * static_cast<double>(m.num_layers * m.sequence * m.batch) * weights));
}

TEST_CASE("every op of the table runs on every device and is held to a floor", "[device][bench]") {
  Stream stream(GENERATE(from_range(devices())));
  const Recompute recompute = GENERATE(Recompute::none, Recompute::selective);
  const ModelShapes m = shapes_of(config_of_ops(ParamsDtype::bf16), 2, recompute);
  const Ceilings ceilings = find_ceilings(stream, m.dtype, 100, 1000, 1);
  RandomFill random(stream);
  for (const OpCase& op : op_cases(m, 8192, 4096, 1)) {
    INFO(op.name << " " << op.shape);
    OpTensors tensors(stream, random);
    op.prepare(tensors)(stream);
    stream.synchronize();
    CHECK(op.calls > 0);
    CHECK(op.bytes > 0);
    CHECK(floor_ms(op, ceilings) == std::max(op.flops / (100 * 1e9), op.bytes / (1000 * 1e6)));
    if (op.name == "AdamW") CHECK(op.calls == 2);
  }
}

TEST_CASE("random values differ from row to row and lie where they were asked for",
          "[device][bench]") {
  Stream stream(GENERATE(from_range(devices())));
  const Buffer buffer(stream.device(), 3'000'000 * 2);
  const Tensor tensor{buffer.data(), DType::bf16, {3'000'000}, stream.device()};
  RandomFill random(stream);
  random.normal(tensor, 1, 0.5);
  const TestTensor host = empty_tensor(DType::bf16, tensor.shape);
  copy(stream, host.tensor, tensor);
  stream.synchronize();
  const std::vector<double> values = to_doubles(host.tensor);
  double sum = 0;
  double squares = 0;
  int64_t same = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    sum += values[i];
    squares += values[i] * values[i];
    if (i >= 4096 && values[i] == values[i - 4096]) ++same;
  }
  const double n = static_cast<double>(values.size());
  CHECK(sum / n == Approx(1).margin(0.01));
  CHECK(std::sqrt(squares / n - sum / n * sum / n) == Approx(0.5).margin(0.01));
  CHECK(same < 30'000);  // bf16 has few values: about one pair in 170 is equal by chance

  const Tensor ids{buffer.data(), DType::i32, {1'000'000}, stream.device()};
  random.ids(ids, 61);
  std::vector<int32_t> host_ids(1'000'000);
  copy(stream, host_view(std::span(host_ids)), ids);
  stream.synchronize();
  const auto [least, most] = std::minmax_element(host_ids.begin(), host_ids.end());
  CHECK(*least == 0);
  CHECK(*most == 60);
}
