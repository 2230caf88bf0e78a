#include "data/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/check.h"

namespace swallow {

namespace {

constexpr size_t kWriteBufferBytes = size_t{1} << 20;
constexpr std::string_view kPartial = ".partial.";  // followed by the process id

/// Removes a temporary file unless its writer holds the lock. False when it stays.
bool remove_abandoned(const std::string& path) {
  // NFS grants an exclusive lock only where the file is open for writing.
  const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return errno == ENOENT;
  const bool removed = ::flock(fd, LOCK_EX | LOCK_NB) == 0 && ::unlink(path.c_str()) == 0;
  ::close(fd);
  return removed;
}

std::filesystem::path folder_of(const std::string& path) {
  const std::filesystem::path parent = std::filesystem::path(path).parent_path();
  return parent.empty() ? std::filesystem::path(".") : parent;
}

}  // namespace

InputFile::InputFile(std::string path) : path_(std::move(path)) {
  fd_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd_ < 0) throw DataError("{}: cannot be opened: {}", path_, std::strerror(errno));
  struct stat status {};
  const int error = ::fstat(fd_, &status) == 0 ? 0 : errno;
  if (error != 0 || !S_ISREG(status.st_mode)) {
    ::close(std::exchange(fd_, -1));
    throw DataError("{}: {}", path_, error != 0 ? std::strerror(error) : "is not a regular file");
  }
  size_ = status.st_size;
}

InputFile::InputFile(InputFile&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)), size_(other.size_) {}

InputFile::~InputFile() {
  if (fd_ >= 0) ::close(fd_);
}

int64_t InputFile::read_some(int64_t offset, std::span<std::byte> out) const {
  size_t done = 0;
  while (done < out.size()) {
    const ssize_t got = ::pread(fd_, out.data() + done, out.size() - done,
                                static_cast<off_t>(offset) + static_cast<off_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      throw DataError("{}: reading at offset {} failed: {}", path_,
                      offset + static_cast<int64_t>(done), std::strerror(errno));
    }
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  return static_cast<int64_t>(done);
}

void InputFile::read(int64_t offset, std::span<std::byte> out) const {
  const int64_t got = read_some(offset, out);
  if (got != static_cast<int64_t>(out.size())) {
    throw DataError(
        "{}: ends at offset {}, {} bytes were expected at offset {}; it had {} when opened", path_,
        offset + got, out.size(), offset, size_);
  }
}

std::vector<std::byte> InputFile::read_all() const {
  std::vector<std::byte> bytes(static_cast<size_t>(size_));
  read(0, bytes);
  return bytes;
}

OutputFile::OutputFile(std::string path)
    : path_(std::move(path)), temporary_(fmt::format("{}{}{}", path_, kPartial, ::getpid())) {
  fd_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
  if (fd_ < 0) {
    throw IoError("{}: cannot be created: {}{}", temporary_, std::strerror(errno),
                  errno == EEXIST ? " (left by a run that was killed? then remove it)" : "");
  }
  // Best effort: a file system without locks leaves it to people to say that a writer is dead.
  (void)::flock(fd_, LOCK_EX | LOCK_NB);
  buffer_.reserve(kWriteBufferBytes);
}

OutputFile::~OutputFile() {
  if (fd_ >= 0) ::close(fd_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void OutputFile::fail(const char* action) const {
  throw IoError("{}: {} failed after {} bytes: {}", temporary_, action, size_,
                std::strerror(errno));
}

void OutputFile::write(std::span<const std::byte> bytes) {
  size_ += static_cast<int64_t>(bytes.size());
  while (!bytes.empty()) {
    const size_t part = std::min(bytes.size(), kWriteBufferBytes - buffer_.size());
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(part));
    bytes = bytes.subspan(part);
    if (buffer_.size() == kWriteBufferBytes) flush();
  }
}

void OutputFile::flush() {
  size_t done = 0;
  while (done < buffer_.size()) {
    const ssize_t put = ::write(fd_, buffer_.data() + done, buffer_.size() - done);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) fail("writing");
    done += static_cast<size_t>(put);
  }
  buffer_.clear();
}

void OutputFile::sync() {
  flush();
  if (::fsync(fd_) != 0) fail("fsync");
}

void OutputFile::commit() {
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail("rename to the final name");
  temporary_.clear();
  // The data are on the device already; an error of close() could no longer mean a lost write.
  ::close(std::exchange(fd_, -1));
}

std::string remove_leftovers(const std::string& path) {
  const std::string begin = std::filesystem::path(path).filename().string() + std::string(kPartial);
  std::string busy;
  std::error_code error;
  // A folder that cannot be listed hides what it holds; creating the output will say what is wrong.
  for (const auto& entry : std::filesystem::directory_iterator(folder_of(path), error)) {
    const std::string name = entry.path().filename().string();
    const bool ours = name.starts_with(begin) && name.size() > begin.size() &&
                      name.find_first_not_of("0123456789", begin.size()) == std::string::npos;
    if (ours && !remove_abandoned(entry.path().string())) busy = entry.path().string();
  }
  return busy;
}

void sync_folder_of(const std::string& path) {
  const std::string folder = folder_of(path).string();
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool ok = fd >= 0 && ::fsync(fd) == 0;
  const int error = errno;
  if (fd >= 0) ::close(fd);
  if (!ok) throw IoError("{}: fsync of the folder failed: {}", folder, std::strerror(error));
}

}  // namespace swallow
