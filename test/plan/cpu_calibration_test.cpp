#include "plan/cpu_calibration.h"

#include <catch2/catch.hpp>
#include <fstream>

#include "base/check.h"
#include "config/config_json.h"
#include "plan/step_estimate.h"
#include "support/scratch_folder.h"

using namespace swallow;
using swallow::test::ScratchFolder;
using Json = nlohmann::ordered_json;

namespace {

// The machine that the records are of: products at 200 GFLOP/s and 20 us, passes at 5 GB/s.
constexpr double kGemmRate = 200e9;
constexpr double kGemmOverhead = 20e-6;
constexpr double kPassRate = 5e9;

Json op(const std::string& name, bool gemm, double flops, double bytes, double seconds) {
  return {{"op", name},     {"gemm", gemm},   {"shape", gemm ? "1 x 1 x 1 NT, bf16" : "1"},
          {"flops", flops}, {"bytes", bytes}, {"ms", {{"median", seconds * 1e3}}}};
}

/// `slower`: by which a busy round takes longer.
Json ops_record(double slower) {
  Json ops = Json::array();
  for (const double flops : {1e6, 1e8, 3e9})
    ops.push_back(op("product", true, flops, 1, slower * (flops / kGemmRate + kGemmOverhead)));
  ops.push_back(op("attention forward", false, 1e9, 1, slower * 1e9 / 50e9));
  ops.push_back(op("attention backward", false, 1e9, 1, slower * 1e9 / 30e9));
  for (const char* name :
       {"residual + RMSNorm forward", "RMSNorm backward", "RoPE", "SwiGLU forward",
        "SwiGLU backward", "embedding forward", "cross-entropy backward", "AdamW", "sum of squares",
        "gradients to zero"})
    ops.push_back(op(name, false, 0, 1e7, slower * 1e7 / kPassRate));
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
  CHECK(p.gemm_overhead_us * 1e-6 == Approx(kGemmOverhead));
  CHECK(p.attention_forward_tflops == Approx(0.05 * 1.5));
  CHECK(p.attention_backward_tflops == Approx(0.03 * 1.5));
  CHECK(p.attention_block == 64);
  CHECK(p.pass_seconds(MemoryPass::adamw, 1e9) == Approx(1e9 / kPassRate));
  CHECK(p.link_gbytes_per_second == Approx(3).epsilon(1e-3));
  CHECK(p.link_latency_us == Approx(150).epsilon(1e-3));
  CHECK(p.shared_cores == 2);
  CHECK(p.memory_bytes == 1024 * 1024);
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
  without["ops"].erase(without["ops"].size() - 1);
  CHECK_THROWS_WITH(calibrate_cpu({save(folder, "without.json", without)}, {step}, 2),
                    Catch::Contains("none holds \"gradients to zero\""));
  CHECK_THROWS_WITH(calibrate_cpu({ops, save(folder, "without.json", without)}, {step}, 2),
                    Catch::Contains("without.json: holds 14 ops; expected 15"));
  Json bare = ops_record(1);
  bare.erase("config");
  CHECK_THROWS_WITH(calibrate_cpu({save(folder, "bare.json", bare)}, {step}, 2),
                    Catch::Contains("bare.json: ") && Catch::Contains("config"));
}
