#include "bench/timing.h"

#include <catch2/catch.hpp>
#include <set>

#include "base/check.h"
#include "bench/clock_log.h"
#include "bench/throughput.h"
#include "support/run_on.h"

using namespace swallow;
using namespace swallow::test;
using Catch::Generators::from_range;

TEST_CASE("statistics are the median, the ends and their distance", "[unit][bench]") {
  const Statistics odd = summarise({3, 1, 8});
  CHECK(odd.median == 3);
  CHECK(odd.min == 1);
  CHECK(odd.max == 8);
  CHECK(odd.spread() == Approx(7.0 / 3));
  CHECK(summarise({4, 1, 2, 9}).median == 3);
  CHECK_THROWS_AS(summarise({}), ContractError);
}

TEST_CASE("calls are timed on the device's clock, each with its own number", "[device][bench]") {
  Stream stream(GENERATE(from_range(devices())));
  const Buffer buffer(stream.device(), 1 << 20);
  std::set<int64_t> seen;
  const Statistics ms = time_calls(stream, 5, [&](int64_t call) {
    CHECK(seen.insert(call).second);
    zero_bytes(stream, buffer.data(), buffer.bytes());
  });
  CHECK(ms.count == 5);
  CHECK(ms.min <= ms.median);
  CHECK(ms.median <= ms.max);
  CHECK(*seen.rbegin() + 1 == static_cast<int64_t>(seen.size()));
}

TEST_CASE("throughput is that of a published run", "[unit][bench]") {
  // 7B at sequence 4096 and vocabulary 32000 is charged 42.86 GFLOP a token by the causal formula
  // and 46.08 with attention counted whole.
  const ModelSize llama{.num_layers = 32,
                        .hidden_size = 4096,
                        .ffn_hidden_size = 11008,
                        .num_attention_heads = 32,
                        .kv_heads = 32,
                        .head_dim = 128,
                        .vocab_size = 32000,
                        .seq_length = 4096};
  const Throughput rates = throughput(llama, 1e6, 10, 8, 989.4);
  CHECK(rates.tokens_per_second_all == 1e5);
  CHECK(rates.tokens_per_second == 12500);
  CHECK(rates.tflops_causal() == Approx(12500 * 42.86e-3).epsilon(1e-3));
  CHECK(rates.mfu_causal() == Approx(12500 * 42.86e-3 / 989.4).epsilon(1e-3));
  CHECK(rates.mfu_full() == Approx(12500 * 46.08e-3 / 989.4).epsilon(1e-3));
  CHECK(throughput(llama, 1e6, 10, 8, 0).mfu_causal() == 0);
}

TEST_CASE("the peaks of the GPUs that the presets are for are known by name", "[unit][bench]") {
  CHECK(known_peak_tflops("NVIDIA A100-SXM4-40GB") == 312);
  CHECK(known_peak_tflops("NVIDIA H100 80GB HBM3") == 989.4);
  CHECK(known_peak_tflops("NVIDIA H200") == 989.4);
  CHECK(known_peak_tflops("NVIDIA H100 PCIe") == 756);
  CHECK(known_peak_tflops("a GPU that is not built yet") == 0);
}

TEST_CASE("clocks are logged for a GPU whose driver tells, and for nothing else",
          "[device][bench]") {
  const Device device = GENERATE(from_range(devices()));
  ClockLog log(device);
  const std::optional<ClockSummary> summary = log.stop();
  if (device.kind == DeviceKind::cpu) CHECK_FALSE(summary);
  if (summary) {
    CHECK(summary->sm_clock_mhz.median > 0);
    CHECK_FALSE(summary->last.driver.empty());
  }
}
