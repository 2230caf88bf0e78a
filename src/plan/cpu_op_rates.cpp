#include "plan/cpu_op_rates.h"

#include <array>
#include <utility>

#include "base/check.h"
#include "config/value_text.h"
#include "kernels/cpu/attention_kernels.h"
#include "plan/record_file.h"

namespace swallow {

namespace {

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
                                  OpOfPass{MemoryPass::cross_entropy, "cross-entropy statistics"},
                                  OpOfPass{MemoryPass::cross_entropy, "cross-entropy backward"},
                                  OpOfPass{MemoryPass::adamw, "AdamW"},
                                  OpOfPass{MemoryPass::gradient_norm, "sum of squares"},
                                  OpOfPass{MemoryPass::gradient_zero, "gradients to zero"}};

struct TimedOp {
  std::string name;
  std::string shape;
  bool gemm = false;
  double calls = 0;
  double flops = 0;
  double bytes = 0;
  double element_bytes = 0;  // of the parameters
  double seconds = 0;        // of one call
};
using TimedOps = std::vector<TimedOp>;

TimedOps ops_of(const RecordFile& record) {
  const double keys =
      1 + static_cast<double>(cpu::kWideTile) / static_cast<double>(record.config.model.seq_length);
  const double element_bytes = record.config.training.params_dtype == ParamsDtype::fp32 ? 4 : 2;
  TimedOps ops;
  for (const auto& op : record.json.at("ops")) {
    ops.push_back({op.at("op"), op.at("shape"), op.at("gemm"), op.at("calls"), op.at("flops"),
                   op.at("bytes"), element_bytes, op.at("ms").at("median").get<double>() / 1e3});
    if (ops.back().name.starts_with("attention")) ops.back().flops *= keys;
  }
  return ops;
}

double seconds_of_step(const TimedOps& ops) {
  double seconds = 0;
  for (const TimedOp& op : ops) seconds += op.calls * op.seconds;
  return seconds;
}

/// By configuration, of each the quietest record. Not each op at its quietest: the least of several
/// medians is below what a step, which makes all of them, ever sees.
std::map<std::string, TimedOps> read_ops(const std::vector<std::string>& paths) {
  std::map<std::string, TimedOps> sets;
  for (const std::string& path : paths) {
    const RecordFile record = read_record_file(path, "ops");
    try {
      TimedOps ops = ops_of(record);
      const auto [set, added] = sets.emplace(record.json.at("config").dump(), ops);
      if (!added && seconds_of_step(ops) < seconds_of_step(set->second))
        set->second = std::move(ops);
    } catch (const nlohmann::json::exception& error) {
      throw ConfigError("{}: {}", printable(path), printable(error.what()));
    }
  }
  return sets;
}

/// All work of the ops of this name over the time that it takes.
double rate_of(const TimedOps& ops, const std::vector<const char*>& names, double TimedOp::*work) {
  double sum = 0, seconds = 0;
  for (const char* name : names) {
    bool found = false;
    for (const TimedOp& op : ops) {
      if (op.name != name) continue;
      found = true;
      sum += op.calls * op.*work;
      seconds += op.calls * op.seconds;
    }
    if (!found) throw ConfigError("records of single ops: none holds \"{}\"", name);
  }
  return sum / seconds;
}

std::vector<TimedGemm> products_of(const TimedOps& ops) {
  std::vector<TimedGemm> products;
  for (const TimedOp& op : ops)
    if (op.gemm)
      products.push_back({{parse_gemm_shape(op.shape), 1, op.element_bytes}, op.calls, op.seconds});
  return products;
}

}  // namespace

CpuOpRates read_cpu_op_rates(const std::vector<std::string>& paths) {
  TimedOps ops;
  for (auto& [config, set] : read_ops(paths)) ops.insert(ops.end(), set.begin(), set.end());
  CpuOpRates rates;
  rates.gemm = fit_gemm_law(products_of(ops));
  rates.attention_forward = rate_of(ops, {"attention forward"}, &TimedOp::flops);
  rates.attention_backward = rate_of(ops, {"attention backward"}, &TimedOp::flops);
  std::map<MemoryPass, std::vector<const char*>> names;
  for (const OpOfPass& each : kOpsOfPasses) names[each.pass].push_back(each.op);
  for (const auto& [pass, of_pass] : names)
    rates.passes[pass] = rate_of(ops, of_pass, &TimedOp::bytes);
  return rates;
}

}  // namespace swallow
