// The part of the CUDA runtime that our code calls, over emulated devices, streams and memory. The
// declarations are those of CUDA's own headers, so a wrong signature does not compile.
#include <cuda_profiler_api.h>
#include <cuda_runtime.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "executor.h"
#include "memory.h"
#include "stream.h"

// The runtime's opaque types. A stream and its events belong to one thread.
struct CUstream_st {
  std::deque<std::function<bool()>> queued;  // false: to be tried again
  uint64_t num_queued = 0;                   // since the beginning
  uint64_t num_done = 0;
};
struct CUevent_st {
  CUstream_st* stream = nullptr;
  uint64_t number = 0;  // complete when so much of the stream's work is done
  bool asked = false;   // whether it is complete, since it was recorded
  std::chrono::steady_clock::time_point completed;
};

namespace emulated_gpu {

namespace {

/// Runs a stream's work up to the first `number` pieces; false when one of them cannot go on yet.
bool advance(CUstream_st& stream, uint64_t number) {
  while (stream.num_done < number) {
    if (stream.queued.empty()) fail("a stream waits for itself");
    std::function<bool()> work = std::move(stream.queued.front());
    stream.queued.pop_front();
    if (!work()) {
      stream.queued.push_front(std::move(work));
      return false;
    }
    ++stream.num_done;
  }
  return true;
}

bool is_done(const CUevent_st& event) {
  return event.stream == nullptr || event.stream->num_done >= event.number;
}

void run_until(CUstream_st& stream, uint64_t number) {
  while (!advance(stream, number)) std::this_thread::sleep_for(std::chrono::microseconds(100));
}

struct ThreadState {
  int device = 0;
  cudaError_t last_error = cudaSuccess;
  std::set<CUstream_st*> streams;
};

ThreadState& this_thread() {
  thread_local ThreadState state;
  return state;
}

int num_devices() {
  const char* text = std::getenv("SWALLOW_EMULATED_GPUS");
  return text == nullptr ? 8 : std::atoi(text);
}

cudaError_t result(cudaError_t error) {
  if (error != cudaSuccess) this_thread().last_error = error;
  return error;
}

struct PinnedMemory {
  std::mutex mutex;
  std::map<char*, size_t> blocks;

  bool holds(const void* address) {
    const std::lock_guard lock(mutex);
    auto* at = static_cast<char*>(const_cast<void*>(address));
    auto after = blocks.upper_bound(at);
    if (after == blocks.begin()) return false;
    --after;
    return at < after->first + after->second;
  }
};

PinnedMemory& pinned_memory() {
  static PinnedMemory instance;
  return instance;
}

}  // namespace

void enqueue_attempt(cudaStream_t stream, std::function<bool()> attempt) {
  if (stream == nullptr) fail("work on the legacy default stream; our streams do not wait for it");
  stream->queued.push_back(std::move(attempt));
  ++stream->num_queued;
}

void enqueue(cudaStream_t stream, std::function<void()> work) {
  enqueue_attempt(stream, [work = std::move(work)] {
    work();
    return true;
  });
}

void drain(cudaStream_t stream) {
  const DeviceAccess access;
  run_until(*stream, stream->num_queued);
}

}  // namespace emulated_gpu

using emulated_gpu::enqueue;
using emulated_gpu::enqueue_attempt;
using emulated_gpu::result;
using emulated_gpu::this_thread;

// Devices

cudaError_t cudaGetDeviceCount(int* count) {
  *count = emulated_gpu::num_devices();
  return result(*count > 0 ? cudaSuccess : cudaErrorNoDevice);
}
cudaError_t cudaSetDevice(int device) {
  if (device < 0 || device >= emulated_gpu::num_devices()) return result(cudaErrorInvalidDevice);
  this_thread().device = device;
  return cudaSuccess;
}
cudaError_t cudaGetDevice(int* device) {
  *device = this_thread().device;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  *properties = {};
  std::strcpy(properties->name, "emulated GPU");
  properties->uuid.bytes[0] = static_cast<char>(device);
  properties->totalGlobalMem = emulated_gpu::kDeviceBytes;
  properties->major = 9;
  properties->multiProcessorCount = 4;
  return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  switch (attribute) {
    case cudaDevAttrMultiProcessorCount:
      *value = 4;
      return cudaSuccess;
    case cudaDevAttrComputeCapabilityMajor:
      *value = 9;
      return cudaSuccess;
    case cudaDevAttrComputeCapabilityMinor:
      *value = 0;
      return cudaSuccess;
    default:
      return result(cudaErrorInvalidValue);
  }
}
cudaError_t cudaDeviceGetPCIBusId(char* text, int bytes, int device) {
  std::snprintf(text, static_cast<size_t>(bytes), "0000:%02x:00.0", device);
  return cudaSuccess;
}
cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  *total = emulated_gpu::kDeviceBytes;
  *free = *total - emulated_gpu::device_bytes_in_use();
  return cudaSuccess;
}
cudaError_t cudaDeviceSynchronize() {
  for (CUstream_st* stream : this_thread().streams) emulated_gpu::drain(stream);
  return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}
cudaError_t cudaDriverGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}
cudaError_t cudaProfilerStart() {
  return cudaSuccess;
}
cudaError_t cudaProfilerStop() {
  return cudaSuccess;
}

// Errors

cudaError_t cudaGetLastError() {
  return std::exchange(this_thread().last_error, cudaSuccess);
}
cudaError_t cudaPeekAtLastError() {
  return this_thread().last_error;
}
const char* cudaGetErrorName(cudaError_t error) {
  return error == cudaSuccess ? "cudaSuccess" : "cudaError";
}
const char* cudaGetErrorString(cudaError_t) {
  return "an error of the emulated GPU";
}

// Streams and events

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  *stream = new CUstream_st;
  this_thread().streams.insert(*stream);
  return cudaSuccess;
}
cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned flags, int) {
  return cudaStreamCreateWithFlags(stream, flags);
}
cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  *least = 0;
  *greatest = -5;
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  emulated_gpu::drain(stream);
  this_thread().streams.erase(stream);
  delete stream;
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  if (stream != nullptr) emulated_gpu::drain(stream);
  return cudaSuccess;
}
cudaError_t cudaStreamQuery(cudaStream_t stream) {
  return stream->queued.empty() ? cudaSuccess : cudaErrorNotReady;
}
cudaError_t cudaEventCreate(cudaEvent_t* event) {
  *event = new CUevent_st;
  return cudaSuccess;
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  return cudaEventCreate(event);
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  // Work that is still to mark it must be done first.
  if (event->stream != nullptr && this_thread().streams.count(event->stream) > 0)
    cudaEventSynchronize(event);
  delete event;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  enqueue(stream, [event] { event->completed = std::chrono::steady_clock::now(); });
  event->stream = stream;
  event->number = stream->num_queued;
  event->asked = false;
  return cudaSuccess;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  CUstream_st* other = event->stream;
  if (other == nullptr) return cudaSuccess;  // never recorded
  enqueue_attempt(
      stream, [other, number = event->number] { return emulated_gpu::advance(*other, number); });
  return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  if (event->stream == nullptr) return cudaSuccess;
  const emulated_gpu::DeviceAccess access;
  emulated_gpu::run_until(*event->stream, event->number);
  return cudaSuccess;
}
// Who asks again waits: from the second time on the work goes on, as far as it can.
cudaError_t cudaEventQuery(cudaEvent_t event) {
  if (emulated_gpu::is_done(*event)) return cudaSuccess;
  if (!std::exchange(event->asked, true)) return result(cudaErrorNotReady);
  const emulated_gpu::DeviceAccess access;
  return result(emulated_gpu::advance(*event->stream, event->number) ? cudaSuccess
                                                                     : cudaErrorNotReady);
}
cudaError_t cudaEventElapsedTime(float* ms, cudaEvent_t start, cudaEvent_t end) {
  if (!emulated_gpu::is_done(*start) || !emulated_gpu::is_done(*end)) return cudaErrorNotReady;
  *ms = std::chrono::duration<float, std::milli>(end->completed - start->completed).count();
  return cudaSuccess;
}

// Memory

cudaError_t cudaMalloc(void** data, size_t bytes) {
  *data = emulated_gpu::allocate_device(bytes);
  return result(*data == nullptr ? cudaErrorMemoryAllocation : cudaSuccess);
}
cudaError_t cudaFree(void* data) {
  if (data == nullptr) return cudaSuccess;
  cudaDeviceSynchronize();
  return result(emulated_gpu::release_device(data) ? cudaSuccess : cudaErrorInvalidValue);
}
cudaError_t cudaMallocHost(void** data, size_t bytes) {
  *data = std::calloc(1, bytes);
  auto& pinned = emulated_gpu::pinned_memory();
  const std::lock_guard lock(pinned.mutex);
  pinned.blocks[static_cast<char*>(*data)] = bytes;
  return cudaSuccess;
}
cudaError_t cudaFreeHost(void* data) {
  cudaDeviceSynchronize();
  auto& pinned = emulated_gpu::pinned_memory();
  const std::lock_guard lock(pinned.mutex);
  pinned.blocks.erase(static_cast<char*>(data));
  std::free(data);
  return cudaSuccess;
}
cudaError_t cudaMemset(void* data, int value, size_t bytes) {
  const emulated_gpu::DeviceAccess access;
  std::memset(data, value, bytes);
  return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void* data, int value, size_t bytes, cudaStream_t stream) {
  enqueue(stream, [=] { std::memset(data, value, bytes); });
  return cudaSuccess;
}
cudaError_t cudaMemcpyAsync(void* destination, const void* source, size_t bytes, cudaMemcpyKind,
                            cudaStream_t stream) {
  const bool pageable =
      !emulated_gpu::is_device_memory(source) && !emulated_gpu::pinned_memory().holds(source);
  if (!pageable) {
    enqueue(stream, [=] { std::memcpy(destination, source, bytes); });
    return cudaSuccess;
  }
  // A pageable source is staged before the call returns.
  const auto* begin = static_cast<const char*>(source);
  enqueue(stream, [destination, staged = std::vector<char>(begin, begin + bytes)] {
    std::memcpy(destination, staged.data(), staged.size());
  });
  return cudaSuccess;
}
cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void* data) {
  enqueue(stream, [=] { function(data); });
  return cudaSuccess;
}
