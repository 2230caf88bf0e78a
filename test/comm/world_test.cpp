#include <poll.h>

#include <catch2/catch.hpp>
#include <charconv>

#include "comm/transports.h"
#include "launch/socket.h"
#include "support/forwarding_control.h"

using namespace swallow;

namespace {

std::vector<int64_t> gathered_ranks(Communicator& group, int64_t rank) {
  Stream stream(Device{});
  std::vector<int64_t> mine{rank};
  std::vector<int64_t> all(static_cast<size_t>(group.size()));
  group.all_gather(stream, tensor_of(all), tensor_of(mine));
  return all;
}

std::vector<int64_t> widened(const std::vector<int>& ranks) {
  return {ranks.begin(), ranks.end()};
}

/// A control plane in whose neighbourhood strangers call at every rank's port.
class BusyNeighbourhood final : public test::ForwardingControl {
 public:
  using ForwardingControl::ForwardingControl;
  std::vector<std::string> exchange(std::string_view blob) override {
    std::vector<std::string> blobs = ForwardingControl::exchange(blob);
    const Deadline deadline = deadline_after(std::chrono::seconds(10));
    const std::string& text = blobs[static_cast<size_t>(rank())];
    int port = 0;
    std::from_chars(text.data(), text.data() + text.size(), port);
    const std::string request = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for (const size_t length : {request.size(), size_t{3}, size_t{0}}) {
      strangers_.push_back(connect_tcp("127.0.0.1", port, deadline));
      send_all(strangers_.back(), request.data(), length, deadline);
    }
    return blobs;
  }

 private:
  std::vector<Socket> strangers_;
};

}  // namespace

TEST_CASE("a world has the groups of its grid", "[ranks][comm]") {
  const GridShape shape{.dp = 2, .tp = 3, .pp = 2};
  for (const Transport transport : kTransports) {
    INFO(name_of(transport));
    REQUIRE_NOTHROW(run_over(transport, shape, [&](World& world) {
      const ProcessGrid grid(shape);
      expect(world.at == grid.coordinate(world.rank), "rank {}: wrong place", world.rank);
      expect(world.tp->rank() == world.at.tp && world.dp->rank() == world.at.dp &&
                 world.pp->rank() == world.at.pp,
             "rank {}: wrong rank in a group", world.rank);
      expect(gathered_ranks(*world.tp, world.rank) == widened(grid.tp_group(world.rank)) &&
                 gathered_ranks(*world.dp, world.rank) == widened(grid.dp_group(world.rank)) &&
                 gathered_ranks(*world.pp, world.rank) == widened(grid.pp_group(world.rank)),
             "rank {}: wrong members of a group", world.rank);
    }));
  }
}

TEST_CASE("all_reduce_world reaches every rank of the job", "[ranks][comm]") {
  for (const Transport transport : kTransports) {
    for (const GridShape shape : {GridShape{}, GridShape{.dp = 2, .tp = 2, .pp = 2},
                                  GridShape{.dp = 3, .tp = 1, .pp = 2}}) {
      INFO(name_of(transport));
      REQUIRE_NOTHROW(run_over(transport, shape, [&](World& world) {
        Stream stream(Device{});
        const int64_t size = shape.world_size();
        std::vector<int64_t> sum{int64_t{1} << world.rank};
        std::vector<int64_t> most{world.rank};
        world.all_reduce_world(stream, tensor_of(sum), ReduceOp::sum);
        world.all_reduce_world(stream, tensor_of(most), ReduceOp::max);
        expect(sum[0] == (int64_t{1} << size) - 1, "rank {}: sum {}", world.rank, sum[0]);
        expect(most[0] == size - 1, "rank {}: maximum {}", world.rank, most[0]);
      }));
    }
  }
}

TEST_CASE("the control plane of threads passes blobs round and signals an abort", "[ranks][comm]") {
  run_ranks({.dp = 3}, [](World& world) {
    const std::string mine(static_cast<size_t>(world.rank) * 1000,
                           static_cast<char>('a' + world.rank));
    for (int round = 0; round < 3; ++round) {
      const auto blobs = world.control->exchange(mine);
      for (size_t rank = 0; rank < 3; ++rank)
        expect(blobs.at(rank) == std::string(rank * 1000, static_cast<char>('a' + rank)),
               "rank {}: wrong blob of rank {}", world.rank, rank);
    }
    pollfd wake{world.control->wake_fd(), POLLIN, 0};
    expect(poll(&wake, 1, 0) == 0, "awake before the abort");
    world.control->check();
    world.control->barrier();
    if (world.rank == 1) world.abort("enough");
    expect(poll(&wake, 1, 60'000) == 1, "not woken by the abort");
    bool thrown = false;
    try {
      world.control->check();
    } catch (const CommError&) {
      thrown = true;
    }
    expect(thrown, "check did not report the abort");
  });
}

TEST_CASE("strangers that call at a rank's port are turned away", "[ranks][comm]") {
  const GridShape shape{.dp = 2, .tp = 2};
  const ProcessGrid grid(shape);
  ThreadJob job(shape);
  const auto make = [&](int rank) {
    return make_world(grid, rank, std::make_unique<BusyNeighbourhood>(job.control(rank)),
                      {.backend = CommBackend::sockets});
  };
  REQUIRE_NOTHROW(run_ranks(job, 4, make, [](World& world) {
    Stream stream(Device{});
    std::vector<int64_t> ones{1};
    world.all_reduce_world(stream, tensor_of(ones), ReduceOp::sum);
    expect(ones[0] == 4, "rank {}: sum {}", world.rank, ones[0]);
  }));
}

TEST_CASE("ranks off the loopback can be reached by any of their addresses", "[ranks][comm]") {
  const GridShape shape{.dp = 2};
  ThreadJob job(shape);
  const auto make = [&](int rank) {
    // Not the loopback, so every interface is listened on; to connect to it means this machine.
    return make_world(ProcessGrid(shape), rank, job.control(rank),
                      {.host = "0.0.0.0", .backend = CommBackend::sockets});
  };
  REQUIRE_NOTHROW(run_ranks(job, 2, make, [](World& world) { world.dp->barrier(); }));
}

TEST_CASE("a world needs a control plane of its own size", "[ranks][comm]") {
  ThreadJob job({.dp = 2});
  CHECK_THROWS_AS(make_world(ProcessGrid({.dp = 3}), 0, job.control(0), {}), ContractError);
}
