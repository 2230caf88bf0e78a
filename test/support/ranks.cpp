#include "support/ranks.h"

#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "comm/staged_communicator.h"

namespace swallow {

namespace {

/// Keeps the exception that came first: later ones only tell that the job was aborted.
class FirstFailure {
 public:
  void keep(std::exception_ptr failure) {
    const std::lock_guard lock(mutex_);
    if (failure_ == nullptr) failure_ = std::move(failure);
  }
  void rethrow() const {
    if (failure_ != nullptr) std::rethrow_exception(failure_);
  }

 private:
  std::mutex mutex_;
  std::exception_ptr failure_;
};

/// Runs `work`; if it throws, keeps the exception and hands its text to `abort`.
void guard(FirstFailure& failure, const std::function<void()>& work,
           const std::function<void(const char*)>& abort) {
  try {
    work();
  } catch (const std::exception& error) {
    failure.keep(std::current_exception());
    abort(error.what());
  } catch (...) {
    failure.keep(std::current_exception());
    abort("an exception of unknown type");
  }
}

}  // namespace

void run_ranks(ThreadJob& job, int size, const std::function<World(int rank)>& make_world,
               const std::function<void(World&)>& body) {
  FirstFailure failure;
  const auto run_rank = [&](int rank) {
    guard(
        failure,
        [&] {
          World world = make_world(rank);
          // Here, while the world lives, so that peers learn the reason before they miss the rank.
          guard(
              failure, [&] { body(world); }, [&](const char* reason) { world.abort(reason); });
        },
        [&](const char* reason) { job.control(rank)->abort(reason); });
  };
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; ++rank) threads.emplace_back(run_rank, rank);
  for (std::thread& thread : threads) thread.join();
  failure.rethrow();
}

void run_ranks(GridShape shape, const std::function<void(World&)>& body) {
  ThreadJob job(shape);
  run_ranks(
      job, shape.world_size(), [&](int rank) { return job.world(rank); }, body);
}

void run_ranks(GridShape shape, Device device, const std::function<void(World&)>& body) {
  if (device.kind == DeviceKind::cpu) return run_ranks(shape, body);
  run_ranks(shape, [&](World& world) {
    for (auto* group : {&world.tp, &world.dp, &world.pp})
      *group = std::make_unique<StagedCommunicator>(std::move(*group), device);
    body(world);
  });
}

}  // namespace swallow
