#include "launch/socket.h"

#include <fcntl.h>

#include <catch2/catch.hpp>
#include <string>
#include <thread>

#include "base/check.h"

using namespace std::chrono_literals;
using swallow::CommError;
using swallow::deadline_after;
using swallow::Socket;

namespace {

struct Connection {
  Socket client;
  Socket server;
};

Connection connect_pair(const Socket& listener) {
  Connection result;
  result.client = swallow::connect_tcp("127.0.0.1", local_port(listener), deadline_after(60s));
  for (const auto limit = deadline_after(60s); !result.server.valid();) {
    REQUIRE(swallow::AwakeClock::now() < limit);
    if (auto socket = try_accept(listener)) result.server = std::move(*socket);
  }
  return result;
}

}  // namespace

TEST_CASE("a listener on port 0 gets a free port and accepts", "[unit]") {
  const Socket listener = swallow::listen_tcp("127.0.0.1", 0, 8);
  REQUIRE(local_port(listener) > 0);
  REQUIRE_FALSE(try_accept(listener).has_value());
  const Connection pair = connect_pair(listener);
  REQUIRE(pair.server.peer() == fmt::format("127.0.0.1:{}", local_port(pair.client)));
  REQUIRE((fcntl(pair.server.fd(), F_GETFD) & FD_CLOEXEC) != 0);
  REQUIRE((fcntl(pair.client.fd(), F_GETFD) & FD_CLOEXEC) != 0);
}

TEST_CASE("a taken port is told apart from other errors", "[unit]") {
  const Socket listener = swallow::listen_tcp("127.0.0.1", 0, 8);
  REQUIRE_FALSE(swallow::try_listen_tcp("127.0.0.1", local_port(listener), 8).has_value());
  REQUIRE_THROWS_WITH(swallow::listen_tcp("127.0.0.1", local_port(listener), 8),
                      Catch::Contains("taken"));
  REQUIRE_THROWS_AS(swallow::listen_tcp("192.0.2.1", 0, 8), CommError);
}

TEST_CASE("a listener on every interface is reached by either loopback name", "[unit]") {
  const Socket listener = swallow::listen_tcp("", 0, 8);
  REQUIRE(connect_pair(listener).server.peer().starts_with("127.0.0.1:"));
}

TEST_CASE("send_all and recv_all move more than a socket buffer holds", "[unit]") {
  const Socket listener = swallow::listen_tcp("127.0.0.1", 0, 8);
  const Connection pair = connect_pair(listener);
  std::string sent(8 << 20, '\0');
  for (size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<char>(i * 7919 >> 5);
  std::thread sender([&] { send_all(pair.client, sent.data(), sent.size(), deadline_after(60s)); });
  std::string received(sent.size(), '\0');
  recv_all(pair.server, received.data(), received.size(), deadline_after(60s));
  sender.join();
  REQUIRE(received == sent);
}

TEST_CASE("a silent peer and a full socket run into the deadline", "[unit]") {
  const Socket listener = swallow::listen_tcp("127.0.0.1", 0, 8);
  const Connection pair = connect_pair(listener);
  char byte = 0;
  REQUIRE_THROWS_WITH(recv_all(pair.client, &byte, 1, deadline_after(10ms)),
                      Catch::Contains("time limit"));
  const std::string large(64 << 20, 'x');
  REQUIRE_THROWS_WITH(send_all(pair.client, large.data(), large.size(), deadline_after(10ms)),
                      Catch::Contains("time limit"));
}

TEST_CASE("a closed peer is a CommError with its name, and no signal", "[unit]") {
  const Socket listener = swallow::listen_tcp("127.0.0.1", 0, 8);
  Connection pair = connect_pair(listener);
  pair.client.set_peer("rank 7");
  pair.server.close();
  char byte = 0;
  REQUIRE_THROWS_WITH(recv_all(pair.client, &byte, 1, deadline_after(60s)),
                      Catch::Contains("rank 7"));
  const auto write_twice = [&] {
    for (int i = 0; i < 100; ++i) {
      send_all(pair.client, &byte, 1, deadline_after(60s));
      std::this_thread::sleep_for(1ms);
    }
  };
  REQUIRE_THROWS_AS(write_twice(), CommError);
}

TEST_CASE("connecting where nobody listens says why", "[unit]") {
  int port = 0;
  {
    const Socket listener = swallow::listen_tcp("127.0.0.1", 0, 8);
    port = local_port(listener);
  }
  std::string why;
  REQUIRE_FALSE(swallow::try_connect_tcp("127.0.0.1", port, deadline_after(60s), why).has_value());
  REQUIRE_THAT(why, Catch::Contains("refused"));
  REQUIRE_THROWS_WITH(swallow::connect_tcp("127.0.0.1", port, deadline_after(60s)),
                      Catch::Contains(std::to_string(port)));
}
