// Streams, memory and discovery of GPUs: the table that device/device.cpp picks for cuda. A machine
// without a GPU or a driver has no devices, whatever error says so.
#include <cuda_profiler_api.h>
#include <cuda_runtime.h>
#include <nvtx3/nvToolsExt.h>

#include <cstring>

#include "base/check.h"
#include "check.h"
#include "device/backend.h"
#include "library.h"
#include "management.h"

namespace swallow::cuda {

namespace {

/// GPUs this process may use; `why` says what is amiss when there is none.
int count_devices(std::string& why) {
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error == cudaSuccess && count > 0) return count;
  why = error == cudaSuccess ? "none is visible" : cudaGetErrorString(error);
  cudaGetLastError();  // the runtime remembers the error; the next check must not see it
  return 0;
}

/// As nvidia-smi writes it, but without the dashes inside.
std::string uuid_text(const cudaUUID_t& uuid) {
  std::string text = "GPU-";
  for (const char byte : uuid.bytes) text += fmt::format("{:02x}", static_cast<uint8_t>(byte));
  return text;
}

std::vector<DeviceInfo> list_gpus() {
  std::vector<DeviceInfo> found;
  std::string why;
  const int count = count_devices(why);
  for (int index = 0; index < count; ++index) {
    cudaDeviceProp properties{};
    CUDA_CHECK(cudaGetDeviceProperties(&properties, index));
    char bus[32] = {};
    CUDA_CHECK(cudaDeviceGetPCIBusId(bus, sizeof bus, index));
    found.push_back({{DeviceKind::cuda, index},
                     properties.name,
                     static_cast<int64_t>(properties.totalGlobalMem),
                     10 * properties.major + properties.minor,
                     uuid_text(properties.uuid),
                     bus});
  }
  return found;
}

void* create_queue(int index) {
  std::string why;
  const int count = count_devices(why);
  if (count == 0) throw DeviceError("device cuda:{}: no usable GPU: {}", index, why);
  if (index < 0 || index >= count)
    throw DeviceError("device cuda:{}: this machine has cuda:0 to cuda:{}", index, count - 1);
  CUDA_CHECK(cudaSetDevice(index));
  cudaStream_t queue = nullptr;
  // Non-blocking: nothing of ours runs on the legacy default stream, so nothing waits for it.
  CUDA_CHECK(cudaStreamCreateWithFlags(&queue, cudaStreamNonBlocking));
  return queue;
}

void destroy_queue(int index, void* queue) noexcept {
  cudaSetDevice(index);
  cudaStreamDestroy(static_cast<cudaStream_t>(queue));
}

void synchronize(int index, void* queue) {
  CUDA_CHECK(cudaSetDevice(index));
  CUDA_CHECK(cudaStreamSynchronize(static_cast<cudaStream_t>(queue)));
}

void* create_event(int index) {
  CUDA_CHECK(cudaSetDevice(index));
  cudaEvent_t event = nullptr;
  CUDA_CHECK(cudaEventCreate(&event));
  return event;
}

void destroy_event(int index, void* event) noexcept {
  cudaSetDevice(index);
  cudaEventDestroy(static_cast<cudaEvent_t>(event));
}

void record_event(int index, void* event, void* queue) {
  CUDA_CHECK(cudaSetDevice(index));
  CUDA_CHECK(cudaEventRecord(static_cast<cudaEvent_t>(event), static_cast<cudaStream_t>(queue)));
}

void wait_event(int index, void* queue, void* event) {
  CUDA_CHECK(cudaSetDevice(index));
  CUDA_CHECK(
      cudaStreamWaitEvent(static_cast<cudaStream_t>(queue), static_cast<cudaEvent_t>(event), 0));
}

void synchronize_event(int index, void* event) {
  CUDA_CHECK(cudaSetDevice(index));
  CUDA_CHECK(cudaEventSynchronize(static_cast<cudaEvent_t>(event)));
}

bool query_event(int index, void* event) {
  CUDA_CHECK(cudaSetDevice(index));
  const cudaError_t error = cudaEventQuery(static_cast<cudaEvent_t>(event));
  if (error == cudaErrorNotReady) {
    cudaGetLastError();  // no failure, but the runtime may remember it as one
    return false;
  }
  check(error, "cudaEventQuery", __FILE__, __LINE__);
  return true;
}

double ms_between(int index, void* start, void* end) {
  CUDA_CHECK(cudaSetDevice(index));
  float ms = 0;
  CUDA_CHECK(
      cudaEventElapsedTime(&ms, static_cast<cudaEvent_t>(start), static_cast<cudaEvent_t>(end)));
  return static_cast<double>(ms);
}

std::byte* allocate(int index, int64_t bytes) {
  CUDA_CHECK(cudaSetDevice(index));
  void* data = nullptr;
  const cudaError_t error = cudaMalloc(&data, static_cast<size_t>(bytes));
  if (error == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    size_t free = 0;
    size_t total = 0;
    CUDA_CHECK(cudaMemGetInfo(&free, &total));
    throw ResourceError("cannot allocate {} bytes on cuda:{}: {} of {} are free", bytes, index,
                        free, total);
  }
  check(error, "cudaMalloc", __FILE__, __LINE__);
  // The memory must be zero before any stream sees it, and our streams do not wait for this one.
  CUDA_CHECK(cudaMemset(data, 0, static_cast<size_t>(bytes)));
  CUDA_CHECK(cudaStreamSynchronize(nullptr));
  return static_cast<std::byte*>(data);
}

void release(int index, std::byte* data) noexcept {
  cudaSetDevice(index);
  cudaFree(data);
}

std::byte* allocate_host(int index, int64_t bytes) {
  CUDA_CHECK(cudaSetDevice(index));
  void* data = nullptr;
  const cudaError_t error = cudaMallocHost(&data, static_cast<size_t>(bytes));
  if (error == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    throw ResourceError("cannot allocate {} bytes of page-locked host memory", bytes);
  }
  check(error, "cudaMallocHost", __FILE__, __LINE__);
  std::memset(data, 0, static_cast<size_t>(bytes));
  return static_cast<std::byte*>(data);
}

void release_host(int index, std::byte* data) noexcept {
  cudaSetDevice(index);
  cudaFreeHost(data);
}

void copy(int index, void* queue, void* destination, const void* source, int64_t bytes) {
  CUDA_CHECK(cudaSetDevice(index));
  CUDA_CHECK(cudaMemcpyAsync(destination, source, static_cast<size_t>(bytes), cudaMemcpyDefault,
                             static_cast<cudaStream_t>(queue)));
}

void zero(int index, void* queue, void* destination, int64_t bytes) {
  CUDA_CHECK(cudaSetDevice(index));
  CUDA_CHECK(cudaMemsetAsync(destination, 0, static_cast<size_t>(bytes),
                             static_cast<cudaStream_t>(queue)));
}

void begin_range(const char* name) noexcept {
  nvtxRangePushA(name);
}

void end_range() noexcept {
  nvtxRangePop();
}

void start_profiling(int index) {
  CUDA_CHECK(cudaSetDevice(index));
  CUDA_CHECK(cudaProfilerStart());
}

void stop_profiling(int index) {
  CUDA_CHECK(cudaSetDevice(index));
  CUDA_CHECK(cudaDeviceSynchronize());
  CUDA_CHECK(cudaProfilerStop());
}

int64_t memory_used(int index) {
  CUDA_CHECK(cudaSetDevice(index));
  size_t free = 0;
  size_t total = 0;
  CUDA_CHECK(cudaMemGetInfo(&free, &total));
  return static_cast<int64_t>(total - free);
}

constexpr DeviceBackend kGpu = {
    .create_queue = create_queue,
    .destroy_queue = destroy_queue,
    .synchronize = synchronize,
    .create_event = create_event,
    .destroy_event = destroy_event,
    .record_event = record_event,
    .wait_event = wait_event,
    .synchronize_event = synchronize_event,
    .query_event = query_event,
    .ms_between = ms_between,
    .allocate = allocate,
    .release = release,
    .allocate_host = allocate_host,
    .release_host = release_host,
    .copy = copy,
    .zero = zero,
    .begin_range = begin_range,
    .end_range = end_range,
    .start_profiling = start_profiling,
    .stop_profiling = stop_profiling,
    .devices = list_gpus,
    .libraries = library_versions,
    .state = read_state,
    .memory_used = memory_used,
};

}  // namespace

const DeviceBackend& backend() {
  return kGpu;
}

}  // namespace swallow::cuda
