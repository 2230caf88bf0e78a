// What a rank says of itself when it joins, and the check that all of them belong to one job.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "launch/host_map.h"

namespace swallow {

struct Greeting {
  std::string run_id;
  int rank = 0;
  int world_size = 1;
  HostIdentity host;
  std::string build_id;       // which binary
  std::string config_digest;  // which settings

  [[nodiscard]] std::string encode() const;
  /// Nothing when the bytes are no greeting.
  static std::optional<Greeting> decode(std::string_view bytes);
};

/// Where each of them runs.
std::vector<HostIdentity> hosts_of(const std::vector<Greeting>& greetings);

/// "3, 7-9": ranks in increasing order, runs of three and more shortened.
std::string format_ranks(const std::vector<int>& ranks);

/// Says which ranks run another program or configuration than rank 0; empty when all agree.
/// `greetings[rank]`.
std::string describe_mismatch(const std::vector<Greeting>& greetings);

}  // namespace swallow
