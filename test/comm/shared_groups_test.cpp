// Which groups share memory, and what becomes of those that cannot.
#include "comm/shared_groups.h"

#include <fcntl.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <functional>

#include "comm/shared_layout.h"
#include "comm/transports.h"
#include "support/forwarding_control.h"

using namespace swallow;

namespace {

/// Changes what a rank says to all others in the exchange of this number, from 0.
class Liar final : public test::ForwardingControl {
 public:
  using Lie = std::function<std::string(int exchange, std::string truth)>;
  Liar(std::unique_ptr<ControlPlane> inner, Lie lie)
      : ForwardingControl(std::move(inner)), lie_(std::move(lie)) {}
  std::vector<std::string> exchange(std::string_view blob) override {
    return ForwardingControl::exchange(lie_(num_exchanges_++, std::string(blob)));
  }

 private:
  Lie lie_;
  int num_exchanges_ = 0;
};

using LieOfRank = std::function<std::string(int rank, int exchange, std::string truth)>;

std::unique_ptr<ControlPlane> lying(ThreadJob& job, int rank, const LieOfRank& lie) {
  return std::make_unique<Liar>(job.control(rank), [=](int exchange, std::string truth) {
    return lie(rank, exchange, std::move(truth));
  });
}

/// For each rank: "tp dp" where these share memory, and "all" where no rank needs sockets.
std::vector<std::string> shared_by(GridShape shape, const LieOfRank& lie) {
  std::vector<std::string> texts(static_cast<size_t>(shape.world_size()));
  const ProcessGrid grid(shape);
  ThreadJob job(shape);
  const auto make = [&](int rank) { return job.world(rank); };
  run_ranks(job, shape.world_size(), make, [&](World& world) {
    const auto control = lying(job, world.rank, lie);
    const SharedGroups shared = share_memory(group_places(grid, world.rank), *control);
    const char* const names[] = {"tp ", "dp ", "pp "};
    std::string& text = texts[static_cast<size_t>(world.rank)];
    for (size_t axis = 0; axis < 3; ++axis)
      if (shared.memory[axis]) text += names[axis];
    text += fmt::format("{}{}", shared.complete() ? "all " : "", shared.num_neighbours);
  });
  return texts;
}

std::string truthful(int, int, std::string truth) {
  return truth;
}

/// Ranks 0, 1 on one host, 2, 3 on another.
std::string two_hosts(int rank, int exchange, std::string truth) {
  return exchange == 0 && rank >= 2 ? "another host" : truth;
}

/// A world over `transports` that sums as any other.
void check_world(GridShape shape, const LieOfRank& lie, const std::string& transports,
                 CommBackend backend = CommBackend::automatic) {
  ThreadJob job(shape);
  const auto make = [&](int rank) {
    return make_world(ProcessGrid(shape), rank, lying(job, rank, lie), {.backend = backend});
  };
  REQUIRE_NOTHROW(run_ranks(job, shape.world_size(), make, [&](World& world) {
    expect(world.transports == transports, "rank {}: '{}', not '{}'", world.rank, world.transports,
           transports);
    Stream stream(Device{});
    std::vector<int64_t> ones(1000, 1);
    world.all_reduce_world(stream, tensor_of(ones), ReduceOp::sum);
    expect(ones == std::vector<int64_t>(1000, shape.world_size()), "rank {}: sum {}", world.rank,
           ones[0]);
  }));
}

}  // namespace

TEST_CASE("a segment is the same memory wherever it is opened", "[comm]") {
  const auto mine = SharedSegment::create(1 << 20);
  REQUIRE(mine);
  CHECK(mine->bytes() == 1 << 20);
  CHECK(mine->data()[(1 << 20) - 1] == std::byte{0});
  const auto theirs = SharedSegment::open(mine->offer());
  REQUIRE(theirs);
  CHECK(theirs->bytes() == mine->bytes());
  CHECK(theirs->data() != mine->data());
  std::memset(theirs->data(), 7, 1 << 20);
  CHECK(mine->data()[0] == std::byte{7});
  CHECK(mine->data()[(1 << 20) - 1] == std::byte{7});
}

TEST_CASE("a segment is opened only by its own offer", "[comm]") {
  const auto mine = SharedSegment::create(4096);
  const auto other = SharedSegment::create(4096);
  REQUIRE((mine && other));
  const std::string offer = mine->offer();
  const std::string key = other->offer().substr(other->offer().rfind(' '));
  const int file = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (const std::string& text :
       {std::string(), std::string("1 2"), "x" + offer, offer + " ", offer + "0",
        offer.substr(0, offer.rfind(' ')) + key, std::string("999999999 3 4"),
        fmt::format("{} {} 1", getpid(), file)}) {
    INFO("'" << text << "'");
    CHECK_FALSE(SharedSegment::open(text));
  }
  close(file);
}

TEST_CASE("a window holds a piece for each rank, however many there are", "[comm]") {
  for (const int size : {2, 3, 64, 256, 1024, 3000}) {
    const SharedLayout layout(size);
    INFO(size << " ranks: " << layout.window_bytes() << ", " << layout.channel_capacity());
    CHECK(layout.window_bytes() % 64 == 0);
    CHECK(layout.window_bytes() / size >= 64);
    CHECK(layout.channel_capacity() % 64 == 0);
    CHECK(layout.channel_capacity() >= int64_t{16} << 10);
  }
}

TEST_CASE("groups on one host share memory, and only those", "[ranks][comm]") {
  const GridShape shape{.dp = 2, .tp = 2};
  CHECK(shared_by(shape, truthful) == std::vector<std::string>(4, "tp dp all 4"));
  CHECK(shared_by({.dp = 3}, truthful) == std::vector<std::string>(3, "dp all 3"));
  CHECK(shared_by(shape, two_hosts) == std::vector<std::string>(4, "tp 2"));
}

TEST_CASE("a group whose member cannot map its memory talks through sockets", "[ranks][comm]") {
  // Rank 0 makes offers to rank 1 (tp) and rank 2 (dp) that lead nowhere.
  const LieOfRank no_offer = [](int rank, int exchange, std::string truth) {
    return exchange == 1 && rank == 0 ? "1 2 3\n1 2 3\n\n" : truth;
  };
  const GridShape shape{.dp = 2, .tp = 2};
  CHECK(shared_by(shape, no_offer) == std::vector<std::string>{"4", "dp 4", "tp 4", "tp dp 4"});
  check_world(shape, no_offer, "shared memory and TCP");
}

TEST_CASE("ranks of several hosts mix shared memory and sockets", "[ranks][comm]") {
  check_world({.dp = 2, .tp = 2}, two_hosts, "TP shared memory, DP TCP");
  check_world({.dp = 2, .tp = 1, .pp = 2}, two_hosts, "DP shared memory, PP TCP");
  check_world({.dp = 4}, two_hosts, "TCP");
  check_world({.dp = 4}, truthful, "shared memory");
  check_world({.dp = 4}, truthful, "TCP", CommBackend::sockets);
  check_world({}, truthful, "");
}
