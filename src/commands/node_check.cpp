#include "commands/node_check.h"

#include <algorithm>
#include <fstream>
#include <iostream>
#include <set>
#include <tuple>

#include "bench/device_check.h"
#include "bench/greatest.h"
#include "bench/link_check.h"
#include "bench/node_findings.h"
#include "bench/record.h"
#include "commands/job.h"
#include "config/help.h"
#include "config/value_text.h"
#include "plan/process_map.h"
#include "telemetry/table.h"
#include "train/watchdog.h"

namespace swallow {

namespace {

/// Of the whole check on any machine, where nothing else notices that it hangs.
constexpr std::chrono::minutes kLimit{5};
constexpr double kSilentMinutes = 1;

struct RankFindings {
  std::string device;
  std::vector<Reading> readings;
  std::vector<WrongResult> wrong;
  std::map<std::string, std::string> hashes;
};

Json to_json(const Reading& reading) {
  return {{"what", reading.what},
          {"unit", reading.unit},
          {"among", reading.among},
          {"ranks", reading.ranks},
          {"value", reading.value},
          {"best", reading.best},
          {"less_is_better", reading.less_is_better}};
}

Reading reading_from(const Json& json) {
  return {.what = json.at("what"),
          .unit = json.at("unit"),
          .among = json.at("among"),
          .ranks = json.at("ranks"),
          .value = json.at("value"),
          .best = json.at("best"),
          .less_is_better = json.at("less_is_better")};
}

std::string to_text(const RankFindings& findings) {
  Json json = {{"device", findings.device},
               {"readings", Json::array()},
               {"wrong", Json::array()},
               {"hashes", findings.hashes}};
  for (const Reading& reading : findings.readings) json["readings"].push_back(to_json(reading));
  for (const WrongResult& wrong : findings.wrong)
    json["wrong"].push_back({{"what", wrong.what}, {"ranks", wrong.ranks}});
  return json.dump();
}

RankFindings from_text(const std::string& text) {
  const Json json = Json::parse(text);
  RankFindings findings{.device = json.at("device"), .hashes = json.at("hashes")};
  for (const Json& reading : json.at("readings"))
    findings.readings.push_back(reading_from(reading));
  for (const Json& wrong : json.at("wrong"))
    findings.wrong.push_back({wrong.at("what"), wrong.at("ranks")});
  return findings;
}

RankFindings measure(const World& world, const HostMap& hosts, Stream& stream) {
  DeviceCheck device = check_device(stream, world.rank, [&] { greatest_of_all(world, stream); });
  LinkCheck links = check_links(world, hosts, stream);
  greatest_of_all(world, stream);  // the exchange of what was found has no time limit
  RankFindings all{.device = device_name(stream.device()),
                   .readings = std::move(device.readings),
                   .wrong = std::move(device.wrong),
                   .hashes = std::move(device.hashes)};
  all.readings.insert(all.readings.end(), links.readings.begin(), links.readings.end());
  all.wrong.insert(all.wrong.end(), links.wrong.begin(), links.wrong.end());
  return all;
}

/// "rank 37 (b07)", "ranks 3, 37 (b01, b07)"
std::string place_of(const std::vector<int>& ranks, const HostMap& hosts) {
  std::vector<std::string> names;
  for (const int rank : ranks)
    if (const std::string& name = hosts.host_name(rank);
        std::find(names.begin(), names.end(), name) == names.end())
      names.push_back(name);
  return fmt::format("{} {} ({})", ranks.size() == 1 ? "rank" : "ranks", number_ranges(ranks),
                     fmt::join(names, ", "));
}

/// A row for each kind of reading.
TextTable readings_table(std::span<const Reading> readings, const HostMap& hosts) {
  TextTable table{.title = "Readings",
                  .header = {"what", "among", "unit", "count", "min", "median", "max", "worst"}};
  std::map<std::pair<std::string, std::string>, std::vector<const Reading*>> kinds;
  for (const Reading& reading : readings) kinds[{reading.what, reading.among}].push_back(&reading);
  for (auto& [name, kind] : kinds) {
    std::sort(kind.begin(), kind.end(),
              [](const Reading* a, const Reading* b) { return a->value < b->value; });
    const Reading& worst = *(kind.front()->less_is_better ? kind.back() : kind.front());
    const auto number = [](const Reading* reading) {
      return fmt::format("{:.4g}", reading->value);
    };
    table.rows.push_back({name.first, name.second, worst.unit, std::to_string(kind.size()),
                          number(kind.front()), number(kind[(kind.size() - 1) / 2]),
                          number(kind.back()), place_of(worst.ranks, hosts)});
  }
  return table;
}

std::string text_of(const Outlier& outlier, const HostMap& hosts) {
  const Reading& r = outlier.reading;
  return fmt::format("{} ({}): {} has {:.4g} {}, {:.0f} % {} than the usual {:.4g}", r.what,
                     r.among, place_of(r.ranks, hosts), r.value, r.unit, 100 * outlier.excess(),
                     r.less_is_better ? "more" : "less", outlier.usual);
}

/// Hosts of bad ranks, each once.
std::vector<std::string> hosts_to_exclude(const Findings& findings, const HostMap& hosts) {
  std::set<int> nodes;
  for (const int rank : findings.bad_ranks)
    nodes.insert(hosts.node_of_rank[static_cast<size_t>(rank)]);
  std::vector<std::string> names;
  for (const int node : nodes) names.push_back(hosts.host_names[static_cast<size_t>(node)]);
  return names;
}

void print(const Findings& findings, std::span<const Reading> readings, const HostMap& hosts,
           const std::vector<std::string>& exclude) {
  std::cout << readings_table(readings, hosts).text() << "\n";
  for (const WrongResult& wrong : findings.wrong)
    std::cout << fmt::format("wrong: {}: {}\n", place_of(wrong.ranks, hosts), wrong.what);
  for (const Outlier& outlier : findings.outliers)
    std::cout << fmt::format("slow: {}\n", text_of(outlier, hosts));
  if (findings.empty()) std::cout << "every result is right, and no rank or link is slow\n";
  if (!exclude.empty()) std::cout << fmt::format("--exclude={}\n", fmt::join(exclude, ","));
  std::cout << std::flush;
}

Json record_of(const ParsedCommandLine& parsed, const Job& job,
               const std::vector<RankFindings>& ranks, std::span<const Reading> readings,
               const Findings& findings, const std::vector<std::string>& exclude) {
  Json record = record_head("node-check", version_text(), parsed.config, job.run, job.stream);
  record["hosts"] = job.hosts.host_names;
  record["node_of_rank"] = job.hosts.node_of_rank;
  for (const RankFindings& rank : ranks) record["devices"].push_back(rank.device);
  for (const char* key : {"readings", "slow", "wrong"}) record[key] = Json::array();
  for (const Reading& reading : readings) record["readings"].push_back(to_json(reading));
  for (const Outlier& outlier : findings.outliers) {
    Json slow = to_json(outlier.reading);
    slow["usual"] = outlier.usual;
    slow["excess"] = outlier.excess();
    record["slow"].push_back(std::move(slow));
  }
  for (const WrongResult& wrong : findings.wrong)
    record["wrong"].push_back({{"what", wrong.what}, {"ranks", wrong.ranks}});
  record["exclude"] = exclude;
  return record;
}

ExitCode report(const ParsedCommandLine& parsed, const Job& job,
                const std::vector<std::string>& texts) {
  std::vector<RankFindings> ranks;
  std::vector<Reading> readings;
  std::vector<WrongResult> wrong;
  std::vector<std::map<std::string, std::string>> hashes;
  for (const std::string& text : texts) {
    ranks.push_back(from_text(text));
    const RankFindings& rank = ranks.back();
    readings.insert(readings.end(), rank.readings.begin(), rank.readings.end());
    wrong.insert(wrong.end(), rank.wrong.begin(), rank.wrong.end());
    hashes.push_back(rank.hashes);
  }
  const Findings findings = judge(readings, std::move(wrong), hashes, job.hosts.node_of_rank);
  const std::vector<std::string> exclude = hosts_to_exclude(findings, job.hosts);
  print(findings, readings, job.hosts, exclude);
  if (const auto output = parsed.own.find("output"); output != parsed.own.end()) {
    std::ofstream file(output->second, std::ios::trunc);
    file << record_of(parsed, job, ranks, readings, findings, exclude).dump(1) << std::endl;
    if (!file) throw IoError("--output {}: writing failed", printable(output->second));
  }
  return findings.empty() ? ExitCode::ok : ExitCode::bad_node;
}

}  // namespace

void prepare_node_check(ParsedCommandLine& parsed) {
  if (parsed.origins.at("distributed_timeout_minutes").kind != OriginKind::command_line)
    parsed.config.parallel.distributed_timeout_minutes = kSilentMinutes;
}

int run_node_check(const ParsedCommandLine& parsed, std::unique_ptr<World>& world) {
  const RunConfig& config = parsed.config;
  Job job = join_grid(parsed, world);
  PhaseLimits limits;
  limits.set(Phase::setup, kLimit);
  const Watchdog watchdog(*world, {.limits = limits, .expire = end_process});
  if (const auto output = parsed.own.find("output"); world->rank == 0 &&
                                                     output != parsed.own.end() &&
                                                     !std::ofstream(output->second, std::ios::app))
    throw ConfigError("--output {}: cannot write there", printable(output->second));
  if (world->rank == 0)
    std::cout << version_text() << "\n"
              << fmt::format(
                     "{} ranks from {}: DP {} x TP {} x PP {}; a silent rank is given up "
                     "after {:.4g} minutes\n\n",
                     job.run.world_size, job.environment.source, job.run.dp, job.run.tp, job.run.pp,
                     config.parallel.distributed_timeout_minutes)
              << std::flush;
  const std::vector<std::string> texts =
      world->control->exchange(to_text(measure(*world, job.hosts, job.stream)));
  const ExitCode code = world->rank == 0 ? report(parsed, job, texts) : ExitCode::ok;
  world->control->barrier();
  return static_cast<int>(code);
}

}  // namespace swallow
