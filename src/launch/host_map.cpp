#include "launch/host_map.h"

#include <unistd.h>

#include <algorithm>
#include <climits>
#include <fstream>
#include <numeric>

#include "base/check.h"

namespace swallow {

HostIdentity this_host() {
  HostIdentity host;
  char name[HOST_NAME_MAX + 1] = {};
  host.name = gethostname(name, HOST_NAME_MAX) == 0 ? name : "unknown";
  std::ifstream("/proc/sys/kernel/random/boot_id") >> host.boot_id;
  return host;
}

std::vector<int> grouped_by_host(const std::vector<HostIdentity>& hosts) {
  const std::vector<int> node = HostMap::from(hosts).node_of_rank;
  std::vector<int> ranks(hosts.size());
  std::iota(ranks.begin(), ranks.end(), 0);
  std::ranges::stable_sort(ranks, {}, [&](int rank) { return node[static_cast<size_t>(rank)]; });
  return ranks;
}

HostMap HostMap::from(const std::vector<HostIdentity>& hosts) {
  HostMap map;
  std::vector<HostIdentity> seen;
  for (const HostIdentity& host : hosts) {
    const auto at = std::find(seen.begin(), seen.end(), host);
    map.node_of_rank.push_back(static_cast<int>(at - seen.begin()));
    if (at != seen.end()) continue;
    seen.push_back(host);
    map.host_names.push_back(host.name);
  }
  return map;
}

const std::string& HostMap::host_name(int rank) const {
  return host_names.at(static_cast<size_t>(node_of_rank.at(static_cast<size_t>(rank))));
}

int HostMap::local_rank(int rank) const {
  const auto end = node_of_rank.begin() + rank;
  return static_cast<int>(
      std::count(node_of_rank.begin(), end, node_of_rank.at(static_cast<size_t>(rank))));
}

int HostMap::local_size(int rank) const {
  return static_cast<int>(std::count(node_of_rank.begin(), node_of_rank.end(),
                                     node_of_rank.at(static_cast<size_t>(rank))));
}

}  // namespace swallow
