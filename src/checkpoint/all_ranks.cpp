#include "checkpoint/all_ranks.h"

#include <algorithm>
#include <new>

namespace swallow {

namespace {

/// One byte, 0 for success or else the exit code, then the result or the message.
std::string report(ExitCode code, std::string_view text) {
  std::string blob;
  blob.push_back(static_cast<char>(code));
  blob.append(text);
  return blob;
}

[[noreturn]] void throw_as(ExitCode code, ExitCode failure, const std::string& message) {
  if (code == ExitCode::internal) throw ContractError("{}", message);
  if (code == ExitCode::config) throw ConfigError("{}", message);
  if (code == ExitCode::crash_loop) throw CrashLoopError("{}", message);
  if (code == ExitCode::non_finite) throw NonFiniteError("{}", message);
  if (code == ExitCode::resources) throw ResourceError("{}", message);
  if (failure == ExitCode::io) throw IoError("{}", message);
  throw CheckpointError("{}", message);
}

}  // namespace

std::string attempt(ExitCode failure, const std::function<std::string()>& work) {
  try {
    return report(ExitCode::ok, work());
  } catch (const Error& error) {
    return report(error.code(), error.what());
  } catch (const std::bad_alloc& error) {
    return report(ExitCode::resources, error.what());
  } catch (const std::exception& error) {
    return report(failure, error.what());
  }
}

std::vector<std::string> agree(ControlPlane& control, ExitCode failure, std::string_view report) {
  std::vector<std::string> blobs = control.exchange(report);
  const auto is_failure = [](const std::string& blob) { return blob.at(0) != '\0'; };
  const auto first = std::ranges::find_if(blobs, is_failure);
  if (first != blobs.end()) {
    const auto others = std::ranges::count_if(blobs, is_failure) - 1;
    throw_as(static_cast<ExitCode>(first->at(0)), failure,
             fmt::format("rank {}: {}{}", first - blobs.begin(), first->substr(1),
                         others > 0 ? fmt::format(" ({} more ranks failed)", others) : ""));
  }
  for (std::string& blob : blobs) blob.erase(0, 1);
  return blobs;
}

std::vector<std::string> on_all_ranks(ControlPlane& control, ExitCode failure,
                                      const std::function<std::string()>& work) {
  return agree(control, failure, attempt(failure, work));
}

}  // namespace swallow
