// Slurm's host lists and task counts are refused, or come to no more than a job may have.
#include <algorithm>

#include "fuzz/fuzz_target.h"
#include "launch/host_list.h"

using namespace swallow;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  std::vector<std::string> hosts;
  if (fuzz::accepted([&] { hosts = expand_host_list(text); })) {
    fuzz::require(hosts.size() <= 65536);
    // A list without brackets is its own expansion.
    std::string joined;
    for (const std::string& host : hosts) joined += (joined.empty() ? "" : ",") + host;
    if (joined.size() <= 2048) fuzz::require(expand_host_list(joined) == hosts);
  }
  std::vector<int> counts;
  if (fuzz::accepted([&] { counts = expand_task_counts(text); })) {
    fuzz::require(counts.size() <= 65536);
    fuzz::require(std::ranges::all_of(counts, [](int count) { return count >= 0; }));
  }
  return 0;
}
