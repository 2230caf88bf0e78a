// What ranks on GPUs learn when somebody fails, leaves or is silent: an error that names the cause,
// on every rank, and never a wait for a kernel that waits for ever.
#include <algorithm>
#include <mutex>
#include <thread>

#include "comm/gpu_transports.h"

using namespace swallow;
using Catch::Matchers::Contains;

namespace {

using std::chrono::milliseconds;

void reduce(Communicator& group, Stream& stream, const OnDevice<float>& values) {
  group.all_reduce(stream, values.tensor(), ReduceOp::sum);
}

bool any_contains(const std::vector<std::string>& errors, const std::string& text) {
  return std::any_of(errors.begin(), errors.end(), [&](const std::string& error) {
    return error.find(text) != std::string::npos;
  });
}

}  // namespace

TEST_CASE("the exception of one rank ends GPUs that wait for it", "[cuda][comm]") {
  for (const GpuTransport transport : kGpuTransports) {
    INFO(name_of(transport));
    if (!can_run(transport, 8)) continue;
    std::mutex mutex;
    std::vector<std::string> errors;
    const GpuBody body = [&](World& world, Stream& stream) {
      OnDevice<float> values(stream, {1, 2, 3});
      const CancelOnError guard(world);  // after the memory: that is freed once kernels have ended
      world.control->barrier();          // so that nobody fails while it still connects
      try {
        reduce(*world.tp, stream, values);
        if (world.rank == 5) throw ConfigError("the cause");
        while (true) {
          world.all_reduce_world(stream, values.tensor(), ReduceOp::max);
          world.synchronize(stream);
        }
      } catch (const CommError& error) {
        const std::lock_guard lock(mutex);
        errors.emplace_back(error.what());
        throw;
      }
    };
    CHECK_THROWS_AS(run_over({.transport = transport, .shape = {.dp = 2, .tp = 2, .pp = 2}}, body),
                    ConfigError);
    CHECK(errors.size() == 7);
    for (const std::string& error : errors)
      CHECK_THAT(error, Contains("rank 5 has failed: the cause"));
  }
}

TEST_CASE("a rank that fails frees its memory though its GPU waits for others", "[cuda][comm]") {
  if (!can_run(GpuTransport::nccl, 2)) return;
  std::string seen;
  const GpuBody body = [&](World& world, Stream& stream) {
    OnDevice<float> values(stream, {1, 2, 3});
    const CancelOnError guard(world);
    if (world.rank == 1) {
      reduce(*world.tp, stream, values);
      throw ConfigError("the cause");
    }
    try {
      while (true) {
        world.check();
        std::this_thread::sleep_for(milliseconds(5));
      }
    } catch (const CommError& error) {
      seen = error.what();
    }
  };
  const GpuJob job{.shape = {.tp = 2}, .timeout = milliseconds(500)};
  CHECK_THROWS_AS(run_over(job, body), ConfigError);
  CHECK_THAT(seen, Contains("the cause"));  // not that rank 1 has waited in vain
}

TEST_CASE("a GPU's wait for a rank that does not come ends in time and names the call",
          "[cuda][comm]") {
  if (!can_run(GpuTransport::nccl, 2)) return;
  const std::pair<const char*, GpuBody> waits[] = {
      {"World::synchronize",
       [](World& world, Stream& stream) {
         OnDevice<float> values(stream, {1, 2, 3});
         const CancelOnError guard(world);
         reduce(*world.pp, stream, values);
         world.synchronize(stream);
       }},
      {"Stream::synchronize",
       [](World& world, Stream& stream) {
         OnDevice<float> values(stream, {1, 2, 3});
         const CancelOnError guard(world);
         reduce(*world.pp, stream, values);
         stream.synchronize();  // the watching thread ends it
         world.synchronize(stream);
       }},
      {"barrier", [](World& world, Stream&) { world.pp->barrier(); }}};
  for (const auto& [name, wait] : waits) {
    INFO(name);
    const auto errors = errors_of(
        {.transport = GpuTransport::nccl, .shape = {.pp = 2}, .timeout = milliseconds(300)},
        [&](World& world, Stream& stream) {
          if (world.rank == 0) return wait(world, stream);
          while (true) {  // present, but silent
            world.control->check();
            std::this_thread::sleep_for(milliseconds(5));
          }
        });
    for (const std::string& error : errors)
      CHECK_THAT(error, Contains("pp group") && Contains("0.3 s") &&
                            (Contains("all_reduce(sum, 3 x f32)") || Contains("barrier")));
  }
}

TEST_CASE("a GPU that waits for a rank that has left does not wait for ever", "[cuda][comm]") {
  if (!can_run(GpuTransport::nccl, 2)) return;
  const auto errors =
      errors_of({.transport = GpuTransport::nccl, .shape = {.dp = 2}, .timeout = milliseconds(300)},
                [](World& world, Stream& stream) {
                  if (world.rank == 1) return;
                  OnDevice<float> values(stream, {1});
                  const CancelOnError guard(world);
                  reduce(*world.dp, stream, values);
                  world.synchronize(stream);
                });
  CHECK_THAT(errors[0], Contains("dp group"));
}

TEST_CASE("an abort ends the GPUs of every group, and the first reason stays", "[cuda][comm]") {
  for (const GpuTransport transport : kGpuTransports) {
    INFO(name_of(transport));
    if (!can_run(transport, 4)) continue;
    const auto errors = errors_of({.transport = transport, .shape = {.dp = 2, .pp = 2}},
                                  [](World& world, Stream& stream) {
                                    OnDevice<float> values(stream, {1, 2});
                                    const CancelOnError guard(world);
                                    world.control->barrier();
                                    if (world.rank == 3) {
                                      world.dp->abort("disk full");
                                      world.pp->abort("something else");
                                      return world.control->check();
                                    }
                                    Communicator& group = world.rank == 1 ? *world.pp : *world.dp;
                                    for (int i = 0; i < 2; ++i) {
                                      reduce(group, stream, values);
                                      world.synchronize(stream);
                                    }
                                    group.barrier();
                                  });
    for (const std::string& error : errors) CHECK_THAT(error, Contains("disk full"));
  }
}

TEST_CASE("results that an abort cut short are never used", "[cuda][comm]") {
  if (!can_run(GpuTransport::nccl, 2)) return;
  const auto errors = errors_of(
      {.transport = GpuTransport::nccl, .shape = {.tp = 2}}, [](World& world, Stream& stream) {
        OnDevice<float> values(stream, {1, 2});
        const CancelOnError guard(world);
        world.control->barrier();
        if (world.rank == 1) throw CommError("nothing");
        reduce(*world.tp, stream, values);
        world.abort("enough");
        stream.synchronize();  // the kernel has been ended, without a result
        world.synchronize(stream);
      });
  CHECK(any_contains(errors, "enough"));
  CHECK_THAT(errors[0], Contains("enough"));
}

TEST_CASE("a group on GPUs is not used again after a failure", "[cuda][comm]") {
  if (!can_run(GpuTransport::nccl, 2)) return;
  const auto errors = errors_of({.transport = GpuTransport::nccl, .shape = {.dp = 2}},
                                [](World& world, Stream& stream) {
                                  OnDevice<float> values(stream, {1, 2});
                                  const CancelOnError guard(world);
                                  world.control->barrier();
                                  world.abort("over");
                                  for (const auto& call : std::vector<std::function<void()>>{
                                           [&] { world.dp->barrier(); }, [&] { world.check(); },
                                           [&] {
                                             reduce(*world.dp, stream, {stream, {}});
                                           }}) {
                                    bool refused = false;
                                    try {
                                      call();
                                    } catch (const CommError&) {
                                      refused = true;
                                    }
                                    expect(refused, "rank {} may go on", world.rank);
                                  }
                                  reduce(*world.dp, stream, values);
                                });
  for (const std::string& error : errors) CHECK_THAT(error, Contains("over"));
}

TEST_CASE("ranks that share a GPU are told by name before NCCL sees them", "[cuda][comm]") {
  if (!test::find_gpu("ranks on one GPU")) return;
  const GridShape shape{.dp = 2};
  ThreadJob job(shape);
  const auto make = [&](int rank) {
    return make_world(ProcessGrid(shape), rank, job.control(rank),
                      {.device = {DeviceKind::cuda, 0}});
  };
  CHECK_THROWS_WITH(run_ranks(job, 2, make, [](World&) {}),
                    Contains("ranks 0, 1 share GPU-") && Contains("--comm host"));
}

TEST_CASE("a rank that fails before it connects ends those that wait for it", "[cuda][comm]") {
  if (!can_run(GpuTransport::nccl, 3)) return;
  const GridShape shape{.dp = 3};
  ThreadJob job(shape);
  const auto make = [&](int rank) -> World {
    auto control = job.control(rank);
    if (rank == 1) {  // takes part in what comes before NCCL, and in NCCL no more
      static_cast<void>(control->exchange("GPU-of-rank-1"));
      static_cast<void>(control->exchange(std::string(3 * 128, '\0')));
      std::this_thread::sleep_for(milliseconds(50));
      throw IoError("no such file");
    }
    return make_world(ProcessGrid(shape), rank, std::move(control),
                      {.device = {DeviceKind::cuda, rank}});
  };
  CHECK_THROWS_AS(run_ranks(job, 3, make, [](World&) {}), IoError);
}
