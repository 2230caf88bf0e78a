#include "device/device.h"

#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/math.h"

#ifdef _OPENMP
#include <omp.h>
#endif

namespace swallow {

namespace {

constexpr int64_t kAlignment = 256;

void require_cpu(Device device) {
  if (device.kind != DeviceKind::cpu)
    throw DeviceError("device {}: training on a GPU is not part of this build", to_string(device));
}

}  // namespace

std::string to_string(Device device) {
  return device.kind == DeviceKind::cpu ? "cpu" : fmt::format("cuda:{}", device.index);
}

Stream::Stream(Device device, int num_threads) : device_(device), num_threads_(num_threads) {
  require_cpu(device);
  SWALLOW_CHECK(num_threads >= 1, "a stream needs at least one thread, got {}", num_threads);
#ifdef _OPENMP
  // The setting belongs to the calling thread, so ranks that are threads do not disturb each other.
  omp_set_num_threads(num_threads);
#endif
}

void Stream::synchronize() const {}

Buffer::Buffer(Device device, int64_t bytes) : device_(device), bytes_(bytes) {
  require_cpu(device);
  SWALLOW_CHECK(bytes >= 0, "negative size {}", bytes);
  if (bytes == 0) return;
  const int64_t padded = round_up(bytes, kAlignment);
  data_ = static_cast<std::byte*>(
      std::aligned_alloc(static_cast<size_t>(kAlignment), static_cast<size_t>(padded)));
  if (data_ == nullptr) throw ResourceError("cannot allocate {} bytes of host memory", padded);
  std::memset(data_, 0, static_cast<size_t>(padded));
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
  std::free(data_);
}

void copy_bytes(Stream& stream, void* destination, const void* source, int64_t bytes) {
  require_cpu(stream.device());
  if (bytes > 0) std::memcpy(destination, source, static_cast<size_t>(bytes));
}

void zero_bytes(Stream& stream, void* destination, int64_t bytes) {
  require_cpu(stream.device());
  if (bytes > 0) std::memset(destination, 0, static_cast<size_t>(bytes));
}

}  // namespace swallow
