// Memory that several processes of one host map. It has no name in any file system, so nothing is
// left behind however its processes end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace swallow {

class SharedSegment {
 public:
  /// New memory full of zeros. The system gives a page when it is first touched, so a segment may
  /// be larger than what will be used of it. Nothing when the system has no room for it.
  static std::optional<SharedSegment> create(int64_t bytes);
  /// The memory that another process, or this one, has offered. Nothing when it cannot be had: of
  /// another process namespace or user, no longer alive, no address space.
  static std::optional<SharedSegment> open(const std::string& offer);

  SharedSegment(SharedSegment&& other) noexcept;
  SharedSegment& operator=(SharedSegment&& other) noexcept;
  ~SharedSegment();

  /// For open(), valid while this object lives in the process that created it.
  [[nodiscard]] std::string offer() const;
  /// Aligned to a page's size.
  [[nodiscard]] std::byte* data() const noexcept { return base_ + kHeaderBytes; }
  [[nodiscard]] int64_t bytes() const noexcept { return bytes_; }

 private:
  static constexpr int64_t kHeaderBytes = 4096;

  SharedSegment(int fd, int64_t bytes) noexcept : fd_(fd), bytes_(bytes) {}
  [[nodiscard]] bool map() noexcept;
  /// At the segment's begin: tells it from whatever else has the offer's numbers.
  [[nodiscard]] uint64_t& key() const noexcept { return *reinterpret_cast<uint64_t*>(base_); }

  int fd_ = -1;
  int64_t bytes_ = 0;
  std::byte* base_ = nullptr;
};

}  // namespace swallow
