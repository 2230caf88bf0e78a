// Ranks of one job as threads of a test, which meet on a free port of the loopback.
#pragma once

#include <unistd.h>

#include <catch2/catch.hpp>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "base/check.h"
#include "launch/rendezvous.h"

namespace swallow {

class MeetingJob {
 public:
  explicit MeetingJob(int size) : size_(size), listener_(listen_tcp("127.0.0.1", 0, 512)) {
    options.timeouts = {.meet = std::chrono::minutes(2), .exchange = std::chrono::minutes(2)};
  }

  [[nodiscard]] int port() const { return local_port(listener_); }

  [[nodiscard]] LaunchEnvironment environment(int rank) const {
    LaunchEnvironment result;
    result.rank = rank;
    result.world_size = size_;
    result.run_id = "test-run";
    result.rendezvous_host = "127.0.0.1";
    result.rendezvous_port = port();
    // The thread of rank 0 takes over a duplicate, as a child process would.
    if (rank == 0) result.listen_fd = dup(listener_.fd());
    return result;
  }

  /// Runs `body(rank, options)` in a thread per rank; what each threw, "" for nothing.
  std::vector<std::string> run(
      const std::vector<int>& ranks,
      const std::function<void(LaunchEnvironment, RendezvousOptions)>& body) const {
    std::vector<std::string> errors(static_cast<size_t>(size_));
    std::vector<std::thread> threads;
    for (const int rank : ranks) {
      threads.emplace_back([&, rank, where = environment(rank)] {
        std::string& error = errors[static_cast<size_t>(rank)];
        try {
          body(where, options);
        } catch (const ConfigError& e) {
          error = fmt::format("ConfigError: {}", e.what());
        } catch (const CommError& e) {
          error = fmt::format("CommError: {}", e.what());
        } catch (const std::exception& e) {
          error = fmt::format("other: {}", e.what());
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    return errors;
  }

  /// The usual case: everybody meets, then runs `body`.
  std::vector<std::string> run_met(const std::function<void(Meeting&)>& body) const {
    std::vector<int> ranks;
    for (int rank = 0; rank < size_; ++rank) ranks.push_back(rank);
    return run(ranks, [&](const LaunchEnvironment& where, const RendezvousOptions& how) {
      Meeting meeting = meet(where, how);
      body(meeting);
    });
  }

  RendezvousOptions options;

 private:
  int size_;
  Socket listener_;
};

inline void require_no_errors(const std::vector<std::string>& errors) {
  for (size_t rank = 0; rank < errors.size(); ++rank) {
    CAPTURE(rank);
    REQUIRE(errors[rank] == "");
  }
}

}  // namespace swallow
