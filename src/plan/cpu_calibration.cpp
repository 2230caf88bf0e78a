#include "plan/cpu_calibration.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "base/check.h"
#include "config/config_json.h"
#include "config/value_text.h"
#include "kernels/cpu/attention_kernels.h"
#include "plan/cpu_op_rates.h"
#include "plan/record_file.h"
#include "plan/step_estimate.h"

namespace swallow {

namespace {

using Json = nlohmann::ordered_json;

HardwareProfile profile_of(const CpuOpRates& rates, int64_t cores) {
  HardwareProfile p;
  p.name = "cpu";
  p.peak_tflops = rates.gemm.flops / 1e12;
  p.gemm_efficiency = 1;
  p.gemm_tiles = {{1, 1, 1}};
  p.gemm_overhead_us = rates.gemm.overhead * 1e6;
  p.gemm_operand_gbytes_per_second = rates.gemm.operand / 1e9;
  p.gemm_result_gbytes_per_second = rates.gemm.result / 1e9;
  p.attention_forward_tflops = rates.attention_forward / 1e12;
  p.attention_backward_tflops = rates.attention_backward / 1e12;
  p.attention_block = cpu::kWideTile;
  for (const auto& [pass, rate] : rates.passes) p.pass_gbytes_per_second[pass] = rate / 1e9;
  p.memory_gbytes_per_second = p.pass_gbytes_per_second[MemoryPass::gradient_norm];
  p.ranks_per_node = 1 << 16;
  p.shared_cores = cores;
  return p;
}

/// What one second of latency, and one second for a gigabyte, add to a step: its time is linear in
/// both as long as nothing hides and no rank waits for cores.
struct Sensitivity {
  double without = 0;  // seconds with free communication
  double per_latency = 0;
  double per_gigabyte = 0;
};

Sensitivity sensitivity(HardwareProfile hw, const StepCase& step) {
  constexpr double kFree = 1e9;
  const SoftwareProfile& software = software_profile("swallow-train-cpu");
  const auto total = [&](double latency_us, double gbytes_per_second) {
    hw.link_latency_us = latency_us;
    hw.link_gbytes_per_second = gbytes_per_second;
    return estimate_step(hw, software, step).total();
  };
  Sensitivity s{.without = total(0, kFree)};
  s.per_latency = total(1e6, kFree) - s.without;
  s.per_gigabyte = total(0, 1) - s.without;
  return s;
}

void fit_link(const std::vector<StepRecord>& steps, HardwareProfile& p) {
  double aa = 0, ab = 0, bb = 0, ar = 0, br = 0;
  for (const StepRecord& record : steps) {
    const Sensitivity s = sensitivity(p, record.step);
    const double a = s.per_latency / record.seconds;
    const double b = s.per_gigabyte / record.seconds;
    const double rest = 1 - s.without / record.seconds;
    aa += a * a, ab += a * b, bb += b * b, ar += a * rest, br += b * rest;
  }
  const double determinant = aa * bb - ab * ab;
  if (aa <= 0 || bb <= 0 || determinant <= 1e-9 * aa * bb)
    throw ConfigError("records of steps: expected two or more with traffic of different size");
  double latency = (ar * bb - br * ab) / determinant;
  double per_gigabyte = (br * aa - ar * ab) / determinant;
  if (latency < 0) latency = 0, per_gigabyte = br / bb;
  if (per_gigabyte <= 0)
    throw ConfigError(
        "records of steps: they take no longer than the single ops in them; expected records made "
        "by turns on a machine that does nothing else");
  p.link_latency_us = latency * 1e6;
  p.link_gbytes_per_second = 1 / per_gigabyte;
}

Json with_source(const Json& value, const std::string& source) {
  return {{"value", value}, {"source", source}};
}

std::string text_of_profile(const HardwareProfile& p, const Json& machine,
                            const std::string& measured) {
  const std::string machine_name = machine.value("cpu", "a CPU");
  Json json = {{"name", p.name},
               {"description", fmt::format("{}, calibrated by its own benchmarks", machine_name)}};
  const std::string no_tiles = "a CPU's products have no tiles worth telling apart";
  const std::string steps = "least squares over the records of steps";
  Json passes;
  for (const auto& [pass, rate] : p.pass_gbytes_per_second) passes[name_of(pass)] = rate;
  json["peak_tflops"] = with_source(p.peak_tflops, measured + ": its products, least squares");
  json["gemm_efficiency"] = with_source(1, "the peak is the rate that was measured");
  json["multiprocessors"] = with_source(1, no_tiles);
  json["gemm_tiles"] = with_source({{1, 1, 1}}, no_tiles);
  json["gemm_ramp"] = with_source(0, no_tiles);
  json["gemm_overhead_us"] = with_source(p.gemm_overhead_us, measured + ": likewise");
  json["gemm_operand_gbytes_per_second"] =
      with_source(p.gemm_operand_gbytes_per_second, measured + ": likewise");
  json["gemm_result_gbytes_per_second"] =
      with_source(p.gemm_result_gbytes_per_second, measured + ": likewise");
  json["attention_forward_tflops"] = with_source(p.attention_forward_tflops, measured);
  json["attention_backward_tflops"] = with_source(p.attention_backward_tflops, measured);
  json["attention_block"] = with_source(p.attention_block, "kernels/cpu/attention_kernels.h");
  json["memory_bytes"] = with_source(p.memory_bytes, "the machine's");
  json["memory_gbytes_per_second"] = with_source(p.memory_gbytes_per_second, measured);
  json["pass_gbytes_per_second"] = with_source(passes, measured);
  json["ranks_per_node"] = with_source(p.ranks_per_node, "all ranks are on this machine");
  json["link_gbytes_per_second"] = with_source(p.link_gbytes_per_second, steps);
  json["link_latency_us"] = with_source(p.link_latency_us, steps);
  json["network_gbytes_per_second"] = with_source(p.link_gbytes_per_second, "there is no network");
  json["network_latency_us"] = with_source(p.link_latency_us, "there is no network");
  json["shared_cores"] = with_source(p.shared_cores, "as told");
  return json.dump(1) + "\n";
}

/// "24680000 kB", as /proc/meminfo has it.
int64_t memory_of(const Json& machine) {
  long long kilobytes = 0;
  const std::string text = machine.value("memory", "");
  return std::sscanf(text.c_str(), "%lld kB", &kilobytes) == 1 && kilobytes > 0 ? kilobytes * 1024
                                                                                : int64_t{1} << 34;
}

}  // namespace

StepRecord read_step_record(const std::string& path) {
  const RecordFile record = read_record_file(path, "step");
  try {
    const RunShape run = resolve(record.config, record.json.at("grid").at("ranks").get<int>());
    return {step_case(record.config, run),
            record.json.at("step_ms").at("median").get<double>() / 1e3};
  } catch (const Json::exception& error) {
    throw ConfigError("{}: {}", printable(path), printable(error.what()));
  }
}

std::string calibrate_cpu(const std::vector<std::string>& ops,
                          const std::vector<std::string>& steps, int64_t cores) {
  if (ops.empty()) throw ConfigError("no record of single ops; expected one or more");
  HardwareProfile p = profile_of(read_cpu_op_rates(ops), cores);
  const Json record = read_record_file(ops.front(), "ops").json;
  const Json machine = record.value("machine", Json::object());
  p.memory_bytes = memory_of(machine);
  std::vector<StepRecord> records;
  for (const std::string& path : steps) records.push_back(read_step_record(path));
  fit_link(records, p);
  return text_of_profile(p, machine, fmt::format("bench --ops of {}", record.value("time", "")));
}

}  // namespace swallow
