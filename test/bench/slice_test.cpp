#include "bench/slice.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "config/run_shape.h"
#include "support/run_on.h"
#include "support/tiny_model.h"
#include "train/engine.h"

using namespace swallow;
using namespace swallow::test;
using Catch::Generators::from_range;

namespace {

RunConfig slice_config(int tp, int pp) {
  RunConfig config = tiny_config();
  config.data.mock_data = true;
  config.training.params_dtype = ParamsDtype::bf16;
  config.parallel.tensor_model_parallel_size = tp;
  config.parallel.pipeline_model_parallel_size = pp;
  config.parallel.sequence_parallel = tp > 1;
  return config;
}

}  // namespace

TEST_CASE("a slice is a middle stage where there is one, with the shapes of one TP rank",
          "[device][bench]") {
  Stream stream(GENERATE(from_range(devices())));
  const RunConfig config = slice_config(2, 4);
  StageSlice slice(config, resolve(config, 8), stream);
  CHECK(slice.stage_index() == 2);
  CHECK(slice.shapes().layers.size() == 1);
  CHECK_FALSE(slice.shapes().has_embedding);
  CHECK_FALSE(slice.shapes().has_head);
  CHECK(slice.shapes().ffn_local() * 2 == config.model.ffn_hidden_size);
  const SliceTimes times = slice.time(2);
  CHECK(times.both_ms.count == 2);
}

TEST_CASE("a slice that is the whole model has an embedding, a head and a loss",
          "[device][bench]") {
  Stream stream(GENERATE(from_range(devices())));
  const RunConfig config = slice_config(1, 1);
  StageSlice slice(config, resolve(config, 1), stream);
  CHECK(slice.stage_index() == 0);
  slice.forward();
  slice.backward();
  slice.backward();  // any number of times: its inputs are as they were
  double loss = 0;
  copy(stream, host_view(std::span(&loss, 1)), slice.loss_sum());
  stream.synchronize();
  const double tokens = static_cast<double>(slice.shapes().sequence * slice.shapes().batch);
  // Twice the mean of random guesses, roughly, as the head's input has unit variance.
  CHECK(loss / (2 * tokens) ==
        Approx(std::log(static_cast<double>(config.model.vocab_size))).margin(0.5));
  CHECK(slice.left_out().calls() == 0);
}

TEST_CASE("a slice counts the collectives that it leaves out", "[unit][bench]") {
  Stream stream{Device{}};
  const RunConfig config = slice_config(2, 4);
  StageSlice slice(config, resolve(config, 8), stream);
  slice.forward();
  slice.backward();
  // Per layer, 4 gathers and scatters forward; backward 4, and 2 inputs gathered once more.
  const ModelShapes& m = slice.shapes();
  CHECK(slice.left_out().calls() == 10 * m.layers.size());
  const int64_t whole = m.sequence * m.batch * m.hidden * size_of(m.dtype);
  CHECK(slice.left_out().bytes() == 10 * m.layers.size() * whole / 2);
}
