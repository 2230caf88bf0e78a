#include "plan/memory_table.h"

#include <algorithm>

#include "plan/memory_plan.h"
#include "telemetry/number_text.h"
#include "telemetry/table.h"

namespace swallow {

namespace {

constexpr double kMiB = 1024.0 * 1024.0;
constexpr int64_t kManyBytes = int64_t{10} << 30;

/// One for all numbers of a table, so that columns can be compared.
struct Unit {
  const char* name;
  double bytes;
  int decimals;
  [[nodiscard]] std::string text(int64_t count) const {
    return fmt::format("{:.{}f}", static_cast<double>(count) / bytes, decimals);
  }
};

Unit unit_for(int64_t largest) {
  return largest < kManyBytes ? Unit{"MiB", kMiB, 1} : Unit{"GiB", 1024 * kMiB, 2};
}

/// The categories of all stages, in the order in which they first appear.
std::vector<std::string> categories_of(const std::vector<StageLedger>& stages) {
  std::vector<std::string> categories;
  for (const StageLedger& stage : stages)
    for (const auto& [category, bytes] : stage.ledger.rows())
      if (std::find(categories.begin(), categories.end(), category) == categories.end())
        categories.push_back(category);
  return categories;
}

std::string left_text(int64_t left, const Unit& unit) {
  if (left < 0) return fmt::format("{} too many", unit.text(-left));
  return left < kBesideLedgerBytes ? unit.text(left) + ", tight" : unit.text(left);
}

}  // namespace

std::vector<StageLedger> plan_stages(const RunConfig& config, const RunShape& run, Device device,
                                     int num_threads) {
  std::vector<StageLedger> stages;
  for (int stage = 0; stage < run.pp; ++stage) {
    // The first rank of a stage writes more of a checkpoint than any other.
    const GridCoordinate at{.pp = stage};
    const EnginePlan plan = plan_engine(config, run, at);
    stages.push_back(
        {.ledger = plan_memory(plan, config.optimizer, device, num_threads),
         .num_slots = plan.schedule.num_slots,
         .snapshot_bytes = config.checkpoint.async_save ? plan_snapshot(config, run, at) : 0});
  }
  return stages;
}

int64_t fullest_bytes(const std::vector<StageLedger>& stages) {
  int64_t most = 0;
  for (const StageLedger& stage : stages) most = std::max(most, stage.ledger.total());
  return most;
}

std::string memory_table(const std::vector<StageLedger>& stages,
                         const std::optional<MemoryLimit>& limit) {
  const Unit unit = unit_for(fullest_bytes(stages));
  const std::vector<std::string> categories = categories_of(stages);
  const bool copies = std::ranges::any_of(
      stages, [](const StageLedger& stage) { return stage.snapshot_bytes > 0; });
  TextTable table{.title = fmt::format("Planned memory of a rank, {}", unit.name),
                  .header = {"stage", "in flight"}};
  table.header.insert(table.header.end(), categories.begin(), categories.end());
  table.header.insert(table.header.end(), {"total", "bytes"});
  if (limit) table.header.push_back("left of " + unit.text(limit->bytes));
  if (copies) table.header.emplace_back("copy for --async-save, on the host");
  for (size_t i = 0; i < stages.size(); ++i) {
    const Ledger& ledger = stages[i].ledger;
    std::vector<std::string> row = {std::to_string(i), std::to_string(stages[i].num_slots)};
    for (const std::string& category : categories) {
      const auto found = std::ranges::find_if(
          ledger.rows(), [&](const auto& entry) { return entry.first == category; });
      row.push_back(found == ledger.rows().end() ? "" : unit.text(found->second));
    }
    row.push_back(unit.text(ledger.total()));
    row.push_back(std::to_string(ledger.total()));
    if (limit) row.push_back(left_text(limit->bytes - ledger.total(), unit));
    if (copies) row.push_back(unit.text(stages[i].snapshot_bytes));
    table.rows.push_back(std::move(row));
  }
  return table.text();
}

std::string memory_verdict(const std::vector<StageLedger>& stages, const MemoryLimit& limit) {
  const int64_t left = limit.bytes - fullest_bytes(stages);
  const std::string beside =
      fmt::format("driver, libraries and their communication take about {} beside it",
                  bytes_text(kBesideLedgerBytes));
  if (left >= kBesideLedgerBytes)
    return fmt::format("fits {}, {}: the fullest stage leaves {}; {}\n", limit.device,
                       bytes_text(limit.bytes), bytes_text(left), beside);
  if (left >= 0)
    return fmt::format("may not fit {}, {}: the fullest stage leaves {}, but {}\n", limit.device,
                       bytes_text(limit.bytes), bytes_text(left), beside);
  std::string text;
  for (size_t i = 0; i < stages.size(); ++i)
    if (const int64_t missing = stages[i].ledger.total() - limit.bytes; missing > 0)
      text += fmt::format("stage {} does not fit {}, {}: {} too many\n", i, limit.device,
                          bytes_text(limit.bytes), bytes_text(missing));
  return text;
}

}  // namespace swallow
