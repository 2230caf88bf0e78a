#include "bench/record.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <fstream>

#include "config/config_json.h"
#include "device/devices.h"
#include "launch/host_map.h"
#include "telemetry/number_text.h"
#include "telemetry/table.h"

namespace swallow {

namespace {

constexpr int kSchema = 1;

/// The value of the first line `key : value` of a file in /proc, or empty.
std::string proc_value(const char* file, std::string_view key) {
  std::ifstream stream(file);
  for (std::string line; std::getline(stream, line);) {
    if (!line.starts_with(key)) continue;
    const size_t colon = line.find(':');
    const size_t begin =
        colon == std::string::npos ? colon : line.find_first_not_of(" \t", colon + 1);
    return begin == std::string::npos ? "" : line.substr(begin);
  }
  return {};
}

std::optional<DeviceInfo> find_device(Device device) {
  for (DeviceInfo& info : list_devices())
    if (info.device == device) return std::move(info);
  return std::nullopt;
}

std::string utc_now() {
  const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", parts.tm_year + 1900, parts.tm_mon + 1,
                     parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
}

std::string layout_of(const GemmRecord& r) {
  const auto letter = [](Transpose transpose) { return transpose == Transpose::yes ? 'T' : 'N'; };
  return fmt::format("{}{}", letter(r.transpose_a), letter(r.transpose_b));
}

std::string_view name_of(GemmChoice choice) {
  switch (choice) {
    case GemmChoice::heuristic:
      return "heuristic";
    case GemmChoice::measured:
      return "measured";
    case GemmChoice::stored:
      return "stored";
  }
  return "?";
}

double tflops_of(const GemmRecord& r, double ms) {
  const double flops =
      2 * static_cast<double>(r.m) * static_cast<double>(r.n) * static_cast<double>(r.k);
  return ms > 0 ? flops / (ms * 1e9) : 0;
}

double rounded(double value) {
  return std::stod(fmt::format("{:.6g}", value));
}

}  // namespace

std::string device_name(Device device) {
  const auto info = find_device(device);
  return info ? info->name : proc_value("/proc/cpuinfo", "model name");
}

Json machine_record(const Stream& stream) {
  utsname kernel{};
  ::uname(&kernel);
  Json record = {{"host", this_host().name},
                 {"kernel", kernel.release},
                 {"cpu", proc_value("/proc/cpuinfo", "model name")},
                 {"cores", std::thread::hardware_concurrency()},
                 {"memory", proc_value("/proc/meminfo", "MemTotal")},
                 {"threads", stream.num_threads()},
                 {"device", to_string(stream.device())},
                 {"device_name", device_name(stream.device())}};
  const auto info = find_device(stream.device());
  if (!info) return record;
  record["device_memory_bytes"] = info->memory_bytes;
  record["compute_capability"] = info->compute_capability;
  record["driver"] = read_device_state(*info).driver;
  for (const LibraryVersion& library : accelerator_libraries())
    record["libraries"][library.name] = library.version.empty() ? library.problem : library.version;
  return record;
}

Json record_head(const std::string& mode, const std::string& build, const RunConfig& config,
                 const RunShape& run, const Stream& stream) {
  return {{"kind", "bench"},
          {"schema", kSchema},
          {"mode", mode},
          {"time", utc_now()},
          {"build", build},
          {"config", Json::parse(config_json(config))},
          {"grid",
           {{"ranks", run.world_size},
            {"dp", run.dp},
            {"tp", run.tp},
            {"pp", run.pp},
            {"microbatches", run.num_microbatches}}},
          {"machine", machine_record(stream)}};
}

Json to_json(const Statistics& s) {
  return {{"count", s.count},
          {"median", rounded(s.median)},
          {"min", rounded(s.min)},
          {"max", rounded(s.max)},
          {"spread", rounded(s.spread())}};
}

Json to_json(const Throughput& t) {
  Json record = {{"tokens_per_second", rounded(t.tokens_per_second_all)},
                 {"tokens_per_second_per_rank", rounded(t.tokens_per_second)}};
  for (size_t i = 0; i < kFlopFormulas.size(); ++i)
    record[fmt::format("tflops_per_rank_{}", name_of(kFlopFormulas[i]))] = rounded(t.tflops[i]);
  record["peak_tflops"] = t.peak_tflops;
  record["mfu_causal"] = rounded(t.mfu_causal());
  record["mfu_full_attention"] = rounded(t.mfu_full());
  return record;
}

Json to_json(const Ledger& ledger) {
  Json record;
  for (const auto& [category, bytes] : ledger.rows()) record[category] = bytes;
  record["total"] = ledger.total();
  return record;
}

Json to_json(const std::optional<ClockSummary>& clocks) {
  if (!clocks) return nullptr;
  const DeviceState& last = clocks->last;
  return {{"sm_clock_mhz", to_json(clocks->sm_clock_mhz)},
          {"max_sm_clock_mhz", last.max_sm_clock_mhz},
          {"memory_clock_mhz", last.memory_clock_mhz},
          {"power_watts", to_json(clocks->power_watts)},
          {"power_limit_watts", last.power_limit_watts},
          {"temperature_celsius", last.temperature_celsius}};
}

Json to_json(const Ceilings& c) {
  return {{"tflops", rounded(c.tflops)},
          {"tflops_source", c.tflops_source},
          {"gbytes_per_second", rounded(c.gbytes_per_second)},
          {"bandwidth_source", c.bandwidth_source}};
}

Json to_json(const OpTiming& timing, const Ceilings& ceilings) {
  const OpCase& op = timing.op;
  const double floor = floor_ms(op, ceilings);
  return {{"op", op.name},
          {"shape", op.shape},
          {"gemm", op.is_gemm},
          {"per", op.frequency == OpFrequency::per_step ? "step" : "microbatch"},
          {"calls", rounded(op.calls)},
          {"ms", to_json(timing.ms)},
          {"flops", op.flops},
          {"bytes", op.bytes},
          {"gflops_per_second", rounded(op.flops / (timing.ms.median * 1e6))},
          {"gbytes_per_second", rounded(op.bytes / (timing.ms.median * 1e6))},
          {"floor_ms", rounded(floor)},
          {"fraction_of_floor", rounded(floor / timing.ms.median)},
          {"sets", timing.sets}};
}

Json to_json(const std::vector<GemmRecord>& records) {
  Json list = Json::array();
  for (const GemmRecord& r : records)
    list.push_back({{"m", r.m},
                    {"n", r.n},
                    {"k", r.k},
                    {"layout", layout_of(r)},
                    {"input", swallow::name_of(r.input)},
                    {"output", swallow::name_of(r.output)},
                    {"adds", r.beta == Beta::one},
                    {"choice", name_of(r.choice)},
                    {"candidates", r.num_candidates},
                    {"candidate", r.candidate},
                    {"heuristic_ms", rounded(r.heuristic_ms)},
                    {"chosen_ms", rounded(r.chosen_ms)},
                    {"launches", r.launches}});
  return list;
}

void append_rows(Rows& rows, const std::string& what, const Statistics& ms) {
  rows.push_back({what, fmt::format("{:.3f} ms (median of {}; {:.3f} to {:.3f}, spread {:.1f} %)",
                                    ms.median, ms.count, ms.min, ms.max, 100 * ms.spread())});
}

void append_rows(Rows& rows, const Throughput& t) {
  rows.push_back({"tokens/s", fmt::format("{:.0f}, {:.0f} a rank", t.tokens_per_second_all,
                                          t.tokens_per_second)});
  for (size_t i = 0; i < kFlopFormulas.size(); ++i)
    rows.push_back({fmt::format("TFLOPS a rank, {}", name_of(kFlopFormulas[i])),
                    fmt::format("{:.4g}", t.tflops[i])});
  if (t.peak_tflops > 0)
    rows.push_back({fmt::format("MFU of {:.4g}", t.peak_tflops),
                    fmt::format("{:.1f} % causal, {:.1f} % full attention", 100 * t.mfu_causal(),
                                100 * t.mfu_full())});
}

void append_rows(Rows& rows, const std::optional<ClockSummary>& clocks) {
  if (!clocks) return;
  rows.push_back(
      {"SM clock", fmt::format("{:.0f} MHz ({:.0f} to {:.0f}, at most {})",
                               clocks->sm_clock_mhz.median, clocks->sm_clock_mhz.min,
                               clocks->sm_clock_mhz.max, clocks->last.max_sm_clock_mhz)});
  rows.push_back(
      {"power", fmt::format("{:.0f} W of {}, {} C", clocks->power_watts.median,
                            clocks->last.power_limit_watts, clocks->last.temperature_celsius)});
}

std::string gemm_table(const std::vector<GemmRecord>& records) {
  if (std::none_of(records.begin(), records.end(),
                   [](const GemmRecord& r) { return r.heuristic_ms > 0; }))
    return {};
  TextTable table{.title = "Kernels of the matrix products",
                  .header = {"m", "n", "k", "layout", "output", "choice", "kernel", "heuristic ms",
                             "chosen ms", "gain %", "TFLOPS"}};
  for (const GemmRecord& r : records)
    table.rows.push_back(
        {std::to_string(r.m), std::to_string(r.n), std::to_string(r.k), layout_of(r),
         fmt::format("{}{}", swallow::name_of(r.output), r.beta == Beta::one ? " +=" : ""),
         std::string(name_of(r.choice)), fmt::format("{} of {}", r.candidate, r.num_candidates),
         fmt::format("{:.4f}", r.heuristic_ms), fmt::format("{:.4f}", r.chosen_ms),
         r.chosen_ms > 0 ? fmt::format("{:.1f}", 100 * (r.heuristic_ms / r.chosen_ms - 1)) : "-",
         fmt::format("{:.1f}", tflops_of(r, r.chosen_ms))});
  return fmt::format("\n{}", table.text());
}

std::string op_table(const std::vector<OpTiming>& timings, const Ceilings& ceilings) {
  TextTable table{.title = "Ops, at their shapes on one rank",
                  .header = {"op", "shape", "calls", "ms", "spread %", "GFLOP/s", "GB/s",
                             "floor ms", "% of floor", "sum ms"}};
  double microbatch = 0, microbatch_floor = 0, step = 0, step_floor = 0;
  for (const OpTiming& timing : timings) {
    const OpCase& op = timing.op;
    const double ms = timing.ms.median;
    const double floor = floor_ms(op, ceilings);
    const bool per_step = op.frequency == OpFrequency::per_step;
    (per_step ? step : microbatch) += op.calls * ms;
    (per_step ? step_floor : microbatch_floor) += op.calls * floor;
    table.rows.push_back(
        {op.name, op.shape, fmt::format("{:.4g}{}", op.calls, per_step ? " a step" : ""),
         fmt::format("{:.4f}", ms), fmt::format("{:.1f}", 100 * timing.ms.spread()),
         op.flops > 0 ? fmt::format("{:.0f}", op.flops / (ms * 1e6)) : "-",
         fmt::format("{:.1f}", op.bytes / (ms * 1e6)), fmt::format("{:.4f}", floor),
         fmt::format("{:.1f}", 100 * floor / ms), fmt::format("{:.3f}", op.calls * ms)});
  }
  return table.text() +
         fmt::format(
             "\n  one micro-batch {:.3f} ms, floor {:.3f}; the optimizer's step {:.3f} ms, "
             "floor {:.3f}\n  ceilings: {:.4g} TFLOPS ({}), {:.4g} GB/s ({})\n",
             microbatch, microbatch_floor, step, step_floor, ceilings.tflops,
             ceilings.tflops_source, ceilings.gbytes_per_second, ceilings.bandwidth_source);
}

}  // namespace swallow
