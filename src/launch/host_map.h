// Which ranks share a host, from what every rank said about itself. Launchers name hosts in too
// many ways, and some not at all, to take this from the environment. Nor do all of them put
// consecutive ranks on a host (srun --distribution=cyclic, mpirun --map-by node), as the process
// grid wants it to keep tensor-parallel groups together: so ranks are numbered anew by host.
#pragma once

#include <string>
#include <vector>

namespace swallow {

/// The name alone does not tell hosts apart ("localhost" twice), nor does the boot id (containers).
struct HostIdentity {
  std::string name;
  std::string boot_id;
  friend bool operator==(const HostIdentity&, const HostIdentity&) = default;
};

/// Of the machine this process runs on.
HostIdentity this_host();

/// The launcher's ranks in the order of ours, by which those of a host are consecutive; hosts come
/// in the order of their lowest rank, and so do the ranks of a host. `hosts[rank]` is where a
/// launcher's rank runs. Rank 0 is always itself.
std::vector<int> grouped_by_host(const std::vector<HostIdentity>& hosts);

struct HostMap {
  std::vector<int> node_of_rank;        // [world size]; nodes are numbered by their lowest rank
  std::vector<std::string> host_names;  // [nodes]
  std::vector<int> launcher_ranks;      // [world size]; empty: the launcher's numbers are ours

  /// `hosts[rank]` is where that rank runs.
  static HostMap from(const std::vector<HostIdentity>& hosts);

  [[nodiscard]] int num_nodes() const noexcept { return static_cast<int>(host_names.size()); }
  [[nodiscard]] const std::string& host_name(int rank) const;
  /// Position of a rank among those of its host, and how many these are.
  [[nodiscard]] int local_rank(int rank) const;
  [[nodiscard]] int local_size(int rank) const;
};

}  // namespace swallow
