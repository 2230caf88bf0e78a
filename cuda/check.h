// Every call of the CUDA runtime goes through CUDA_CHECK, every kernel launch is followed by
// KERNEL_CHECK; both end in one function that throws DeviceError. Destructors use neither.
#pragma once

#include <cuda_runtime.h>

namespace swallow::cuda {

/// Throws DeviceError with the expression, the error's name and text, and the place.
[[noreturn]] void throw_device_error(cudaError_t error, const char* expression, const char* file,
                                     int line);

inline void check(cudaError_t error, const char* expression, const char* file, int line) {
  if (error != cudaSuccess) [[unlikely]]
    throw_device_error(error, expression, file, line);
}

}  // namespace swallow::cuda

#define CUDA_CHECK(expression) ::swallow::cuda::check((expression), #expression, __FILE__, __LINE__)

/// Reports a launch that was refused. A fault inside the kernel shows at the next synchronize.
#define KERNEL_CHECK() CUDA_CHECK(cudaGetLastError())
