// The one way to launch a kernel: the runtime's typed call, its error checked at once. A fault
// inside the kernel shows at the next synchronize.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "base/check.h"
#include "base/math.h"
#include "check.h"

namespace swallow::cuda {

/// Blocks and threads of a launch.
struct LaunchShape {
  dim3 grid;
  unsigned threads = 0;  // of a block, in x
};

/// `blocks` in x: up to 2^31 - 1 of them.
inline LaunchShape row_of_blocks(int64_t blocks, int threads) {
  SWALLOW_CHECK(blocks >= 1 && blocks <= INT32_MAX, "{} blocks exceed a CUDA grid", blocks);
  return {dim3(static_cast<unsigned>(blocks)), static_cast<unsigned>(threads)};
}

/// One thread per pack of a row: x counts rows, y the blocks that share one, as few as max_threads
/// allows and of equal width in whole warps: 13,824 columns in packs of 8 become 4 blocks of 448
/// threads with 3.6 % idle.
inline LaunchShape rows_of_packs(int64_t rows, int64_t packs, int max_threads) {
  const int64_t blocks = ceil_div(packs, max_threads);
  SWALLOW_CHECK(rows >= 1 && rows <= INT32_MAX && blocks >= 1 && blocks <= 65535,
                "{} rows of {} packs exceed a CUDA grid", rows, packs);
  return {dim3(static_cast<unsigned>(rows), static_cast<unsigned>(blocks)),
          static_cast<unsigned>(round_up(ceil_div(packs, blocks), 32))};
}

/// Queues kernel<<<shape>>>(arguments...); arguments are converted to the kernel's parameters.
template <class... Parameters, class... Arguments>
void launch_kernel(cudaStream_t queue, const LaunchShape& shape, void (*kernel)(Parameters...),
                   Arguments... arguments) {
  cudaLaunchConfig_t config{};
  config.gridDim = shape.grid;
  config.blockDim = dim3(shape.threads);
  config.stream = queue;
  CUDA_CHECK(cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...));
}

}  // namespace swallow::cuda
