#include "device/device.h"

#include <sys/mman.h>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/math.h"
#include "device/backend.h"

#ifdef _OPENMP
#include <omp.h>
#endif

namespace swallow {

namespace {

constexpr int64_t kAlignment = 256;

/// x86-64's and most of AArch64's. A matrix of a few thousand columns has every row on another
/// page of 4 KiB, more than a core remembers translations for.
constexpr int64_t kLargePage = 2 << 20;

std::byte* allocate_on_host(int /*index*/, int64_t bytes) {
  const bool large = bytes >= 2 * kLargePage;
  const int64_t alignment = large ? kLargePage : kAlignment;
  const int64_t padded = round_up(bytes, alignment);
  auto* data = static_cast<std::byte*>(
      std::aligned_alloc(static_cast<size_t>(alignment), static_cast<size_t>(padded)));
  if (data == nullptr) throw ResourceError("cannot allocate {} bytes of host memory", padded);
#ifdef MADV_HUGEPAGE  // a wish: where it is refused, pages stay small
  if (large) madvise(data, static_cast<size_t>(padded), MADV_HUGEPAGE);
#endif
  std::memset(data, 0, static_cast<size_t>(padded));
  return data;
}

constexpr DeviceBackend kHost = {
    .create_queue = [](int) -> void* { return nullptr; },
    .destroy_queue = [](int, void*) noexcept {},
    .synchronize = [](int, void*) {},
    .create_event = [](int) -> void* { return nullptr; },
    .destroy_event = [](int, void*) noexcept {},
    .record_event = [](int, void*, void*) {},
    .wait_event = [](int, void*, void*) {},
    .synchronize_event = [](int, void*) {},
    .query_event = [](int, void*) { return true; },
    .ms_between = [](int, void*, void*) { return 0.0; },
    .allocate = allocate_on_host,
    .release = [](int, std::byte* data) noexcept { std::free(data); },
    .allocate_host = allocate_on_host,
    .release_host = [](int, std::byte* data) noexcept { std::free(data); },
    .copy = [](int, void*, void* destination, const void* source,
               int64_t bytes) { std::memcpy(destination, source, static_cast<size_t>(bytes)); },
    .zero = [](int, void*, void* destination,
               int64_t bytes) { std::memset(destination, 0, static_cast<size_t>(bytes)); },
    .begin_range = [](const char*) noexcept {},
    .end_range = []() noexcept {},
    .start_profiling = [](int) {},
    .stop_profiling = [](int) {},
    .devices = [] { return std::vector<DeviceInfo>{}; },
    .libraries = [] { return std::vector<LibraryVersion>{}; },
    .state = [](const std::string&) { return DeviceState{}; },
    .memory_used = [](int) -> int64_t { return 0; },
};

/// Ranges are the process's, not a device's: profilers of GPUs show those of CPU ranks too.
const DeviceBackend& tracing_backend() {
  const DeviceBackend* cuda = find_backend(DeviceKind::cuda);
  return cuda == nullptr ? kHost : *cuda;
}

const DeviceBackend& backend_of(Device device) {
  const DeviceBackend* found = find_backend(device.kind);
  if (found == nullptr)
    throw DeviceError("device {}: this build has no CUDA; configure with -DSWALLOW_CUDA=ON",
                      to_string(device));
  return *found;
}

}  // namespace

const DeviceBackend* find_backend(DeviceKind kind) {
  if (kind == DeviceKind::cpu) return &kHost;
#ifdef SWALLOW_HAS_CUDA
  return &cuda::backend();
#else
  return nullptr;
#endif
}

std::string to_string(Device device) {
  return device.kind == DeviceKind::cpu ? "cpu" : fmt::format("cuda:{}", device.index);
}

Stream::Stream(Device device, int num_threads)
    : device_(device),
      num_threads_(num_threads),
      queue_(backend_of(device).create_queue(device.index), DestroyQueue{device}) {
  SWALLOW_CHECK(num_threads >= 1, "a stream needs at least one thread, got {}", num_threads);
#ifdef _OPENMP
  // The setting belongs to the calling thread, so ranks that are threads do not disturb each other.
  omp_set_num_threads(num_threads);
#endif
}

void Stream::DestroyQueue::operator()(void* queue) const noexcept {
  find_backend(device.kind)->destroy_queue(device.index, queue);
}

void Stream::synchronize() const {
  backend_of(device_).synchronize(device_.index, queue());
}

void Stream::wait(const Event& event) {
  SWALLOW_CHECK(event.device_ == device_, "a stream of {} waits for an event of {}",
                to_string(device_), to_string(event.device_));
  backend_of(device_).wait_event(device_.index, queue(), event.event_.get());
}

Event::Event(Device device)
    : device_(device), event_(backend_of(device).create_event(device.index), Destroy{device}) {}

void Event::Destroy::operator()(void* event) const noexcept {
  find_backend(device.kind)->destroy_event(device.index, event);
}

void Event::record(Stream& stream) {
  SWALLOW_CHECK(stream.device() == device_, "an event of {} is recorded on {}", to_string(device_),
                to_string(stream.device()));
  backend_of(device_).record_event(device_.index, event_.get(), stream.queue());
}

void Event::synchronize() const {
  backend_of(device_).synchronize_event(device_.index, event_.get());
}

bool Event::query() const {
  return backend_of(device_).query_event(device_.index, event_.get());
}

double Event::ms_since(const Event& start) const {
  return backend_of(device_).ms_between(device_.index, start.event_.get(), event_.get());
}

Buffer::Buffer(Device device, int64_t bytes) : device_(device), bytes_(bytes) {
  const DeviceBackend& backend = backend_of(device);
  SWALLOW_CHECK(bytes >= 0, "negative size {}", bytes);
  if (bytes > 0) data_ = backend.allocate(device.index, bytes);
}

Buffer::Buffer(Buffer&& other) noexcept
    : device_(other.device_),
      data_(std::exchange(other.data_, nullptr)),
      bytes_(std::exchange(other.bytes_, 0)) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  std::swap(device_, other.device_);
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

Buffer::~Buffer() {
  if (data_ != nullptr) find_backend(device_.kind)->release(device_.index, data_);
}

HostBuffer::HostBuffer(Device device, int64_t bytes) : bytes_(bytes) {
  const DeviceBackend& backend = backend_of(device);
  SWALLOW_CHECK(bytes > 0, "host buffer of {} bytes", bytes);
  data_ = {backend.allocate_host(device.index, bytes), Release{device}};
}

void HostBuffer::Release::operator()(std::byte* data) const noexcept {
  find_backend(device.kind)->release_host(device.index, data);
}

TraceRange::TraceRange(const char* name) noexcept {
  tracing_backend().begin_range(name);
}

TraceRange::~TraceRange() {
  tracing_backend().end_range();
}

void start_profiling(Device device) {
  backend_of(device).start_profiling(device.index);
}

void stop_profiling(Device device) {
  backend_of(device).stop_profiling(device.index);
}

void copy_bytes(Stream& stream, void* destination, const void* source, int64_t bytes) {
  const Device device = stream.device();
  if (bytes > 0) backend_of(device).copy(device.index, stream.queue(), destination, source, bytes);
}

void zero_bytes(Stream& stream, void* destination, int64_t bytes) {
  const Device device = stream.device();
  if (bytes > 0) backend_of(device).zero(device.index, stream.queue(), destination, bytes);
}

}  // namespace swallow
