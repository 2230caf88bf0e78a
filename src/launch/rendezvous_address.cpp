#include "launch/rendezvous_address.h"

#include <charconv>
#include <cstdint>
#include <fstream>

#include "base/check.h"
#include "launch/host_list.h"

namespace swallow {
namespace {

constexpr int kLastPort = 65535;

struct HostPort {
  std::string host;
  int port = 0;  // 0: not given
};

/// "host", "host:port", "[v6]:port" or a bare IPv6 address. `name` is what to call it in an error.
HostPort parse_host_port(std::string_view name, std::string_view text) {
  std::string_view host = text;
  std::string_view port;
  bool has_port = false;
  if (text.starts_with('[')) {
    const size_t close = text.find(']');
    if (close == std::string_view::npos)
      throw ConfigError("{}={}: a bracket is not closed; expected host:port", name, text);
    host = text.substr(1, close - 1);
    const std::string_view rest = text.substr(close + 1);
    if (!rest.empty() && rest.front() != ':')
      throw ConfigError("{}={}: expected [address]:port", name, text);
    has_port = !rest.empty();
    if (has_port) port = rest.substr(1);
  } else if (const size_t colon = text.find(':');
             colon != std::string_view::npos && colon == text.rfind(':')) {
    host = text.substr(0, colon);
    port = text.substr(colon + 1);
    has_port = true;
  }
  if (host.empty() || host.find_first_of(" \t\n/") != std::string_view::npos)
    throw ConfigError("{}={}: expected host:port", name, text);
  HostPort result{.host = std::string(host)};
  if (has_port) {
    const char* end = port.data() + port.size();
    const auto [stop, error] = std::from_chars(port.data(), end, result.port);
    if (error != std::errc{} || stop != end || result.port < 1 || result.port > kLastPort)
      throw ConfigError("{}={}: the port must be a number from 1 to {}", name, text, kLastPort);
  }
  return result;
}

/// Below Linux's ephemeral ports (32768 and up), and the same on every rank.
int default_port(std::string_view run_id) {
  uint32_t hash = 2166136261U;  // FNV-1a
  for (const char c : run_id) hash = (hash ^ static_cast<uint8_t>(c)) * 16777619U;
  return 20000 + static_cast<int>(hash % 12000);
}

/// The first word of a node file; empty if the file is not there (only the first host may have it).
std::string first_line_host(const std::string& path) {
  std::ifstream file(path);
  std::string host;
  file >> host;
  return host;
}

/// Open MPI 4's address of mpirun's daemon, "123.0;tcp://10.0.0.1,10.1.0.1:4711;tcp6://[...]:4712".
std::vector<std::string> hosts_of_hnp_uri(std::string_view uri) {
  constexpr std::string_view kScheme = "tcp://";
  constexpr size_t kMostAddresses = 16;
  std::vector<std::string> hosts;
  const size_t start = uri.find(kScheme);
  if (start == std::string_view::npos) return hosts;
  uri.remove_prefix(start + kScheme.size());
  uri = uri.substr(0, uri.find(';'));
  uri = uri.substr(0, uri.rfind(':'));
  while (!uri.empty() && hosts.size() < kMostAddresses) {
    const size_t comma = uri.find(',');
    if (comma != 0) hosts.emplace_back(uri.substr(0, comma));
    uri.remove_prefix(comma == std::string_view::npos ? uri.size() : comma + 1);
  }
  return hosts;
}

/// Candidates for rank 0's host when nobody has named it; empty when nothing tells.
std::vector<std::string> find_hosts(VariableReader& reader, const LaunchEnvironment& environment) {
  if (environment.local_size == environment.world_size) return {"127.0.0.1"};
  // Under mpirun the step is mpirun's daemon and may lack the first host, so only srun's own ranks
  // read the step's list.
  if (environment.source == "Slurm step")
    if (const auto list = reader.text("SLURM_STEP_NODELIST"))
      return {expand_host_list(*list).front()};
  if (const auto list = reader.text("SLURM_JOB_NODELIST")) return {expand_host_list(*list).front()};
  if (const auto uri = reader.text("OMPI_MCA_orte_hnp_uri")) {
    std::vector<std::string> hosts = hosts_of_hnp_uri(*uri);
    if (!hosts.empty()) return hosts;
  }
  for (const std::string_view name : {"PBS_NODEFILE", "SGE_JOB_HOSTLIST"}) {
    const auto path = reader.peek(name);
    if (!path) continue;
    const std::string host = first_line_host(*path);
    if (host.empty()) continue;
    static_cast<void>(reader.text(name));  // it decided, so it is recorded
    return {host};
  }
  return {};
}

}  // namespace

void resolve_rendezvous_address(VariableReader& reader, std::string_view flag,
                                LaunchEnvironment& environment) {
  HostPort address;
  if (!flag.empty()) {
    address = parse_host_port("--rendezvous", flag);
  } else if (const auto own = reader.text("SWALLOW_RENDEZVOUS")) {
    address = parse_host_port("SWALLOW_RENDEZVOUS", *own);
  } else if (const auto master = reader.text("MASTER_ADDR")) {
    address.host = *master;
    // torchrun's agent listens on MASTER_PORT itself, so rank 0 takes the next one.
    const int offset = environment.source == "torchrun" ? 1 : 0;
    if (const auto port = reader.integer("MASTER_PORT", 1, kLastPort - offset))
      address.port = *port + offset;
  } else {
    environment.other_hosts = find_hosts(reader, environment);
    if (!environment.other_hosts.empty()) {
      address.host = environment.other_hosts.front();
      environment.other_hosts.erase(environment.other_hosts.begin());
    }
  }
  environment.rendezvous_host = address.host;
  environment.rendezvous_port = address.port > 0 ? address.port : default_port(environment.run_id);
}

}  // namespace swallow
