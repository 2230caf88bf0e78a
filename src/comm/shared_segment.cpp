#include "comm/shared_segment.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <utility>

#include "comm/random_key.h"

namespace swallow {

namespace {

/// "<process> <descriptor> <key>"
struct Offer {
  int process = 0;
  int fd = 0;
  uint64_t key = 0;
};

std::optional<Offer> parse(const std::string& text) {
  Offer offer;
  const char* const end = text.data() + text.size();
  const auto process = std::from_chars(text.data(), end, offer.process);
  if (process.ec != std::errc{} || process.ptr == end) return {};
  const auto fd = std::from_chars(process.ptr + 1, end, offer.fd);
  if (fd.ec != std::errc{} || fd.ptr == end) return {};
  const auto key = std::from_chars(fd.ptr + 1, end, offer.key);
  if (key.ec != std::errc{} || key.ptr != end) return {};
  return offer;
}

}  // namespace

std::optional<SharedSegment> SharedSegment::create(int64_t bytes) {
  SharedSegment segment(memfd_create("swallow-train", MFD_CLOEXEC), bytes);
  if (segment.fd_ < 0 || ftruncate(segment.fd_, kHeaderBytes + bytes) != 0 || !segment.map())
    return {};
  segment.key() = random_key();
  return segment;
}

std::optional<SharedSegment> SharedSegment::open(const std::string& text) {
  const std::optional<Offer> offer = parse(text);
  if (!offer) return {};
  const std::string path = fmt::format("/proc/{}/fd/{}", offer->process, offer->fd);
  SharedSegment segment(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK), 0);
  struct stat status {};
  if (segment.fd_ < 0 || fstat(segment.fd_, &status) != 0 || !S_ISREG(status.st_mode) ||
      status.st_size <= kHeaderBytes)
    return {};
  segment.bytes_ = status.st_size - kHeaderBytes;
  if (!segment.map() || segment.key() != offer->key) return {};
  return segment;
}

bool SharedSegment::map() noexcept {
  void* const base = mmap(nullptr, static_cast<size_t>(kHeaderBytes + bytes_),
                          PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd_, 0);
  if (base == MAP_FAILED) return false;
  base_ = static_cast<std::byte*>(base);
  return true;
}

SharedSegment::SharedSegment(SharedSegment&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      bytes_(other.bytes_),
      base_(std::exchange(other.base_, nullptr)) {}

SharedSegment& SharedSegment::operator=(SharedSegment&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(bytes_, other.bytes_);
  std::swap(base_, other.base_);
  return *this;
}

SharedSegment::~SharedSegment() {
  if (base_ != nullptr) munmap(base_, static_cast<size_t>(kHeaderBytes + bytes_));
  if (fd_ >= 0) close(fd_);
}

std::string SharedSegment::offer() const {
  return fmt::format("{} {} {}", getpid(), fd_, key());
}

}  // namespace swallow
