#include "executor.h"

#include <setjmp.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

constinit thread_local uint3 threadIdx{};
constinit thread_local uint3 blockIdx{};
constinit thread_local dim3 blockDim{};
constinit thread_local dim3 gridDim{};

namespace emulated_gpu {

namespace {

constexpr size_t kStackBytes = 64 * 1024;
constexpr unsigned kWarp = 32;
constexpr unsigned kMaxThreads = 1024;

enum class State : uint8_t { ready, at_block_barrier, at_warp_barrier, finished };

/// A CUDA thread. Its stack and context live on for the threads of later blocks.
struct Fiber {
  std::byte* stack = nullptr;
  jmp_buf resume;
  bool started = false;
  State state = State::finished;
  uint3 thread{};
  unsigned index = 0;   // in the block
  unsigned parity = 0;  // of the warp exchanges it took part in
};

class Executor {
 public:
  Executor() = default;
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;
  ~Executor() {
    for (const auto& fiber : fibers_) munmap(fiber->stack, kStackBytes);
  }

  void run_grid(dim3 grid, dim3 block, const std::function<void()>& body) {
    if (current_ != nullptr) fail("a kernel was launched from a kernel");
    const unsigned threads = block.x * block.y * block.z;
    if (threads == 0 || threads > kMaxThreads) fail("a block has no thread or more than 1024");
    while (fibers_.size() < threads) fibers_.push_back(make_fiber());
    body_ = &body;
    num_threads_ = threads;
    gridDim = grid;
    blockDim = block;
    for (unsigned z = 0; z < grid.z; ++z)
      for (unsigned y = 0; y < grid.y; ++y)
        for (unsigned x = 0; x < grid.x; ++x) run_block({x, y, z});
  }

  void wait_at(State barrier) {
    Fiber& fiber = running();
    fiber.state = barrier;
    leave(fiber);
  }

  uint64_t exchange(uint64_t value, unsigned lane) {
    Fiber& fiber = running();
    auto& slots = slots_[fiber.parity++ % 2];
    slots[fiber.index] = value;
    wait_at(State::at_warp_barrier);
    const unsigned source = fiber.index / kWarp * kWarp + lane % kWarp;
    if (source >= num_threads_) fail("a shuffle reads a lane that does not exist");
    return slots[source];
  }

 private:
  static std::unique_ptr<Fiber> make_fiber() {
    auto fiber = std::make_unique<Fiber>();
    void* stack =
        mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (stack == MAP_FAILED) fail("no memory for a thread's stack");
    fiber->stack = static_cast<std::byte*>(stack);
    return fiber;
  }

  [[nodiscard]] Fiber& running() const {
    if (current_ == nullptr) fail("a built-in of kernels was used outside a kernel");
    return *current_;
  }

  void run_block(uint3 at) {
    blockIdx = at;
    for (unsigned i = 0; i < num_threads_; ++i) {
      Fiber& fiber = *fibers_[i];
      fiber.state = State::ready;
      fiber.parity = 0;
      fiber.index = i;
      fiber.thread = {i % blockDim.x, i / blockDim.x % blockDim.y, i / (blockDim.x * blockDim.y)};
    }
    const bool backward = (at.x + at.y + at.z) % 2 == 1;
    do {
      for (unsigned i = 0; i < num_threads_; ++i) {
        Fiber& fiber = *fibers_[backward ? num_threads_ - 1 - i : i];
        if (fiber.state == State::ready) enter(fiber);
      }
    } while (release());
  }

  /// Lets threads whose barrier is complete go on; false when all have finished.
  bool release() {
    bool unfinished = false;
    bool any_released = false;
    bool all_at_block_barrier = true;
    for (unsigned warp = 0; warp < num_threads_; warp += kWarp) {
      const unsigned end = std::min(warp + kWarp, num_threads_);
      bool whole_warp_waits = true;
      bool any_in_warp = false;
      for (unsigned i = warp; i < end; ++i) {
        const State state = fibers_[i]->state;
        if (state == State::finished) continue;
        any_in_warp = true;
        whole_warp_waits &= state == State::at_warp_barrier;
        all_at_block_barrier &= state == State::at_block_barrier;
      }
      unfinished |= any_in_warp;
      if (any_in_warp && whole_warp_waits) {
        make_ready(warp, end);
        any_released = true;
      }
    }
    if (unfinished && all_at_block_barrier) {
      make_ready(0, num_threads_);
      any_released = true;
    }
    if (unfinished && !any_released) fail("threads of a block wait at different barriers");
    return unfinished;
  }

  void make_ready(unsigned begin, unsigned end) {
    for (unsigned i = begin; i < end; ++i)
      if (fibers_[i]->state != State::finished) fibers_[i]->state = State::ready;
  }

  void enter(Fiber& fiber) {
    current_ = &fiber;
    threadIdx = fiber.thread;
    if (_setjmp(scheduler_) == 0) {
      if (fiber.started) _longjmp(fiber.resume, 1);
      fiber.started = true;
      start(fiber);
    }
    current_ = nullptr;
  }

  void leave(Fiber& fiber) {
    if (_setjmp(fiber.resume) == 0) _longjmp(scheduler_, 1);
  }

  void start(Fiber& fiber) {
    ucontext_t context;
    getcontext(&context);
    context.uc_stack.ss_sp = fiber.stack;
    context.uc_stack.ss_size = kStackBytes;
    context.uc_link = nullptr;
    makecontext(&context, &Executor::fiber_main, 0);
    setcontext(&context);
  }

  static void fiber_main();

  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::array<std::array<uint64_t, kMaxThreads>, 2> slots_{};
  const std::function<void()>* body_ = nullptr;
  unsigned num_threads_ = 0;
  Fiber* current_ = nullptr;
  jmp_buf scheduler_;
};

/// Ranks may be threads of one test, and each runs kernels of its own.
Executor& executor() {
  thread_local Executor instance;
  return instance;
}

void Executor::fiber_main() {
  Executor& self = executor();
  for (;;) {
    Fiber& fiber = self.running();
    (*self.body_)();
    fiber.state = State::finished;
    self.leave(fiber);
  }
}

}  // namespace

void run_grid(dim3 grid, dim3 block, const std::function<void()>& body) {
  executor().run_grid(grid, block, body);
}
void synchronize_block() {
  executor().wait_at(State::at_block_barrier);
}
void synchronize_warp() {
  executor().wait_at(State::at_warp_barrier);
}
uint64_t exchange_in_warp(uint64_t value, unsigned lane) {
  return executor().exchange(value, lane);
}

void fail(const char* what) {
  std::fprintf(stderr, "emulated GPU: %s\n", what);
  std::abort();
}

}  // namespace emulated_gpu
