#include "checkpoint/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>

#include "base/check.h"

namespace swallow {

namespace {

/// From this size on a read or a write is taken for a part of a long sequence of them.
constexpr size_t kLong = size_t{1} << 20;  // bytes
constexpr int64_t kChunksAhead = 4;

std::string reason(int error) {
  return std::generic_category().message(error);
}

/// strerror, and for a full disk what is there.
std::string write_reason(const std::filesystem::path& path, int error) {
  struct statvfs disk {};
  const bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;
  if (!full || statvfs(path.parent_path().c_str(), &disk) != 0) return reason(error);
  return fmt::format("{}: {} bytes free", reason(error),
                     static_cast<uint64_t>(disk.f_bavail) * disk.f_frsize);
}

}  // namespace

File File::open(const std::filesystem::path& path, Links links) {
  // O_NONBLOCK: opening a named pipe must not wait for its writer.
  const int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | (links == Links::refuse ? O_NOFOLLOW : 0);
  const int descriptor = ::open(path.c_str(), flags);
  if (descriptor < 0)
    throw CheckpointError(
        "{}: cannot open: {}", path.string(),
        errno == ELOOP && links == Links::refuse ? "is a symbolic link" : reason(errno));
  File file(path, descriptor);
  struct stat status {};
  if (fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode))
    throw CheckpointError("{}: is not a regular file", path.string());
  return file;
}

File File::create(const std::filesystem::path& path) {
  const int descriptor =
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
  if (descriptor < 0)
    throw IoError("{}: cannot create: {}", path.string(), write_reason(path, errno));
  return {path, descriptor};
}

File::File(File&& other) noexcept
    : path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)) {}

File& File::operator=(File&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

File::~File() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

int64_t File::size() const {
  struct stat status {};
  if (fstat(descriptor_, &status) != 0)
    throw CheckpointError("{}: cannot stat: {}", path_.string(), reason(errno));
  return status.st_size;
}

void File::read(std::span<std::byte> bytes, int64_t offset) const {
  // The disk works ahead while the caller hashes and copies. A hint: no failure matters.
  if (const auto size = static_cast<int64_t>(bytes.size()); bytes.size() >= kLong)
    (void)posix_fadvise(descriptor_, offset + size, kChunksAhead * size, POSIX_FADV_WILLNEED);
  while (!bytes.empty()) {
    const ssize_t got = ::pread(descriptor_, bytes.data(), bytes.size(), offset);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0)
      throw CheckpointError("{}: byte {}: cannot read: {}", path_.string(), offset, reason(errno));
    if (got == 0)
      throw CheckpointError("{}: byte {}: the file ends here, {} bytes are missing", path_.string(),
                            offset, bytes.size());
    bytes = bytes.subspan(static_cast<size_t>(got));
    offset += got;
  }
}

void File::reserve(int64_t bytes) {
  int error = EINTR;
  while (error == EINTR) error = posix_fallocate(descriptor_, 0, bytes);
  // Where the file system cannot reserve, the writes find out.
  if (error != 0 && error != EOPNOTSUPP && error != EINVAL && error != ENOSYS)
    throw IoError("{}: cannot reserve {} bytes: {}", path_.string(), bytes,
                  write_reason(path_, error));
}

void File::write(std::span<const std::byte> bytes, int64_t offset) {
  const auto size = static_cast<int64_t>(bytes.size());
  const int64_t begin = offset;
  while (!bytes.empty()) {
    const ssize_t put = ::pwrite(descriptor_, bytes.data(), bytes.size(), offset);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0)
      throw IoError("{}: byte {}: cannot write {} bytes: {}", path_.string(), offset, bytes.size(),
                    write_reason(path_, put < 0 ? errno : ENOSPC));
    bytes = bytes.subspan(static_cast<size_t>(put));
    offset += put;
  }
  // The disk begins while the next chunk is made, not at the sync, which then reports all failures.
  if (size >= static_cast<int64_t>(kLong))
    (void)sync_file_range(descriptor_, begin, size, SYNC_FILE_RANGE_WRITE);
}

void File::sync_and_close() {
  if (::fsync(descriptor_) != 0)
    throw IoError("{}: cannot sync: {}", path_.string(), write_reason(path_, errno));
  if (::close(std::exchange(descriptor_, -1)) != 0)
    throw IoError("{}: cannot close: {}", path_.string(), write_reason(path_, errno));
}

std::vector<std::byte> read_file(const std::filesystem::path& path, Links links) {
  const File file = File::open(path, links);
  std::vector<std::byte> bytes(static_cast<size_t>(file.size()));
  file.read(bytes, 0);
  return bytes;
}

void write_new_file(const std::filesystem::path& path, std::string_view text) {
  File file = File::create(path);
  file.write(std::as_bytes(std::span(text)), 0);
  file.sync_and_close();
}

void replace_file(const std::filesystem::path& path, std::string_view text) {
  const std::filesystem::path temporary = path.string() + ".tmp";
  ::unlink(temporary.c_str());  // of a job that died here
  write_new_file(temporary, text);
  rename_path(temporary, path);
  sync_folder(path.parent_path());
}

void sync_folder(const std::filesystem::path& folder) {
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = descriptor >= 0 && ::fsync(descriptor) == 0;
  const int error = errno;
  if (descriptor >= 0) ::close(descriptor);
  if (!synced) throw IoError("{}: cannot sync the folder: {}", folder.string(), reason(error));
}

void rename_path(const std::filesystem::path& from, const std::filesystem::path& to) {
  if (std::rename(from.c_str(), to.c_str()) != 0)
    throw IoError("{}: cannot rename to {}: {}", from.string(), to.string(),
                  write_reason(to, errno));
}

}  // namespace swallow
