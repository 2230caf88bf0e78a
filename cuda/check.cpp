#include "check.h"

#include "base/check.h"

namespace swallow::cuda {

void throw_device_error(cudaError_t error, const char* expression, const char* file, int line) {
  throw DeviceError("CUDA: {} ({}) from {} at {}:{}", cudaGetErrorName(error),
                    cudaGetErrorString(error), expression, file, line);
}

}  // namespace swallow::cuda
