#include "comm/shared_groups.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <string>
#include <vector>

#include "base/math.h"
#include "comm/shared_layout.h"
#include "launch/host_map.h"

namespace swallow {

namespace {

using Hosts = std::vector<std::string>;  // what place_of_this_process() says, by rank

/// Equal for two ranks that can see each other's processes. Hosts are taken apart by name too, so
/// that machines which a test or a container runtime only pretends count as such.
std::string place_of_this_process() {
  char space[PATH_MAX] = {};
  if (readlink("/proc/self/ns/pid", space, sizeof space - 1) <= 0) return {};
  const HostIdentity host = this_host();
  return fmt::format("{} {} {}", host.boot_id, space, host.name);
}

bool on_one_host(const GroupPlace& group, const Hosts& hosts) {
  const std::string& first = hosts[static_cast<size_t>(group.global(0))];
  return !first.empty() && std::all_of(group.members.begin(), group.members.end(), [&](int rank) {
    return hosts[static_cast<size_t>(rank)] == first;
  });
}

/// Three lines, by axis; empty where there is no offer.
std::string write_offers(const SharedGroups& shared) {
  std::string text;
  for (const auto& memory : shared.memory) text += (memory ? memory->offer() : "") + "\n";
  return text;
}

std::string read_offer(const std::string& text, size_t axis) {
  size_t begin = 0;
  for (; axis > 0; --axis) begin = text.find('\n', begin) + 1;
  return text.substr(begin, text.find('\n', begin) - begin);
}

void create(SharedGroups& shared, const GroupPlaces& groups, const Hosts& hosts) {
  for (size_t axis = 0; axis < groups.size(); ++axis) {
    const GroupPlace& group = groups[axis];
    if (group.size() > 1 && group.index == 0 && on_one_host(group, hosts))
      shared.memory[axis] = SharedSegment::create(SharedLayout(group.size()).bytes());
  }
}

void open(SharedGroups& shared, const GroupPlaces& groups, const std::vector<std::string>& offers) {
  for (size_t axis = 0; axis < groups.size(); ++axis) {
    if (groups[axis].index == 0) continue;
    const auto owner = static_cast<size_t>(groups[axis].global(0));
    shared.memory[axis] = SharedSegment::open(read_offer(offers[owner], axis));
  }
}

/// What a rank reports of each group.
constexpr char kAlone = '-', kShared = '+', kApart = '0';

std::string report(const SharedGroups& shared, const GroupPlaces& groups) {
  std::string text;
  for (size_t axis = 0; axis < groups.size(); ++axis)
    text += groups[axis].size() == 1 ? kAlone : shared.memory[axis] ? kShared : kApart;
  return text;
}

/// A group shares memory when all of its members can map it.
void agree(SharedGroups& shared, const GroupPlaces& groups,
           const std::vector<std::string>& reports) {
  for (size_t axis = 0; axis < groups.size(); ++axis)
    for (const int rank : groups[axis].members)
      if (reports[static_cast<size_t>(rank)].at(axis) != kShared) shared.memory[axis].reset();
}

void survey(SharedGroups& shared, const std::vector<std::string>& reports) {
  for (size_t axis = 0; axis < shared.memory.size(); ++axis) {
    const auto some = [&](char what) {
      return std::any_of(reports.begin(), reports.end(),
                         [&](const std::string& text) { return text.at(axis) == what; });
    };
    shared.some_with[axis] = some(kShared);
    shared.some_without[axis] = some(kApart);
  }
}

}  // namespace

SharedGroups share_memory(const GroupPlaces& places, ControlPlane& control) {
  SharedGroups shared;
  const Hosts hosts = control.exchange(place_of_this_process());
  create(shared, places, hosts);
  open(shared, places, control.exchange(write_offers(shared)));
  agree(shared, places, control.exchange(report(shared, places)));
  survey(shared, control.exchange(report(shared, places)));
  const std::string& own = hosts[static_cast<size_t>(control.rank())];
  shared.num_neighbours = narrow<int>(std::count(hosts.begin(), hosts.end(), own));
  return shared;
}

}  // namespace swallow
