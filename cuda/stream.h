// From a Stream to what the CUDA runtime wants.
#pragma once

#include <cuda_runtime.h>

#include "check.h"
#include "device/device.h"

namespace swallow::cuda {

/// Makes the stream's device current in the calling thread and returns its queue: the first line of
/// every `run`, because ranks that are threads may each drive another GPU.
inline cudaStream_t enter(const Stream& stream) {
  CUDA_CHECK(cudaSetDevice(stream.device().index));
  return static_cast<cudaStream_t>(stream.queue());
}

}  // namespace swallow::cuda
