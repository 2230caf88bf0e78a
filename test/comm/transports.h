// Runs one test body over every transport.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "base/check.h"
#include "comm/thread_communicator.h"
#include "support/ranks.h"

namespace swallow {

enum class Transport { threads, memory, sockets };
inline constexpr Transport kTransports[] = {Transport::threads, Transport::memory,
                                            Transport::sockets};

inline std::string name_of(Transport transport) {
  return transport == Transport::threads  ? "threads"
         : transport == Transport::memory ? "shared memory"
                                          : "sockets";
}

/// Ranks are threads of this process in all cases; `timeout` is for those that could be processes.
inline void run_over(Transport transport, GridShape shape, const std::function<void(World&)>& body,
                     std::chrono::milliseconds timeout = std::chrono::minutes(1)) {
  if (transport == Transport::threads) return run_ranks(shape, body);
  ThreadJob job(shape);
  const ProcessGrid grid(shape);
  const TransportOptions options{
      .host = "127.0.0.1",
      .timeout = timeout,
      .backend = transport == Transport::memory ? CommBackend::automatic : CommBackend::sockets};
  run_ranks(
      job, shape.world_size(),
      [&](int rank) { return make_world(grid, rank, job.control(rank), options); }, body);
}

template <class T>
Tensor tensor_of(std::vector<T>& values) {
  return {values.data(), kDTypeOf<T>, {static_cast<int64_t>(values.size())}, {}};
}

/// For use on the ranks' threads, where Catch2's assertions must not be used.
template <class... Args>
void expect(bool condition, fmt::format_string<Args...> format, Args&&... args) {
  if (!condition) throw std::runtime_error(fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace swallow
