#include "plan/cpu_calibration.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "base/check.h"
#include "config/config_json.h"
#include "config/value_text.h"
#include "kernels/cpu/attention_kernels.h"
#include "plan/sourced_json.h"
#include "plan/step_estimate.h"

namespace swallow {

namespace {

using Json = nlohmann::ordered_json;

Json read_record(const std::string& path, const std::string& mode) {
  Json record = read_json_file(path);
  if (!record.contains("kind") || record["kind"] != "bench" || !record.contains("mode") ||
      record["mode"] != mode)
    throw ConfigError("{}: expected a record of bench --output of mode \"{}\"", printable(path),
                      mode);
  return record;
}

RunConfig config_of(const Json& record, const std::string& path) {
  return config_from_json(record.at("config").dump(), printable(path));
}

/// The benchmark's ops whose passes the model tells apart (bench/op_cases.cpp).
struct OpOfPass {
  MemoryPass pass;
  const char* op;
};
constexpr std::array kOpsOfPasses{OpOfPass{MemoryPass::norm_forward, "residual + RMSNorm forward"},
                                  OpOfPass{MemoryPass::norm_backward, "RMSNorm backward"},
                                  OpOfPass{MemoryPass::rope, "RoPE"},
                                  OpOfPass{MemoryPass::activation_forward, "SwiGLU forward"},
                                  OpOfPass{MemoryPass::activation_backward, "SwiGLU backward"},
                                  OpOfPass{MemoryPass::embedding, "embedding forward"},
                                  OpOfPass{MemoryPass::cross_entropy, "cross-entropy backward"},
                                  OpOfPass{MemoryPass::adamw, "AdamW"},
                                  OpOfPass{MemoryPass::gradient_norm, "sum of squares"},
                                  OpOfPass{MemoryPass::gradient_zero, "gradients to zero"}};

/// What a record of single ops says, in seconds and FLOP or bytes a second.
struct OpRates {
  double gemm_flops = 0;         // of large products
  double gemm_overhead = 0;      // seconds of a product beside its FLOP
  double attention_forward = 0;  // blocks on the diagonal counted whole
  double attention_backward = 0;
  std::map<MemoryPass, double> passes;
};

struct TimedOp {
  std::string name;
  bool gemm = false;
  double flops = 0;
  double bytes = 0;
  double seconds = 0;
};

struct TimedOps {
  std::vector<TimedOp> ops;
  int64_t seq_length = 0;
};

/// Each op of the first record at its quietest: the least median over all records, which are of one
/// command.
TimedOps read_ops(const std::vector<std::string>& paths) {
  TimedOps timed;
  std::vector<TimedOp>& ops = timed.ops;
  for (const std::string& path : paths) {
    const Json record = read_record(path, "ops");
    try {
      timed.seq_length = config_of(record, path).model.seq_length;
      const Json& list = record.at("ops");
      if (ops.empty()) ops.resize(list.size(), {.seconds = HUGE_VAL});
      if (list.size() != ops.size())
        throw ConfigError("{}: holds {} ops; expected {}, as in {}", printable(path), list.size(),
                          ops.size(), printable(paths.front()));
      for (size_t i = 0; i < ops.size(); ++i)
        ops[i] = {list[i].at("op"), list[i].at("gemm"), list[i].at("flops"), list[i].at("bytes"),
                  std::min(ops[i].seconds, list[i].at("ms").at("median").get<double>() / 1e3)};
    } catch (const Json::exception& error) {
      throw ConfigError("{}: {}", printable(path), printable(error.what()));
    }
  }
  return timed;
}

const TimedOp& find_op(const std::vector<TimedOp>& ops, const std::string& name) {
  for (const TimedOp& op : ops)
    if (op.name == name) return op;
  throw ConfigError("records of single ops: none holds \"{}\"", name);
}

/// seconds = flops / rate + overhead, by least squares of relative errors.
void fit_gemms(const std::vector<TimedOp>& ops, OpRates& rates) {
  double ff = 0, f1 = 0, one = 0, f = 0, constant = 0;
  for (const TimedOp& op : ops) {
    if (!op.gemm) continue;
    const double a = op.flops / op.seconds;
    const double b = 1 / op.seconds;
    ff += a * a, f1 += a * b, one += b * b, f += a, constant += b;
  }
  const double determinant = ff * one - f1 * f1;
  if (ff <= 0 || determinant <= 0)
    throw ConfigError("records of single ops: expected matrix products of at least two sizes");
  rates.gemm_overhead = std::max(0.0, (constant * ff - f * f1) / determinant);
  rates.gemm_flops = ff / (f - rates.gemm_overhead * f1);
}

OpRates read_op_rates(const std::vector<std::string>& paths) {
  const auto [ops, seq_length] = read_ops(paths);
  OpRates rates;
  fit_gemms(ops, rates);
  const auto flop_rate = [&](const char* name) {
    const TimedOp& op = find_op(ops, name);
    return op.flops / op.seconds;
  };
  const double excess = 1 + static_cast<double>(cpu::kWideTile) / static_cast<double>(seq_length);
  rates.attention_forward = flop_rate("attention forward") * excess;
  rates.attention_backward = flop_rate("attention backward") * excess;
  for (const OpOfPass& each : kOpsOfPasses) {
    const TimedOp& op = find_op(ops, each.op);
    rates.passes[each.pass] = op.bytes / op.seconds;
  }
  return rates;
}

HardwareProfile profile_of(const OpRates& rates, int64_t cores) {
  HardwareProfile p;
  p.name = "cpu";
  p.peak_tflops = rates.gemm_flops / 1e12;
  p.gemm_efficiency = 1;
  p.gemm_tiles = {{1, 1, 1}};
  p.gemm_overhead_us = rates.gemm_overhead * 1e6;
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
  const Json record = read_record(path, "step");
  try {
    const RunConfig config = config_of(record, path);
    const RunShape run = resolve(config, record.at("grid").at("ranks").get<int>());
    return {step_case(config, run), record.at("step_ms").at("median").get<double>() / 1e3};
  } catch (const Json::exception& error) {
    throw ConfigError("{}: {}", printable(path), printable(error.what()));
  }
}

std::string calibrate_cpu(const std::vector<std::string>& ops,
                          const std::vector<std::string>& steps, int64_t cores) {
  if (ops.empty()) throw ConfigError("no record of single ops; expected one or more");
  HardwareProfile p = profile_of(read_op_rates(ops), cores);
  const Json record = read_record(ops.front(), "ops");
  const Json machine = record.value("machine", Json::object());
  p.memory_bytes = memory_of(machine);
  std::vector<StepRecord> records;
  for (const std::string& path : steps) records.push_back(read_step_record(path));
  fit_link(records, p);
  return text_of_profile(p, machine, fmt::format("bench --ops of {}", record.value("time", "")));
}

}  // namespace swallow
