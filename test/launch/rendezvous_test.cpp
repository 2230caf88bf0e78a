#include "launch/rendezvous.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <cstring>
#include <functional>
#include <mutex>
#include <thread>

#include "base/check.h"
#include "launch/message.h"

using namespace std::chrono_literals;
using Catch::Contains;
using swallow::CommError;
using swallow::ConfigError;
using swallow::ControlPlane;
using swallow::LaunchEnvironment;
using swallow::Meeting;
using swallow::RendezvousOptions;
using swallow::Socket;

namespace {

/// Ranks of one job as threads that meet on a free port of the loopback.
class Job {
 public:
  explicit Job(int size) : size_(size), listener_(swallow::listen_tcp("127.0.0.1", 0, 512)) {
    options.timeouts = {.meet = 120s, .exchange = 120s};
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

/// Sleeps until the control plane has news; false when none comes.
bool wait_for_news(const ControlPlane& control) {
  pollfd entry{control.wake_fd(), POLLIN, 0};
  return poll(&entry, 1, 120'000) == 1;
}

/// What a process that is killed leaves: its connection ends without a goodbye.
void die(const ControlPlane& control) {
  shutdown(control.wake_fd(), SHUT_RDWR);
}

void require_no_errors(const std::vector<std::string>& errors) {
  for (size_t rank = 0; rank < errors.size(); ++rank) {
    CAPTURE(rank);
    REQUIRE(errors[rank] == "");
  }
}

std::string blob_of(int rank, int round) {
  const auto size = static_cast<size_t>((rank * 131 + round * 17) % 1000);
  return std::string(size, static_cast<char>('a' + (rank + round) % 26)) + std::to_string(rank);
}

}  // namespace

TEST_CASE("every rank gets every blob in rank order", "[ranks]") {
  const int size = GENERATE(2, 8, 64);
  const Job job(size);
  const auto errors = job.run_met([&](Meeting& meeting) {
    SWALLOW_CHECK(meeting.control->size() == size, "size");
    for (int round = 0; round < 5; ++round) {
      const auto blobs = meeting.control->exchange(blob_of(meeting.control->rank(), round));
      SWALLOW_CHECK(static_cast<int>(blobs.size()) == size, "{} blobs", blobs.size());
      for (int rank = 0; rank < size; ++rank)
        SWALLOW_CHECK(blobs[static_cast<size_t>(rank)] == blob_of(rank, round), "blob {}", rank);
      meeting.control->check();
    }
    meeting.control->barrier();
  });
  require_no_errors(errors);
}

TEST_CASE("blobs may be as large as a message and no larger", "[ranks]") {
  const Job job(3);
  const auto errors = job.run_met([](Meeting& meeting) {
    const bool large = meeting.control->rank() == 1;
    std::string blob(large ? 16 << 20 : 3, static_cast<char>('0' + meeting.control->rank()));
    const auto blobs = meeting.control->exchange(blob);
    SWALLOW_CHECK(blobs[1] == std::string(16 << 20, '1') && blobs[2] == "222", "wrong blobs");
    blob += std::string(large ? 1 : 16 << 20, 'x');
    bool refused = false;
    try {
      meeting.control->exchange(blob);
    } catch (const swallow::ContractError&) {
      refused = true;
    }
    SWALLOW_CHECK(refused, "more than 16 MiB was taken");
    meeting.control->barrier();
  });
  require_no_errors(errors);
}

TEST_CASE("nothing wakes a rank while all is well", "[ranks]") {
  const Job job(4);
  std::atomic<int> quiet = 0;
  const auto errors = job.run_met([&](Meeting& meeting) {
    for (int round = 0; round < 20; ++round) {
      meeting.control->barrier();
      pollfd entry{meeting.control->wake_fd(), POLLIN, 0};
      if (poll(&entry, 1, 0) == 0) ++quiet;
    }
  });
  require_no_errors(errors);
  REQUIRE(quiet == 80);
}

TEST_CASE("ranks on the same host and boot are neighbours", "[ranks]") {
  const Job job(6);
  std::vector<swallow::HostMap> maps(6);
  const auto errors =
      job.run({0, 1, 2, 3, 4, 5}, [&](const LaunchEnvironment& where, RendezvousOptions how) {
        // Ranks 0, 1, 4 on a; 2, 5 on b; 3 on another machine that is called a as well.
        const std::vector<swallow::HostIdentity> hosts = {{"a", "1"}, {"a", "1"}, {"b", "2"},
                                                          {"a", "3"}, {"a", "1"}, {"b", "2"}};
        how.host = hosts[static_cast<size_t>(where.rank)];
        maps[static_cast<size_t>(where.rank)] = meet(where, how).hosts;
      });
  require_no_errors(errors);
  for (const swallow::HostMap& map : maps) {
    REQUIRE(map.node_of_rank == std::vector<int>{0, 0, 1, 2, 0, 1});
    REQUIRE(map.host_names == std::vector<std::string>{"a", "b", "a"});
    REQUIRE(map.num_nodes() == 3);
    REQUIRE(map.local_rank(4) == 2);
    REQUIRE(map.local_size(4) == 3);
    REQUIRE(map.local_rank(5) == 1);
    REQUIRE(map.local_size(3) == 1);
    REQUIRE(map.host_name(5) == "b");
  }
}

TEST_CASE("a dead rank is noticed by all others, waiting or not", "[ranks]") {
  const int size = GENERATE(8, 64);
  const int victim = GENERATE(3, 0);
  Job job(size);
  job.options.host = {.name = "some-host", .boot_id = "b"};
  const auto errors = job.run_met([&](Meeting& meeting) {
    ControlPlane& control = *meeting.control;
    control.barrier();
    if (control.rank() == victim) return die(control);
    if (control.rank() % 2 == 0) {
      control.barrier();  // throws
    } else {
      SWALLOW_CHECK(wait_for_news(control), "no news");
      control.check();  // throws
    }
  });
  for (int rank = 0; rank < size; ++rank) {
    CAPTURE(rank);
    const std::string& error = errors[static_cast<size_t>(rank)];
    if (rank == victim)
      CHECK(error == "");
    else
      CHECK_THAT(error, Catch::StartsWith("CommError") &&
                            Contains(fmt::format("rank {} on some-host", victim)));
  }
}

TEST_CASE("the first reason for an abort reaches every rank and stays", "[ranks]") {
  const Job job(8);
  const auto errors = job.run_met([](Meeting& meeting) {
    ControlPlane& control = *meeting.control;
    control.barrier();
    if (control.rank() == 5) {
      control.abort("loss is not finite");
      control.abort("a later reason");
    }
    SWALLOW_CHECK(wait_for_news(control), "no news");
    for (int i = 0; i < 3; ++i) {
      try {
        i == 1 ? control.barrier() : control.check();
        SWALLOW_CHECK(false, "the abort was forgotten");
      } catch (const CommError&) {
      }
      SWALLOW_CHECK(wait_for_news(control), "the descriptor went quiet");
    }
    control.check();
  });
  for (const std::string& error : errors)
    CHECK_THAT(error, Contains("rank 5") && Contains("loss is not finite"));
}

TEST_CASE("a rank that ends by an exception takes the others with it", "[ranks]") {
  const int victim = GENERATE(0, 2);
  const Job job(4);
  const auto errors = job.run_met([&](Meeting& meeting) {
    if (meeting.control->rank() == victim) throw std::runtime_error("bad file");
    meeting.control->barrier();
  });
  for (int rank = 0; rank < 4; ++rank)
    CHECK_THAT(errors[static_cast<size_t>(rank)],
               rank == victim ? Contains("bad file") : Contains(fmt::format("rank {} on", victim)));
}

TEST_CASE("a rank that says goodbye while others wait for it is named", "[ranks]") {
  const int leaver = GENERATE(0, 3);
  const Job job(4);
  const auto errors = job.run_met([&](Meeting& meeting) {
    if (meeting.control->rank() != leaver) meeting.control->barrier();
  });
  for (int rank = 0; rank < 4; ++rank) {
    if (rank != leaver)
      CHECK_THAT(errors[static_cast<size_t>(rank)],
                 Contains(fmt::format("rank {} on", leaver)) && Contains("has ended"));
  }
}

TEST_CASE("a rank that is late for an exchange is named", "[ranks]") {
  Job job(4);
  job.options.timeouts.exchange = 100ms;
  const auto errors = job.run_met([](Meeting& meeting) {
    if (meeting.control->rank() != 2) meeting.control->barrier();
    SWALLOW_CHECK(wait_for_news(*meeting.control), "no news");
    meeting.control->check();
  });
  for (const std::string& error : errors)
    CHECK_THAT(error, Contains("did not come to an exchange") && Catch::EndsWith(": 2"));
}

TEST_CASE("ranks that never come are named after the time limit", "[ranks]") {
  Job job(7);
  job.options.timeouts.meet = 200ms;
  const auto errors = job.run({0, 2}, [](const LaunchEnvironment& where,
                                         const RendezvousOptions& how) { meet(where, how); });
  for (const int rank : {0, 2})
    CHECK_THAT(errors[static_cast<size_t>(rank)],
               Catch::StartsWith("CommError") && Contains("1, 3-6"));
}

TEST_CASE("a rank that finds no rank 0 says where it looked", "[ranks]") {
  Job job(2);
  job.options.timeouts.meet = 50ms;
  LaunchEnvironment where = job.environment(1);
  { where.rendezvous_port = local_port(swallow::listen_tcp("127.0.0.1", 0, 1)); }
  REQUIRE_THROWS_WITH(meet(where, job.options),
                      Contains("127.0.0.1") && Contains(std::to_string(where.rendezvous_port)));
}

TEST_CASE("an unknown address and a bad inherited socket are configuration errors", "[unit]") {
  LaunchEnvironment where;
  where.world_size = 2;
  where.source = "Hydra";
  REQUIRE_THROWS_WITH(meet(where, {}), Contains("MASTER_ADDR") && Contains("Hydra"));
  where.rendezvous_host = "127.0.0.1";
  where.listen_fd = swallow::socket_pair().first.fd();  // closed by now
  REQUIRE_THROWS_AS(meet(where, {}), ConfigError);
}

TEST_CASE("ranks with another build or configuration are named on all ranks", "[ranks]") {
  const bool build = GENERATE(true, false);
  const Job job(8);
  const auto errors =
      job.run({0, 1, 2, 3, 4, 5, 6, 7}, [&](const LaunchEnvironment& where, RendezvousOptions how) {
        const bool odd = where.rank == 2 || where.rank >= 5;
        (build ? how.build_id : how.config_digest) = odd ? "new" : "old";
        meet(where, how);
      });
  for (const std::string& error : errors)
    CHECK_THAT(error, Catch::StartsWith("ConfigError") && Contains("ranks 2, 5-7") &&
                          Contains(build ? "another build" : "another configuration"));
}

TEST_CASE("a rank with another world size ends the job at once", "[ranks]") {
  const Job job(3);  // rank 2 never comes, and nobody waits for it
  const auto errors = job.run({0, 1}, [&](LaunchEnvironment where, const RendezvousOptions& how) {
    if (where.rank == 1) where.world_size = 5;
    meet(where, how);
  });
  for (const int rank : {0, 1})
    CHECK_THAT(errors[static_cast<size_t>(rank)],
               Catch::StartsWith("ConfigError") && Contains("one of 5 ranks, rank 0 of 3"));
}

TEST_CASE("a rank given twice ends the job at once", "[ranks]") {
  const Job job(4);  // rank 3 never comes, and nobody waits for it
  const auto errors = job.run({0, 1, 2}, [&](LaunchEnvironment where, RendezvousOptions how) {
    if (where.rank == 2) where.rank = 1;
    how.host = {.name = fmt::format("host{}", where.rank), .boot_id = ""};
    meet(where, how);
  });
  for (const int rank : {0, 1, 2})
    CHECK_THAT(errors[static_cast<size_t>(rank)],
               Catch::StartsWith("ConfigError") &&
                   Contains("two processes were started as rank 1, on host1 and host1"));
}

TEST_CASE("strangers on the port do not disturb the job", "[ranks]") {
  const Job job(4);
  const auto connect = [&] {
    return swallow::connect_tcp("127.0.0.1", job.port(), swallow::deadline_after(5s));
  };
  const auto say = [](const Socket& socket, std::string_view text) {
    send_all(socket, text.data(), text.size(), swallow::deadline_after(5s));
  };
  std::vector<Socket> strangers;
  for (int i = 0; i < 6; ++i) strangers.push_back(connect());
  say(strangers[0], "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  say(strangers[1], "SW");  // and then nothing, for ever
  say(strangers[2], encode_message(swallow::MessageType::greeting, "no list of texts"));
  say(strangers[3], encode_message(swallow::MessageType::blob, "not yet greeted"));
  std::string huge = encode_message(swallow::MessageType::greeting, "");
  huge[11] = 0x7f;  // the length's highest byte: 2 GB announced
  say(strangers[4], huge);
  strangers[5].close();
  const auto errors = job.run_met([](Meeting& meeting) { meeting.control->barrier(); });
  require_no_errors(errors);
}

TEST_CASE("two jobs on the same first port both meet", "[ranks]") {
  int port = 0;
  { port = local_port(swallow::listen_tcp("127.0.0.1", 0, 1)); }
  constexpr int kSize = 4;
  std::vector<std::string> blobs(2 * kSize);
  std::vector<std::thread> threads;
  std::mutex mutex;
  for (int job = 0; job < 2; ++job) {
    for (int rank = 0; rank < kSize; ++rank) {
      threads.emplace_back([&, job, rank] {
        LaunchEnvironment where;
        where.rank = rank;
        where.world_size = kSize;
        where.run_id = fmt::format("job {}", job);
        where.rendezvous_host = "127.0.0.1";
        where.rendezvous_port = port;
        std::string text;
        try {
          RendezvousOptions how;
          how.timeouts = {.meet = 120s, .exchange = 120s};
          Meeting meeting = meet(where, how);
          for (const std::string& blob : meeting.control->exchange(std::to_string(job)))
            text += blob;
        } catch (const std::exception& error) {
          text = error.what();
        }
        const std::lock_guard lock(mutex);
        blobs[static_cast<size_t>(job * kSize + rank)] = text;
      });
    }
  }
  for (std::thread& thread : threads) thread.join();
  for (size_t i = 0; i < blobs.size(); ++i) REQUIRE(blobs[i] == (i < kSize ? "0000" : "1111"));
}

TEST_CASE("a single process needs no network", "[unit]") {
  const Meeting meeting = swallow::meet({}, {});
  REQUIRE(meeting.control->exchange("x") == std::vector<std::string>{"x"});
  REQUIRE(meeting.hosts.node_of_rank == std::vector<int>{0});
  REQUIRE_NOTHROW(meeting.control->check());
  meeting.control->abort("why");
  REQUIRE_THROWS_AS(meeting.control->check(), CommError);
}

TEST_CASE("rank lists are short", "[unit]") {
  REQUIRE(swallow::format_ranks({}) == "");
  REQUIRE(swallow::format_ranks({3}) == "3");
  REQUIRE(swallow::format_ranks({0, 1, 3, 4, 5, 9}) == "0, 1, 3-5, 9");
}
