#include "train/attempt_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <ctime>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

namespace swallow {

namespace {

using Json = nlohmann::json;

std::string time_text() {
  const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm fields{};
  gmtime_r(&now, &fields);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", fields.tm_year + 1900,
                     fields.tm_mon + 1, fields.tm_mday, fields.tm_hour, fields.tm_min,
                     fields.tm_sec);
}

/// What the log says of one attempt.
struct Attempt {
  int64_t number = 0;
  int64_t iteration = 0;
  bool ended = false;  // in good order
};

int64_t integer(const Json& line, const char* key) {
  const auto found = line.find(key);
  return found != line.end() && found->is_number_integer() ? found->get<int64_t>() : -1;
}

std::vector<Attempt> parse(std::string_view text) {
  std::vector<Attempt> attempts;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const Json line = Json::parse(text.substr(at, end - at), nullptr, /*allow_exceptions=*/false);
    at = end + 1;
    if (!line.is_object()) continue;
    const int64_t number = integer(line, "attempt");
    if (number < 1) continue;
    if (line.contains("exit")) {
      if (!attempts.empty() && attempts.back().number == number) attempts.back().ended = true;
    } else {
      attempts.push_back({.number = number, .iteration = integer(line, "from_iteration")});
    }
  }
  return attempts;
}

}  // namespace

AttemptLog::AttemptLog(const std::filesystem::path& folder) {
  if (!folder.empty()) path_ = folder / "attempts.jsonl";
}

std::string AttemptLog::read() const {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path_, error)) return {};
  std::ifstream file(path_, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

int64_t AttemptLog::failed_in_a_row(int64_t iteration) const {
  if (path_.empty()) return 0;
  const std::vector<Attempt> attempts = parse(read());
  int64_t failed = 0;
  for (auto it = attempts.rbegin(); it != attempts.rend(); ++it, ++failed)
    if (it->ended || it->iteration != iteration) break;
  return failed;
}

void AttemptLog::begin(int64_t iteration, int64_t max_failed, const std::string& run_id,
                       const std::string& host) {
  if (path_.empty()) return;
  const int64_t failed = failed_in_a_row(iteration);
  if (max_failed > 0 && failed >= max_failed)
    throw CrashLoopError(
        "the last {} jobs began at iteration {} and died without a new checkpoint (see {}); "
        "expected "
        "at most {}. Once the cause is gone: remove that file, or give --max-failed-attempts 0",
        failed, iteration, path_.string(), max_failed - 1);
  const std::vector<Attempt> attempts = parse(read());
  number_ = attempts.empty() ? 1 : attempts.back().number + 1;
  append(Json{{"attempt", number_},
              {"from_iteration", iteration},
              {"run_id", run_id},
              {"host", host},
              {"time", time_text()}}
             .dump(-1, ' ', false, Json::error_handler_t::replace));
}

void AttemptLog::end(int64_t iteration, ExitCode code) {
  if (path_.empty()) return;
  append(Json{{"attempt", number_},
              {"iteration", iteration},
              {"exit", static_cast<int>(code)},
              {"time", time_text()}}
             .dump());
}

/// One write for a line, with a line's end before it where the last one lacks its own.
void AttemptLog::append(const std::string& line) const {
  std::error_code error;
  std::filesystem::create_directories(path_.parent_path(), error);
  const std::string text = read();
  const bool torn = !text.empty() && text.back() != '\n';
  const std::string bytes = fmt::format("{}{}\n", torn ? "\n" : "", line);
  const int fd = ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
  const ssize_t written = fd < 0 ? -1 : ::write(fd, bytes.data(), bytes.size());
  const int why = errno;
  if (fd >= 0) ::close(fd);
  if (written != static_cast<ssize_t>(bytes.size()))
    throw IoError("{}: cannot note the attempt: {}", path_.string(),
                  written < 0 ? std::strerror(why) : "the disk is full");
}

}  // namespace swallow
