// What a benchmark leaves behind: a table for the terminal and one JSON object with everything that
// determines the run, so that two records can be compared without asking anybody.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "bench/clock_log.h"
#include "bench/op_bench.h"
#include "bench/slice.h"
#include "bench/throughput.h"
#include "config/run_config.h"
#include "config/run_shape.h"
#include "device/device.h"
#include "kernels/gemm.h"
#include "tensor/arena.h"

namespace swallow {

using Json = nlohmann::ordered_json;

/// Host, device, driver and libraries of this process.
[[nodiscard]] Json machine_record(const Stream& stream);
/// The device's name, or the CPU's.
[[nodiscard]] std::string device_name(Device device);

/// Version, time, configuration, grid and machine: the head of every record. `mode` is "step",
/// "slice" or "ops"; `build` the version's text.
[[nodiscard]] Json record_head(const std::string& mode, const std::string& build,
                               const RunConfig& config, const RunShape& run, const Stream& stream);

[[nodiscard]] Json to_json(const Statistics& statistics);
[[nodiscard]] Json to_json(const Throughput& throughput);
[[nodiscard]] Json to_json(const Ledger& ledger);
[[nodiscard]] Json to_json(const std::optional<ClockSummary>& clocks);
[[nodiscard]] Json to_json(const Ceilings& ceilings);
[[nodiscard]] Json to_json(const OpTiming& timing, const Ceilings& ceilings);
[[nodiscard]] Json to_json(const std::vector<GemmRecord>& records);

/// Rows of a two-column table.
using Rows = std::vector<std::vector<std::string>>;
void append_rows(Rows& rows, const std::string& what, const Statistics& ms);
void append_rows(Rows& rows, const Throughput& throughput);
void append_rows(Rows& rows, const std::optional<ClockSummary>& clocks);

/// All ops with their share of the floor, sums for a micro-batch and a step below.
[[nodiscard]] std::string op_table(const std::vector<OpTiming>& timings, const Ceilings& ceilings);

/// The library's favourite kernel against the one that is used, for every shape of product that was
/// run; empty where none was measured.
[[nodiscard]] std::string gemm_table(const std::vector<GemmRecord>& records);

}  // namespace swallow
