#include "support/ranks.h"

#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "comm/thread_communicator.h"

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

void run_body(World& world, const std::function<void(World&)>& body, FirstFailure& failure) {
  try {
    body(world);
  } catch (const std::exception& error) {
    failure.keep(std::current_exception());
    world.abort(error.what());
  } catch (...) {
    failure.keep(std::current_exception());
    world.abort("an exception of unknown type");
  }
}

}  // namespace

void run_ranks(int size, const std::function<World(int rank)>& make_world,
               const std::function<void(World&)>& body) {
  FirstFailure failure;
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; ++rank) {
    threads.emplace_back([&, rank] {
      try {
        World world = make_world(rank);
        run_body(world, body, failure);
      } catch (...) {
        failure.keep(std::current_exception());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  failure.rethrow();
}

void run_ranks(GridShape shape, const std::function<void(World&)>& body) {
  ThreadJob job(shape);
  run_ranks(
      shape.world_size(), [&](int rank) { return job.world(rank); }, body);
}

}  // namespace swallow
