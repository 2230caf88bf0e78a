#include "comm/device_choice.h"

#include <map>

#include "base/check.h"

namespace swallow {

Device choose_device(const LocalPlace& place, CommBackend backend) {
  if (place.num_visible == 0)
    throw ConfigError(
        "--backend cuda: this host has no GPU that rank {} of its {} may use; expected one for "
        "each rank (see nvidia-smi, CUDA_VISIBLE_DEVICES)",
        place.rank, place.size);
  if (place.num_visible == 1) return {DeviceKind::cuda, 0};
  if (place.rank < place.num_visible) return {DeviceKind::cuda, place.rank};
  if (backend == CommBackend::host || backend == CommBackend::sockets)
    return {DeviceKind::cuda, place.rank % place.num_visible};
  throw ConfigError(
      "{} ranks on a host with {} GPUs: NCCL needs a GPU for each rank; expected at most {} ranks "
      "a "
      "host, or --comm host, which lets ranks share a GPU",
      place.size, place.num_visible, place.num_visible);
}

void refuse_shared_devices(const std::vector<std::string>& uuid_of_rank) {
  std::map<std::string, std::vector<size_t>> ranks_of;
  for (size_t rank = 0; rank < uuid_of_rank.size(); ++rank)
    ranks_of[uuid_of_rank[rank]].push_back(rank);
  std::string shared;
  for (const auto& [uuid, ranks] : ranks_of)
    if (ranks.size() > 1)
      shared += fmt::format("{}ranks {} share {}", shared.empty() ? "" : "; ",
                            fmt::join(ranks, ", "), uuid);
  if (!shared.empty())
    throw ConfigError(
        "{}: NCCL needs a GPU for each rank; expected as many GPUs as ranks, or --comm host, which "
        "lets ranks share a GPU",
        shared);
}

}  // namespace swallow
