// Runs a kernel's grid on the CPU, one fiber a CUDA thread, so that barriers and shuffles mean what
// they mean on a GPU. Blocks run one after another, threads of a block in an order that alternates,
// so that a missing barrier shows. A barrier that some threads never reach ends the program with a
// message: on a GPU it would hang.
#pragma once

#include <vector_types.h>

#include <cstdint>
#include <functional>

// The built-in variables of the CUDA thread that is running.
extern constinit thread_local uint3 threadIdx;
extern constinit thread_local uint3 blockIdx;
extern constinit thread_local dim3 blockDim;
extern constinit thread_local dim3 gridDim;

namespace emulated_gpu {

/// Calls `body` once per CUDA thread of the grid.
void run_grid(dim3 grid, dim3 block, const std::function<void()>& body);

/// __syncthreads: returns when all unfinished threads of the block have come.
void synchronize_block();

/// __syncwarp of the whole warp.
void synchronize_warp();

/// Gives `value` to the warp and returns that of `lane`; all unfinished threads of the warp call
/// it.
[[nodiscard]] uint64_t exchange_in_warp(uint64_t value, unsigned lane);

/// Ends the program: the kernel or the program does what no GPU could.
[[noreturn]] void fail(const char* what);

}  // namespace emulated_gpu
