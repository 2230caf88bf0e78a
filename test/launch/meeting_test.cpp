// How a job comes together, or fails to: who is missing, who does not belong, who is wrong.
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <mutex>
#include <random>
#include <thread>

#include "base/check.h"
#include "launch/meeting_job.h"
#include "launch/message.h"
#include "launch/rendezvous.h"

using namespace std::chrono_literals;
using Catch::Contains;
using swallow::CommError;
using swallow::ConfigError;
using swallow::LaunchEnvironment;
using swallow::Meeting;
using swallow::MeetingJob;
using swallow::RendezvousOptions;
using swallow::require_no_errors;
using swallow::Socket;

TEST_CASE("ranks of a host are consecutive, whatever the launcher's order", "[ranks]") {
  const MeetingJob job(6);
  std::vector<swallow::HostMap> maps(6);
  std::vector<int> numbers(6);
  const auto errors =
      job.run({0, 1, 2, 3, 4, 5}, [&](const LaunchEnvironment& where, RendezvousOptions how) {
        // Ranks 0, 1, 4 on a; 2, 5 on b; 3 on another machine that is called a as well.
        const std::vector<swallow::HostIdentity> hosts = {{"a", "1"}, {"a", "1"}, {"b", "2"},
                                                          {"a", "3"}, {"a", "1"}, {"b", "2"}};
        how.host = hosts[static_cast<size_t>(where.rank)];
        Meeting meeting = meet(where, how);
        maps[static_cast<size_t>(where.rank)] = meeting.hosts;
        numbers[static_cast<size_t>(where.rank)] = meeting.control->rank();
        // What rank i says is blob i, by its new number.
        const auto blobs = meeting.control->exchange(std::to_string(meeting.control->rank()));
        for (size_t i = 0; i < blobs.size(); ++i)
          SWALLOW_CHECK(blobs[i] == std::to_string(i), "blob {} is from rank {}", i, blobs[i]);
      });
  require_no_errors(errors);
  REQUIRE(numbers == std::vector<int>{0, 1, 3, 5, 2, 4});
  for (const swallow::HostMap& map : maps) {
    REQUIRE(map.node_of_rank == std::vector<int>{0, 0, 0, 1, 1, 2});
    REQUIRE(map.launcher_ranks == std::vector<int>{0, 1, 4, 2, 5, 3});
    REQUIRE(map.host_names == std::vector<std::string>{"a", "b", "a"});
    REQUIRE(map.num_nodes() == 3);
    REQUIRE(map.local_rank(2) == 2);
    REQUIRE(map.local_size(2) == 3);
    REQUIRE(map.local_rank(4) == 1);
    REQUIRE(map.local_size(5) == 1);
    REQUIRE(map.host_name(4) == "b");
  }
}

TEST_CASE("ranks that are grouped already keep the launcher's numbers", "[ranks]") {
  const MeetingJob job(4);
  const auto errors =
      job.run({0, 1, 2, 3}, [](const LaunchEnvironment& where, RendezvousOptions how) {
        how.host = {.name = where.rank < 2 ? "z" : "a", .boot_id = "1"};
        const Meeting meeting = meet(where, how);
        SWALLOW_CHECK(meeting.control->rank() == where.rank, "rank {} became {}", where.rank,
                      meeting.control->rank());
        SWALLOW_CHECK(meeting.hosts.launcher_ranks.empty(), "numbered anew");
        SWALLOW_CHECK(meeting.hosts.host_names.front() == "z", "hosts are sorted by name");
      });
  require_no_errors(errors);
}

TEST_CASE("a lost rank that was numbered anew is named by both numbers", "[ranks]") {
  const MeetingJob job(4);  // of the launcher's ranks, 0 and 2 are on a, 1 and 3 on b
  const auto errors =
      job.run({0, 1, 2, 3}, [](const LaunchEnvironment& where, RendezvousOptions how) {
        how.host = {.name = where.rank % 2 == 0 ? "a" : "b", .boot_id = "1"};
        Meeting meeting = meet(where, how);
        if (where.rank == 1) throw swallow::DataError("bad luck");
        meeting.control->barrier();
      });
  for (const size_t rank : {0U, 2U, 3U})
    CHECK_THAT(errors[rank], Catch::StartsWith("CommError") &&
                                 Contains("rank 2 on b (the launcher's 1): ended by an error"));
}

TEST_CASE("a signal ends the wait for ranks that have not come", "[ranks]") {
  const MeetingJob job(4);  // ranks 2 and 3 never come
  const int stopped = GENERATE(0, 1);
  auto [signal, other_end] = swallow::socket_pair();
  const auto errors = job.run({0, 1}, [&](const LaunchEnvironment& where, RendezvousOptions how) {
    if (where.rank == stopped) {
      how.stop_fd = signal.fd();
      send_all(other_end, "x", 1, swallow::deadline_after(60s));
    } else if (where.rank == 1) {
      how.timeouts.meet = 2s;  // it may find no rank 0 any more
    }
    meet(where, how);
  });
  const auto at = static_cast<size_t>(stopped);
  CHECK_THAT(errors[at], Catch::StartsWith("other: ") && Contains("stopped by a signal"));
  CHECK_THAT(errors[1 - at], Catch::StartsWith("CommError"));
}

TEST_CASE("ranks that never come are named after the time limit", "[ranks]") {
  const MeetingJob job(7);
  const auto errors = job.run({0, 2}, [](const LaunchEnvironment& where, RendezvousOptions how) {
    if (where.rank == 0) {
      // Not before rank 2 has knocked, however busy the machine is.
      pollfd entry{where.listen_fd, POLLIN, 0};
      SWALLOW_CHECK(poll(&entry, 1, 120'000) == 1, "rank 2 does not come");
      how.timeouts.meet = 500ms;
    }
    meet(where, how);
  });
  for (const int rank : {0, 2})
    CHECK_THAT(errors[static_cast<size_t>(rank)],
               Catch::StartsWith("CommError") && Contains("1, 3-6"));
}

TEST_CASE("a rank that finds no rank 0 says where it looked", "[ranks]") {
  MeetingJob job(2);
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
  const MeetingJob job(8);
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
  const MeetingJob job(3);  // rank 2 never comes, and nobody waits for it
  const auto errors = job.run({0, 1}, [&](LaunchEnvironment where, const RendezvousOptions& how) {
    if (where.rank == 1) where.world_size = 5;
    meet(where, how);
  });
  for (const int rank : {0, 1})
    CHECK_THAT(errors[static_cast<size_t>(rank)],
               Catch::StartsWith("ConfigError") && Contains("one of 5 ranks, rank 0 of 3"));
}

TEST_CASE("a rank given twice ends the job at once", "[ranks]") {
  const MeetingJob job(4);  // rank 3 never comes, and nobody waits for it
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
  const MeetingJob job(4);
  const auto connect = [&] {
    return swallow::connect_tcp("127.0.0.1", job.port(), swallow::deadline_after(60s));
  };
  const auto say = [](const Socket& socket, std::string_view text) {
    send_all(socket, text.data(), text.size(), swallow::deadline_after(60s));
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
  const auto errors = job.run_met([](Meeting& meeting) {
    SWALLOW_CHECK(meeting.turned_away.find("turned away: 127.0.0.1:") != std::string::npos,
                  "not told of strangers: {}", meeting.turned_away);
    meeting.control->barrier();
  });
  require_no_errors(errors);
}

TEST_CASE("a thousand connections that say nothing or nonsense do not keep the ranks out",
          "[ranks]") {
  const MeetingJob job(4);
  std::atomic<bool> stop = false;
  std::thread crowd([&] {
    std::mt19937 random(1);
    std::vector<Socket> held;
    for (int i = 0; i < 1000 && !stop; ++i) {
      std::string why;
      auto socket =
          swallow::try_connect_tcp("127.0.0.1", job.port(), swallow::deadline_after(2s), why);
      if (!socket) continue;  // the meeting has closed its door
      std::string bytes(random() % 200, '\0');
      for (char& byte : bytes) byte = static_cast<char>(random());
      // The other end may be gone already.
      static_cast<void>(!send(socket->fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL));
      held.push_back(std::move(*socket));
      if (held.size() > 200) held.erase(held.begin());
    }
  });
  const auto errors = job.run_met([](Meeting& meeting) { meeting.control->barrier(); });
  stop = true;
  crowd.join();
  require_no_errors(errors);
}

TEST_CASE("idle connections beyond the limit make room, the oldest first", "[ranks]") {
  const MeetingJob job(2);
  // More than the limit of 64 and twice the ranks; the queue of the listening socket holds them.
  std::vector<Socket> idle;
  for (int i = 0; i < 100; ++i)
    idle.push_back(swallow::connect_tcp("127.0.0.1", job.port(), swallow::deadline_after(60s)));
  const auto errors = job.run_met([](Meeting& meeting) {
    SWALLOW_CHECK(meeting.turned_away.find("too many connections") != std::string::npos, "{}",
                  meeting.turned_away);
  });
  require_no_errors(errors);
}

TEST_CASE("a slow writer is cut off and holds nobody up", "[ranks]") {
  const MeetingJob job(3);
  const Socket slow = swallow::connect_tcp("127.0.0.1", job.port(), swallow::deadline_after(60s));
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    const std::string message = encode_message(swallow::MessageType::greeting, "never whole");
    for (size_t i = 0; i + 1 < message.size() && !stop; ++i) {
      static_cast<void>(!send(slow.fd(), &message[i], 1, MSG_NOSIGNAL));
      std::this_thread::sleep_for(20ms);
    }
  });
  const auto errors = job.run_met([](Meeting& meeting) { meeting.control->barrier(); });
  stop = true;
  writer.join();
  require_no_errors(errors);
}

TEST_CASE("a rank with another secret is turned away and both sides say so", "[ranks]") {
  const MeetingJob job(2);
  const auto errors = job.run({0, 1}, [](const LaunchEnvironment& where, RendezvousOptions how) {
    how.secret = where.rank == 0 ? "the secret of rank 0" : "another secret";
    how.timeouts.refused = 100ms;
    if (where.rank == 0) how.timeouts.meet = 5s;
    meet(where, how);
  });
  CHECK_THAT(errors[0], Catch::StartsWith("CommError") && Contains("did not come") &&
                            Contains("does not know this job's secret"));
  CHECK_THAT(errors[1], Catch::StartsWith("ConfigError") && Contains("its secret is another") &&
                            Contains("SWALLOW_SECRET"));
}

TEST_CASE("ranks with the same secret meet", "[ranks]") {
  MeetingJob job(5);
  job.options.secret = "a secret of five ranks";
  require_no_errors(job.run_met([](Meeting& meeting) {
    SWALLOW_CHECK(meeting.turned_away.empty(), "{}", meeting.turned_away);
    meeting.control->barrier();
  }));
}

TEST_CASE("knocking at the moment when the meeting closes its door does no harm", "[ranks]") {
  for (int round = 0; round < 30; ++round) {
    const MeetingJob job(4);
    std::atomic<bool> stop = false;
    std::thread stranger([&] {
      std::string why;
      while (!stop)  // briefly: once the job has met, nobody takes the connections any more
        swallow::try_connect_tcp("127.0.0.1", job.port(), swallow::deadline_after(5ms), why);
    });
    const auto errors = job.run_met([](Meeting& meeting) { meeting.control->barrier(); });
    stop = true;
    stranger.join();
    require_no_errors(errors);
  }
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
