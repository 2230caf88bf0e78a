#include "plan/collective_costs.h"

#include <algorithm>
#include <cmath>

namespace swallow {

namespace {

Link inside_node(const HardwareProfile& hw) {
  return {hw.link_gbytes_per_second * 1e9, hw.link_latency_us * 1e-6};
}

/// `sharers`: ranks of a node that use its network at the same time. `ranks`: of the collective,
/// whose messages to distant ranks take turns as in a tree.
Link across_nodes(const HardwareProfile& hw, int64_t sharers, int64_t ranks) {
  const double share = hw.network_gbytes_per_second / static_cast<double>(sharers);
  return {std::min(share, hw.link_gbytes_per_second) * 1e9,
          hw.network_latency_us * 1e-6 *
              std::max(1.0, std::log2(static_cast<double>(std::max<int64_t>(ranks, 1))))};
}

double share_moved(int64_t ranks) {
  return static_cast<double>(ranks - 1) / static_cast<double>(ranks);
}

}  // namespace

Link tensor_link(const HardwareProfile& hw, const StepCase& c) {
  return c.tp <= hw.ranks_per_node ? inside_node(hw) : across_nodes(hw, 1, c.tp);
}

Link data_link(const HardwareProfile& hw, const StepCase& c) {
  if (c.tp * c.dp <= hw.ranks_per_node) return inside_node(hw);
  return across_nodes(hw, std::min(c.tp, hw.ranks_per_node), c.dp);
}

Link pipeline_link(const HardwareProfile& hw, const StepCase& c) {
  if (c.world_size() <= hw.ranks_per_node) return inside_node(hw);
  return across_nodes(hw, std::min(c.tp * c.dp, hw.ranks_per_node), 1);
}

double gather_seconds(const Link& link, int64_t ranks, double bytes) {
  if (ranks == 1) return 0;
  return link.latency_seconds + share_moved(ranks) * bytes / link.bytes_per_second;
}

double reduce_scatter_seconds(const Link& link, int64_t ranks, double bytes) {
  return gather_seconds(link, ranks, bytes);
}

double all_reduce_seconds(const Link& link, int64_t ranks, double bytes) {
  if (ranks == 1) return 0;
  return link.latency_seconds + 2 * share_moved(ranks) * bytes / link.bytes_per_second;
}

double send_seconds(const Link& link, double bytes) {
  return link.latency_seconds + bytes / link.bytes_per_second;
}

}  // namespace swallow
