// The transport between GPUs. Implemented in cuda/, so only in a build with CUDA.
#pragma once

#include "comm/world.h"

namespace swallow {

/// A rank's groups over NCCL; null for groups of one rank. The communicators may be destroyed after
/// the watch, but not called: its end is the end of the connections.
struct NcclGroups {
  std::unique_ptr<Communicator> tp, dp, pp;
  std::unique_ptr<TransportWatch> watch;
};

namespace cuda {

/// Every rank of the job calls this at the same time, each with a GPU of its own. Calls are queued
/// on the caller's stream, which may be another one for every call; tensors in host memory are
/// refused. A thread watches the control plane and NCCL: when a rank is lost, a call fails or a
/// GPU waits for a peer longer than the time limit, the kernels that wait are ended and the job is
/// aborted.
///
/// Sums: fixed for the same machines and sizes by NCCL's choice of algorithm. Where switches add
/// (NVLS), NVIDIA does not promise the same bits: set NCCL_NVLS_ENABLE=0 where they matter. A
/// maximum may pass over NaN.
///
/// Throws ConfigError where NCCL is not installed, CommError when ranks do not come.
[[nodiscard]] NcclGroups connect_nccl(const ProcessGrid& grid, int rank, ControlPlane& control,
                                      const TransportOptions& options);

}  // namespace cuda

}  // namespace swallow
