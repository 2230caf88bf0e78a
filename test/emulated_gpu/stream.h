// Emulated streams are as late as they may be: work that is queued runs when somebody waits for it,
// never earlier. So a missing wait between streams, and host code that reads a result too early,
// give wrong results every time, where a GPU would give them now and then. Device memory cannot be
// touched by host code outside queued work: that ends the program with a segmentation fault.
#pragma once

#include <cuda_runtime.h>

#include <functional>

namespace emulated_gpu {

/// Adds work to a stream. Host memory that it reads must not change until it ran, unless the caller
/// copied it: the same rule as on a GPU.
void enqueue(cudaStream_t stream, std::function<void()> work);

/// Adds work that may have to wait for something outside the stream, as a collective does for other
/// ranks: `attempt` is called, always by the stream's own thread, until it returns true.
void enqueue_attempt(cudaStream_t stream, std::function<bool()> attempt);

/// Runs what is queued on a stream, with what it waits for on other streams.
void drain(cudaStream_t stream);

/// Host code may touch device memory while one of these lives; for emulated libraries.
class DeviceAccess {
 public:
  DeviceAccess();
  DeviceAccess(const DeviceAccess&) = delete;
  DeviceAccess& operator=(const DeviceAccess&) = delete;
  ~DeviceAccess();
};

}  // namespace emulated_gpu
