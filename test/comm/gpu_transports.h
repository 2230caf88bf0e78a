// Runs one test body over every transport for tensors on GPUs.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "comm/staged_communicator.h"
#include "comm/transports.h"
#include "device/devices.h"
#include "support/run_on.h"

namespace swallow {

enum class GpuTransport { staged_threads, staged_sockets, nccl };
inline constexpr GpuTransport kGpuTransports[] = {GpuTransport::staged_threads,
                                                  GpuTransport::staged_sockets, GpuTransport::nccl};

inline std::string name_of(GpuTransport transport) {
  switch (transport) {
    case GpuTransport::staged_threads:
      return "staged over threads";
    case GpuTransport::staged_sockets:
      return "staged over sockets";
    default:
      return "NCCL";
  }
}

/// NCCL needs a GPU for each rank, the others one for all.
inline bool can_run(GpuTransport transport, int size) {
  const size_t needed = transport == GpuTransport::nccl ? static_cast<size_t>(size) : 1;
  if (list_devices().size() >= needed) return true;
  WARN("too few GPUs: " << name_of(transport) << " with " << size << " ranks was left out");
  return false;
}

using GpuBody = std::function<void(World&, Stream&)>;

struct GpuJob {
  GpuTransport transport = GpuTransport::nccl;
  GridShape shape;
  std::chrono::milliseconds timeout = std::chrono::minutes(1);
  int64_t staging_bytes = int64_t{64} << 20;  // over threads; sockets have the built-in value
};

/// Ranks are threads of this process. With NCCL each has its own GPU, otherwise all share one.
inline void run_over(const GpuJob& gpu, const GpuBody& body) {
  ThreadJob job(gpu.shape);
  const ProcessGrid grid(gpu.shape);
  const auto device_of = [&](int rank) {
    return Device{DeviceKind::cuda, gpu.transport == GpuTransport::nccl ? rank : 0};
  };
  const auto make = [&](int rank) {
    if (gpu.transport != GpuTransport::staged_threads) {
      const auto backend =
          gpu.transport == GpuTransport::nccl ? CommBackend::automatic : CommBackend::host;
      return make_world(grid, rank, job.control(rank),
                        {.timeout = gpu.timeout, .device = device_of(rank), .backend = backend});
    }
    World world = job.world(rank);
    for (auto* group : {&world.tp, &world.dp, &world.pp})
      if ((*group)->size() > 1)
        *group = std::make_unique<StagedCommunicator>(std::move(*group), device_of(rank),
                                                      gpu.staging_bytes);
    return world;
  };
  run_ranks(job, gpu.shape.world_size(), make, [&](World& world) {
    Stream stream(device_of(world.rank));
    const CancelOnError guard(world);
    body(world, stream);
  });
}

/// Each rank's CommError, or an empty text.
inline std::vector<std::string> errors_of(const GpuJob& gpu, const GpuBody& body) {
  std::vector<std::string> errors(static_cast<size_t>(gpu.shape.world_size()));
  run_over(gpu, [&](World& world, Stream& stream) {
    try {
      body(world, stream);
    } catch (const CommError& error) {
      errors[static_cast<size_t>(world.rank)] = error.what();
    }
  });
  return errors;
}

/// A vector in device memory.
template <class T>
class OnDevice {
 public:
  OnDevice(Stream& stream, std::vector<T> values)
      : values_(std::move(values)),
        buffer_(stream.device(), static_cast<int64_t>(values_.size() * sizeof(T))) {
    copy(stream, tensor(), host_view(std::span(values_)));
  }
  [[nodiscard]] Tensor tensor() const {
    return {buffer_.data(), kDTypeOf<T>, {static_cast<int64_t>(values_.size())}, buffer_.device()};
  }
  const std::vector<T>& get(World& world, Stream& stream) {
    copy(stream, host_view(std::span(values_)), tensor());
    world.synchronize(stream);
    return values_;
  }

 private:
  std::vector<T> values_;
  Buffer buffer_;
};

}  // namespace swallow
