// Errors and contracts. Every failure is an exception; `main` holds the only catch and turns the
// exit code carried here into the process's exit status. This file does no logging.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <string_view>

namespace swallow {

/// Exit status of the process. Job scripts decide by these numbers, so they never change.
enum class ExitCode : int {
  ok = 0,
  config = 2,       ///< usage, configuration, mixed versions: a human must act
  data = 3,         ///< bad or unreadable data or tokenizer
  checkpoint = 4,   ///< no valid checkpoint, an explicit one invalid, a change refused
  non_finite = 16,  ///< loss or gradient is not finite; weights were not touched
  bad_node = 69,    ///< node-check found a rank or link that is slow or wrong: exclude its host
  internal = 70,    ///< a contract of ours is broken: a bug
  resources = 71,   ///< memory, file descriptors or another limit of the machine
  io = 74,          ///< writing failed
  stopped = 75,     ///< state saved, time or grace is up: submit again
  peer_lost = 76,   ///< another rank died, hung or disagreed: submit again
  crash_loop = 78,  ///< job after job died without a new checkpoint: a human must look
};

/// Base of all our exceptions: a message for a person, and the exit code it ends with.
class Error : public std::runtime_error {
 public:
  Error(ExitCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  [[nodiscard]] ExitCode code() const noexcept { return code_; }

 private:
  ExitCode code_;
};

/// One exception type per exit code: `throw ConfigError("--lr {}: must be finite", text)`.
template <ExitCode kCode>
class CodedError : public Error {
 public:
  template <class... Args>
  explicit CodedError(fmt::format_string<Args...> format, Args&&... args)
      : Error(kCode, fmt::format(format, std::forward<Args>(args)...)) {}
};

using ConfigError =
    CodedError<ExitCode::config>;  ///< names the flag or key, its value, what is accepted
using DataError = CodedError<ExitCode::data>;  ///< names file, offset or line
using CheckpointError = CodedError<ExitCode::checkpoint>;
using NonFiniteError = CodedError<ExitCode::non_finite>;
using ResourceError = CodedError<ExitCode::resources>;
using DeviceError = CodedError<ExitCode::resources>;  ///< CUDA, cuBLAS, cuDNN, NCCL
using IoError = CodedError<ExitCode::io>;
using StoppedError = CodedError<ExitCode::stopped>;  ///< by a signal, with nothing to be saved
using CommError = CodedError<ExitCode::peer_lost>;
using CrashLoopError = CodedError<ExitCode::crash_loop>;
using ContractError = CodedError<ExitCode::internal>;

/// Throws ContractError; out of line so that SWALLOW_CHECK costs one branch.
[[noreturn]] void throw_contract(const char* file, int line, const char* condition,
                                 const std::string& detail);

}  // namespace swallow

/// A contract, always on: SWALLOW_CHECK(a == b, "shapes differ: {} and {}", a, b).
#define SWALLOW_CHECK(condition, ...)                                                      \
  do {                                                                                     \
    if (!(condition)) [[unlikely]]                                                         \
      ::swallow::throw_contract(__FILE__, __LINE__, #condition, fmt::format(__VA_ARGS__)); \
  } while (false)
