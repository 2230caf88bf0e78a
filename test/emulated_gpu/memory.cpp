#include "memory.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstring>
#include <map>
#include <mutex>

#include "executor.h"
#include "stream.h"

namespace emulated_gpu {

namespace {

constexpr size_t kPage = 4096;
constexpr size_t kAlignment = 256;
constexpr int kFreshByte = 0xCB;            // as bf16 and f32 a large negative number
constexpr int64_t kAlwaysProtected = 4096;  // ends of access, since the program began
constexpr int64_t kSampled = 16;
constexpr int kSlackByte = 0x5A;

size_t round_up(size_t value, size_t unit) {
  return (value + unit - 1) / unit * unit;
}

struct Allocation {
  std::byte* pages = nullptr;  // between the guard pages
  size_t page_bytes = 0;
  size_t bytes = 0;  // as asked for
};

struct DeviceMemory {
  std::mutex mutex;
  std::map<std::byte*, Allocation> allocations;  // by address of the data
  size_t in_use = 0;
  int num_accesses = 0;
  int64_t num_ends = 0;  // of accesses
  bool is_protected = true;

  void apply(const Allocation& allocation) const {
    const int rights = is_protected ? PROT_NONE : PROT_READ | PROT_WRITE;
    if (mprotect(allocation.pages, allocation.page_bytes, rights) != 0) fail("mprotect failed");
  }
  void set_protected(bool wanted) {
    if (is_protected == wanted) return;
    is_protected = wanted;
    for (const auto& [data, allocation] : allocations) apply(allocation);
  }
};

DeviceMemory& device_memory() {
  static DeviceMemory instance;
  return instance;
}

}  // namespace

void* allocate_device(size_t bytes) {
  DeviceMemory& memory = device_memory();
  const std::lock_guard lock(memory.mutex);
  if (memory.in_use + bytes > kDeviceBytes) return nullptr;
  const size_t padded = round_up(bytes, kAlignment);
  const size_t page_bytes = round_up(padded, kPage);
  void* mapped = mmap(nullptr, page_bytes + 2 * kPage, PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED) return nullptr;
  auto* pages = static_cast<std::byte*>(mapped) + kPage;
  std::byte* data = pages + page_bytes - padded;
  mprotect(pages, page_bytes, PROT_READ | PROT_WRITE);
  std::memset(data, kFreshByte, bytes);
  std::memset(data + bytes, kSlackByte, padded - bytes);
  const Allocation allocation{pages, page_bytes, bytes};
  memory.apply(allocation);
  memory.allocations[data] = allocation;
  memory.in_use += bytes;
  return data;
}

bool release_device(void* data) {
  DeviceMemory& memory = device_memory();
  const std::lock_guard lock(memory.mutex);
  const auto found = memory.allocations.find(static_cast<std::byte*>(data));
  if (found == memory.allocations.end()) return false;
  const Allocation& allocation = found->second;
  mprotect(allocation.pages, allocation.page_bytes, PROT_READ);
  for (size_t i = allocation.bytes; i < round_up(allocation.bytes, kAlignment); ++i)
    if (found->first[i] != std::byte{kSlackByte}) fail("a kernel wrote past the end of a buffer");
  munmap(allocation.pages - kPage, allocation.page_bytes + 2 * kPage);
  memory.in_use -= allocation.bytes;
  memory.allocations.erase(found);
  return true;
}

bool is_device_memory(const void* address) {
  DeviceMemory& memory = device_memory();
  const std::lock_guard lock(memory.mutex);
  auto* at = static_cast<std::byte*>(const_cast<void*>(address));
  auto after = memory.allocations.upper_bound(at);
  if (after == memory.allocations.begin()) return false;
  const auto& [data, allocation] = *--after;
  return at < data + allocation.bytes;
}

size_t device_bytes_in_use() {
  DeviceMemory& memory = device_memory();
  const std::lock_guard lock(memory.mutex);
  return memory.in_use;
}

DeviceAccess::DeviceAccess() {
  DeviceMemory& memory = device_memory();
  const std::lock_guard lock(memory.mutex);
  if (memory.num_accesses++ == 0) memory.set_protected(false);
}

DeviceAccess::~DeviceAccess() {
  DeviceMemory& memory = device_memory();
  const std::lock_guard lock(memory.mutex);
  if (--memory.num_accesses > 0) return;
  // Protection costs a system call for each allocation. A program repeats itself: after its first
  // steps a sample finds what all calls would.
  const bool in_sample = ++memory.num_ends <= kAlwaysProtected || memory.num_ends % kSampled == 0;
  if (in_sample) memory.set_protected(true);
}

}  // namespace emulated_gpu
