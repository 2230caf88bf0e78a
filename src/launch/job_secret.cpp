#include "launch/job_secret.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>
#include <system_error>

#include "base/check.h"
#include "launch/proof.h"
#include "launch/socket.h"

namespace swallow {
namespace {

constexpr size_t kLeastBytes = 16;
constexpr size_t kMostBytes = 1024;
constexpr size_t kNewBytes = 32;

std::string hexadecimal(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return text;
}

/// Nothing where the environment names no home.
std::optional<std::filesystem::path> key_file(const EnvironmentLookup& lookup) {
  const auto folder_in = [&](const char* name) -> std::optional<std::filesystem::path> {
    const auto value = lookup(name);
    if (!value || !value->starts_with("/")) return std::nullopt;
    return std::filesystem::path(*value);
  };
  auto folder = folder_in("XDG_CONFIG_HOME");
  if (!folder) {
    folder = folder_in("HOME");
    if (!folder) return std::nullopt;
    *folder /= ".config";
  }
  return *folder / "swallow-train" / "rendezvous.key";
}

/// The file's bytes; nothing when it is missing.
std::optional<std::string> read_key(const std::filesystem::path& path) {
  // Owned as a descriptor, whatever it is one of.
  const Socket file(open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (!file.valid()) {
    if (errno == ENOENT) return std::nullopt;
    throw ConfigError("{}: cannot be read: {}", path.string(), std::strerror(errno));
  }
  struct stat facts {};
  if (fstat(file.fd(), &facts) != 0 || !S_ISREG(facts.st_mode) || facts.st_uid != geteuid() ||
      (facts.st_mode & 077) != 0)
    throw ConfigError(
        "{}: expected a regular file that is readable by its owner alone (chmod 600), since the "
        "ranks of a job know each other by it; or remove it, and a new one is made",
        path.string());
  std::string bytes(kMostBytes + 1, '\0');
  const ssize_t got = read(file.fd(), bytes.data(), bytes.size());
  bytes.resize(got < 0 ? 0 : static_cast<size_t>(got));
  if (bytes.size() < kLeastBytes || bytes.size() > kMostBytes)
    throw ConfigError("{}: holds {} bytes, expected {} to {}; remove it, and a new one is made",
                      path.string(), bytes.size(), kLeastBytes, kMostBytes);
  return bytes;
}

/// Makes the file unless another process was first; what went wrong, or empty.
std::string make_key(const std::filesystem::path& path) {
  std::error_code error;
  std::filesystem::create_directories(path.parent_path(), error);
  if (error) return error.message();
  // Written whole under a name of its own, then linked: nobody ever reads half a key.
  std::string temporary = path.string() + ".XXXXXX";
  {
    const Socket file(mkostemp(temporary.data(), O_CLOEXEC));  // readable by the owner alone
    if (!file.valid()) return std::strerror(errno);
    const std::string text = new_job_secret();
    if (write(file.fd(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
        fsync(file.fd()) != 0) {
      const std::string why = std::strerror(errno);
      unlink(temporary.c_str());
      return why;
    }
  }
  const bool made = link(temporary.c_str(), path.c_str()) == 0 || errno == EEXIST;
  const std::string why = made ? "" : std::strerror(errno);
  unlink(temporary.c_str());
  return why;
}

JobSecret none(const std::string& why) {
  return {.bytes = {},
          .origin = "nothing",
          .notice = fmt::format("any process that reaches rank 0's port may join this job: {}; set "
                                "SWALLOW_SECRET to the same {} or more random characters on all "
                                "ranks",
                                why, kLeastBytes)};
}

}  // namespace

std::string new_job_secret() {
  return hexadecimal(random_bytes(kNewBytes));
}

JobSecret find_job_secret(const EnvironmentLookup& lookup) {
  if (auto given = lookup("SWALLOW_SECRET")) {
    if (given->size() < kLeastBytes || given->size() > kMostBytes)
      throw ConfigError("SWALLOW_SECRET: {} characters, expected {} to {}", given->size(),
                        kLeastBytes, kMostBytes);
    return {.bytes = std::move(*given), .origin = "SWALLOW_SECRET", .notice = {}};
  }
  const auto path = key_file(lookup);
  if (!path) return none("HOME is not set");
  auto key = read_key(*path);
  if (!key) {
    const std::string why = make_key(*path);
    if (!why.empty()) return none(fmt::format("{} cannot be made: {}", path->string(), why));
    key = read_key(*path);
    if (!key) return none(fmt::format("{} is gone again", path->string()));
  }
  return {.bytes = std::move(*key), .origin = path->string(), .notice = {}};
}

}  // namespace swallow
