// Worker threads that take jobs in order and hand them back in the same order: what comes out does
// not depend on how many there are.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace swallow {

/// submit() and take() belong to one thread; `work` runs in the workers, on one job at a time each,
/// and is told which worker it runs in, from 0.
template <class Job>
class OrderedPool {
 public:
  OrderedPool(int num_workers, std::function<void(Job&, int worker)> work)
      : work_(std::move(work)) {
    threads_.reserve(static_cast<size_t>(num_workers));
    try {
      for (int i = 0; i < num_workers; ++i) threads_.emplace_back([this, i] { run(i); });
    } catch (...) {
      stop();  // the system refused a thread: join those that run, then report
      throw;
    }
  }
  OrderedPool(const OrderedPool&) = delete;
  OrderedPool& operator=(const OrderedPool&) = delete;
  ~OrderedPool() { stop(); }

  void submit(std::unique_ptr<Job> job) {
    {
      const std::lock_guard lock(mutex_);
      jobs_.push_back({std::move(job), false, nullptr});
    }
    work_left_.notify_one();
  }

  /// Jobs submitted and not yet taken.
  [[nodiscard]] size_t size() const {
    const std::lock_guard lock(mutex_);
    return jobs_.size();
  }

  /// Waits for the oldest job, which there must be; rethrows what its work threw.
  std::unique_ptr<Job> take() {
    std::unique_lock lock(mutex_);
    job_done_.wait(lock, [this] { return jobs_.front().done; });
    Entry entry = std::move(jobs_.front());
    jobs_.pop_front();
    --next_;
    if (entry.error != nullptr) std::rethrow_exception(entry.error);
    return std::move(entry.job);
  }

 private:
  struct Entry {
    std::unique_ptr<Job> job;
    bool done = false;
    std::exception_ptr error;
  };

  void run(int worker) {
    std::unique_lock lock(mutex_);
    for (;;) {
      work_left_.wait(lock, [this] { return stopping_ || next_ < jobs_.size(); });
      if (stopping_) return;
      // A reference into a deque survives push_back and the pop_front of other elements.
      Entry& entry = jobs_[next_++];
      lock.unlock();
      std::exception_ptr error;
      try {
        work_(*entry.job, worker);
      } catch (...) {
        error = std::current_exception();
      }
      lock.lock();
      entry.error = error;
      entry.done = true;
      job_done_.notify_one();
    }
  }

  void stop() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    work_left_.notify_all();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

  std::function<void(Job&, int)> work_;
  mutable std::mutex mutex_;
  std::condition_variable work_left_;
  std::condition_variable job_done_;
  std::deque<Entry> jobs_;  // [0, next_) begun or done, the rest waits
  size_t next_ = 0;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace swallow
