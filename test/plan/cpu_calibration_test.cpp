#include "plan/cpu_calibration.h"

#include <catch2/catch.hpp>
#include <fstream>

#include "base/check.h"
#include "config/config_json.h"
#include "plan/gemm_law.h"
#include "plan/step_estimate.h"
#include "support/scratch_folder.h"

using namespace swallow;
using swallow::test::ScratchFolder;
using Json = nlohmann::ordered_json;

namespace {

// The machine that the records are of: products at 200 GFLOP/s, 10 GB/s of their second operand, 8
// GB/s of their result and 20 us, passes at 5 GB/s.
constexpr double kGemmRate = 200e9;
constexpr double kOperandRate = 10e9;
constexpr double kResultRate = 8e9;
constexpr double kGemmOverhead = 20e-6;
constexpr double kPassRate = 5e9;

Json op(const std::string& name, double flops, double bytes, double seconds) {
  return {{"op", name},
          {"gemm", false},
          {"shape", "1"},
          {"calls", 3},
          {"flops", flops},
          {"bytes", bytes},
          {"ms", {{"median", seconds * 1e3}}}};
}

/// An fp32 result that is added to is twice the bytes of one in bf16.
Json product(double m, double n, double k, bool adds, double slower) {
  const double seconds = 2 * m * n * k / kGemmRate + 2 * n * k / kOperandRate +
                         (adds ? 4 : 2) * m * n / kResultRate + kGemmOverhead;
  Json json = op("product", 2 * m * n * k, 1, slower * seconds);
  json["gemm"] = true;
  json["shape"] = fmt::format("{} x {} x {} TN, {}", m, n, k, adds ? "f32 +=" : "bf16");
  return json;
}

/// `slower`: by which a busy round takes longer.
Json ops_record(double slower) {
  Json ops = Json::array();
  ops.push_back(product(64, 64, 64, false, slower));
  ops.push_back(product(512, 1536, 256, false, slower));
  ops.push_back(product(512, 256, 1536, false, slower));
  ops.push_back(product(2048, 512, 128, true, slower));
  ops.push_back(product(512, 768, 512, true, slower));
  ops.push_back(op("attention forward", 1e9, 1, slower * 1e9 / 50e9));
  ops.push_back(op("attention backward", 1e9, 1, slower * 1e9 / 30e9));
  for (const char* name :
       {"residual + RMSNorm forward", "RMSNorm backward", "RoPE", "SwiGLU forward",
        "SwiGLU backward", "embedding forward", "AdamW", "sum of squares", "gradients to zero"})
    ops.push_back(op(name, 0, 1e7, slower * 1e7 / kPassRate));
  // One pass of two ops: 4e7 bytes in the time of 8e7.
  ops.push_back(op("cross-entropy statistics", 0, 1e7, slower * 5e7 / kPassRate));
  ops.push_back(op("cross-entropy backward", 0, 3e7, slower * 3e7 / kPassRate));
  RunConfig config;
  config.model.seq_length = 128;  // attention computes half as much again as it must
  return {{"kind", "bench"},
          {"mode", "ops"},
          {"time", "today"},
          {"config", Json::parse(config_json(config))},
          {"machine", {{"cpu", "a test"}, {"memory", "1024 kB"}}},
          {"ops", ops}};
}

Json step_record(int64_t hidden, int64_t layers, double seconds) {
  RunConfig config;
  config.model.hidden_size = hidden;
  config.model.ffn_hidden_size = 2 * hidden;
  config.model.num_layers = layers;
  config.model.vocab_size = 512;
  config.parallel.tensor_model_parallel_size = 2;
  config.parallel.sequence_parallel = true;
  config.data.mock_data = true;
  return {{"kind", "bench"},
          {"mode", "step"},
          {"config", Json::parse(config_json(config))},
          {"grid", {{"ranks", 2}}},
          {"step_ms", {{"median", seconds * 1e3}}}};
}

std::string save(const ScratchFolder& folder, const std::string& name, const Json& json) {
  std::ofstream(folder / name) << json.dump();
  return folder / name;
}

}  // namespace

TEST_CASE("a CPU's profile gives back the machine that its records are of", "[unit][plan]") {
  const ScratchFolder folder;
  const std::vector<std::string> ops{save(folder, "busy.json", ops_record(1.7)),
                                     save(folder, "quiet.json", ops_record(1.0))};
  std::vector<std::string> steps{save(folder, "small.json", step_record(64, 8, 100)),
                                 save(folder, "large.json", step_record(1024, 2, 100))};
  // A first profile, whatever its link, to compute what steps would take with a link of 3 GB/s and
  // 150 us.
  save(folder, "cpu.json", Json::parse(calibrate_cpu(ops, steps, 2)));
  HardwareProfile machine = load_hardware_profile(folder / "cpu.json");
  machine.link_gbytes_per_second = 3;
  machine.link_latency_us = 150;
  const SoftwareProfile& software = software_profile("swallow-train-cpu");
  for (const auto& [path, hidden, layers] :
       {std::tuple{steps[0], 64, 8}, std::tuple{steps[1], 1024, 2}}) {
    const StepRecord record = read_step_record(path);
    std::ofstream(path) << step_record(hidden, layers,
                                       estimate_step(machine, software, record.step).total())
                               .dump();
  }
  save(folder, "cpu.json", Json::parse(calibrate_cpu(ops, steps, 2)));
  const HardwareProfile p = load_hardware_profile(folder / "cpu.json");
  CHECK(p.peak_tflops * 1e12 == Approx(kGemmRate));
  CHECK(p.gemm_operand_gbytes_per_second * 1e9 == Approx(kOperandRate));
  CHECK(p.gemm_result_gbytes_per_second * 1e9 == Approx(kResultRate));
  CHECK(p.gemm_overhead_us * 1e-6 == Approx(kGemmOverhead));
  CHECK(p.attention_forward_tflops == Approx(0.05 * 1.5));
  CHECK(p.attention_backward_tflops == Approx(0.03 * 1.5));
  CHECK(p.attention_block == 64);
  CHECK(p.pass_seconds(MemoryPass::adamw, 1e9) == Approx(1e9 / kPassRate));
  CHECK(p.pass_seconds(MemoryPass::cross_entropy, 1e9) == Approx(2e9 / kPassRate));
  CHECK(p.link_gbytes_per_second == Approx(3).epsilon(1e-3));
  CHECK(p.link_latency_us == Approx(150).epsilon(1e-3));
  CHECK(p.shared_cores == 2);
  CHECK(p.memory_bytes == 1024 * 1024);
}

TEST_CASE("what a product does not pay for is left out of the law", "[unit][plan]") {
  std::vector<TimedGemm> products;
  for (const GemmShape& shape :
       {GemmShape{64, 64, 64}, GemmShape{512, 1536, 256}, GemmShape{256, 256, 2048}}) {
    const GemmCall call{shape};
    products.push_back({call, 1, gemm_flops(call) / 1e12 + gemm_result_bytes(call) / 1e10});
  }
  const GemmLaw law = fit_gemm_law(products);
  CHECK(law.flops == Approx(1e12));
  CHECK(law.result == Approx(1e10));
  // Nothing else, whether it came out a little above or below nothing.
  CHECK((law.operand == 0 || law.operand > 1e15));
  CHECK(law.overhead == Approx(0).margin(1e-12));
  // Products that are all alike show no more than their arithmetic; none show nothing.
  const GemmLaw alike = fit_gemm_law({products[1], products[1]});
  CHECK(alike.flops == Approx(gemm_flops(products[1].call) / products[1].seconds));
  CHECK((alike.operand == 0 && alike.result == 0 && alike.overhead == 0));
  CHECK_THROWS_AS(fit_gemm_law({}), ConfigError);
}

TEST_CASE("records that a CPU's profile cannot be made from are refused", "[unit][plan]") {
  const ScratchFolder folder;
  const std::string ops = save(folder, "ops.json", ops_record(1));
  const std::string step = save(folder, "step.json", step_record(64, 2, 1));
  CHECK_THROWS_WITH(calibrate_cpu({step}, {step, step}, 2),
                    Catch::Contains("step.json: expected a record of bench --output of mode "
                                    "\"ops\""));
  CHECK_THROWS_WITH(calibrate_cpu({ops}, {step}, 2), Catch::Contains("traffic of different size"));
  const std::vector<std::string> too_short{save(folder, "a.json", step_record(64, 8, 1e-9)),
                                           save(folder, "b.json", step_record(1024, 2, 1e-9))};
  CHECK_THROWS_WITH(calibrate_cpu({ops}, too_short, 2), Catch::Contains("does nothing else"));
  CHECK_THROWS_AS(calibrate_cpu({}, {step}, 2), ConfigError);
  Json without = ops_record(1);
  without["ops"].erase(without["ops"].size() - 3);
  CHECK_THROWS_WITH(calibrate_cpu({save(folder, "without.json", without)}, {step}, 2),
                    Catch::Contains("none holds \"gradients to zero\""));
  Json bare = ops_record(1);
  bare.erase("config");
  CHECK_THROWS_WITH(calibrate_cpu({save(folder, "bare.json", bare)}, {step}, 2),
                    Catch::Contains("bare.json: ") && Catch::Contains("config"));
}
