#include "telemetry/flops.h"

#include <catch2/catch.hpp>

using namespace swallow;

namespace {

ModelSize llama(int64_t layers, int64_t hidden, int64_t ffn, int64_t heads, int64_t kv_heads,
                int64_t vocab) {
  return {layers, hidden, ffn, heads, kv_heads, hidden / heads, vocab, 4096};
}

ModelSize llama_7b(int64_t vocab) {
  return llama(32, 4096, 11008, 32, 32, vocab);
}
ModelSize llama_13b(int64_t vocab) {
  return llama(40, 5120, 13824, 40, 40, vocab);
}
ModelSize llama_70b(int64_t vocab) {
  return llama(80, 8192, 28672, 64, 8, vocab);
}

/// Of one step of 1024 sequences of 4096 tokens.
double peta_per_step(FlopFormula formula, const ModelSize& size) {
  return flops_per_token(formula, size) * 1024 * 4096 / 1e15;
}

}  // namespace

TEST_CASE("parameter counts are those of the published checkpoints", "[unit][telemetry]") {
  CHECK(parameter_count(llama_7b(32000)) == 6'738'415'616);
  CHECK(parameter_count(llama_13b(32000)) == 13'015'864'320);
  CHECK(parameter_count(llama_70b(32000)) == 68'976'648'192);
  CHECK(parameter_count(llama_7b(43176)) == 6'829'969'408);
  CHECK(parameter_count(llama_13b(43176)) == 13'130'306'560);
  CHECK(parameter_count(llama_70b(43176)) == 69'159'755'776);
}

TEST_CASE("exact formulas give the published operations per token", "[unit][telemetry]") {
  // GFLOP at V = 32000, s = 4096, to the digits published
  CHECK(flops_per_token(FlopFormula::causal, llama_7b(32000)) / 1e9 == Approx(42.86).margin(0.005));
  CHECK(flops_per_token(FlopFormula::causal, llama_13b(32000)) / 1e9 ==
        Approx(82.14).margin(0.006));
  CHECK(flops_per_token(FlopFormula::causal, llama_70b(32000)) / 1e9 == Approx(428.4).margin(0.05));
  CHECK(flops_per_token(FlopFormula::full_attention, llama_7b(32000)) / 1e9 ==
        Approx(46.08).margin(0.005));
  CHECK(flops_per_token(FlopFormula::full_attention, llama_13b(32000)) / 1e9 ==
        Approx(87.18).margin(0.006));
  CHECK(flops_per_token(FlopFormula::full_attention, llama_70b(32000)) / 1e9 ==
        Approx(444.5).margin(0.05));
}

TEST_CASE("all formulas give the published operations per Swallow step", "[unit][telemetry]") {
  struct Expected {
    FlopFormula formula;
    double of_7b, of_13b, of_70b;  // PFLOP
  };
  for (const Expected& e : {Expected{FlopFormula::fork_a, 256.7, 484.1, 2350.8},
                            Expected{FlopFormula::fork_c, 225.7, 427.1, 2485.5},
                            Expected{FlopFormula::full_attention, 194.4, 367.1, 1866.6},
                            Expected{FlopFormula::causal, 180.9, 346.0, 1799.1}}) {
    CAPTURE(name_of(e.formula));
    CHECK(peta_per_step(e.formula, llama_7b(43176)) == Approx(e.of_7b).margin(0.051));
    CHECK(peta_per_step(e.formula, llama_13b(43176)) == Approx(e.of_13b).margin(0.051));
    CHECK(peta_per_step(e.formula, llama_70b(43176)) == Approx(e.of_70b).margin(0.051));
  }
}
