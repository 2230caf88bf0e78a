// Every call of the CUDA runtime goes through CUDA_CHECK, which ends in one function that throws
// DeviceError. Destructors do not use it.
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
