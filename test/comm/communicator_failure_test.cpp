// What ranks learn when calls differ, somebody fails or nobody can go on: an error that names the
// cause, on every rank, never a hang.
#include <catch2/catch.hpp>
#include <mutex>
#include <thread>

#include "comm/transports.h"

using namespace swallow;
using Catch::Matchers::Contains;

namespace {

using Body = std::function<void(World&)>;

/// Runs `body` and returns each rank's CommError, or an empty text.
std::vector<std::string> errors_of(Transport transport, GridShape shape, const Body& body,
                                   std::chrono::milliseconds timeout = std::chrono::minutes(1)) {
  std::vector<std::string> errors(static_cast<size_t>(shape.world_size()));
  run_over(
      transport, shape,
      [&](World& world) {
        try {
          body(world);
        } catch (const CommError& error) {
          errors[static_cast<size_t>(world.rank)] = error.what();
        }
      },
      timeout);
  return errors;
}

struct Attempt {
  std::string name;
  std::function<void(Communicator&)> call;
};

Attempt reduce(DType dtype, int64_t count, ReduceOp op) {
  return {fmt::format("all_reduce({}, {} x {})", op == ReduceOp::sum ? "sum" : "max", count,
                      name_of(dtype)),
          [=](Communicator& group) {
            Stream stream(Device{});
            Buffer memory(Device{}, count * size_of(dtype));
            group.all_reduce(stream, {memory.data(), dtype, {count}, {}}, op);
          }};
}

Attempt broadcast(int root) {
  return {fmt::format("broadcast(9 x f32, root {})", root), [=](Communicator& group) {
            Stream stream(Device{});
            std::vector<float> values(9);
            group.broadcast(stream, tensor_of(values), root);
          }};
}

Attempt gather(int64_t count) {
  return {fmt::format("all_gather({} x f32)", count), [=](Communicator& group) {
            Stream stream(Device{});
            std::vector<float> values(static_cast<size_t>(count * group.size()));
            group.all_gather(stream, tensor_of(values), tensor_of(values).rows(0, count));
          }};
}

Attempt barrier() {
  return {"barrier", [](Communicator& group) { group.barrier(); }};
}

Attempt transfer(Transfer::Direction direction, int peer, int64_t count) {
  const bool sends = direction == Transfer::Direction::send;
  return {fmt::format("{}({} x f32)", sends ? "send" : "receive", count), [=](Communicator& group) {
            Stream stream(Device{});
            std::vector<float> values(static_cast<size_t>(count));
            const Transfer one{direction, peer, tensor_of(values)};
            group.exchange(stream, {&one, 1});
          }};
}

}  // namespace

TEST_CASE("collectives that differ fail on every rank with both sides' calls", "[ranks][comm]") {
  const std::pair<Attempt, Attempt> cases[] = {
      {reduce(DType::f32, 10, ReduceOp::sum), reduce(DType::f32, 11, ReduceOp::sum)},
      {reduce(DType::f32, 10, ReduceOp::sum), reduce(DType::bf16, 10, ReduceOp::sum)},
      {reduce(DType::f32, 10, ReduceOp::sum), reduce(DType::f32, 10, ReduceOp::max)},
      {reduce(DType::f32, 1 << 20, ReduceOp::sum), barrier()},
      {reduce(DType::f32, 1 << 20, ReduceOp::sum), gather(1 << 18)},
      {gather(12), gather(13)},
      {broadcast(0), broadcast(1)},
      {broadcast(0), barrier()}};
  for (const Transport transport : kTransports) {
    for (const auto& [usual, odd] : cases) {
      INFO(name_of(transport) << ": " << usual.name << " and " << odd.name);
      const auto errors = errors_of(transport, {.dp = 3}, [&](World& world) {
        (world.rank == 1 ? odd : usual).call(*world.dp);
      });
      for (const std::string& error : errors) {
        CHECK_THAT(error, Contains("dp group") && Contains("rank 1 called " + odd.name));
        CHECK_THAT(error, Contains(" called " + usual.name));
      }
    }
  }
}

TEST_CASE("transfers that differ end the job with both sides' calls", "[ranks][comm]") {
  constexpr auto kSend = Transfer::Direction::send;
  constexpr auto kReceive = Transfer::Direction::receive;
  const std::pair<Attempt, Attempt> cases[] = {
      {transfer(kSend, 1, 10), transfer(kReceive, 0, 11)},
      {transfer(kSend, 1, 1 << 22), transfer(kReceive, 0, 5)},
      {transfer(kSend, 1, 10), barrier()},
      {transfer(kSend, 1, 1 << 22), barrier()},
      {transfer(kReceive, 1, 10), barrier()}};
  for (const Transport transport : kTransports) {
    for (const auto& [first, second] : cases) {
      INFO(name_of(transport) << ": " << first.name << " and " << second.name);
      const Body body = [&](World& world) {
        (world.rank == 0 ? first : second).call(*world.pp);
        world.pp->barrier();  // a small send may succeed; the call after it then fails
      };
      CHECK_THROWS_WITH(run_over(transport, {.pp = 2}, body),
                        Contains("called " + first.name) && Contains("called " + second.name));
    }
  }
}

TEST_CASE("the exception of one rank ends the others and is the one that counts", "[ranks][comm]") {
  for (const Transport transport : kTransports) {
    INFO(name_of(transport));
    std::mutex mutex;
    std::vector<std::string> errors;
    const Body body = [&](World& world) {
      world.control->barrier();  // so that nobody fails while it still connects
      if (world.rank == 5) throw ConfigError("the cause");
      try {
        Stream stream(Device{});
        while (true) world.all_reduce_world(stream, {}, ReduceOp::sum);
      } catch (const CommError& error) {
        const std::lock_guard lock(mutex);
        errors.emplace_back(error.what());
        throw;
      }
    };
    CHECK_THROWS_AS(run_over(transport, {.dp = 2, .tp = 2, .pp = 2}, body), ConfigError);
    CHECK(errors.size() == 7);
    for (const std::string& error : errors)
      CHECK_THAT(error, Contains("rank 5 has failed: the cause"));
  }
}

TEST_CASE("a rank that leaves is missed by name", "[ranks][comm]") {
  for (const Transport transport : kTransports) {
    for (const Attempt& attempt : {barrier(), transfer(Transfer::Direction::receive, 1, 10)}) {
      INFO(name_of(transport) << ": " << attempt.name);
      const auto errors = errors_of(transport, {.pp = 2}, [&](World& world) {
        if (world.rank == 0) attempt.call(*world.pp);
      });
      CHECK_THAT(errors[0], Contains("rank 0 called " + attempt.name) && Contains("but rank 1"));
      CHECK_THAT(errors[0], Contains("has left") || Contains("has closed the connection"));
    }
  }
}

TEST_CASE("abort wakes ranks in every group, and the first reason stays", "[ranks][comm]") {
  for (const Transport transport : kTransports) {
    INFO(name_of(transport));
    const auto errors = errors_of(transport, {.dp = 2, .pp = 2}, [](World& world) {
      world.control->barrier();
      if (world.rank == 3) {
        world.dp->abort("disk full");
        world.pp->abort("something else");
        return world.control->check();
      }
      Communicator& group = world.rank == 1 ? *world.pp : *world.dp;
      group.barrier();
      group.barrier();
    });
    for (const std::string& error : errors)
      CHECK_THAT(error, Contains("rank 3") && Contains("disk full"));
  }
}

TEST_CASE("a circle of waits over several groups is found", "[ranks][comm]") {
  // 0 waits for 1, 1 for 3, 3 for 2 and 2 for 0.
  const Body body = [](World& world) {
    const bool along_tp = world.rank == 0 || world.rank == 3;
    (along_tp ? world.tp : world.dp)->barrier();
  };
  for (const std::string& error : errors_of(Transport::threads, {.dp = 2, .tp = 2}, body)) {
    CHECK_THAT(error, Contains("deadlock") && Contains("rank 0 in tp group: barrier") &&
                          Contains("rank 1 in dp group: barrier"));
  }
  for (const Transport transport : {Transport::memory, Transport::sockets}) {
    INFO(name_of(transport));
    const auto timed_out =
        errors_of(transport, {.dp = 2, .tp = 2}, body, std::chrono::milliseconds(100));
    CHECK(std::any_of(timed_out.begin(), timed_out.end(), [](const std::string& error) {
      return error.find("called barrier and has waited 0.1 s for rank") != std::string::npos;
    }));
  }
}

TEST_CASE("a peer that neither sends nor takes is missed by name, once", "[ranks][comm]") {
  for (const Transport transport : {Transport::memory, Transport::sockets}) {
    INFO(name_of(transport));
    const auto errors = errors_of(
        transport, {.pp = 2},
        [](World& world) {
          if (world.rank == 1) {  // stays, but does not come
            while (true) {
              world.control->check();
              std::this_thread::sleep_for(std::chrono::milliseconds(1));
            }
          }
          Stream stream(Device{});
          std::vector<float> values(1 << 22), back(3);
          const Transfer both[] = {{Transfer::Direction::send, 1, tensor_of(values)},
                                   {Transfer::Direction::receive, 1, tensor_of(back)}};
          world.pp->exchange(stream, both);
        },
        std::chrono::milliseconds(100));
    for (const std::string& error : errors)
      CHECK_THAT(error,
                 Contains("rank 0 called send(4194304 x f32) and has waited 0.1 s for rank 1") &&
                     !Contains("rank 1 1"));
  }
}

TEST_CASE("a group is not used again after a failure", "[ranks][comm]") {
  for (const Transport transport : kTransports) {
    INFO(name_of(transport));
    const auto errors = errors_of(transport, {.tp = 2}, [](World& world) {
      try {
        (world.rank == 0 ? barrier() : gather(3)).call(*world.tp);
      } catch (const CommError&) {
        world.tp->barrier();
      }
    });
    for (const std::string& error : errors) CHECK_THAT(error, Contains("tp group"));
  }
}
